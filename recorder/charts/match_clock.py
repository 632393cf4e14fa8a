"""One line of time for a whole match: its periods one behind the other, in seconds of play.

The vendor's clock starts again in each period of some sports, goes on from 45:00 in football, whose first half may have
run to 48:03 by then, and counts down in others. A period is as long as the clocks that were seen in it are apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

LONGEST_S = 4 * 3600
"""A clock further than this from the beginning of its period is drawn there: one odd value must not hide the match."""

_STEPS_S = (60, 300, 600, 900, 1800, 3600)
_MOST_TICKS = 12
_MOST_WITH_TICKS = 6
"""Of more periods (snooker's frames) the names say where one is."""

Clock = tuple[int | None, int | None]
"""A period and its clock in seconds; None where it is not told."""


@dataclass(frozen=True, slots=True)
class Span:
    """A period on the line: it begins at ``start`` with the clock at ``first``, and lasts ``length`` seconds."""

    period: int
    start: int
    length: int
    first: int
    counts_down: bool

    def at(self, clock: int) -> int:
        """Return where a clock of this period is on the line."""
        played = self.first - clock if self.counts_down else clock - self.first
        return self.start + max(0, min(played, self.length))


class MatchClock:
    """Made from all clocks of a match, in the order in which they were told. Period 0 is outside play."""

    def __init__(self, told: Iterable[Clock]) -> None:
        clocks: dict[int, list[int]] = {}
        for period, clock in told:
            if period and clock is not None:
                clocks.setdefault(period, []).append(clock)
        self._spans: dict[int, Span] = {}
        self.end = 0
        """How long the line is, in seconds."""
        for period in sorted(clocks):
            span = _span(period, self.end, clocks[period])
            self._spans[period] = span
            self.end += span.length

    @property
    def spans(self) -> Sequence[Span]:
        """The periods, in their order."""
        return list(self._spans.values())

    def at(self, period: int | None, clock: int | None) -> int | None:
        """Return where a clock is on the line; None for what is outside play, or tells no clock."""
        span = self._spans.get(period or 0)
        return None if span is None or clock is None else span.at(clock)

    def ticks(self) -> list[tuple[int, int]]:
        """Return where to write the clock, in whole minutes, as (place, clock in seconds); few enough to read."""
        if len(self._spans) > _MOST_WITH_TICKS:
            return []
        for step in _STEPS_S:
            found = [tick for span in self.spans for tick in _ticks(span, step)]
            if len(found) <= _MOST_TICKS:
                return found
        return []


def _span(period: int, start: int, clocks: list[int]) -> Span:
    down = sum(after < before for before, after in pairwise(clocks))
    counts_down = down > sum(after > before for before, after in pairwise(clocks))
    first = max(clocks) if counts_down else min(clocks)
    length = min(max(clocks) - min(clocks), LONGEST_S)
    return Span(period, start, length, first, counts_down)


def _ticks(span: Span, step: int) -> list[tuple[int, int]]:
    last = span.first - span.length if span.counts_down else span.first + span.length
    low, high = min(span.first, last), max(span.first, last)
    clocks = range(-(-low // step) * step, high + 1, step)
    # Where a period begins the one before it ends: its own last clock may stand there already.
    return [(span.at(clock), clock) for clock in clocks if clock != span.first or not span.start]
