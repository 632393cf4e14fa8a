"""What a recorder must know of a stream before it asks the vendor to go on: computed from the rows, nothing else.

Its statements are put together once: that takes four times as long as to ask them, and there are thousands of streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Column, Connection, Select, bindparam, exists, func, or_, select

from recorder.archive import tables
from recorder.model import ACTIONS, Frame, Kind, StoredStream

_stream, _epoch, _session = tables.stream.c, tables.epoch.c, tables.session.c
_frame, _action, _gap = tables.frame.c, tables.action.c, tables.gap.c
_ID: BindParameter[int] = bindparam("stream_id")
_LIST: BindParameter[int] = bindparam("epoch")

_EPOCHS = select(_epoch.epoch, _epoch.current_us, _epoch.parent).where(_epoch.stream_id == _ID).order_by(_epoch.epoch)
_LISTED = (
    select(
        _action.content_digest,
        _action.fixture_seq_num,
        _action.frame_digest,
        _action.received_us,
        _action.session_id,
    )
    .where(_action.stream_id == _ID, _action.epoch == _LIST)
    .order_by(_action.position)
)
_NOT_LISTED = (
    select(_frame.digest, _frame.kind)
    .where(_frame.stream_id == _ID, _frame.kind.in_((Kind.UNKNOWN, Kind.QUARANTINED, Kind.UNPLACED)))
    .order_by(_frame.session_id, _frame.frame_number)
)
_UNPLACED = (
    select(tables.frame)
    .where(_frame.stream_id == _ID, _frame.kind == Kind.UNPLACED)
    .order_by(_frame.session_id, _frame.frame_number)
)
_CAUSES = select(_gap.cause).where(_gap.stream_id == _ID, _gap.resolved_us.is_(None)).distinct()
_CALIBRATION = (
    select(_session.calibration)
    .where(_session.stream_id == _ID, _session.calibration.is_not(None))
    .order_by(_session.session_id.desc())
    .limit(1)
)
_END = select(_stream.channel, _stream.ended).where(_stream.stream_id == _ID)
_READ_WHOLE = (
    select(_session.session_id)
    .where(
        _session.stream_id == _ID,
        _session.proven == bindparam("length"),
        _session.session_id >= bindparam("last_session"),
    )
    .limit(1)
)
_CURRENT = (
    select(func.max(_epoch.epoch)).where(_epoch.stream_id == _ID, _epoch.current_us.is_not(None)).scalar_subquery()
)
_CURRENT_LENGTH = select(func.count()).where(_action.stream_id == _ID, _action.epoch == _CURRENT)

# Its counts are written once a minute: of a session that was killed before, only the frames tell.
_HOLDS_FRAMES = exists().where(_frame.stream_id == _session.stream_id, _frame.session_id == _session.session_id)
_LAST_CLOSED = select(func.max(func.coalesce(_session.closed_us, _session.opened_us))).where(
    _session.stream_id == _ID, or_(_session.frames > 0, _HOLDS_FRAMES)
)


def _newest(column: Column[Any]) -> Select[Any]:
    """Ask what the newest action that speaks of it says."""
    wanted = select(column).where(_action.stream_id == _ID, _action.epoch == _LIST, column.is_not(None))
    return wanted.order_by(_action.position.desc()).limit(1)


_FINISHED, _STATUS = _newest(_action.finished), _newest(_action.status)


def _greatest(column: Column[int]) -> Select[Any]:
    """Ask for the greatest id that was handed out for these rows of a stream; 0 when there are none."""
    return select(func.coalesce(func.max(column), 0)).where(column.table.c.stream_id == _ID)


_LAST_SESSION, _LAST_GAP = _greatest(_session.session_id), _greatest(_gap.gap_id)


def load(connection: Connection, stream_id: int) -> StoredStream:
    """Return what is stored of a stream; an unknown one is empty."""
    of_stream: dict[str, Any] = {"stream_id": stream_id}
    epochs = connection.execute(_EPOCHS, of_stream).all()
    if not epochs:
        _visit(connection, of_stream)
        return StoredStream()
    newest = _newest_epoch(epochs)
    of_list = of_stream | {"epoch": newest.epoch}
    listed = _Listed(*zip(*connection.execute(_LISTED, of_list).all(), strict=True))
    others = connection.execute(_NOT_LISTED, of_stream).all()
    controls = [row for row in others if row.kind != Kind.UNPLACED]
    return StoredStream(
        epoch=newest.epoch,
        parent=newest.parent,
        last_epoch=epochs[-1].epoch,
        contents=tuple(zip(listed.content_digests, listed.numbers, strict=True)),
        frame_digests=listed.frame_digests,
        current_length=None
        if newest.current_us is not None
        else connection.execute(_CURRENT_LENGTH, of_stream).scalar_one(),
        unplaced=_unplaced(connection, of_stream) if len(others) > len(controls) else (),
        control_digests=frozenset(row.digest for row in controls),
        unknown_digests=tuple(row.digest for row in controls if row.kind == Kind.UNKNOWN),
        unreadable=len({row.digest for row in controls if row.kind == Kind.QUARANTINED}),
        open_causes=frozenset(connection.execute(_CAUSES, of_stream).scalars()),
        calibration=connection.execute(_CALIBRATION, of_stream).scalar(),
        finished=_is_finished(connection, of_list),
        status=connection.execute(_STATUS, of_list).scalar(),
        read_whole=_was_read_whole(connection, stream_id, listed),
        last_received_us=max(listed.received_us, default=None),
        last_closed_us=connection.execute(_LAST_CLOSED, of_stream).scalar(),
        last_session_id=max(
            connection.execute(_LAST_SESSION, of_stream).scalar_one(),
            # Where the wall clock was set back, a gap's id may lie behind that of every session.
            connection.execute(_LAST_GAP, of_stream).scalar_one(),
        ),
    )


def _visit(connection: Connection, of_stream: dict[str, Any]) -> None:
    """Read the pages that an unknown stream's rows will go into.

    Else the writer reads them with the first frames waiting, those of all streams that begin together: from the disk,
    where the archive is larger than the machine's memory.
    """
    for statement in (_LISTED, _NOT_LISTED, _CALIBRATION):
        connection.execute(statement, of_stream | {"epoch": 0}).first()


class _Listed(NamedTuple):
    """The actions of a list, by position: a column each. Read once, by its key: matches are long."""

    content_digests: tuple[bytes, ...] = ()
    numbers: tuple[int | None, ...] = ()
    frame_digests: tuple[bytes, ...] = ()
    received_us: tuple[int, ...] = ()
    session_ids: tuple[int, ...] = ()


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


def _is_finished(connection: Connection, of_list: dict[str, Any]) -> bool:
    """Say whether the newest action that speaks of it says so; a channel without actions has its end on its row."""
    row = connection.execute(_END, of_list).one()
    if row.channel != ACTIONS:
        return bool(row.ended == "finished")
    return bool(connection.execute(_FINISHED, of_list).scalar())


def _was_read_whole(connection: Connection, stream_id: int, listed: _Listed) -> bool:
    """Say whether the session that brought the last action, or a later one, has read all of it from 0."""
    length = len(listed.numbers)
    if not length:
        return False
    last = {"stream_id": stream_id, "length": length, "last_session": max(listed.session_ids)}
    return connection.execute(_READ_WHOLE, last).first() is not None


def _unplaced(connection: Connection, of_stream: dict[str, Any]) -> tuple[Frame, ...]:
    rows = connection.execute(_UNPLACED, of_stream).mappings()
    return tuple(Frame(**{**row, "kind": Kind(row["kind"])}) for row in rows)
