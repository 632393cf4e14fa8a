"""What came of asking the vendor again, as rows; and which streams were asked again, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, select

from recorder.archive import tables
from recorder.archive.chains import content_chain, content_start
from recorder.feed.auditing import Finding, Reading, compare, told, told_of_rest
from recorder.feed.holdable import sentence
from recorder.model import ACTIONS, Asked, Audit


@dataclass(frozen=True, slots=True)
class Asking:
    """One time of asking again: of which stream and how, from when to when (microseconds UTC), and what is current.

    ``session_id`` is None when no connection was made for it.
    """

    stream_id: int
    audit_id: int
    asked: Asked
    began_us: int
    ended_us: int
    session_id: int | None
    epoch: int


def of_websocket(asking: Asking, reading: Reading, why: str) -> Audit:
    """Return the row for a read of the list; ``why`` it was over, which is told where it did not come to its end."""
    if reading.listed is None:
        return unanswered(asking, f"not read to its end: {why}")
    found = compare(reading.before, reading.listed)
    return _row(asking, found, reading.listed, told(found, len(reading.before)))


def of_rest(asking: Asking, ours: Sequence[bytes], theirs: Sequence[bytes]) -> Audit:
    """Return the row for a list that the REST gave; nothing of it is stored as actions, so ``late`` are still missing.

    Both are content digests in order, ``ours`` those of the list that is current.
    """
    return _row(asking, compare(ours, theirs), theirs, told_of_rest(ours, theirs))


def unanswered(asking: Asking, why: str) -> Audit:
    """Return the row for a question that brought no list."""
    return Audit(
        **asdict(asking),
        listed=0,
        equal=0,
        late=0,
        changed_at=None,
        root=None,
        verdict="unanswered",
        detail=sentence(why),
    )


def _row(asking: Asking, found: Finding, listed: Sequence[bytes], detail: str) -> Audit:
    return Audit(
        **asdict(asking),
        listed=found.listed,
        equal=found.equal,
        late=found.late,
        changed_at=found.changed_at,
        root=content_chain(content_start(asking.stream_id), listed),
        verdict=found.verdict,
        detail=detail,
    )


@dataclass(frozen=True, slots=True)
class Past:
    """``over_us``: when the last action came that no audit brought; None: there is none, or the stream goes on.

    ``audited_us``: when the last audit began that was answered. Microseconds UTC.
    """

    over_us: int | None
    audited_us: int | None


def past(connection: Connection, stream_id: int) -> Past:
    """Return what the rows say of a stream's end, and of how it was asked again since."""
    stream, action, audit = tables.stream.c, tables.action.c, tables.audit.c
    ended = connection.execute(select(stream.ended).where(stream.stream_id == stream_id)).scalar()
    over_us = connection.execute(
        select(func.max(action.received_us)).where(action.stream_id == stream_id, action.arrival != "audit")
    ).scalar()
    audited_us = connection.execute(
        select(func.max(audit.began_us)).where(
            audit.stream_id == stream_id, audit.asked == "websocket", audit.verdict != "unanswered"
        )
    ).scalar()
    return Past(None if ended is None else over_us, audited_us)


def ended_since(connection: Connection, since_us: int) -> list[int]:
    """Return the ids of the streams of actions that have ended, and of which something came since then."""
    stream, action = tables.stream.c, tables.action.c
    came = select(action.stream_id).where(
        action.stream_id == stream.stream_id, action.received_us >= since_us, action.arrival != "audit"
    )
    found = select(stream.stream_id).where(stream.channel == ACTIONS, stream.ended.is_not(None), came.exists())
    return list(connection.execute(found.order_by(stream.fixture_id, stream.feed)).scalars())
