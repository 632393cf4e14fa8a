"""How late the loop is: by hand, and in a real loop that is blocked."""

from __future__ import annotations

import asyncio
import time

from recorder.metrics.pulse import BEAT_S, WINDOW_S, Pulse


def beaten(*ages: float) -> Pulse:
    """Return a pulse that beat at these times from now."""
    pulse = Pulse()
    began = time.monotonic()
    for age in ages:
        pulse.beat(began + age)
    return pulse


def test_the_worst_is_told() -> None:
    """A scrape long after the loop was late still sees by how much."""
    assert 2.9 < beaten(BEAT_S, 2 * BEAT_S + 3, 3 * BEAT_S + 3).lag_s() < 3.1


def test_the_worst_is_forgotten() -> None:
    """After a window it is still told, after two no more."""
    late = (3.0, *(3.0 + n * BEAT_S for n in range(1, int(WINDOW_S / BEAT_S) + 1)))
    assert beaten(*late).lag_s() > 2
    assert beaten(*late, *(late[-1] + n * BEAT_S for n in range(1, int(WINDOW_S / BEAT_S) + 2))).lag_s() < 0.1


def test_early_is_not_late() -> None:
    """A wake-up before its time is none of our troubles."""
    assert beaten(0.1, 0.2).lag_s() == 0


def test_a_loop_that_is_stuck_now() -> None:
    """Nothing has to come to an end before it is seen."""
    pulse = Pulse()
    pulse.beat(time.monotonic() - 100)
    assert pulse.age_s() >= 100
    assert pulse.lag_s() >= 99


def test_a_blocked_loop() -> None:
    """A step that takes long is seen by the pulse of a real loop, which beats before and after it."""

    async def main() -> Pulse:
        pulse = Pulse()
        beating = asyncio.create_task(pulse.run())
        await asyncio.sleep(0)
        time.sleep(BEAT_S + 0.4)  # noqa: ASYNC251 - it is what is to be seen
        await asyncio.sleep(0.01)
        beating.cancel()
        return pulse

    assert asyncio.run(main()).lag_s() > 0.3
