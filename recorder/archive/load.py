"""What a recorder must know of a stream before it asks the vendor to go on: computed from the rows, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, exists, func, or_, select

from recorder.archive import tables
from recorder.model import ACTIONS, Frame, Kind, StoredStream


def load(connection: Connection, stream_id: int) -> StoredStream:
    """Return what is stored of a stream; an unknown one is empty."""
    epoch = tables.epoch.c
    epochs = connection.execute(
        select(epoch.epoch, epoch.current_us, epoch.parent).where(epoch.stream_id == stream_id).order_by(epoch.epoch)
    ).all()
    if not epochs:
        return StoredStream()
    newest = _newest_epoch(epochs)
    action = tables.action.c
    listed = _listed(connection, stream_id, newest.epoch)
    controls = _controls(connection, stream_id)
    session, gap = tables.session.c, tables.gap.c
    return StoredStream(
        epoch=newest.epoch,
        parent=newest.parent,
        last_epoch=epochs[-1].epoch,
        contents=tuple(zip(listed.content_digests, listed.numbers, strict=True)),
        frame_digests=listed.frame_digests,
        current_length=None if newest.current_us is not None else _current_length(connection, stream_id),
        unplaced=_unplaced(connection, stream_id),
        control_digests=frozenset(row.digest for row in controls),
        unknown_digests=tuple(row.digest for row in controls if row.kind == Kind.UNKNOWN),
        unreadable=len({row.digest for row in controls if row.kind == Kind.QUARANTINED}),
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
        finished=_is_finished(connection, stream_id, newest.epoch),
        status=_newest(connection, stream_id, newest.epoch, action.status),
        read_whole=_was_read_whole(connection, stream_id, listed),
        last_received_us=max(listed.received_us, default=None),
        last_closed_us=_last_heard(connection, stream_id),
        last_session_id=max(
            _greatest(connection, stream_id, tables.session.c.session_id),
            # Where the wall clock was set back, a gap's id may lie behind that of every session.
            _greatest(connection, stream_id, tables.gap.c.gap_id),
        ),
    )


class _Listed(NamedTuple):
    """The actions of a list, by position: a column each."""

    content_digests: tuple[bytes, ...] = ()
    numbers: tuple[int | None, ...] = ()
    frame_digests: tuple[bytes, ...] = ()
    received_us: tuple[int, ...] = ()
    session_ids: tuple[int, ...] = ()


def _listed(connection: Connection, stream_id: int, epoch: int) -> _Listed:
    """Read a list once, by its key: matches are long, and this is done for each before it is asked for."""
    action = tables.action.c
    columns = (
        action.content_digest, action.fixture_seq_num, action.frame_digest, action.received_us, action.session_id,
    )  # fmt: skip
    rows = connection.execute(
        select(*columns).where(action.stream_id == stream_id, action.epoch == epoch).order_by(action.position)
    ).all()
    return _Listed(*zip(*rows, strict=True))


def _last_heard(connection: Connection, stream_id: int) -> int | None:
    """Return when the last connection on which anything came was over; None when there was none."""
    session, frame = tables.session.c, tables.frame.c
    # Its counts are written once a minute: of one that was killed before, only the frames tell.
    holds_frames = exists().where(frame.stream_id == session.stream_id, frame.session_id == session.session_id)
    closed_us = func.max(func.coalesce(session.closed_us, session.opened_us))
    statement = select(closed_us).where(session.stream_id == stream_id, or_(session.frames > 0, holds_frames))
    return connection.execute(statement).scalar()


def _greatest(connection: Connection, stream_id: int, column: Column[int]) -> int:
    """Return the greatest id that was handed out for these rows of a stream; 0 when there are none."""
    statement = select(func.coalesce(func.max(column), 0)).where(column.table.c.stream_id == stream_id)
    return connection.execute(statement).scalar_one()


def _newest_epoch(epochs: Sequence[Any]) -> Any:
    """Return the list that is being written: the current one, or the newest that began as a change of it.

    Others, of a higher number and not current, came by a merge from a recording that differs.
    """
    current = next(row for row in reversed(epochs) if row.current_us is not None)
    newest, line = current, {current.epoch}
    for row in epochs:
        if row.epoch > current.epoch and row.parent in line:
            line.add(row.epoch)
            newest = row
    return newest


def _is_finished(connection: Connection, stream_id: int, epoch: int) -> bool:
    """Say whether the newest action that speaks of it says so; a channel without actions has its end on its row."""
    stream = tables.stream.c
    row = connection.execute(select(stream.channel, stream.ended).where(stream.stream_id == stream_id)).one()
    if row.channel != ACTIONS:
        return bool(row.ended == "finished")
    return bool(_newest(connection, stream_id, epoch, tables.action.c.finished))


def _newest(connection: Connection, stream_id: int, epoch: int, column: Column[Any]) -> Any:
    """Return what the newest action that speaks of it says."""
    action = tables.action.c
    return connection.execute(
        select(column)
        .where(action.stream_id == stream_id, action.epoch == epoch, column.is_not(None))
        .order_by(action.position.desc())
        .limit(1)
    ).scalar()


def _was_read_whole(connection: Connection, stream_id: int, listed: _Listed) -> bool:
    """Say whether the session that brought the last action, or a later one, has read all of it from 0."""
    length, session = len(listed.numbers), tables.session.c
    if not length:
        return False
    read = select(session.session_id).where(
        session.stream_id == stream_id, session.proven == length, session.session_id >= max(listed.session_ids)
    )
    return connection.execute(read.limit(1)).first() is not None


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


def _controls(connection: Connection, stream_id: int) -> Sequence[Any]:
    frame = tables.frame.c
    kinds = (Kind.UNKNOWN, Kind.QUARANTINED)
    return connection.execute(
        select(frame.digest, frame.kind)
        .where(frame.stream_id == stream_id, frame.kind.in_(kinds))
        .order_by(frame.session_id, frame.frame_number)
    ).all()
