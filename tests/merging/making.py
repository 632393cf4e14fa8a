"""Archives to merge: lists made by hand, what a recorder stores of them, and what an archive holds, row by row."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, delete, select

from recorder.archive import tables
from recorder.archive.dialect import Dialect, parse_url
from recorder.archive.merging.load import CARRIED
from recorder.feed.booking import frame_of
from recorder.model import Kind, Stream, digest
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    Counts,
    MakeEpochCurrent,
    Operation,
    UpdateSession,
)
from tests.archive.filling import START_US, action_in, close_session, open_session, open_stream

SECOND = 1_000_000
_numbers = itertools.count(1)

Rows = dict[str, list[tuple[Any, ...]]]


def new_stream() -> Stream:
    return Stream("betting", "soccer", f"to-merge-{next(_numbers)}")


@dataclass
class Recording:
    """What one recorder stores of a stream; ``operations`` are its own. A letter stands for an action's content.

    The bytes around a content are the session's own, as a vendor's trace ids are.
    """

    stream: Stream
    session_id: int
    at_us: int = START_US
    operations: list[Operation] = field(default_factory=list)
    epoch: int = 0
    lists: list[str] = field(default_factory=lambda: [""])
    frames: int = 0

    def __post_init__(self) -> None:
        self.operations += [open_stream(self.stream, at_us=self.at_us), self._session()]

    def _session(self) -> Operation:
        return replace(open_session(self.stream, self.session_id, self.at_us), recorder=f"r{self.session_id}")

    def reconnect(self, session_id: int) -> Recording:
        self.close()
        self.session_id, self.frames = session_id, 0
        self.operations.append(self._session())
        return self

    def add(self, letters: str, *, at_us: int | None = None, every_us: int = SECOND) -> Recording:
        """Append one action for each letter; the n-th of the list comes ``n * every_us`` after the start."""
        for letter in letters:
            position = len(self.lists[-1])
            when_us = self.at_us + position * every_us if at_us is None else at_us
            said = self.frame(letter, when_us)
            action = structs.replace(
                action_in(said, self.epoch, position, type=letter), content_digest=digest(letter.encode())
            )
            self.operations.append(AddAction(action))
            self.lists[-1] += letter
        return self

    def frame(self, text: str, received_us: int, kind: Kind = Kind.ACTION) -> Any:
        plain = frame_of(
            self.stream, self.session_id, self.frames, f"{text} to {self.session_id}".encode(), opcode="text",
            received_us=received_us, monotonic_ns=self.frames,
        )  # fmt: skip
        self.frames += 1
        made = structs.replace(plain, kind=kind)
        self.operations.append(AddFrame(made))
        return made

    def fork(self, position: int, letters: str, *, at_us: int, current: bool = True) -> Recording:
        """The vendor changes its list: from a position on it goes on with these letters."""
        begun = BeginEpoch(self.stream.stream_id, self.epoch + 1, self.epoch, position, at_us, "changed")
        self.operations.append(begun)
        self.epoch += 1
        self.lists.append(self.lists[-1][:position])
        self.add(letters, at_us=at_us)
        if current:
            self.operations.append(MakeEpochCurrent(self.stream.stream_id, self.epoch, at_us))
        return self

    def close(self, closed_us: int | None = None, **said: Any) -> Recording:
        counts = Counts(frames=self.frames, heartbeats=3)
        self.operations.append(
            close_session(self.stream, self.session_id, closed_us or self.at_us, **{"counts": counts} | said)
        )
        return self

    def count(self) -> Recording:
        self.operations.append(UpdateSession(self.stream.stream_id, self.session_id, Counts(frames=self.frames)))
        return self

    def taken(self) -> list[Operation]:
        """Return what was added since this was last called."""
        taken, self.operations = self.operations, []
        return taken


def rows_in(connection: Connection, stream_id: int | None = None) -> Rows:
    """Return all rows of the tables that are carried, in order of their keys."""
    found: Rows = {}
    for table in CARRIED:
        wanted = select(table).order_by(*table.primary_key)
        if stream_id is not None:
            wanted = wanted.where(table.c.stream_id == stream_id)
        found[table.name] = [tuple(row) for row in connection.execute(wanted)]
    return found


def rows_of(url: str, stream_id: int | None = None) -> Rows:
    parsed, dialect = parse_url(url)
    with dialect.reader(parsed).connect() as connection:
        return rows_in(connection, stream_id)


def change(url: str, *statements: Any) -> None:
    """Do to an archive what no recorder does."""
    parsed, dialect = parse_url(url)
    with dialect.writer(parsed).begin() as connection:
        for statement in statements:
            connection.execute(statement)


def lose(url: str, stream: Stream, table: Any, *conditions: Any) -> None:
    """Let an archive lose rows of a stream."""
    change(url, delete(table).where(table.c.stream_id == stream.stream_id, *conditions))


def lists(rows: Rows) -> list[str]:
    """Return the letters of each list, by its epoch; positions must be dense."""
    columns = tables.action.columns.keys()
    epoch, position, content = (columns.index(name) for name in ("epoch", "position", "type"))
    found = {row[1]: "" for row in rows["epoch"]}
    for row in rows["action"]:
        assert row[position] == len(found[row[epoch]]), "a hole"
        found[row[epoch]] += row[content]
    return [found[number] for number in sorted(found)]


def shown(rows: Rows) -> str:
    """Return the letters of the list that users see."""
    return lists(rows)[max(index for index, row in enumerate(rows["epoch"]) if row[5] is not None)]


def column(rows: Rows, table: Any, name: str) -> list[Any]:
    at = table.columns.keys().index(name)
    return [row[at] for row in rows[table.name]]


def causes(rows: Rows) -> list[tuple[str, bool, bool]]:
    """Return (cause, ours, open) of each gap."""
    return [(row[3], bool(row[4]), row[10] is None) for row in rows["gap"]]


def apply_to(connection: Connection, dialect: Dialect, operations: Iterable[Operation]) -> None:
    from recorder.archive.apply import apply
    from recorder.archive.chains import Chains

    with connection.begin():
        apply(connection, dialect, operations, Chains())


def keys(rows: Sequence[tuple[Any, ...]], parts: int = 3) -> set[tuple[Any, ...]]:
    return {row[:parts] for row in rows}
