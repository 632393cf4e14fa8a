"""What SQLite needs done its own way: exact numbers that sort, times as text, durable and harmless connections."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from recorder.archive.dialect import PAGE_SIZE, SQLITE, fixed_point, parse_url
from recorder.archive.writer import Writer
from recorder.errors import ConfigurationError
from recorder.query.reading import reading
from tests.archive.filling import Filled, History

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEQUENCES = st.decimals(0, Decimal(10) ** 6, places=20, allow_nan=False).filter(lambda value: value < 10**6)


def as_time(micros: int | None) -> str | None:
    with closing(sqlite3.connect(":memory:")) as connection:
        statement = f"SELECT {SQLITE.time('us')} FROM (SELECT ? AS us)"
        (found,) = connection.execute(statement, (micros,)).fetchone()
    assert found is None or isinstance(found, str)
    return found


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_iso_8601_with_microseconds(moment: datetime) -> None:
    """Every moment of the years 1 to 9999, also before 1970, is the text that datetime writes."""
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    assert as_time(micros) == moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (-1, "1969-12-31T23:59:59.999999Z"),
        (-1_000_000, "1969-12-31T23:59:59.000000Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_465_585_200_000_001, "2016-06-10T19:00:00.000001Z"),
        (None, None),
    ],
)
def test_times_at_the_edges(micros: int | None, text: str | None) -> None:
    """The second before 1970 is floored, and no time is no text."""
    assert as_time(micros) == text


@given(SEQUENCES, SEQUENCES)
def test_sequences_sort_as_text(one: Decimal, other: Decimal) -> None:
    """The text of timeline_sequence is exact and stands in the order of the numbers."""
    left, right = fixed_point(one), fixed_point(other)
    assert left is not None
    assert right is not None
    assert (left < right, left == right) == (one < other, one == other)
    assert Decimal(left) == one


def test_sequences_of_the_vendor_keep_their_last_digit() -> None:
    """A step of 1e-16, which a float64 loses, is kept."""
    first, second = fixed_point(Decimal("2.0000027000000110")), fixed_point(Decimal("2.0000027000000111"))
    assert (first, second) == ("000002.00000270000001100000", "000002.00000270000001110000")
    assert fixed_point(None) is None


def test_writer_is_durable(archive: Filled) -> None:
    """WAL, FULL and pages of 16 KiB are read back from the writer's own connections."""
    url, dialect = parse_url(archive.url)
    archive.write()
    with dialect.writer(url).connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "page_size")
        ]
    assert pragmas == ["wal", 2, PAGE_SIZE]
    assert PAGE_SIZE == 16384


def test_not_durable_is_refused() -> None:
    """Where SQLite will not keep a write-ahead log, as in memory, nothing is recorded: 78."""
    engine = SQLITE.writer(make_url("sqlite:///file:nowhere?mode=memory&uri=true"))
    with pytest.raises(ConfigurationError, match="cannot be made durable") as refused:
        engine.connect()
    assert refused.value.exit_code == 78


def test_reader_cannot_write(archive: Filled) -> None:
    """A reading connection changes nothing, whatever statement it is given."""
    archive.write()
    with reading(archive.url) as reader, pytest.raises(OperationalError, match="readonly"):
        reader.rows("DELETE FROM stream")


def test_reader_sees_a_still_picture(archive: Filled) -> None:
    """What is committed while a reader is in its transaction does not move under it."""
    count = "SELECT count(*) FROM streams"
    with Writer(archive.url) as writer, reading(archive.url) as reader:
        reader.connection.exec_driver_sql("BEGIN")
        assert reader.rows(count) == [(0,)]
        writer.submit(History().operations)
        writer.flushed().result()
        assert reader.rows(count) == [(0,)]
        reader.connection.exec_driver_sql("COMMIT")
        assert reader.rows(count) == [(1,)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "recorder.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:nowhere?mode=memory&uri=true",
        "postgresql://user:hunter2@host/db",
        "mysql://user:hunter2@host/db",
        "postgresql://user:hunter2@host:port/db",
    ],
)
def test_other_urls_are_refused(text: str) -> None:
    """A URL that cannot be an archive's is told by its kind, and never repeated: it may hold a password."""
    with pytest.raises(ConfigurationError) as refused:
        parse_url(text)
    assert "hunter2" not in str(refused.value)
    assert "sqlite:///" in str(refused.value)


def test_paths_of_any_kind(tmp_path: Path) -> None:
    """Spaces, accents, per cent and number signs in a path are the file's name, to writers and readers."""
    archive = Filled(tmp_path / "spä ce 100% #1" / "a&b.db")
    archive.path.parent.mkdir()
    archive.write()
    assert archive.path.exists()
    with reading(archive.url) as reader:
        assert reader.rows("SELECT * FROM streams") == []
