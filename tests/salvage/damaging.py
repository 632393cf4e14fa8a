"""Archives to damage, and ways to damage them; and what must be true of whatever was saved."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import structs
from sqlalchemy import Table

from recorder.feed.actions import parse
from recorder.feed.booking import frame_of
from recorder.feed.content import content_digest
from recorder.feed.messages import read
from recorder.model import Action, Gap, Kind, digest
from recorder.operations import AddAction, AddFrame, BeginEpoch, Counts, MakeEpochCurrent, OpenGap, Operation
from recorder.salvage.losses import Outcome
from recorder.salvage.proving import prove
from recorder.salvage.recovering import recover
from recorder.salvage.shapes import SAVED
from tests.archive.filling import START_US, Filled, close_session, open_session, recorded, stream_of
from tests.vendor import Match, load

PAGE = 16384
NOW_US = START_US + 10**12
Rows = dict[str, list[tuple[Any, ...]]]


def small() -> list[Operation]:
    """Return what stores two matches, one of which the vendor changed: five pages of frames, three of actions."""
    return [*recorded(load("snooker-1"), first=60), *changed(load("soccer-france-romania"), 40, 20)]


def changed(match: Match, first: int, fork: int) -> list[Operation]:
    """Return what stores a match of which the vendor changes all from a position on, on a second connection."""
    stream = stream_of(match)
    found = recorded(match, first=first)
    opened = open_session(stream, found[1].session_id + 1, START_US + 10**10)  # type: ignore[union-attr]
    found += [opened, BeginEpoch(stream.stream_id, 1, 0, fork, START_US + 10**10, "changed")]
    for number, position in enumerate(range(fork, first + 3)):
        payload = match.packets[position].replace(b'"period"', b'"wasPeriod"')
        found += _action(match, payload, opened.session_id, number, 1, position)
    found.append(MakeEpochCurrent(stream.stream_id, 1, START_US + 10**10 + 1))
    told = Gap(stream.stream_id, 5, 1, "list_changed", True, "changed", fork, None, START_US, None)
    found += [OpenGap(told), OpenGap(replace(told, gap_id=6, cause="network", from_position=25, to_position=30))]
    counts = Counts(frames=first + 3 - fork, actions=first + 3 - fork)
    return [*found, close_session(stream, opened.session_id, START_US + 10**10 + 2, counts=counts)]


def _action(match: Match, payload: bytes, session_id: int, number: int, epoch: int, position: int) -> list[Operation]:
    stream, at_us = stream_of(match), START_US + 10**10 + number
    frame = structs.replace(
        frame_of(stream, session_id, number, payload, opcode="text", received_us=at_us, monotonic_ns=number),
        kind=Kind.ACTION,
    )
    [packet] = read(payload).packets
    content = content_digest(packet.fixture_action)
    said = (stream.stream_id, epoch, position, session_id, number, 0, at_us, "catch_up", content, digest(payload))
    return [AddFrame(frame), AddAction(Action(*said, parse(packet.envelope)))]  # type: ignore[arg-type]


def rows_of(path: Path) -> Rows:
    """Return the rows of every table that is saved, by key."""
    with closing(sqlite3.connect(path)) as connection:
        return {table.name: _rows(connection, table) for table in SAVED}


def _rows(connection: sqlite3.Connection, table: Table) -> list[tuple[Any, ...]]:
    keys = ", ".join(column.name for column in table.primary_key)
    return connection.execute(f"SELECT * FROM {table.name} ORDER BY {keys}").fetchall()


@dataclass(frozen=True)
class Source:
    """An archive that was whole: its file, and its rows."""

    path: Path
    rows: Rows

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @property
    def pages(self) -> int:
        return self.path.stat().st_size // PAGE


def source(path: Path, operations: list[Operation]) -> Source:
    Filled(path).write(*operations)
    return Source(path, rows_of(path))


def damage(data: bytes, number: int, page: bytes) -> bytes:
    """Return a file with another page in a page's place; numbers begin with 1."""
    begin = (number - 1) * PAGE
    return data[:begin] + page + data[begin + PAGE :]


def flipped(data: bytes, at: int, mask: int = 0xFF) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def noise(seed: int, size: int = PAGE) -> bytes:
    return random.Random(seed).randbytes(size)


def saved(whole: Source, data: bytes, directory: Path, log: bytes | None = None) -> tuple[Outcome, Rows]:
    """Recover a damaged file, and hold what was saved against what was there before."""
    directory = directory / "work"
    directory.mkdir()
    broken, made = directory / "broken.db", directory / "saved.db"
    broken.write_bytes(data)
    if log is not None:
        broken.with_name("broken.db-wal").write_bytes(log)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    outcome = recover(broken, made, NOW_US)
    rows = rows_of(made)
    assert prove(made).damage == 0
    made.unlink()
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before, "the source was touched"
    assert_from_source(rows, whole.rows)
    if outcome.is_whole:
        for table in ("frame", "action"):
            assert rows[table] == whole.rows[table], "it says that all was saved"
    return outcome, rows


_COLUMN = {table.name: {name: at for at, name in enumerate(table.columns.keys())} for table in SAVED}


def assert_from_source(rows: Rows, before: Rows) -> None:
    """Nothing is in what was saved that was not in the source: no frame, no action, in no other order."""
    kind = _COLUMN["frame"]["kind"]
    frames = {(*row[:kind], *row[kind + 1 :]) for row in before["frame"]}
    assert {(*row[:kind], *row[kind + 1 :]) for row in rows["frame"]} <= frames
    contents = _lists(before)
    for key, found in _lists(rows).items():
        whole = iter(contents[key])
        assert all(content in whole for content in found), "the order of a list has changed"
    assert {row[:4] for row in rows["stream"]} <= {row[:4] for row in before["stream"]}


def _lists(rows: Rows) -> dict[tuple[int, int], list[bytes]]:
    content = _COLUMN["action"]["content_digest"]
    found: dict[tuple[int, int], list[bytes]] = {}
    for row in rows["action"]:
        found.setdefault(row[:2], []).append(row[content])
    return found


def places(path: Path, table: Table) -> list[int]:
    """Return the pages of a table, the root first."""
    with closing(sqlite3.connect(path)) as connection:
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table.name,)).fetchall()
    data, found, pending = path.read_bytes(), list[int](), [root]
    while pending:
        number = pending.pop(0)
        found.append(number)
        page = data[(number - 1) * PAGE : number * PAGE]
        if page[0] == 0x02:
            count = int.from_bytes(page[3:5])
            cells = [int.from_bytes(page[12 + 2 * index : 14 + 2 * index]) for index in range(count)]
            pending += [int.from_bytes(page[at : at + 4]) for at in cells] + [int.from_bytes(page[8:12])]
    return found


Damaging = Callable[[bytes, int], bytes]


def ways() -> Iterator[tuple[str, Damaging]]:
    """Yield each way to damage one page, by its name."""
    yield "zeros", lambda data, number: damage(data, number, bytes(PAGE))
    yield "noise", lambda data, number: damage(data, number, noise(number))
    yield "cut", lambda data, number: data[: (number - 1) * PAGE]
    yield "torn", lambda data, number: data[: (number - 1) * PAGE + 5000]
    for at in (0, 1, 3, 4, 5, 7, 8, 11, 12, 40, 2000, 9000, PAGE - 1200, PAGE - 600, PAGE - 20, PAGE - 1):
        yield f"flip {at}", lambda data, number, at=at: flipped(data, (number - 1) * PAGE + at)  # type: ignore[misc]
