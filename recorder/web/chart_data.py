"""What the chart of a match draws: score and pace over match time, with the bands where something was away. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from recorder.charts.lines import bands, steps
from recorder.charts.look import text_of
from recorder.charts.match_clock import MatchClock
from recorder.model import moment_text
from recorder.query.story import Revision
from recorder.web.gathered import Gathered
from recorder.web.match import suspension

_BUCKETS_S = (15, 30, 60, 120, 300, 600)
_MOST_BUCKETS = 240
_VENDORS = "the vendor's outage"


@dataclass(frozen=True, slots=True)
class _State:
    """A packet as `charts.lines` looks at it: a row of the view `states`."""

    position: int
    known_from: str
    period: int | None
    clock_seconds: int | None
    home_score: int | None
    away_score: int | None


def chart_data(gathered: Gathered) -> dict[str, Any]:
    """Return the chart as JSON holds it; every list is empty when no packet tells a clock in play.

    ``x``: seconds of match time, a point at the beginning of each bucket and wherever the score changes. ``density``:
    actions a minute in the bucket. ``bands``: from second to second, ``gap`` (something of ours may be missing, or was)
    or ``suspended`` (the vendor itself was away, or collected nothing).
    """
    states = [_state(each) for each in gathered.revisions]
    clock = MatchClock(
        [
            *((state.period, state.clock_seconds) for state in states),
            *((entry.shown.period, entry.shown.clock_seconds) for entry in gathered.entries),
        ]
    )
    if not clock.end:
        return {
            **_names(gathered),
            "unit": _UNIT,
            "x": [],
            "home": [],
            "away": [],
            "density": [],
            "bands": [],
            "periods": [],
        }
    width = next((each for each in _BUCKETS_S if clock.end / each <= _MOST_BUCKETS), _BUCKETS_S[-1])
    moves = steps(states, clock)
    x = sorted({*range(0, clock.end + 1, width), *(move.x for move in moves), clock.end})
    of_epoch = [gap for gap in gathered.gaps if gap.epoch == gathered.epoch]
    labels = {each.number: each.label for each in gathered.periods}
    return {
        **_names(gathered),
        "unit": _UNIT,
        "x": x,
        "home": _scores(x, [(move.x, move.score) for move in moves if move.side == "home"]),
        "away": _scores(x, [(move.x, move.score) for move in moves if move.side == "away"]),
        "density": _density(gathered, clock, x, width),
        "bands": [
            *({"kind": "suspended" if band.kind == _VENDORS else "gap", "from": band.x, "to": band.x2,
               "label": band.told} for band in bands(states, of_epoch, clock)),
            *_suspensions(gathered.revisions, states, clock),
        ],
        "periods": [
            {"at": span.start, "label": labels.get(span.period, f"Period {span.period}")} for span in clock.spans
        ],
    }  # fmt: skip


_UNIT = "seconds of match time"


def _names(gathered: Gathered) -> dict[str, str | None]:
    stream = gathered.stream
    return {f"{side}_team": name and text_of(name) for side, name in
            (("home", stream.home_team), ("away", stream.away_team))}  # fmt: skip


def _state(each: Revision) -> _State:
    return _State(
        position=each.position,
        known_from=moment_text(each.received_us),
        period=each.current_period,
        clock_seconds=each.current_clock_seconds,
        home_score=each.home_score,
        away_score=each.away_score,
    )


def _scores(x: Sequence[int], moves: Sequence[tuple[int, int]]) -> list[int | None]:
    places = [place for place, _ in moves]
    found = (bisect_right(places, each) for each in x)
    return [moves[at - 1][1] if at else None for at in found]


def _density(gathered: Gathered, clock: MatchClock, x: Sequence[int], width: int) -> list[float]:
    places = (clock.at(entry.shown.period, entry.shown.clock_seconds) for entry in gathered.entries if entry.stands)
    counted = Counter(place // width for place in places if place is not None)
    return [round(counted[each // width] * 60 / width, 2) for each in x]


def _suspensions(
    revisions: Sequence[Revision], states: Sequence[_State], clock: MatchClock
) -> Iterator[dict[str, Any]]:
    """Yield where the vendor said that it collects nothing, until it said something else."""
    places = list(accumulate((clock.at(state.period, state.clock_seconds) or 0 for state in states), max))
    since: tuple[int, str] | None = None
    for each, place in zip(revisions, places, strict=True):
        if each.collection_status is None:
            continue
        said = suspension(each.collection_status)
        if since is not None and not said:
            yield {"kind": "suspended", "from": since[0], "to": place, "label": since[1]}
            since = None
        elif since is None and said:
            since = place, said
    if since is not None:
        yield {"kind": "suspended", "from": since[0], "to": clock.end, "label": since[1]}
