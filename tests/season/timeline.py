"""Virtual time: what is to happen, in order. Nothing waits and nothing runs beside anything else."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

S = 1_000_000_000

_BEGIN_NS = 1000 * S
_MOST_HOURS = 5
_BETWEEN_LOOKS = 8

Call = Callable[[], None]


class Unending(AssertionError):
    """The match was not over in time."""


class Timeline:
    """``now_ns``: elapsed nanoseconds. What is due at the same moment happens in the order of asking."""

    def __init__(self) -> None:
        self.now_ns = _BEGIN_NS
        self._due: list[tuple[int, int, Call]] = []
        self._numbers = count()

    def after(self, seconds: float, call: Call) -> None:
        """Call it so much later."""
        self.at(self.now_ns + int(seconds * S), call)

    def at(self, due_ns: int, call: Call) -> None:
        """Call it at that moment."""
        heapq.heappush(self._due, (due_ns, next(self._numbers), call))

    def step(self, until_ns: int | None = None) -> None:
        """Let happen what is due next; if that is later than ``until_ns``, let the time until then pass."""
        if until_ns is not None and (not self._due or self._due[0][0] > until_ns):
            self.now_ns = max(self.now_ns, until_ns)
            return
        self.now_ns, _, call = heapq.heappop(self._due)
        if self.now_ns - _BEGIN_NS > _MOST_HOURS * 3600 * S:
            raise Unending(f"not over after {_MOST_HOURS} hours")
        call()

    def run(self, is_over: Callable[[], bool]) -> None:
        """Let happen what is due until ``is_over``, and a little more; raises Unending after too many hours."""
        while not is_over():
            if not self._due:
                raise Unending("nothing is due any more, and the match is not over")
            for _ in range(min(_BETWEEN_LOOKS, len(self._due))):
                self.step()
