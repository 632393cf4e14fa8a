"""SQLite: one file, one process that writes it, any number that read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, inspect
from sqlalchemy.pool import NullPool

from recorder.archive.dialect import Dialect, JsonSql, driver_error
from recorder.archive.lock import WriterLock
from recorder.errors import ArchiveHeld, ConfigurationError, DamagedArchive, DiskError, RecorderError
from recorder.model import digest

PAGE_SIZE = 16384
"""Bytes. Real packets are 1.1-1.8 kB: smaller pages would make most clustered rows overflow."""

_BUSY_TIMEOUT_MS = 60_000

_CACHE_KIB = 65_536
"""Of pages that a writer may keep: each stream in play has two that it adds to, and SQLite's own 2 MiB hold 60 streams.
With more, every commit would read what the one before has written."""

_CHECKPOINT_PAGES = 4000
"""After so many pages, 64 MiB, the log is brought into the file. Each stream in play changes the same two pages again
and again; with SQLite's own 1000 they were brought there every few commits."""

# Rows in one INSERT: `executemany` hands the interpreter's lock over for every row and falls to some hundred rows a
# second beside a busy thread; one statement with many rows does not. Bounded by SQLite's 32,766 parameters.
_CHUNKS = tuple(2**power for power in reversed(range(10)))


def checked(url: URL) -> URL:
    """Return ``url`` if it names a file; else a ConfigurationError says what it should name."""
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("an archive in memory would be lost; name a file, e.g. sqlite:///recorder.db")
    if url.query:
        raise ConfigurationError("a SQLite URL takes no options (?…) here; name a file, e.g. sqlite:///recorder.db")
    return url


def file_of(url: URL) -> Path:
    """Return the absolute path of a SQLite URL's file."""
    return Path(url.database or "").absolute()


# -- opening -----------------------------------------------------------------------------------------------------------


def _writer(url: URL) -> Engine:
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 60}, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def durable(connection: sqlite3.Connection, _record: object) -> None:
        connection.create_function("recorder_digest", 1, digest, deterministic=True)
        # With synchronous=NORMAL 25 of 25 simulated power cuts lost acknowledged rows; with FULL none.
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")  # means something only before the first table
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA secure_delete=ON")  # what a spool forgets is not to stay in its free pages
        level = connection.execute("PRAGMA synchronous").fetchone()[0]
        if mode != "wal" or level != 2:
            raise ConfigurationError(
                f"{file_of(url)} cannot be made durable (journal mode {mode}, synchronous {level}): "
                "use a local disk, not a network file system"
            )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that begins by reading and then writes fails at once when another writer came between,
        # whatever the busy time-out says.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _reader(url: URL) -> Engine:
    path = file_of(url)

    def connect() -> sqlite3.Connection:
        # A WAL file needs its side files; where we may not make them and nobody writes, the file stands still.
        real = path.resolve()
        still = not os.access(real.parent, os.W_OK) and not real.with_name(real.name + "-wal").exists()
        query = "mode=ro&immutable=1" if still else "mode=ro"
        connection = sqlite3.connect(f"file:{quote(str(path))}?{query}", uri=True, timeout=60, check_same_thread=False)
        connection.execute("PRAGMA query_only=ON")
        connection.create_function("recorder_digest", 1, digest, deterministic=True)
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _interrupt(connection: Connection) -> None:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    driver.interrupt()


def _exists(url: URL) -> bool:
    return file_of(url).is_file() and file_of(url).stat().st_size > 0


def _hold(url: URL) -> WriterLock:
    path = file_of(url)
    try:
        held = WriterLock(path, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    except OSError as error:
        raise DiskError(f"{path} cannot be written ({error.strerror}); mend that or name another database") from None
    _roll_back(path)
    return held


def _roll_back(path: Path) -> None:
    """Let SQLite undo what a recorder had begun when it was killed in the first moments of a new archive.

    Before it is switched to a write-ahead log a file has a journal, and who only reads cannot roll that back.
    """
    real = path.resolve()
    journal = real.with_name(real.name + "-journal")
    if journal.exists() and journal.stat().st_size:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")


def _explain(error: BaseException, place: str) -> RecorderError | None:
    said = driver_error(error)
    name = getattr(said, "sqlite_errorname", "")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return DiskError(
            f"{place}: {said} ({name}); make room or mend the disk and run again: what was "
            "acknowledged is stored, the rest will be asked of the vendor again"
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ArchiveHeld(f"{place}: {said}: another program has kept it locked; let it finish and run again")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return DamagedArchive(
            f"{place}: {said} ({name}); keep the file as it is, and restore a backup beside it or save what it holds "
            "with `recorder recover`"
        )
    return None


# -- filling and altering ----------------------------------------------------------------------------------------------


def _pour(connection: Connection, table: Table | str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    name, done = table if isinstance(table, str) else table.name, 0
    while done < len(rows):
        size = next(chunk for chunk in _CHUNKS if chunk <= len(rows) - done)
        parameters = tuple(chain.from_iterable(rows[done : done + size]))
        connection.exec_driver_sql(_insert(name, tuple(columns), size), parameters)
        done += size


@lru_cache
def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    names, values = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    # Not OR ABORT, as it is unless told: then a statement with many rows keeps a copy of each page that it changes, a
    # third of all that was written, in a file elsewhere. A row that is refused ends the transaction anyway.
    return f'INSERT OR FAIL INTO "{table}" ({names}) VALUES {", ".join([f"({values})"] * rows)}'


def _back_up(connection: Connection, suffix: str) -> Path:
    source = file_of(connection.engine.url)
    copy = source.with_name(f"{source.name}.{suffix}")
    with sqlite3.connect(source) as reading, sqlite3.connect(copy) as writing:
        reading.backup(writing)
    reading.close()
    writing.close()
    return copy


def _copies(url: URL) -> list[Path]:
    source = file_of(url)
    return sorted(path for path in source.parent.iterdir() if path.name.startswith(f"{source.name}.before-"))


def _scrub(engine: Engine, _tables: Collection[Table]) -> list[str]:
    # Overwriting what is deleted (secure_delete) is not enough: pages that were once split keep pieces of their rows.
    pooled = engine.raw_connection()
    try:
        driver = pooled.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("VACUUM")
        if empty_log(driver, _BUSY_TIMEOUT_MS):
            return []
        return [f"the log {file_of(engine.url)}-wal, which somebody reads: purge one of them again when he has left"]
    finally:
        pooled.close()


def empty_log(driver: sqlite3.Connection, patience_ms: int) -> bool:
    """Bring the write-ahead log into the file and cut it to nothing; False when a reader needs it for longer."""
    driver.execute(f"PRAGMA busy_timeout={patience_ms}")
    is_busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    driver.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    return not is_busy


def _alter(connection: Connection, change: Callable[[], bool], views: Mapping[str, str]) -> None:
    # SQLite alters no table under a view.
    inspector = inspect(connection)
    users = []
    for name in inspector.get_view_names():
        if name not in views:
            users.append(inspector.get_view_definition(name))
        connection.exec_driver_sql(f'DROP VIEW "{name}"')
    if change():
        for name, select in views.items():
            connection.exec_driver_sql(f"CREATE VIEW {name} AS {select}")
    for statement in users:
        connection.exec_driver_sql(statement)


# -- saying it in SQL --------------------------------------------------------------------------------------------------


def _time(column: str) -> str:
    # Integer arithmetic all the way (a REAL would lose microseconds), floored so that times before 1970 hold too.
    micros = f"(({column} % 1000000 + 1000000) % 1000000)"
    seconds = f"({column} - {micros}) / 1000000"
    return f"strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || printf('.%06dZ', {micros})"


def _moment(said: str) -> str:
    # The same rule as Postgres' regular expression: a day of the calendar, an optional fraction, an optional zone.
    iso = "'%Y-%m-%dT%H:%M:%S'"
    head, behind = f"substr({said}, 1, 19)", f"substr({said}, 20)"
    zone = f"ltrim({behind}, '.0123456789')"
    fraction = f"substr({behind}, 1, length({behind}) - length({zone}))"
    two = "[0-9][0-9]"
    return (
        f"CASE WHEN {said} GLOB '[12][0-9]{two}-{two}-{two}[T ]{two}:{two}:{two}*'"
        # 30 February would become 1 March.
        f" AND strftime({iso}, strftime('%s', {head}), 'unixepoch') = replace({head}, ' ', 'T')"
        f" AND ({fraction} = '' OR {fraction} GLOB '.[0-9]*' AND NOT substr({fraction}, 2) GLOB '*[^0-9]*')"
        f" AND ({zone} IN ('', 'Z', 'z') OR {zone} GLOB '[+-][01][0-9]:[0-5][0-9]' AND substr({zone}, 2, 2) <= '14')"
        f" THEN strftime({iso}, {head} || {zone}) || '.' || substr(substr({fraction}, 2) || '000000', 1, 6) || 'Z' END"
    )


def _json_array(column: str, keys: Sequence[str]) -> str:
    path = f"'$.{'.'.join(keys)}'"
    return f"CASE WHEN json_type({column}, {path}) = 'array' THEN json_extract({column}, {path}) END"


def _json_integer(value: str, key: str) -> str:
    member = f"json_extract({value}, '$.{key}')"
    return (
        f"CASE WHEN json_type({value}, '$.{key}') = 'integer' AND typeof({member}) = 'integer'"
        f" AND {member} BETWEEN -{10**18 - 1} AND {10**18 - 1} THEN {member} END"
    )


def _json_text(value: str, key: str) -> str:
    return f"CASE WHEN json_type({value}, '$.{key}') = 'text' THEN json_extract({value}, '$.{key}') END"


SQLITE = Dialect(
    name="sqlite",
    is_server=False,
    writer=_writer,
    reader=_reader,
    exists=_exists,
    place=lambda url: str(file_of(url)),
    hold=_hold,
    explain=_explain,
    stand_still=lambda connection: connection.exec_driver_sql("BEGIN").close(),
    interrupt=_interrupt,
    pour=_pour,
    back_up=_back_up,
    copies=_copies,
    admit=lambda _connection, _stream_ids: None,  # for the same reason as the schema
    bar=lambda _connection, _stream_id: None,
    scrub=_scrub,
    lock_schema=lambda _connection: None,  # the transaction is the file's only writing one
    alter=_alter,
    temporary=lambda name, like: f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} AS SELECT * FROM {like} WHERE false",
    digest=lambda column: f"recorder_digest({column})",
    time=_time,
    moment=_moment,
    number=lambda column: column,
    document=lambda column: column,
    least=lambda one, other: f"coalesce(min({one}, {other}), {one}, {other})",
    joined=lambda column: f"group_concat({column}, ',')",
    padded=lambda number, width: f"printf('%0{width}d', {number})",
    json=JsonSql(
        array=_json_array,
        elements=lambda array, name: f"json_each({array}) {name}",
        is_object=lambda name: f"{name}.type = 'object'",
        integer=_json_integer,
        text=_json_text,
    ),
)
