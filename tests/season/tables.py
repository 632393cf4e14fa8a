"""The same match on a real archive: each commit is a transaction, and a restart must find what the memory says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, select

from recorder.archive import migrate, tables
from recorder.archive.apply import apply, close_dangling_sessions
from recorder.archive.chains import Chains, content_link, content_start, frame_link, frame_start
from recorder.archive.dialect import parse_url
from recorder.archive.load import load
from recorder.model import StoredStream
from recorder.operations import Operation
from tests.season.shelf import Rows, Shelf


class Tables:
    """Stands before a shelf, and is told the same. Its writer's thread is left out, and so are the syncs."""

    def __init__(self, directory: Path) -> None:
        url, self._dialect = parse_url(f"sqlite:///{directory / 'season.db'}")
        self._engine = migrate.writable(url, self._dialect)
        # What a power cut would take is not what this is about.
        event.listen(self._engine, "connect", lambda driver, _record: driver.execute("PRAGMA synchronous=OFF"))
        self._connection = self._engine.connect()
        self._shelf = Shelf()
        self._chains = Chains()

    def before(self, shelf: Shelf) -> Tables:
        """Stand before the shelf of the next match."""
        self._shelf = shelf
        return self

    def apply(self, operations: Sequence[Operation]) -> None:
        """Carry them out in both, in one transaction."""
        self._shelf.apply(operations)
        with self._connection.begin():
            apply(self._connection, self._dialect, operations, self._chains)

    def close_dangling_sessions(self) -> None:
        """A process begins: what another one left open is closed."""
        self._chains = Chains()
        self._shelf.close_dangling_sessions()
        with self._connection.begin():
            close_dangling_sessions(self._connection)

    def load(self, stream_id: int) -> StoredStream:
        """Return what both say of a stream."""
        with self._connection.begin():
            found = load(self._connection, stream_id)
        assert found == self._shelf.load(stream_id)
        return found

    def compare(self, stream_id: int) -> None:
        """Assert that the rows are those of the shelf, and that the chains over them hold."""
        self.load(stream_id)
        with self._connection.begin():
            rows = self._shelf.rows[stream_id]
            _compare(self._connection, stream_id, rows)
            _check_sessions(self._connection, stream_id, rows)
            _check_epochs(self._connection, stream_id)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._engine.dispose()


def _rows(connection: Connection, stream_id: int, table: Any, *order: str) -> list[Any]:
    columns = table.columns
    return list(
        connection.execute(
            select(table).where(columns.stream_id == stream_id).order_by(*(columns[name] for name in order))
        )
    )


def _compare(connection: Connection, stream_id: int, rows: Rows) -> None:
    frames = _rows(connection, stream_id, tables.frame, "session_id", "frame_number")
    assert [(row.session_id, row.frame_number, row.kind, row.payload) for row in frames] == [
        (*key, str(frame.kind), frame.payload) for key, frame in sorted(rows.frames.items())
    ]
    actions = _rows(connection, stream_id, tables.action, "epoch", "position")
    assert [(row.epoch, row.position, row.content_digest, row.frame_digest, row.received_us) for row in actions] == [
        (number, position, action.content_digest, action.frame_digest, action.received_us)
        for number, epoch in sorted(rows.epochs.items())
        for position, action in enumerate(epoch.actions)
    ]
    gaps = _rows(connection, stream_id, tables.gap, "gap_id")
    assert [(row.gap_id, row.cause, row.to_position, row.resolved_us) for row in gaps] == [
        (gap_id, gap.cause, gap.to_position, gap.resolved_us) for gap_id, gap in sorted(rows.gaps.items())
    ]


def _check_sessions(connection: Connection, stream_id: int, rows: Rows) -> None:
    """Assert that each names the one before it, and that its chain covers its frames: all, if it was closed."""
    previous = None
    for row in _rows(connection, stream_id, tables.session, "session_id"):
        assert row.previous_id == previous
        previous = row.session_id
        stored = [frame for key, frame in sorted(rows.frames.items()) if key[0] == row.session_id]
        assert row.chained is None or row.chained <= len(stored)
        assert row.chained == len(stored) or row.outcome == "recorder_died"
        chain = frame_start(stream_id, row.session_id)
        for frame in stored[: row.chained or 0]:
            chain = frame_link(
                chain, frame.frame_number, frame.received_us, frame.monotonic_ns, frame.kind, frame.opcode,
                frame.digest, frame.reason,
            )  # fmt: skip
        assert row.chain == chain or row.chained is None


def _check_epochs(connection: Connection, stream_id: int) -> None:
    """Assert that the chain of each list goes to its end, now that the stream has ended."""
    actions = _rows(connection, stream_id, tables.action, "epoch", "position")
    for row in _rows(connection, stream_id, tables.epoch, "epoch"):
        contents = [action.content_digest for action in actions if action.epoch == row.epoch]
        chain = content_start(stream_id)
        for content in contents:
            chain = content_link(chain, content)
        assert (row.chained, row.chain) == (len(contents), chain)
