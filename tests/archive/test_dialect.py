"""What each database needs done its own way: exact numbers, times, durable and harmless connections."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url, text

from recorder.archive.dialect import Dialect, parse_url
from recorder.archive.postgres import POSTGRES
from recorder.archive.sqlite import PAGE_SIZE, SQLITE
from recorder.archive.tables import action
from recorder.archive.writer import Writer
from recorder.errors import ConfigurationError, RecorderError
from recorder.feed.values import fixed_point
from recorder.model import Kind, digest
from recorder.query.reading import reading
from tests.archive.filling import Filled, History
from tests.conftest import NewArchive

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEQUENCES = st.decimals(0, Decimal(10) ** 6, places=20, allow_nan=False).filter(lambda value: value < 10**6)


PATIENT = settings(deadline=None)  # a database on a busy machine

Evaluate = Callable[[Callable[[Dialect], str], Any], Any]


@pytest.fixture(scope="module")
def evaluate(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluate]:
    """Evaluates a fragment of SQL about ``x``, given its value, on each kind of database."""
    archive = new_archive(tmp_path_factory.mktemp("dialect") / "archive.db")
    archive.write()
    url, dialect = parse_url(archive.url)
    kinds: dict[type, str] = {int: "BIGINT", str: "TEXT", type(None): "BIGINT"}
    with dialect.reader(url).connect() as connection:

        def value(fragment: Callable[[Dialect], str], given: Any) -> Any:
            statement = f"SELECT {fragment(dialect)} AS found FROM (SELECT CAST(:x AS {kinds[type(given)]}) AS x) given"
            return connection.execute(text(statement), {"x": given}).scalar_one()

        yield value


@PATIENT
@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_iso_8601_with_microseconds(evaluate: Evaluate, moment: datetime) -> None:
    """Every moment of the years 1 to 9999, also before 1970, is the text that datetime writes."""
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    found = evaluate(lambda sql: sql.time("x"), micros)
    assert found == moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (-1, "1969-12-31T23:59:59.999999Z"),
        (-1_000_000, "1969-12-31T23:59:59.000000Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_465_585_200_000_001, "2016-06-10T19:00:00.000001Z"),
        (None, None),
    ],
)
def test_times_at_the_edges(evaluate: Evaluate, micros: int | None, shown: str | None) -> None:
    """The second before 1970 is floored, and no time is no text."""
    assert evaluate(lambda sql: sql.time("x"), micros) == shown


@given(SEQUENCES, SEQUENCES)
def test_sequences_sort_as_text(one: Decimal, other: Decimal) -> None:
    """The text of timeline_sequence is exact and stands in the order of the numbers."""
    left, right = fixed_point(one), fixed_point(other)
    assert (left < right, left == right) == (one < other, one == other)
    assert Decimal(left) == one


def test_sequences_of_the_vendor_keep_their_last_digit() -> None:
    """A step of 1e-16, which a float64 loses, is kept."""
    first, second = fixed_point(Decimal("2.0000027000000110")), fixed_point(Decimal("2.0000027000000111"))
    assert (first, second) == ("000002.00000270000001100000", "000002.00000270000001110000")


def test_writer_is_durable(file: Filled) -> None:
    """WAL, FULL and pages of 16 KiB are read back from the writer's own connections."""
    url, dialect = parse_url(file.url)
    file.write()
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
    with reading(archive.url) as reader, pytest.raises(RecorderError, match=r"read-?only"):
        reader.rows("DELETE FROM stream")


def test_reader_sees_a_still_picture(file: Filled) -> None:
    """What is committed while a reader is in its transaction does not move under it."""
    count = "SELECT count(*) FROM streams"
    with Writer(file.url) as writer, reading(file.url) as reader:
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


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("postgres://me:hunter2@host:5433/db", "postgresql://me@host:5433/db"),
        ("postgresql+psycopg://host/db?sslmode=require&password=hunter2", "postgresql://host/db"),
        ("postgresql:///db", "postgresql:///db"),
        ("postgresql://?service=x&passfile=/hunter2", "postgresql://?service=x"),
        ("postgresql:///db?host=/run/postgresql", "postgresql:///db?host=%2Frun%2Fpostgresql"),
    ],
)
def test_postgres_urls(given: str, place: str) -> None:
    """Of any spelling, with libpq's own options; people are shown where it is, and never a password."""
    url, dialect = parse_url(given)
    assert (dialect, dialect.place(url)) == (POSTGRES, place)
    assert dialect.writer(url).dialect.driver == "psycopg"


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra it is named, and nothing else is wrong: 78."""
    monkeypatch.setitem(sys.modules, "recorder.archive.postgres", None)
    monkeypatch.delattr("recorder.archive.postgres", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip install 'recorder\[postgres\]'"):
        parse_url("postgresql://me:hunter2@host/db")


PADDED: Sequence[tuple[int, int, str]] = [
    (0, 6, "000000"), (7, 6, "000007"), (123456, 6, "123456"), (1234567, 6, "1234567"), (-5, 6, "-00005"),
    (-1234567, 6, "-1234567"), (-(2**63), 7, "-9223372036854775808"), (2**63 - 1, 7, "9223372036854775807"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "width", "shown"), PADDED)
def test_numbers_are_padded(evaluate: Evaluate, number: int, width: int, shown: str) -> None:
    """Never cut, and the sign counts."""
    assert evaluate(lambda sql: sql.padded("x", width), number) == shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
)  # fmt: skip


@PATIENT
@given(value=st.dictionaries(st.just("a"), JSON, min_size=1))
def test_json_of_the_kind_that_is_asked_for(evaluate: Evaluate, value: dict[str, Any]) -> None:
    """A member of another kind, or too large, is NULL; nothing that JSON can hold raises."""
    said, member = json.dumps(value, ensure_ascii=False), value["a"]
    is_integer = type(member) is int and abs(member) < 10**18

    def parsed(sql: Dialect) -> str:
        return "x" if sql is SQLITE else "CAST(x AS json)"

    assert evaluate(lambda sql: sql.json.integer(parsed(sql), "a"), said) == (member if is_integer else None)
    assert evaluate(lambda sql: sql.json.text(parsed(sql), "a"), said) == (member if type(member) is str else None)


MOMENTS = st.from_regex(r"[0-3][0-9]{3}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
                        r"(\.[0-9]{0,9})?([Zz]|[+-][01][0-9]:[0-6][0-9])?", fullmatch=True)  # fmt: skip


@PATIENT
@given(said=MOMENTS)
def test_moments_are_those_of_the_calendar(evaluate: Evaluate, said: str) -> None:
    """What Python reads as a time of the years 1000 to 2999 is that time; all else is none, and raises nothing."""
    assert evaluate(lambda sql: sql.moment("x"), said) == moment_of(said)


def moment_of(said: str) -> str | None:
    head, behind = said[:19], said[19:]
    zone = behind.lstrip(".0123456789")
    fraction = behind.removesuffix(zone)
    try:
        when = datetime.fromisoformat(f"{head}{zone.upper() or 'Z'}")
    except ValueError:
        return None
    if not "1000" <= said[:4] <= "2999" or fraction == "." or zone[1:3] > "14" or zone[4:] > "59":
        return None
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat()}.{(fraction or '.')[1:7]:0<6}Z"


@PATIENT
@given(text_of=st.text(max_size=40))
def test_moments_of_anything(evaluate: Evaluate, text_of: str) -> None:
    """Whatever text stands in the place of a time: it is none, or by chance one, and raises nothing."""
    if "\0" not in text_of and not re.search("[\ud800-\udfff]", text_of):
        assert evaluate(lambda sql: sql.moment("x"), text_of) in (None, moment_of(text_of))


@pytest.mark.parametrize("rows", [0, 1, 3, 1000])
def test_pouring(archive: Filled, rows: int) -> None:
    """Bytes, flags, long numbers and NULLs arrive as they are, also in a temporary table."""
    archive.write()
    poured = [(2**63 - 1 - n, None if n % 2 else bool(n % 3), bytes([n % 256, 0, 255]), f"é\\N\t{n}")
              for n in range(rows)]  # fmt: skip
    url, dialect = parse_url(archive.url)
    with dialect.writer(url).begin() as connection:
        connection.exec_driver_sql(dialect.temporary("landing", "action"))
        columns = ["stream_id", "finished", "content_digest", "type"]
        if dialect.is_server:
            connection.exec_driver_sql(
                "ALTER TABLE landing " + ", ".join(f"ALTER {column.name} DROP NOT NULL" for column in action.columns)
            )
        dialect.pour(connection, "landing", columns, poured)
        found = connection.exec_driver_sql(f"SELECT {', '.join(columns)} FROM landing ORDER BY stream_id DESC").all()
    assert [tuple(row) for row in found] == poured


def test_digests_are_computed_by_the_database(archive: Filled) -> None:
    """From the bytes that it holds."""
    made = History()
    made.frame(Kind.UNKNOWN, bytes(range(256)))
    archive.write(*made.operations)
    with reading(archive.url) as reader:
        ((found,),) = reader.rows(f"SELECT {reader.dialect.digest('payload')} FROM frame")
    assert found == digest(bytes(range(256)))


def test_paths_of_any_kind(tmp_path: Path) -> None:
    """Spaces, accents, per cent and number signs in a path are the file's name, to SQLite's writers and readers."""
    archive = Filled(tmp_path / "spä ce 100% #1" / "a&b.db")
    archive.path.parent.mkdir()
    archive.write()
    assert archive.path.exists()
    with reading(archive.url) as reader:
        assert reader.rows("SELECT * FROM streams") == []
