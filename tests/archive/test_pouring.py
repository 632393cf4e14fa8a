"""What many rows in one statement cost on SQLite, beside the rows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import IntegrityError

from recorder.archive import migrate, tables
from recorder.archive.apply import apply, frame_row
from recorder.archive.chains import Chains
from recorder.archive.dialect import parse_url
from recorder.archive.sqlite import SQLITE
from recorder.model import Frame, Kind, digest
from recorder.operations import ResolveGaps
from tests.archive.filling import History

ROWS = 512


def rows(first: int = 0) -> list[tuple[object, ...]]:
    """One frame for each of many streams, so that each falls onto a page of its own."""
    payload = b'{"' + b"x" * 4_000 + b'"}'
    return [
        frame_row(Frame(stream * 2**40, 1, first, 1, 1, Kind.UNKNOWN, "text", payload, digest(payload)))
        for stream in range(1, ROWS + 1)
    ]


def pour(connection: Connection, these: list[tuple[object, ...]]) -> None:
    parse_url(str(connection.engine.url))[1].pour(connection, tables.frame, tables.frame.columns.keys(), these)


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    return migrate.writable(*parse_url(f"sqlite:///{tmp_path / 'recorder.db'}")).connect()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="open files are looked up in /proc")
def test_no_page_is_saved_for_the_case_that_a_row_is_refused(connection: Connection) -> None:
    """A statement that can be taken back alone copies each page into a temporary file before it changes it."""
    with connection, connection.begin():
        pour(connection, rows())
        pour(connection, rows(1))
        assert [name for name in _open_files() if "etilqs" in name] == []  # what SQLite calls its temporary files


def test_a_row_that_is_refused_takes_its_transaction_along(connection: Connection) -> None:
    """Nothing of it stays, not the rows of the same statement before it either."""
    with connection:
        with pytest.raises(IntegrityError), connection.begin():
            pour(connection, [*rows(), *rows()])
        assert connection.exec_driver_sql("SELECT count(*) FROM frame").scalar() == 0


def test_a_moment_in_which_many_lose_sight_of_their_match(connection: Connection) -> None:
    """Gaps that are opened and healed between the frames of a transaction do not part the frames' statements."""
    statements: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *said: statements.append(said[2]))
    made = History()
    for number in range(16):
        made.add(type="Pass")
        made.gap("coverage", gap_id=number)
        made.operations.append(ResolveGaps(made.stream.stream_id, ("coverage",), 7))
    with connection, connection.begin():
        apply(connection, SQLITE, made.operations, Chains())
        assert sum('INTO "frame"' in each for each in statements) == 1
        assert connection.exec_driver_sql("SELECT count(*) FROM action").scalar() == 16
        assert connection.exec_driver_sql("SELECT count(*), sum(resolved_us) FROM gap").one() == (16, 16 * 7)


def _open_files() -> list[str]:
    return [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if os.path.lexists(each)]
