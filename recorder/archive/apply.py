"""How each operation becomes SQL. Runs on the writer's thread, inside its transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from msgspec.structs import astuple
from sqlalchemy import Connection, and_, bindparam, func, insert, literal, select, true, update

from recorder.archive import tables
from recorder.archive.chains import Chains
from recorder.archive.dialect import Dialect
from recorder.errors import DamagedArchive, IdentityClash
from recorder.feed.actions import PARSER
from recorder.model import Action, Frame, Kind
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    CloseSession,
    CopyAction,
    DescribeStream,
    EndStream,
    MakeEpochCurrent,
    NoteAudit,
    OpenGap,
    OpenSession,
    OpenStream,
    Operation,
    PlaceFrame,
    ResolveGaps,
    UpdateSession,
)

_ZERO_AT_FIRST = ("frames", "actions", "overlap_checked", "resent", "envelope_differences", "heartbeats")
_APART = OpenGap | ResolveGaps | NoteAudit | DescribeStream | EndStream
"""What neither reads nor changes a frame or an action: many streams may lose sight of their match in one moment, and
their rows are still poured as one."""

# Made once: what a session counts is written every half minute by each of thousands, and to make a statement takes
# longer than to carry it out.
_session, _gap = tables.session.c, tables.gap.c
_OPEN_SESSION = insert(tables.session)
_AT_SESSION = update(tables.session).where(
    _session.stream_id == bindparam("at_stream"), _session.session_id == bindparam("at_session")
)
_LAST_SESSION = select(func.max(_session.session_id)).where(_session.stream_id == bindparam("stream_id"))
_LAST_GAP = select(func.max(_gap.gap_id)).where(_gap.stream_id == bindparam("stream_id"))
"""Each row names the one before it, so that none goes unmissed."""
_OPEN_GAP = insert(tables.gap)
_RESOLVE_GAPS = (
    update(tables.gap)
    .where(
        _gap.stream_id == bindparam("at_stream"),
        _gap.cause.in_(bindparam("causes", expanding=True)),
        _gap.resolved_us.is_(None),
    )
    .values(
        resolved_us=bindparam("at_us"),
        to_us=func.coalesce(_gap.to_us, bindparam("at_us")),
        to_position=func.coalesce(_gap.to_position, bindparam("at_position")),
    )
)

_FRAME_COLUMNS, _ACTION_COLUMNS = tables.frame.columns.keys(), tables.action.columns.keys()


def apply(connection: Connection, dialect: Dialect, operations: Iterable[Operation], chains: Chains) -> None:
    """Carry out ``operations`` inside the transaction that is open on ``connection``: as if one after the other."""
    frames: list[tuple[Any, ...]] = []
    actions: list[tuple[Any, ...]] = []

    def flush() -> None:
        dialect.pour(connection, tables.frame, _FRAME_COLUMNS, frames)
        dialect.pour(connection, tables.action, _ACTION_COLUMNS, actions)
        frames.clear()
        actions.clear()

    for operation in operations:
        if isinstance(operation, AddFrame):
            frames.append(row := frame_row(operation.frame))
            chains.add_frame(row)
        elif isinstance(operation, AddAction):
            actions.append(action_row(operation.action))
            chains.grow(operation.action.stream_id)
        else:
            if not isinstance(operation, _APART):
                flush()
            _apply_one(connection, operation, chains)
    flush()


def frame_row(frame: Frame) -> tuple[Any, ...]:
    """Return a frame as the table's columns hold it, in their order."""
    return (
        frame.stream_id,
        frame.session_id,
        frame.frame_number,
        frame.received_us,
        frame.monotonic_ns,
        str(frame.kind),
        frame.opcode,
        frame.digest,
        frame.reason,
        frame.payload,
    )


def action_row(action: Action) -> tuple[Any, ...]:
    """Return an action as the table's columns hold it, in their order."""
    return (
        action.stream_id,
        action.epoch,
        action.position,
        action.session_id,
        action.frame_number,
        action.part,
        action.received_us,
        action.arrival,
        action.content_digest,
        action.frame_digest,
        *astuple(action.fields),
        PARSER,
    )


def _apply_one(connection: Connection, operation: Operation, chains: Chains) -> None:
    match operation:
        case OpenStream():
            _open_stream(connection, operation)
            chains.grow(operation.stream.stream_id)  # since a killed recorder's last head, or by a copy
        case OpenSession() | UpdateSession() | CloseSession():
            _apply_to_session(connection, operation, chains)
        case EndStream() | DescribeStream():
            _say_of_stream(connection, operation)
        case CopyAction():
            where = tables.action.c.position == operation.from_position
            _copy_actions(connection, operation, operation.from_epoch, where, operation.position)
            chains.grow(operation.stream_id)
        case PlaceFrame():
            _change(connection, operation, _at_frame(operation).values(kind=str(Kind.ACTION)))
        case BeginEpoch():
            _begin_epoch(connection, operation)
            chains.grow(operation.stream_id)
        case MakeEpochCurrent():
            epoch = tables.epoch.c
            at_epoch = and_(epoch.stream_id == operation.stream_id, epoch.epoch == operation.epoch)
            _change(connection, operation, update(tables.epoch).where(at_epoch).values(current_us=operation.at_us))
        case OpenGap():
            previous = connection.execute(_LAST_GAP, {"stream_id": operation.gap.stream_id}).scalar()
            connection.execute(_OPEN_GAP, {**asdict(operation.gap), "previous_id": previous})
        case ResolveGaps():
            said = {"at_stream": operation.stream_id, "causes": operation.causes}
            said |= {"at_us": operation.at_us, "at_position": operation.to_position}
            connection.execute(_RESOLVE_GAPS, said)
        case NoteAudit():
            connection.execute(insert(tables.audit).values(**asdict(operation.audit)))
        case _:
            raise TypeError(f"no SQL for {type(operation).__name__}")


def _change(
    connection: Connection, operation: Operation, statement: Any, rows: int = 1, said: dict[str, Any] | None = None
) -> None:
    """Execute a statement that must change exactly so many rows: doubt about our own data stops everything, loudly."""
    changed = connection.execute(statement, said).rowcount
    if changed != rows:
        raise DamagedArchive(
            f"the archive holds {changed} of the {rows} rows that belong to {operation}; "
            "it was changed by somebody else, or it is damaged: keep the file and record into another one"
        )


def _apply_to_session(
    connection: Connection, operation: OpenSession | UpdateSession | CloseSession, chains: Chains
) -> None:
    """Bring a session's row up to date, and with its counts the heads of all chains that have grown."""
    stream_id, session_id = operation.stream_id, operation.session_id
    if isinstance(operation, OpenSession):
        previous = connection.execute(_LAST_SESSION, {"stream_id": stream_id}).scalar()
        zeroes = dict.fromkeys(_ZERO_AT_FIRST, 0)
        connection.execute(_OPEN_SESSION, {**asdict(operation), **zeroes, "previous_id": previous})
        chains.open_session(stream_id, session_id)
        return
    said = asdict(operation.counts) | chains.session_head(stream_id, session_id)
    said["last_gap_id"] = connection.execute(_LAST_GAP, {"stream_id": stream_id}).scalar()
    if isinstance(operation, CloseSession):
        said |= {name: getattr(operation, name) for name in ("closed_us", "close_code", "close_reason", "outcome")}
        chains.close_session(stream_id, session_id)
    _change(connection, operation, _AT_SESSION, said=said | {"at_stream": stream_id, "at_session": session_id})
    chains.write_heads(connection, stream_id)


def _at_frame(operation: PlaceFrame) -> Any:
    frame = tables.frame.c
    return update(tables.frame).where(
        frame.stream_id == operation.stream_id,
        frame.session_id == operation.session_id,
        frame.frame_number == operation.frame_number,
    )


def _open_stream(connection: Connection, operation: OpenStream) -> None:
    stream = operation.stream
    said = {"speed": operation.speed, "ended": None, "ended_why": None} | {
        name: value for name in ("label", "competition", "starts_us") if (value := getattr(operation, name)) is not None
    }
    at_stream = tables.stream.c.stream_id == stream.stream_id
    known = connection.execute(select(tables.stream).where(at_stream)).mappings().first()
    if known is None:
        connection.execute(
            insert(tables.stream).values(
                stream_id=stream.stream_id,
                feed=stream.feed,
                sport=stream.sport,
                fixture_id=stream.fixture_id,
                channel=stream.channel,
                origin_host=operation.origin_host,
                created_us=operation.at_us,
                **said,
            )
        )
        connection.execute(
            insert(tables.epoch).values(
                stream_id=stream.stream_id, epoch=0, created_us=operation.at_us, current_us=operation.at_us
            )
        )
        return
    if (known["feed"], known["sport"], known["fixture_id"], known["channel"]) != (
        stream.feed,
        stream.sport,
        stream.fixture_id,
        stream.channel,
    ):
        raise IdentityClash(
            f"{stream.name} has the same id as the stored stream {known['feed']}/{known['sport']}/"
            f"{known['fixture_id']}/{known['channel']}; record it into another archive"
        )
    connection.execute(update(tables.stream).where(at_stream).values(**said))


def _say_of_stream(connection: Connection, operation: EndStream | DescribeStream) -> None:
    changing = update(tables.stream).where(tables.stream.c.stream_id == operation.stream_id)
    if isinstance(operation, EndStream):
        _change(connection, operation, changing.values(ended=operation.ended, ended_why=operation.why))
    else:
        # It may come before the stream has been opened, or after it was purged: then there is nothing to describe.
        connection.execute(changing.values(asdict(operation.description) | {"described_us": operation.at_us}))


def _begin_epoch(connection: Connection, operation: BeginEpoch) -> None:
    connection.execute(
        insert(tables.epoch).values(
            stream_id=operation.stream_id,
            epoch=operation.epoch,
            parent=operation.parent,
            fork_position=operation.fork_position,
            created_us=operation.at_us,
            why=operation.why,
        )
    )
    before = tables.action.c.position < operation.fork_position
    _copy_actions(connection, operation, operation.parent, before, None)


def _copy_actions(
    connection: Connection, operation: BeginEpoch | CopyAction, from_epoch: int, which: Any, position: int | None
) -> None:
    """Copy actions of one epoch into another: what did not change was known since it was first received.

    One action to ``position``, or, without one, everything before the fork to where it is.
    """
    columns = tables.action.c
    changed = {"epoch": literal(operation.epoch)} | ({} if position is None else {"position": literal(position)})
    source = select(*(changed.get(column.name, column) for column in columns)).where(
        columns.stream_id == operation.stream_id, columns.epoch == from_epoch, which
    )
    copied = insert(tables.action).from_select([column.name for column in columns], source)
    _change(connection, operation, copied, operation.fork_position if isinstance(operation, BeginEpoch) else 1)


def close_dangling_sessions(connection: Connection, stream_id: int | None = None) -> int:
    """Close what a killed recorder left open, at the moment of its last stored frame; return how many there were.

    With ``stream_id`` those of that stream alone.
    """
    session, frame = tables.session, tables.frame
    last = (
        select(func.max(frame.c.received_us))
        .where(frame.c.stream_id == session.c.stream_id, frame.c.session_id == session.c.session_id)
        .scalar_subquery()
    )
    result = connection.execute(
        update(session)
        .where(session.c.closed_us.is_(None), true() if stream_id is None else session.c.stream_id == stream_id)
        .values(closed_us=func.coalesce(last, session.c.opened_us), outcome="recorder_died")
    )
    return result.rowcount
