"""What waits in a spool for Postgres: for people. Nothing is shipped, or not shipped, because of what is said here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, func, or_, select

from recorder.archive import tables
from recorder.archive.dialect import DiskErrors, parse_url
from recorder.errors import RecorderError
from recorder.model import Stream

_CONNECT_S = 3
_STREAMS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Backlog:
    """How a stream of the spool stands.

    ``frames``: in the spool. ``missing``: of these, not in Postgres, as far as is known (see `backlog`).
    ``since_us``: when the oldest of the missing ones was received, microseconds UTC; None: nothing is missing.
    """

    stream_id: int
    name: str
    frames: int
    missing: int
    since_us: int | None


def backlog(spool_url: str, target_url: str | None) -> list[Backlog]:
    """Return how every stream of a spool stands, the one that has waited longest first; [] when there is no spool.

    Postgres is asked. When it is away, what its recorder last knew to be there counts, which may be less than there is.
    Counting reads all of the spool: seconds for a gigabyte. Without ``target_url`` Postgres is not asked, and only the
    streams count that were not yet proven to be there: for those who look again and again.
    """
    url, dialect = parse_url(spool_url)
    if not dialect.exists(url):
        return []
    engine = dialect.reader(url)
    try:
        with DiskErrors(dialect, url), engine.connect() as spool:
            streams = spool.execute(select(tables.stream) if target_url else _unproven()).all()
            ours = _frames(spool, None if target_url else [stream.stream_id for stream in streams])
            known = _known_there(target_url, ours) if target_url else None
            if known is None:
                shipment = tables.shipment.c
                rows = spool.execute(select(shipment.stream_id, shipment.frames)).all()
                known = {row.stream_id: row.frames for row in rows}
            found = [
                _standing(spool, stream, sum(ours.get(stream.stream_id, {}).values()), known.get(stream.stream_id, 0))
                for stream in streams
            ]
    finally:
        engine.dispose()
    return sorted(found, key=lambda each: (each.since_us is None, each.since_us, each.name))


def _unproven() -> Select[Any]:
    """Return the SELECT of the streams that were not found whole in Postgres since they were last written."""
    shipment, stream = tables.shipment.c, tables.stream.c
    proven = exists().where(shipment.stream_id == stream.stream_id, shipment.verified_us.is_not(None))
    return select(tables.stream).where(or_(stream.ended.is_(None), ~proven))


def _frames(connection: Connection, stream_ids: list[int] | None = None) -> Mapping[int, Mapping[int, int]]:
    """Return how many frames there are of each session of each stream."""
    frame = tables.frame.c
    wanted = select(frame.stream_id, frame.session_id, func.count().label("frames"))
    if stream_ids is not None:
        wanted = wanted.where(frame.stream_id.in_(stream_ids))
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for stream_id, session_id, frames in connection.execute(wanted.group_by(frame.stream_id, frame.session_id)):
        found[stream_id][session_id] = frames
    return found


def _known_there(target_url: str, ours: Mapping[int, Mapping[int, int]]) -> dict[int, int] | None:
    """Return how many of the spool's frames Postgres holds of each stream; None: it cannot say."""
    url, dialect = parse_url(target_url)
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(_CONNECT_S)})
    engine, ids, known = dialect.reader(url), list(ours), dict[int, int]()
    try:
        with DiskErrors(dialect, url), engine.connect() as target:
            for start in range(0, len(ids), _STREAMS_AT_ONCE):
                for stream_id, sessions in _frames(target, ids[start : start + _STREAMS_AT_ONCE]).items():
                    # Other recorders' sessions are not ours to ship.
                    known[stream_id] = sum(sessions.get(session_id, 0) for session_id in ours[stream_id])
    except RecorderError:
        return None
    finally:
        engine.dispose()
    return known


def _standing(spool: Connection, stream: Row[Any], frames: int, known: int) -> Backlog:
    frame = tables.frame.c
    missing, since_us = max(0, frames - known), None
    if missing:
        # They are shipped in this order.
        first = select(frame.received_us).where(frame.stream_id == stream.stream_id)
        ordered = first.order_by(frame.session_id, frame.frame_number)
        since_us = spool.execute(ordered.offset(min(known, frames - 1)).limit(1)).scalar()
    name = Stream(stream.feed, stream.sport, stream.fixture_id, stream.channel).name
    return Backlog(stream.stream_id, name, frames, missing, since_us)
