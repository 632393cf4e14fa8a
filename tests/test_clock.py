"""The clock that decides is not the one that people set."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder import clock

UPTIME = Path("/proc/uptime")


def up_ns() -> int:
    """How long the machine has been up, asleep or awake, in hundredths of a second."""
    seconds, hundredths = UPTIME.read_text().split()[0].split(".")
    return int(seconds + hundredths) * 10_000_000


@pytest.mark.skipif(not UPTIME.exists(), reason="only Linux tells how long it has been up")
def test_elapsed_time_is_since_the_machine_began() -> None:
    """Not since 1970: so it does not step when somebody sets the time of day."""
    before_ns, elapsed_ns, after_ns = up_ns(), clock.elapsed_ns(), up_ns()
    assert before_ns <= elapsed_ns <= after_ns + 10_000_000
