"""SQLite's file format, read without SQLite: what it wrote is what we read, at every page size and through its log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.salvage.btree import read_node, varint
from recorder.salvage.log import read_log
from recorder.salvage.pages import SIZES, open_pages
from recorder.salvage.raw import File
from recorder.salvage.reading import Records, inside
from recorder.salvage.records import NoRecord, decode
from recorder.salvage.schema import read_schema
from tests.salvage.damaging import PAGE, Source, rows_of, saved

VALUES = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=40), st.floats(allow_nan=False), st.integers(0, 5000).map(bytes),
)  # fmt: skip


def read_table(path: Path) -> list[list[Any]]:
    """Return all rows of the table ``t``, in order."""
    with open_pages(path) as pages:
        records, found = Records(pages), []
        pending: list[Any] = [read_schema(records).roots["t"]]
        while pending:
            item = pending.pop()
            if isinstance(item, int):
                page = pages.page(item)
                assert page is not None
                node = read_node(page)
                assert node is not None
                assert node.is_sound
                pending += reversed(inside(page, node))
            else:
                values, is_whole = records.values(*item)
                assert is_whole
                found.append(values)
        return found


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), max_size=60), st.sampled_from(SIZES), st.sets(st.integers(0, 59)))
def test_rows_are_what_sqlite_wrote(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, Any]], size: int, deleted: set[int]
) -> None:
    """Every kind of value, with overflow pages and free blocks, at every page size."""
    path = tmp_path_factory.mktemp("format") / "t.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA page_size={size}")
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, a, b) WITHOUT ROWID")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, *row) for n, row in enumerate(rows)])
        connection.executemany("DELETE FROM t WHERE k = ?", [(n,) for n in deleted])
    expected = [[n, *row] for n, row in enumerate(rows) if n not in deleted]
    assert repr(read_table(path)) == repr(expected)


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x03\x0a\x00", b"\x02\x0b\x00", b"\x02\x0f\xff", b"\x7f" * 9])
def test_what_is_no_record_is_none(data: bytes) -> None:
    """Cut headers, values of no kind, lengths that do not fit, text that is none."""
    with pytest.raises(NoRecord):
        decode(data, len(data))


@given(st.binary(min_size=600, max_size=600))
def test_noise_is_read_without_harm(data: bytes) -> None:
    """Whatever a page holds, reading it ends, and points nowhere outside."""
    for kind in (b"\x02", b"\x05", b"\x0a", b"\x0d"):
        node = read_node(kind + data)
        assert node is not None
        assert all(cell.start + cell.local <= cell.end <= 601 for cell in node.cells)


def test_varint_of_nine_bytes() -> None:
    assert varint(b"\xff" * 9, 0) == (2**64 - 1, 9)
    assert varint(b"\x81\x00", 0) == (128, 2)


def test_what_the_disk_refuses_to_read_is_zeros() -> None:
    """An own process' memory has no byte at 0: reading it is a real EIO."""
    with Path("/proc/self/mem").open("rb", buffering=0) as file:
        refusing = File(file.fileno(), 100)
        assert (refusing[10:20], refusing.refused) == (bytes(10), 1)


# -- the write-ahead log -----------------------------------------------------------------------------------------------


@pytest.fixture
def logged(whole: Source, tmp_path: Path) -> tuple[bytes, bytes]:
    """An archive whose last changes, in three transactions, are only in its log."""
    path = tmp_path / "logged" / "a.db"
    path.parent.mkdir()
    path.write_bytes(whole.data)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        for table in ("frame", "action", "gap"):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}")
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} SELECT * FROM kept")
            connection.execute("COMMIT")
            connection.execute("DROP TABLE kept")
        return path.read_bytes(), path.with_name("a.db-wal").read_bytes()


def test_the_log_is_read_as_sqlite_reads_it(logged: tuple[bytes, bytes], tmp_path: Path) -> None:
    """Cut anywhere: what we take for committed is, page by page, what SQLite takes for it."""
    file, log = logged
    for at in (len(log), len(log) - 1, len(log) // 2, len(log) // 3, 32 + 24 + PAGE - 1, 31, 0):
        cut = tmp_path / f"cut-{at}.db"
        cut.write_bytes(file)
        cut.with_name(f"cut-{at}.db-wal").write_bytes(log[:at])
        with open_pages(cut) as pages:
            ours = [pages.page(number) for number in pages.numbers()]
        with closing(sqlite3.connect(cut)) as connection:
            connection.execute("SELECT count(*) FROM frame").fetchone()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        data = cut.read_bytes()
        theirs = [data[begin : begin + PAGE] for begin in range(0, len(data), PAGE)]
        # SQLite counts changes of the file in its header when it checkpoints.
        assert [page[100:] if n == 0 else page for n, page in enumerate(ours) if page] == [
            page[100:] if n == 0 else page for n, page in enumerate(theirs)
        ], at


def test_what_is_only_in_the_log_is_saved(whole: Source, logged: tuple[bytes, bytes], tmp_path: Path) -> None:
    """The file itself lost every page of frames: the log has them."""
    file, log = logged
    outcome, rows = saved(whole, bytes(len(file)), tmp_path, log)
    assert rows["frame"] == whole.rows["frame"]
    assert outcome.saved["action"] == len(whole.rows["action"])


@pytest.mark.parametrize("at", [0, 40, 32 + 5, 32 + 24 + 9000])
def test_a_damaged_log_costs_no_more_than_it_holds(
    whole: Source, logged: tuple[bytes, bytes], tmp_path: Path, at: int
) -> None:
    """SQLite would stop reading there, and forget all that was committed behind it."""
    file, log = logged
    broken = log[:at] + bytes([log[at] ^ 0xFF]) + log[at + 1 :]
    _, rows = saved(whole, file, tmp_path, broken)
    assert rows["frame"] == whole.rows["frame"]
    assert rows["action"] == whole.rows["action"]


def test_without_its_log_the_older_state_is_saved(whole: Source, logged: tuple[bytes, bytes], tmp_path: Path) -> None:
    outcome, rows = saved(whole, logged[0], tmp_path)
    assert outcome.is_whole
    assert rows == whole.rows


def test_a_log_of_another_size_of_pages_says_nothing(logged: tuple[bytes, bytes]) -> None:
    assert read_log(logged[1], 4096).pages == {}


def test_the_rows_of_the_test_are_there(whole: Source) -> None:
    """What the others compare with is what SQLite reads."""
    assert rows_of(whole.path) == whole.rows
    assert whole.pages > 30
