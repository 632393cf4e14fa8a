"""How long one stream waits before it dials again: so that many streams bother nobody, and one that gets on is fast."""

from __future__ import annotations

import random

from recorder.account import REFUSALS
from recorder.feed.decisions import Distrusted, NotYet, Refused, Retry

_MOST_S = 60.0
_MOST_AT_ONCE = 8
"""Connections in a row that ask for another one at once: more than any proof needs is a vendor that flaps."""


class Backoff:
    """Of one stream. ``unit_s``: the first and smallest step; ``poll_s``: between two looks for what is not there."""

    def __init__(self, unit_s: float, poll_s: float) -> None:
        self._unit_s = unit_s
        self._poll_s = poll_s
        self.failures = 0
        """In a row, since something was stored or a connection survived."""
        self.refusals = 0
        """In a row."""
        self._at_once = 0

    def survived(self) -> None:
        """The last connection brought something new, or lived for long: by nothing else is a back-off taken back."""
        self.failures = self._at_once = 0

    def seconds(self, decision: Retry | NotYet | Refused | Distrusted, *, got_on: bool) -> float:
        """Return how long to wait. ``got_on``: the last connection carried a proof further."""
        self.refusals = self.refusals + 1 if isinstance(decision, Refused | Distrusted) else 0
        if isinstance(decision, Retry) and decision.at_once and self._at_once < _MOST_AT_ONCE:
            self._at_once += 1
            return 0.0
        self._at_once = 0
        least = 0.0 if isinstance(decision, Distrusted) else decision.after
        if isinstance(decision, NotYet) or self.refusals >= REFUSALS:
            return max(self._poll_s, least) * random.uniform(1.0, 1.25)
        # Full jitter: many streams that were dropped together must not come back together.
        ceiling = min(_MOST_S, self._unit_s * 2**self.failures) if self.failures else 0.0
        # A proof that gets on ends after so many connections as there are actions; it must not take hours.
        self.failures += not got_on
        spread = decision.spread if isinstance(decision, Retry) else 0.0
        return least + random.uniform(0, ceiling) + random.uniform(0, spread)
