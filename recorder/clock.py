"""The two clocks of the machine. Decisions go by `elapsed_ns`; `wall_us` is only ever written down.

Called as ``clock.wall_us()``, so that a test can set the wall clock wrong.
"""

from __future__ import annotations

import time

# Linux stops CLOCK_MONOTONIC while the machine sleeps: a laptop that wakes up would take dead connections for fresh
# ones. Elsewhere there is only the one.
_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_ns() -> int:
    """Return nanoseconds that never step back and go on while the machine sleeps; comparable within one boot."""
    return time.clock_gettime_ns(_ELAPSED)


def wall_us() -> int:
    """Return microseconds since 1970-01-01 UTC by the machine's own idea of the time, which may step."""
    return time.time_ns() // 1000
