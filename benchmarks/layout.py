"""Bytes on disk per action, by table layout and page size, for the matches in this checkout. Run: make bench-layout.

Every layout is filled with the same rows in the same order: ten matches recorded one after another, or side by side
(one action of each in turn, as a recorder of ten live matches writes them), committed every 10 actions.
"""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.schema import CreateTable

from recorder.archive import tables
from recorder.archive.apply import action_row, frame_row
from recorder.feed.booking import frame_of
from recorder.feed.ledger import Ledger
from recorder.feed.messages import read
from recorder.ids import TimeOrderedIds
from recorder.model import StoredStream, Stream
from recorder.operations import AddAction, AddFrame, Operation
from tests.vendor import load, names


def operations(name: str) -> list[Operation]:
    """Everything that one uninterrupted connection stores of a match."""
    match = load(name)
    stream = Stream("media" if match.feed == "media" else "betting", match.sport, match.fixture_id)
    ids = TimeOrderedIds()
    ledger = Ledger(stream, StoredStream(), ids, overlap=3)
    ledger.resume.ask()
    session_id = ids.next(1_700_000_000_000_000)
    found: list[Operation] = []
    for number, (packet, offset) in enumerate(zip(match.packets, match.offsets_ms, strict=True)):
        now_us = 1_700_000_000_000_000 + offset * 1000
        frame = frame_of(
            stream, session_id, number, packet, opcode="text", received_us=now_us, monotonic_ns=offset * 1_000_000
        )
        found.extend(ledger.actions(frame, read(packet), now_us).operations)
    return found


def ddl(clustered: bool) -> list[str]:
    dialect = create_engine("sqlite://").dialect
    found = []
    for table in (tables.frame, tables.action):
        create = str(CreateTable(table).compile(dialect=dialect))
        found.append(create if clustered else create.replace("WITHOUT ROWID", ""))
    return found


def size(directory: Path, rows: list[Operation], *, clustered: bool, page_size: int) -> int:
    """Write the rows into a new database and return its size in bytes."""
    path = directory / f"{clustered}-{page_size}-{id(rows)}.db"
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in ddl(clustered):
            connection.execute(statement)
        for start in range(0, len(rows), 20):
            connection.execute("BEGIN")
            for row in rows[start : start + 20]:
                if isinstance(row, AddFrame):
                    values = frame_row(row.frame)
                    connection.execute(f"INSERT INTO frame VALUES ({','.join('?' * len(values))})", values)
                elif isinstance(row, AddAction):
                    values = action_row(row.action)
                    connection.execute(f"INSERT INTO action VALUES ({','.join('?' * len(values))})", values)
            connection.execute("COMMIT")
    connection.close()
    return path.stat().st_size


def main() -> None:
    matches = [operations(name) for name in names()]
    one_by_one = [row for match in matches for row in match]
    side_by_side = [row for turn in itertools.zip_longest(*matches) for row in turn if row is not None]
    actions = sum(isinstance(row, AddAction) for row in one_by_one)
    payload = sum(len(row.frame.payload) for row in one_by_one if isinstance(row, AddFrame))
    print(f"{len(matches)} matches, {actions} actions, {payload / actions:.0f} bytes of payload an action")
    print(f"{'layout':<24}{'page':>8}{'one by one':>14}{'side by side':>14}   bytes an action (and over the payload)")
    with tempfile.TemporaryDirectory() as directory:
        for clustered, page_size in itertools.product((True, False), (4096, 8192, 16384, 32768)):
            one, side = (
                size(Path(directory), rows, clustered=clustered, page_size=page_size) / actions
                for rows in (one_by_one, side_by_side)
            )
            name = "clustered by key" if clustered else "rowid + unique index"
            ratio = payload / actions
            print(f"{name:<24}{page_size:>8}{one:>14.0f}{side:>14.0f}   {one / ratio:.2f}x {side / ratio:.2f}x")


if __name__ == "__main__":
    main()
