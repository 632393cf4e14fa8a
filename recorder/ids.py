"""Ids that are time-ordered and unique without asking anyone."""

from __future__ import annotations

import secrets

_RANDOM_BITS = 21


class TimeOrderedIds:
    """Hands out 63-bit ids: milliseconds since 1970 (42 bits, until 2109), then 21 random bits.

    Two recorders can only meet on one id when they draw the same of 2 million numbers in the same millisecond for
    the same stream. Within one process ids always grow, even when the wall clock is set back.
    """

    def __init__(self, last: int = 0) -> None:
        self._last = last

    def next(self, now_us: int) -> int:
        """Return an id for the moment ``now_us`` (microseconds UTC), greater than every id handed out before."""
        fresh = (now_us // 1000 << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        self._last = max(fresh, self._last + 1)
        return self._last
