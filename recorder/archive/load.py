"""What a recorder must know of a stream before it asks the vendor to go on: computed from the rows, nothing else."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from recorder.archive import tables
from recorder.model import Frame, Kind, StoredStream


def load(connection: Connection, stream_id: int) -> StoredStream:
    """Return what is stored of a stream; an unknown one is empty."""
    epoch = tables.epoch.c
    newest = connection.execute(
        select(epoch.epoch, epoch.current_us, epoch.parent)
        .where(epoch.stream_id == stream_id)
        .order_by(epoch.epoch.desc())
        .limit(1)
    ).first()
    if newest is None:
        return StoredStream()
    action = tables.action.c
    rows = connection.execute(
        select(action.content_digest, action.fixture_seq_num, action.frame_digest)
        .where(action.stream_id == stream_id, action.epoch == newest.epoch)
        .order_by(action.position)
    ).all()
    finished = connection.execute(
        select(action.finished)
        .where(action.stream_id == stream_id, action.epoch == newest.epoch, action.finished.is_not(None))
        .order_by(action.position.desc())
        .limit(1)
    ).scalar()
    session, gap = tables.session.c, tables.gap.c
    return StoredStream(
        epoch=newest.epoch,
        contents=tuple((row.content_digest, row.fixture_seq_num) for row in rows),
        frame_digests=tuple(row.frame_digest for row in rows),
        current_length=None if newest.current_us is not None else _current_length(connection, stream_id),
        unplaced=_unplaced(connection, stream_id),
        control_digests=_control_digests(connection, stream_id),
        open_causes=frozenset(
            connection.execute(
                select(gap.cause).where(gap.stream_id == stream_id, gap.resolved_us.is_(None)).distinct()
            ).scalars()
        ),
        calibration=connection.execute(
            select(session.calibration)
            .where(session.stream_id == stream_id, session.calibration.is_not(None))
            .order_by(session.session_id.desc())
            .limit(1)
        ).scalar(),
        finished=bool(finished),
        last_received_us=connection.execute(
            select(func.max(action.received_us)).where(action.stream_id == stream_id, action.epoch == newest.epoch)
        ).scalar(),
        last_session_id=connection.execute(
            select(func.coalesce(func.max(session.session_id), 0)).where(session.stream_id == stream_id)
        ).scalar_one(),
    )


def _current_length(connection: Connection, stream_id: int) -> int:
    epoch, action = tables.epoch.c, tables.action.c
    current = (
        select(func.max(epoch.epoch))
        .where(epoch.stream_id == stream_id, epoch.current_us.is_not(None))
        .scalar_subquery()
    )
    count = select(func.count()).where(action.stream_id == stream_id, action.epoch == current)
    return connection.execute(count).scalar_one()


def _unplaced(connection: Connection, stream_id: int) -> tuple[Frame, ...]:
    frame = tables.frame
    rows = connection.execute(
        select(frame)
        .where(frame.c.stream_id == stream_id, frame.c.kind == Kind.UNPLACED)
        .order_by(frame.c.session_id, frame.c.frame_number)
    ).mappings()
    return tuple(Frame(**{**row, "kind": Kind(row["kind"])}) for row in rows)


def _control_digests(connection: Connection, stream_id: int) -> frozenset[bytes]:
    frame = tables.frame.c
    kinds = (Kind.UNKNOWN, Kind.QUARANTINED)
    return frozenset(
        connection.execute(select(frame.digest).where(frame.stream_id == stream_id, frame.kind.in_(kinds))).scalars()
    )
