"""What was recorded of each stream, and how well: one row a stream, and one for all streams of a sport.

Everything is asked by the stream's key, one stream after the other: one is quick, and all of them need no more memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.query.confirming import Revisions, confirming, confirming_by_sport, revisions
from recorder.query.latency import latency, latency_by_sport
from recorder.query.percentiles import NOTHING, Spread, greatest, least
from recorder.query.reading import Reader
from recorder.query.silences import Silences, silences

SILENCE_US = 20_000_000
"""The vendor sends heartbeats every 10 s; after 25 s without a message recorder itself takes a connection for dead."""

_SUSPENDED = "collectionsuspended"


@dataclass(frozen=True, slots=True)
class Sessions:
    """``count`` connections by so many ``recorders`` (processes) on these ``hosts``.

    ``reconnects``: how each connection ended that another one followed, and how often.
    """

    count: int = 0
    recorders: int = 0
    hosts: frozenset[str] = frozenset()
    reconnects: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Sessions) -> Sessions:
        """Return both together; a recorder of several streams counts once for each."""
        return Sessions(
            self.count + other.count,
            self.recorders + other.recorders,
            self.hosts | other.hosts,
            self.reconnects + other.reconnects,
        )


@dataclass(frozen=True, slots=True)
class GapCount:
    """Gaps of one cause. ``ours``: a doubt about our recording; else the vendor's own outage."""

    cause: str
    ours: bool
    open: int
    resolved: int


@dataclass(frozen=True, slots=True)
class Suspensions:
    """Spans of our receive time in which the vendor's collection was suspended.

    Seconds are those of the spans that have ended; ``is_open``: one has not.
    """

    count: int = 0
    total_s: float = 0.0
    longest_s: float | None = None
    is_open: bool = False

    def __add__(self, other: Suspensions) -> Suspensions:
        """Return both together."""
        return Suspensions(
            self.count + other.count,
            self.total_s + other.total_s,
            greatest(self.longest_s, other.longest_s),
            self.is_open or other.is_open,
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one stream (a row of the `streams` view), or of all ``streams`` of a sport, where ``stream`` is None.

    ``recorded_from`` and ``recorded_to``: the first and the last moment at which anything was received, microseconds
    UTC; heartbeats included at the end.
    """

    sport: str
    stream: Row[Any] | None
    streams: int
    recorded_from_us: int | None
    recorded_to_us: int | None
    sessions: Sessions
    gaps: tuple[GapCount, ...]
    silences: Silences
    suspensions: Suspensions
    revisions: Revisions
    latency: Spread
    confirming: Spread

    def __add__(self, other: Coverage) -> Coverage:
        """Return both together, but for their percentiles, which cannot be added."""
        return Coverage(
            sport=self.sport,
            stream=None,
            streams=self.streams + other.streams,
            recorded_from_us=least(self.recorded_from_us, other.recorded_from_us),
            recorded_to_us=greatest(self.recorded_to_us, other.recorded_to_us),
            sessions=self.sessions + other.sessions,
            gaps=_both(self.gaps, other.gaps),
            silences=self.silences + other.silences,
            suspensions=self.suspensions + other.suspensions,
            revisions=self.revisions + other.revisions,
            latency=NOTHING,
            confirming=NOTHING,
        )


def coverage(reader: Reader, stream: Row[Any], silence_us: int = SILENCE_US) -> Coverage:
    """Return the coverage of one stream, a row of the `streams` view. ``silence_us``: what is longer is a silence."""
    stream_id = stream.stream_id
    first_us, last_us = _moments(reader, stream_id)
    return Coverage(
        sport=stream.sport,
        stream=stream,
        streams=1,
        recorded_from_us=first_us,
        recorded_to_us=last_us,
        sessions=_sessions(reader, stream_id),
        gaps=_gaps(reader, stream_id),
        silences=silences(reader, stream_id, silence_us),
        suspensions=suspensions(_collection(reader, stream_id)),
        revisions=revisions(reader, stream_id),
        latency=latency(reader, stream_id),
        confirming=confirming(reader, stream_id),
    )


def by_sport(reader: Reader, found: Iterable[Coverage], sport: str | None = None) -> Iterator[Coverage]:
    """Yield each sport (or this one) as a whole; ``found`` must be all its streams."""
    late, waits = latency_by_sport(reader, sport), confirming_by_sport(reader, sport)
    sports: dict[str, Coverage] = {}
    for each in found:
        known = sports.get(each.sport)
        sports[each.sport] = known + each if known else each
    for name, total in sorted(sports.items()):
        yield replace(total, stream=None, latency=late.get(name, NOTHING), confirming=waits.get(name, NOTHING))


def suspensions(changes: Iterable[tuple[int, str]]) -> Suspensions:
    """Return the suspensions in the changes of the collection's status, in the vendor's order.

    ``changes``: when we received each (microseconds UTC) and the vendor's word, which differs from the one before.
    """
    known = [(at_us, word.lower() == _SUSPENDED) for at_us, word in changes]
    spans = [max(0, until_us - at_us) for (at_us, is_suspended), (until_us, _) in pairwise(known) if is_suspended]
    is_open = bool(known) and known[-1][1]
    return Suspensions(len(spans) + is_open, sum(spans) / 1e6, max(spans) / 1e6 if spans else None, is_open)


def _moments(reader: Reader, stream_id: int) -> tuple[int | None, int | None]:
    row = reader.rows(
        """
        SELECT min(f.received_us) AS first_us, max(f.received_us) AS last_us,
          (SELECT max(last_heartbeat_us) FROM session WHERE stream_id = :id) AS heartbeat_us
        FROM frame f WHERE f.stream_id = :id""",
        {"id": stream_id},
    )[0]
    return row.first_us, max(filter(None, (row.last_us, row.heartbeat_us)), default=None)


def _sessions(reader: Reader, stream_id: int) -> Sessions:
    rows = reader.rows(
        "SELECT recorder, host, outcome FROM session WHERE stream_id = :id ORDER BY opened_us, session_id",
        {"id": stream_id},
    )
    ended = Counter(row.outcome or "not closed" for row in rows[:-1])
    hosts = frozenset(row.host for row in rows)
    return Sessions(len(rows), len({(row.host, row.recorder) for row in rows}), hosts, ended)


def _gaps(reader: Reader, stream_id: int) -> tuple[GapCount, ...]:
    rows = reader.rows(
        """
        SELECT cause, ours, count(*) - count(resolved_us) AS open_gaps, count(resolved_us) AS resolved
        FROM gap WHERE stream_id = :id GROUP BY cause, ours ORDER BY cause, ours""",
        {"id": stream_id},
    )
    return tuple(GapCount(row.cause, bool(row.ours), row.open_gaps, row.resolved) for row in rows)


def _collection(reader: Reader, stream_id: int) -> list[tuple[int, str]]:
    rows = reader.rows(
        f"""
        SELECT received_us, collection_status FROM (
          SELECT a.position, a.received_us, a.collection_status,
            lag(a.collection_status) OVER (ORDER BY a.position) AS before
          FROM stream s JOIN action a ON a.stream_id = s.stream_id AND a.epoch = {views.current_epoch("s")}
          WHERE s.stream_id = :id AND a.collection_status IS NOT NULL
        ) told
        WHERE before IS NULL OR before <> collection_status ORDER BY position""",
        {"id": stream_id},
    )
    return [(row.received_us, row.collection_status) for row in rows]


def _both(one: Iterable[GapCount], other: Iterable[GapCount]) -> tuple[GapCount, ...]:
    found: dict[tuple[str, bool], GapCount] = {}
    for gap in (*one, *other):
        known = found.get((gap.cause, gap.ours))
        opened, resolved = (known.open, known.resolved) if known else (0, 0)
        found[gap.cause, gap.ours] = replace(gap, open=gap.open + opened, resolved=gap.resolved + resolved)
    return tuple(found[key] for key in sorted(found))
