"""At most 5 attempts in any sliding second: seen from the stamps of the turns, on one monotonic clock."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from recorder import clock, pacing
from recorder.pacing import DEFAULT_RATE, ConnectLimiter

ROOT = Path(__file__).parents[1]
SECOND = 1_000_000_000
SPACING = 220_000_000
"""Nanoseconds between two turns at the default rate."""

TURNS = """
import asyncio, sys, time
from pathlib import Path
from recorder.pacing import ConnectLimiter

async def turns():
    limiter = ConnectLimiter(state_directory=Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        await limiter.turn()
        print(time.monotonic_ns(), flush=True)

asyncio.run(turns())
"""


def process(state: Path, turns: int) -> subprocess.Popen[str]:
    """Start a recorder's limiter that begins when its standard input says so."""
    command = [sys.executable, "-c", TURNS, str(state), str(turns)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def stamps(limiter: ConnectLimiter, turns: int) -> list[int]:
    found = []
    for _ in range(turns):
        await limiter.turn()
        found.append(time.monotonic_ns())
    return found


def assert_paced(found: Sequence[int], spacing: int = SPACING) -> None:
    """A turn follows a turn by ``spacing``; so no sliding second holds six. Stamps are taken just after each turn."""
    late = 50_000_000  # how long a stamp may be taken after its turn on a busy machine
    ordered = sorted(found)
    assert min(after - before for before, after in pairwise(ordered)) >= spacing - late
    assert all(ordered[index + 5] - ordered[index] > SECOND for index in range(len(ordered) - 5))


async def many(limiter: ConnectLimiter, tasks: int, turns: int) -> list[int]:
    """Take turns from several tasks at once, as many streams do."""
    found = await asyncio.gather(*(stamps(limiter, turns) for _ in range(tasks)))
    return [stamp for each in found for stamp in each]


def test_twelve_turns_of_many_streams() -> None:
    """However many wait, and also at the beginning, no sliding second holds six."""
    assert DEFAULT_RATE == 5.0
    assert_paced(asyncio.run(many(ConnectLimiter(), tasks=6, turns=2)))


def test_twelve_turns_of_two_processes(tmp_path: Path) -> None:
    """Recorders that share a state directory share the limit, and both get their turns."""
    recorders = [process(tmp_path, 6) for _ in range(2)]
    for recorder in recorders:
        assert recorder.stdout is not None
        assert recorder.stdout.readline() == "ready\n"
    for recorder in recorders:
        assert recorder.stdin is not None
        recorder.stdin.write("\n")
        recorder.stdin.flush()
    found = [recorder.communicate(timeout=60)[0].split() for recorder in recorders]
    assert [len(each) for each in found] == [6, 6]
    assert_paced([int(stamp) for each in found for stamp in each])


def test_the_limit_outlives_a_process(tmp_path: Path) -> None:
    """One that is restarted again and again does not begin anew."""

    async def restarted() -> list[int]:
        found = []
        for _ in range(4):
            limiter = ConnectLimiter(state_directory=tmp_path)
            found += await stamps(limiter, 1)
            limiter.close()
        return found

    found = asyncio.run(restarted())
    assert min(after - before for before, after in pairwise(found)) >= SPACING - 50_000_000


def waited_ns(state: Path, rate: float) -> int:
    """Return how long the first turn takes in a state directory."""
    limiter = ConnectLimiter(rate, state)
    before = time.monotonic_ns()
    asyncio.run(limiter.turn())
    limiter.close()
    return time.monotonic_ns() - before


@pytest.mark.parametrize(
    "left",
    [
        b"",
        b"another-boot 99999999999999999999\n",
        f"{pacing._boot()} no number\n".encode(),
        b"\xff\0" * 50,
        f"{pacing._boot()} 00000000000000000001\n".encode(),
    ],
    ids=["new", "another boot", "no number", "damaged", "long ago"],
)
def test_a_stale_file_costs_nothing(tmp_path: Path, left: bytes) -> None:
    """What another boot, another program or a fault left there does not keep anybody waiting."""
    (tmp_path / "connect-turns").write_bytes(left)
    assert waited_ns(tmp_path, rate=0.1) < 11 * SECOND
    boot, stamp = (tmp_path / "connect-turns").read_bytes().splitlines()[0].decode().split()
    assert boot == pacing._boot()
    assert int(stamp) <= time.monotonic_ns()


def test_a_stamp_from_the_future_costs_one_spacing(tmp_path: Path) -> None:
    """A container's clock may be ahead of ours under the same boot: that must not stop us for days."""
    ahead = time.monotonic_ns() + 86_400 * SECOND
    (tmp_path / "connect-turns").write_text(f"{pacing._boot()} {ahead:020d}\n")
    assert SPACING <= waited_ns(tmp_path, DEFAULT_RATE) < 60 * SECOND


def test_other_rates_have_other_spacings() -> None:
    """Fifty a second are about 22 ms apart."""
    found = asyncio.run(stamps(ConnectLimiter(rate=50), 10))
    assert found[-1] - found[0] >= 9 * 21_000_000


def test_a_cancelled_wait_leaves_the_turn_to_others(tmp_path: Path) -> None:
    """A stream that gives up while waiting, with the file's lock in its hand, lets go of it."""

    async def give_up() -> None:
        limiter = ConnectLimiter(rate=0.01, state_directory=tmp_path)
        await limiter.turn()
        waiting = asyncio.create_task(limiter.turn())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await ConnectLimiter(rate=2000, state_directory=tmp_path).turn()

    asyncio.run(asyncio.wait_for(give_up(), 30))


def test_the_state_directory_is_made(tmp_path: Path) -> None:
    """With all that leads to it; the file is ours alone."""
    ConnectLimiter(state_directory=tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / "connect-turns").stat().st_mode & 0o777 == 0o600


# -- who is first ------------------------------------------------------------------------------------------------------


async def order_of(limiter: ConnectLimiter, urgencies: Sequence[int], leaving: Sequence[int] = ()) -> list[int]:
    """Ask for turns with these urgencies, one after the other; return who was served, in order."""
    served: list[int] = []

    async def wait(number: int) -> None:
        await limiter.turn(urgencies[number])
        served.append(number)

    await limiter.turn()
    waiting = [asyncio.create_task(wait(number)) for number in range(len(urgencies))]
    await asyncio.sleep(0)
    for number in leaving:
        waiting[number].cancel()
    await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 60)
    return served


def test_the_most_urgent_is_first() -> None:
    """The lowest number first, also when it came last; of equals the one that came first."""
    assert asyncio.run(order_of(ConnectLimiter(rate=20), [1, 2, 1, 0, 2, 0])) == [3, 5, 0, 2, 1, 4]


@pytest.mark.parametrize("leaving", [(0,), (3,), (3, 5), (0, 1, 2, 3, 4)])
def test_who_leaves_blocks_nobody(tmp_path: Path, leaving: tuple[int, ...]) -> None:
    """A waiter that is cancelled, in front or in the middle, is left out."""
    expected = [number for number in (3, 5, 0, 2, 1, 4) if number not in leaving]
    found = asyncio.run(order_of(ConnectLimiter(20, tmp_path), [1, 2, 1, 0, 2, 0], leaving))
    assert found == expected


def test_the_most_urgent_of_a_crowd_is_paced_too() -> None:
    """Urgency changes the order and not the rate."""

    async def crowd(limiter: ConnectLimiter) -> list[int]:
        found: list[int] = []

        async def wait(urgency: int) -> None:
            await limiter.turn(urgency)
            found.append(time.monotonic_ns())

        await asyncio.gather(*(wait(number % 3) for number in range(8)))
        return found

    assert_paced(asyncio.run(crowd(ConnectLimiter())))


# -- slowing down ------------------------------------------------------------------------------------------------------


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass at once."""
    real, passed = clock.elapsed_ns, [0]
    monkeypatch.setattr(clock, "elapsed_ns", lambda: real() + passed[0])

    def pass_by(seconds: float) -> None:
        passed[0] += int(seconds * SECOND)

    return pass_by


Later = Callable[[float], None]


@pytest.mark.parametrize("shared", [True, False])
def test_the_rate_halves_to_an_eighth(tmp_path: Path, shared: bool, later: Later) -> None:
    """Each 429 doubles the spacing, up to eight times; ten minutes after the last one it is as before, at once."""
    limiter = ConnectLimiter(state_directory=tmp_path if shared else None)
    found = [limiter.spacing_s]
    for _ in range(5):
        limiter.slow_down()
        later(pacing.SLOW_S - 10)  # each one begins the ten minutes anew
        found.append(limiter.spacing_s)
    later(11)
    found.append(limiter.spacing_s)
    assert found == pytest.approx([0.23, 0.46, 0.92, 1.84, 1.84, 1.84, 0.23])
    assert pacing.SLOW_S == 600
    limiter.slow_down()
    assert limiter.spacing_s == pytest.approx(0.46)


def test_turns_obey_a_slow_down() -> None:
    """Turns that are waited for already come at the new pace."""

    async def main() -> list[int]:
        limiter = ConnectLimiter(rate=50)
        await limiter.turn()
        waiting = asyncio.create_task(stamps(limiter, 4))
        await asyncio.sleep(0)
        limiter.slow_down()
        limiter.slow_down()
        return await waiting

    found = asyncio.run(main())
    assert found[-1] - found[0] >= 3 * 4 * 21_000_000


def test_all_recorders_slow_down(tmp_path: Path) -> None:
    """One recorder's 429 slows every other one that shares the state directory, and those that start later."""
    one, other = ConnectLimiter(state_directory=tmp_path), ConnectLimiter(state_directory=tmp_path)
    one.slow_down()
    asyncio.run(other.turn())  # a turn that is taken leaves the slow-down as it is
    other.slow_down()
    third = ConnectLimiter(state_directory=tmp_path)
    assert [limiter.spacing_s for limiter in (one, other, third)] == pytest.approx([0.92] * 3)
    assert ConnectLimiter().spacing_s == pytest.approx(0.23)


STAMP = f"{pacing._boot()} {time.monotonic_ns():020d}\n"


@pytest.mark.parametrize(
    "left",
    [
        "",
        STAMP,
        STAMP + "slower 4\n",
        STAMP + "slower 1000000 00000000000000000001\n",
        STAMP + f"slower 4 {time.monotonic_ns() + 86_400 * SECOND:020d}\n",
        STAMP + "\0" * 40,
        f"another-boot 00000000000000000001\nslower 8 {time.monotonic_ns():020d}\n",
    ],
    ids=["new", "old format", "cut", "impossible", "from the future", "damaged", "another boot"],
)
def test_a_file_that_says_nothing_slows_nobody(tmp_path: Path, left: str) -> None:
    """Only a slow-down of this boot, in the form that we write, is one; and it can be written over anything."""
    (tmp_path / "connect-turns").write_text(left)
    limiter = ConnectLimiter(state_directory=tmp_path)
    assert limiter.spacing_s == pytest.approx(0.23)
    limiter.slow_down()
    assert limiter.spacing_s == pytest.approx(0.46)
