"""What is drawn along the match's time: the score in steps, and the bands where we or the vendor were away."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from recorder.charts.look import text_of
from recorder.charts.match_clock import MatchClock

_LEAST_BAND = 0.003
"""Of the whole time: what came in no time at all is still to be seen."""


@dataclass(frozen=True, slots=True)
class Band:
    """Something that was away, from second ``x`` to ``x2`` of the match clock; ``kind`` is one of `look.BANDS`."""

    x: float
    x2: float
    kind: str
    told: str


@dataclass(frozen=True, slots=True)
class Step:
    """The score of a side from second ``x`` on."""

    x: int
    side: str
    score: int


def steps(states: Sequence[Any], clock: MatchClock) -> list[Step]:
    """Return the scores of both sides where they change, at match times that never go back."""
    told = [state for state in states if state.home_score is not None and state.away_score is not None]
    places = accumulate((clock.at(state.period, state.clock_seconds) or 0 for state in told), max)
    found: list[Step] = []
    last: dict[str, int] = {}
    for x, state in zip(places, told, strict=True):
        for side, score in (("home", state.home_score), ("away", state.away_score)):
            if last.get(side) != score:
                found.append(Step(x, side, score))
                last[side] = score
    return found


def bands(states: Sequence[Any], gaps: Sequence[Any], clock: MatchClock) -> list[Band]:
    """Return where something was away, by the positions of the gaps; one without any lies where its times say.

    What began behind the last state is not drawn: at the moment that is asked about it was not there yet.
    """
    places = list(accumulate((clock.at(state.period, state.clock_seconds) or 0 for state in states), max))
    return [band for gap in gaps if (band := _band(gap, states, places, clock)) is not None]


def _band(gap: Any, states: Sequence[Any], places: Sequence[int], clock: MatchClock) -> Band | None:
    if gap.cause == "clock_step":  # our clock was set, and nothing was away
        return None
    since, until = _extent(gap, states)
    if since > len(states):
        return None
    start = places[since - 1] if since else 0
    end = places[until] if until < len(places) else clock.end
    kind = "the vendor's outage" if not gap.ours else "open gap" if gap.resolved_at is None else "gap, closed since"
    wide = max(end, start + clock.end * _LEAST_BAND)
    return Band(start, min(wide, clock.end), kind, text_of(f"{gap.cause}: {gap.detail}", 120))


def _extent(gap: Any, states: Sequence[Any]) -> tuple[int, int]:
    """Return how many of the states were before it, and before its end; one more than all: it began later."""
    ended = gap.to_time or gap.resolved_at
    since = _before(gap.from_position, gap.from_time, states)
    until = len(states) if gap.to_position is None and ended is None else _before(gap.to_position, ended, states)
    return since, max(since, until)


def _before(position: int | None, moment: Any, states: Sequence[Any]) -> int:
    if position is None:
        return sum(state.known_from <= moment for state in states)
    if states and position > states[-1].position + 1:
        return len(states) + 1
    return bisect_left(states, position, key=lambda state: state.position)
