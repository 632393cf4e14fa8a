"""Matches of a lake as an archive again, so that every question is answered by the very same statements.

The lake gives the facts: bytes, times, sessions, gaps, what has which position. What the actions say is read from the
messages again, as when they arrived.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from recorder.archive import maintain, tables
from recorder.archive.apply import action_row
from recorder.archive.dialect import Dialect
from recorder.errors import DamagedArchive
from recorder.export.columns import ACTIONS, RAW_FRAMES, STREAMS, Exported, stored
from recorder.feed.actions import parse
from recorder.feed.content import content_digest
from recorder.feed.messages import read
from recorder.model import Action, digest
from recorder.publishing.tables import HISTORIES, history_column

_BYTES = {"chain", "root"}
_FACTS = ("session_id", "frame_number", "epoch", "position", "part", "received_at", "arrival")


class Rebuilt:
    """An archive in ``directory``, into which streams come when they are asked for."""

    def __init__(self, directory: Path) -> None:
        self.url = f"sqlite:///{directory / 'archive.db'}"
        self._held: set[int] = set()

    def hold(self, stream_id: int, taken: Callable[[], Mapping[str, Any]]) -> None:
        """Store a stream, unless that was done; ``taken`` gives its rows of each table of a lake, ``pyarrow.Table``s.

        DamagedArchive when an action is not in the message that is said to bear it.
        """
        if stream_id in self._held:
            return
        rows = taken()
        with maintain.writing(self.url) as (engine, dialect), engine.begin() as connection:
            self._small(connection, dialect, rows[STREAMS.name])
            frames = rows[RAW_FRAMES.name]
            columns = tuple(column for column in RAW_FRAMES.columns if column.stored)
            told = list(zip(*stored(frames, columns), strict=True))
            dialect.pour(connection, tables.frame, [column.stored for column in columns], told)
            actions = [action_row(one) for one in _actions(stream_id, rows[ACTIONS.name], frames)]
            dialect.pour(connection, tables.action, tables.action.columns.keys(), actions)
        self._held.add(stream_id)

    def _small(self, connection: Connection, dialect: Dialect, streams: Any) -> None:
        columns = tuple(column for column in STREAMS.columns if column.stored)
        told = list(zip(*stored(streams, columns), strict=True))
        dialect.pour(connection, tables.stream, [column.stored for column in columns], told)
        for table in HISTORIES:
            (text,) = streams.column(history_column(table)).to_pylist()
            _pour_history(connection, dialect, table, json.loads(text))


def _pour_history(connection: Connection, dialect: Dialect, table: Exported, rows: list[dict[str, Any]]) -> None:
    names = [column.stored for column in table.columns if column.stored]
    said = [tuple(_value(name, row.get(name)) for name in names) for row in rows]
    dialect.pour(connection, table.behind, names, said)


def _value(name: str, value: Any) -> Any:
    return bytes.fromhex(value) if name in _BYTES and value is not None else value


def _actions(stream_id: int, actions: Any, frames: Any) -> Iterator[Action]:
    """Yield the actions of a stream, a message at a time."""
    facts = defaultdict[tuple[int, int], list[tuple[Any, ...]]](list)
    columns = [ACTIONS.column(name) for name in _FACTS]
    for session_id, frame_number, *fact in zip(*stored(actions, columns), strict=True):
        facts[session_id, frame_number].append(tuple(fact))
    keys = zip(*(frames.column(name).to_pylist() for name in ("session_id", "frame_number", "payload")), strict=True)
    for session_id, frame_number, payload in keys:
        borne = facts.pop((session_id, frame_number), [])
        packets = read(payload).packets if borne else ()
        for epoch, position, part, received_us, arrival in borne:
            if part >= len(packets):
                raise _torn(stream_id, session_id, frame_number)
            yield Action(
                stream_id=stream_id,
                epoch=epoch,
                position=position,
                session_id=session_id,
                frame_number=frame_number,
                part=part,
                received_us=received_us,
                arrival=arrival,
                content_digest=content_digest(packets[part].fixture_action),
                frame_digest=digest(payload),
                fields=parse(packets[part].envelope),
            )
    if facts:
        raise _torn(stream_id, *next(iter(facts)))


def _torn(stream_id: int, session_id: int, frame_number: int) -> DamagedArchive:
    return DamagedArchive(
        f"the lake's actions of stream {stream_id} are not all in its messages (frame {frame_number} of session "
        f"{session_id}): publish the match again, or restore a copy of the lake"
    )
