"""How late we knew: from the vendor's time of an action to ours, over what was received live.

What came in a backlog says when we asked, not how fast the feed is: `arrival` = ``live`` of the current epoch only.
A latency below zero means that the vendor's clock is ahead of ours.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from recorder.archive import views
from recorder.query.percentiles import Spread, spread, spreads
from recorder.query.reading import Reader

# Ten to a decade, as preferred numbers (ISO 3, R10) in whole milliseconds, up to 800,000 s.
_FIRST = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 63, 80)
_STEPS = (100, 125, 160, 200, 250, 315, 400, 500, 630, 800)
_POSITIVE = (*_FIRST, *(step * 10**decade for decade in range(7) for step in _STEPS))
EDGES_MS = (*(-edge for edge in reversed(_POSITIVE)), 0, *_POSITIVE)
"""Where the bins of a histogram meet; what lies beyond is counted in the first, and in the last."""

_LATE = "a.received_us - a.occurred_us"


@dataclass(frozen=True, slots=True)
class Bin:
    """How many actions were at least ``from_ms`` late and less than ``to_ms``."""

    from_ms: int
    to_ms: int
    count: int


def latency(reader: Reader, stream_id: int) -> Spread:
    """Return the receive latency of one stream."""
    return spread(reader, f"SELECT {_LATE} AS value {_live('s.stream_id = :id')}", {"id": stream_id})


def latency_by_sport(reader: Reader, sport: str | None = None) -> dict[str, Spread]:
    """Return the receive latency of all streams of each sport, or of this one."""
    where = _live("s.sport = coalesce(:sport, s.sport)")
    return spreads(reader, f"SELECT s.sport AS kind, {_LATE} AS value {where}", {"sport": sport})


def histogram(reader: Reader, stream_ids: Iterable[int]) -> list[Bin]:
    """Return the receive latencies of these streams together, counted in bins of equal width on a logarithmic scale.

    From the first bin that holds any to the last, the empty ones between them too; [] when nothing came live.
    """
    counted: Counter[int] = Counter()
    for stream_id in stream_ids:
        for late_ms, actions in _by_millisecond(reader, stream_id):
            place = bisect_right(EDGES_MS, late_ms) - 1
            counted[min(max(place, 0), len(EDGES_MS) - 2)] += actions
    bins = [Bin(start, end, counted[place]) for place, (start, end) in enumerate(pairwise(EDGES_MS))]
    return bins[min(counted) : max(counted) + 1] if counted else []


def _by_millisecond(reader: Reader, stream_id: int) -> Iterator[tuple[int, int]]:
    """Yield each latency in whole milliseconds, rounded down, and how many actions had it."""
    floor = f"({_LATE} - (({_LATE}) % 1000 + 1000) % 1000) / 1000"  # `/` alone rounds towards zero
    for row in reader.stream(
        f"SELECT late_ms, count(*) AS actions FROM (SELECT {floor} AS late_ms {_live('s.stream_id = :id')}) f "
        "GROUP BY late_ms",
        {"id": stream_id},
    ):
        yield row.late_ms, row.actions


def _live(where: str) -> str:
    return (
        f"FROM stream s JOIN action a ON a.stream_id = s.stream_id AND a.epoch = {views.current_epoch('s')} "
        f"WHERE {where} AND a.arrival = 'live' AND a.occurred_us IS NOT NULL"
    )
