"""Streams' rows out of an archive, as Arrow tables of bounded size, in the order of their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from recorder.archive.dialect import Dialect
from recorder.errors import DamagedArchive
from recorder.export.asking import asked, some
from recorder.export.columns import ACTIONS, RAW_FRAMES, Exported, select, to_arrow
from recorder.export.state import State
from recorder.model import Stream, digest

_ACTIONS_AT_ONCE = 4_000
_ROWS_AT_ONCE = 8_000
_BYTES_AT_ONCE = 16 * 1024 * 1024
_STREAMS_AT_ONCE = 200
_FETCHED = 500

Ends = Mapping[tuple[int, int], int | None]
"""When each list of each stream was replaced by a later one, by (stream_id, epoch), in microseconds."""


def rows_of(connection: Connection, dialect: Dialect, table: Exported, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """Return the rows of streams, of one of the SMALL tables."""
    statement = select(table, dialect)
    return [tuple(row) for few in some(ids) for row in asked(connection, statement, few)]


def actions(connection: Connection, dialect: Dialect, states: Sequence[State]) -> Iterator[Any]:
    """Yield the actions of streams: some thousand at a time, or all of one stream."""
    statement, columns, at = select(ACTIONS, dialect), ACTIONS.columns, ACTIONS.at
    for group in _groups(states):
        with asked(connection, statement, [one.stream.stream_id for one in group]) as found:
            # The driver's own tuples: SQLAlchemy's rows would take a third longer.
            values: list[Sequence[Any]] = list(zip(*found.cursor.fetchall(), strict=True))
        if values:
            current = {one.stream.stream_id: one.epoch for one in group}
            keys = [values[at(name)] for name in ("stream_id", "epoch", "action_id", "received_at")]
            values[at("known_until")] = known_until(list(zip(*keys, strict=True)), _ends(group))
            values[at("is_current")] = [current[stream] == epoch for stream, epoch in zip(*keys[:2], strict=True)]
            yield to_arrow(ACTIONS, columns, values)


def _groups(states: Sequence[State]) -> Iterator[list[State]]:
    group, rows = list[State](), 0
    for one in states:
        if group and (rows + one.actions > _ACTIONS_AT_ONCE or len(group) == _STREAMS_AT_ONCE):
            yield group
            group, rows = [], 0
        group.append(one)
        rows += one.actions
    if group:
        yield group


def _ends(states: Sequence[State]) -> Ends:
    return {
        (one.stream.stream_id, epoch): min(
            (at for later, at in one.epochs if later > epoch and at is not None), default=None
        )
        for one in states
        for epoch, _ in one.epochs
    }


def known_until(keys: Sequence[tuple[int, int, str | None, int]], ends: Ends) -> list[int | None]:
    """Return `known_until` of actions, as the views have it; ``keys``: (stream_id, epoch, action_id, received_us).

    In the order of stream, epoch and position. The first arrival of what comes behind it in its list and is of the
    same action, or when a later list became the current one, whatever came first; None: it stands.
    """
    found: list[int | None] = [None] * len(keys)
    newest: dict[str, int] = {}
    listed, end = (0, -1), None
    for number in range(len(keys) - 1, -1, -1):
        stream_id, epoch, action_id, received_us = keys[number]
        if (stream_id, epoch) != listed:
            listed, newest = (stream_id, epoch), {}
            end = ends.get(listed)
        behind = None if action_id is None else newest.get(action_id)
        if action_id is not None:
            newest[action_id] = received_us if behind is None or received_us < behind else behind
        found[number] = behind if end is None or (behind is not None and behind < end) else end
    return found


def frames(
    connection: Connection, dialect: Dialect, states: Sequence[State], note: Callable[[int, bytes], object]
) -> Iterator[Any]:
    """Yield the messages of streams, some ten megabytes at a time; ``note`` is told each one's stream and digest.

    DamagedArchive when a message is not what was received: it must not go where somebody may have it whole.
    """
    names = {one.stream.stream_id: one.stream for one in states}
    columns = RAW_FRAMES.columns
    names_of = ("stream_id", "digest", "session_id", "frame_number", "payload")
    said, held, session, number, payload = map(RAW_FRAMES.at, names_of)
    for rows in _portions(connection, select(RAW_FRAMES, dialect), list(names), payload):
        for row in rows:
            if digest(row[payload]) != row[held]:
                raise _damaged(row[number], row[session], names[row[said]])
            note(row[said], row[held])
        yield to_arrow(RAW_FRAMES, columns, list(zip(*rows, strict=True)))


def _portions(connection: Connection, statement: str, ids: Sequence[int], measured: int) -> Iterator[list[Any]]:
    """Yield rows; ``measured``: the column of bytes that says how many at a time."""
    options = {"stream_results": True, "yield_per": _FETCHED}
    rows, size = list[Any](), 0
    for few in some(ids):
        with asked(connection, statement, few, options) as found:
            for fetched in found.partitions(_FETCHED):
                rows += fetched
                size += sum(len(row[measured]) for row in fetched)
                if len(rows) >= _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
                    yield rows
                    rows, size = [], 0
    if rows:
        yield rows


def _damaged(number: int, session_id: int, stream: Stream) -> DamagedArchive:
    return DamagedArchive(
        f"frame {number} of session {session_id}, {stream.name}, is not what was received: the archive is damaged; "
        "keep it and restore a backup beside it"
    )
