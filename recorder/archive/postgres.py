"""Postgres 13 and newer: where archives flow together. Many may write at once; rows are compared, never overwritten."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.pool import NullPool

from recorder import clock
from recorder.archive.dialect import Dialect, JsonSql, driver_error
from recorder.archive.postgres_views import alter
from recorder.errors import ConfigurationError, DamagedArchive, DatabaseAway, DiskError, RecorderError
from recorder.feed.values import SEQUENCE_DECIMALS, SEQUENCE_DIGITS
from recorder.model import DIGEST_BYTES

_SCHEMA_LOCK = 0x7265636F72646572
"""The advisory lock of whoever changes the schema: the letters of "recorder"."""
_SNAPSHOTS_S = 60.0
"""How long a purge waits for those who may still read what is gone."""
_PURGE_LOCK = 0x70757267
"""The first half of a stream's advisory lock, which who stores or purges has alone: "purg"."""
_LEFT_ON_CITUS = (
    "the planner's samples on Citus's workers (pg_statistic), and dead rows there that a transaction which began "
    "before may still read: docs/scale.md says how they go"
)

# -- opening -----------------------------------------------------------------------------------------------------------

# libpq's, unless the URL says otherwise. A server that has vanished is noticed after 20 s, not after two hours.
_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    "fallback_application_name": "recorder",
    "client_encoding": "utf8",
}
_SESSION = {"TimeZone": "UTC", "DateStyle": "ISO, YMD", "bytea_output": "hex"}
_WRITING = {
    # A statement sees what was committed before it began: what is asked behind a lock depends on that (`_admit`).
    "default_transaction_isolation": "read committed",
    # In 8 of 12 immediate shutdowns a batch whose commit had failed was in the table afterwards: so rows are compared
    # when they are sent again; and what was acknowledged must be there.
    "synchronous_commit": "on",
    "lock_timeout": "20s",
    "statement_timeout": "120s",
    "idle_in_transaction_session_timeout": "120s",
    # Citus else lets one transaction at a time change a table; ours do not change the same rows (`_admit`).
    "citus.enable_deadlock_prevention": "off",
}
# Who alters or rewrites a table is not waited for: reading is tried again, recording goes on from the spool.
# To compile a statement costs more than it saves here: status of 10,000 streams took five times as long with it.
_READING = {"default_transaction_read_only": "on", "lock_timeout": "5s", "jit": "off"}

_CANCEL_S = 5.0


def _writer(url: URL) -> Engine:
    return _engine(url, _CONNECTION | {"target_session_attrs": "read-write"}, _SESSION | _WRITING)


def _reader(url: URL) -> Engine:
    # Each transaction says so itself: the setting alone could be taken back by anybody's own SELECT.
    return _engine(url, _CONNECTION, _SESSION | _READING).execution_options(postgresql_readonly=True)


def _engine(url: URL, connection_options: Mapping[str, Any], settings: Mapping[str, str]) -> Engine:
    # Statements prepared on the server would not survive a pooler, and ours are few and long.
    options = {name: value for name, value in connection_options.items() if name not in url.query}
    engine = create_engine(
        url,
        poolclass=NullPool,
        use_native_hstore=False,
        hide_parameters=True,  # an error must not hold payload
        connect_args={"prepare_threshold": None, **options},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: psycopg.Connection[Any], _record: object) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise ConfigurationError(f"{_place(url)} is in {encoding}, which cannot hold every name; make one in UTF8")
        calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
        connection.execute(f"SELECT {calls}", [text for setting in settings.items() for text in setting])
        connection.commit()
        connection.adapters.register_loader("timestamptz", _TimeAsText)
        connection.adapters.register_loader("numeric", _NumberAsInSqlite)
        connection.adapters.register_loader("jsonb", TextLoader)

    return engine


def _interrupt(connection: Connection) -> None:
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    driver.cancel_safe(timeout=_CANCEL_S)


class _TimeAsText(Loader):
    """``2016-06-10 19:00:00.5+00`` as ``2016-06-10T19:00:00.500000Z``, which is what SQLite gives."""

    def load(self, data: Any) -> str:
        whole, _, fraction = bytes(data).decode().removesuffix("+00").partition(".")
        return f"{whole.replace(' ', 'T')}.{fraction:0<6}Z"


class _NumberAsInSqlite(Loader):
    """A ``timeline_sequence`` (20 decimals) as fixed-point text, a sum as an integer, an average as a float."""

    def load(self, data: Any) -> str | int | float:
        text = bytes(data).decode()
        _, point, decimals = text.partition(".")
        if len(decimals) == 20:
            return text.zfill(27)
        return float(text) if point or not text.lstrip("-").isdigit() else int(text)


def _place(url: URL) -> str:
    shown = {name: value for name, value in url.query.items() if name in ("host", "port", "service", "dbname")}
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database, shown).render_as_string()


class _NothingHeld:
    """Any number may write: rows are compared with what is there."""

    def release(self) -> None:
        """Do nothing."""


def _lock_schema(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")


def _stand_still(connection: Connection) -> None:
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


# -- taking out --------------------------------------------------------------------------------------------------------


def _admit(connection: Connection, stream_ids: Collection[int]) -> None:
    # In order, so that nobody waits for each other. Not one lock for all: a purge of one must not stop the others. No
    # locks of rows: Citus has none of rows that are on several servers.
    keys = sorted({_purge_key(stream_id) for stream_id in stream_ids})
    statement = f"SELECT pg_advisory_xact_lock({_PURGE_LOCK}, key) FROM unnest(CAST(%s AS integer[])) key"
    connection.exec_driver_sql(statement, (keys,)).all()


def _bar(connection: Connection, stream_id: int) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PURGE_LOCK}, {_purge_key(stream_id)})").all()


def _purge_key(stream_id: int) -> int:
    # What two streams share by chance costs one of them a wait.
    return stream_id & 0x7FFFFFFF


def _scrub(engine: Engine, tables: Collection[Table]) -> list[str]:
    left: list[str] = []
    pooled = engine.raw_connection()
    try:
        driver = pooled.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.autocommit = True
        driver.execute("SET statement_timeout = 0")
        driver.execute("SET lock_timeout = 0")
        # Who may not rewrite a table is only warned.
        driver.add_notice_handler(
            lambda said: left.append(said.message_primary or "") if said.severity_nonlocalized == "WARNING" else None
        )
        until_ns = clock.elapsed_ns() + int(_SNAPSHOTS_S * 1e9)
        for table in tables:
            while (kept := _rewrite(driver, table)) and clock.elapsed_ns() < until_ns:
                time.sleep(0.5)
            if kept:
                left.append(
                    f"{kept} dead rows of {table.name}, which a transaction that began before may still read: purge "
                    "one of them again when it is over"
                )
            _forget_statistics(driver, table)
        # The planner's samples of what stands in the columns: names of players among them.
        driver.execute("VACUUM (FULL) pg_catalog.pg_statistic")
        if driver.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchone() is not None:
            left.append(_LEFT_ON_CITUS)
    finally:
        pooled.close()
    return left


def _rewrite(driver: psycopg.Connection[Any], table: Table) -> int:
    """Write a table anew without the rows that are dead; return how many were kept, for somebody's older snapshot."""
    details: list[str] = []

    def note(said: psycopg.errors.Diagnostic) -> None:
        if said.severity_nonlocalized == "INFO" and said.message_detail:
            details.append(said.message_detail)

    driver.add_notice_handler(note)
    try:
        driver.execute(f'VACUUM (FULL, VERBOSE, ANALYZE) "{table.name}"')
    finally:
        driver.remove_notice_handler(note)
    # In any language: "12 dead row versions cannot be removed yet.", before what it cost.
    counts = [re.search(r"\d+", detail) for detail in details]
    return sum(int(count[0]) for count in counts if count)


def _forget_statistics(driver: psycopg.Connection[Any], table: Table) -> None:
    """Have the planner's samples of a table taken anew also when it is empty: ANALYZE would leave what it knew.

    So with each of its partitions, where a user has split it.
    """
    parts = driver.execute(_PARTS, (table.name,)).fetchall() or [(f'"{table.name}"', "true")]
    empty = [welcome for name, welcome in parts if driver.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is None]
    if not empty:
        return
    nothing = {column.name: _NOTHING[column.type.python_type] for column in table.columns if not column.nullable}
    nothing["stream_id"] = "made_up.stream_id"
    names, values = ", ".join(f'"{name}"' for name in nothing), ", ".join(nothing.values())
    with driver.transaction():  # nobody sees the rows
        for welcome in empty:
            ids = "generate_series(CAST(-9999 AS bigint), -1) stream_id"
            made_up = f"SELECT stream_id FROM {ids} WHERE {welcome} LIMIT 1"
            driver.execute(f'INSERT INTO "{table.name}" ({names}) SELECT {values} FROM ({made_up}) made_up')
        driver.execute(f'ANALYZE "{table.name}"')
        driver.execute(f'DELETE FROM "{table.name}" WHERE stream_id < 0')


_PARTS = """
    SELECT CAST(relid AS text), pg_get_partition_constraintdef(relid) FROM pg_partition_tree(CAST(%s AS regclass))
    WHERE isleaf AND level > 0
"""
_NOTHING: Mapping[type, str] = {int: "0", str: "''", bytes: "''", bool: "false"}

# -- what goes wrong ---------------------------------------------------------------------------------------------------

# A refused connection has no SQLSTATE; the server's own sentence is all there is.
_REFUSED = re.compile(
    "authentication failed|no password supplied|does not exist|permission denied|no pg_hba.conf entry|not permitted"
    "|definition of service|service file|invalid (connection option|.*value|.*port)|root certificate|certificate verify"
)
# By SQLSTATE or its first two letters, the class; in this order.
_MEANINGS: list[tuple[type[RecorderError], Callable[[str, psycopg.Error], bool], str]] = [
    (DiskError, lambda state, _: state == "53100", "make room on the server's disk and run again"),
    (DiskError, lambda state, _: state.startswith("58"), "mend the server's disk (its log says more) and run again"),
    (DamagedArchive, lambda state, _: state in ("XX001", "XX002"), "keep what there is and restore a backup beside it"),
    (
        ConfigurationError,
        lambda state, said: state.startswith(("28", "3D", "3F", "42501")) or (not state and _is_refusal(said)),
        "mend the URL, or what this role may do there",
    ),
    (
        DatabaseAway,
        lambda state, said: (
            state.startswith(("08", "57", "25006", "25P03", "40", "53", "55P03"))
            or (not state and isinstance(said, psycopg.OperationalError))
        ),
        "see that it is up and writable, and run again: nothing is lost",
    ),
]  # fmt: skip


def _is_refusal(said: psycopg.Error) -> bool:
    return _REFUSED.search(str(said)) is not None


def _explain(error: BaseException, place: str) -> RecorderError | None:
    said = driver_error(error)
    if not isinstance(said, psycopg.Error):
        return None
    lines = str(said).strip().splitlines() or [type(said).__name__]
    for kind, applies, remedy in _MEANINGS:
        if applies(said.sqlstate or "", said):
            return kind(f"{place}: {lines[0].strip()}; {remedy}")
    return None


# -- filling -----------------------------------------------------------------------------------------------------------


def _pour(connection: Connection, table: Table | str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    # COPY costs a quarter of executemany, and binary keeps bytes from being doubled as hexadecimal digits.
    name, names = table if isinstance(table, str) else table.name, ", ".join(f'"{column}"' for column in columns)
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor() as cursor:
        cursor.execute(f'SELECT {names} FROM "{name}" LIMIT 0')
        types = [column.type_code for column in cursor.description or ()]
        with cursor.copy(f'COPY "{name}" ({names}) FROM STDIN (FORMAT BINARY)') as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


# -- saying it in SQL --------------------------------------------------------------------------------------------------
# Without the operator for a remainder, which the driver takes for a placeholder.


def _time(column: str) -> str:
    # Both factors are exact as the floats that they become; one factor of microseconds would not be.
    seconds, micros = f"({column}) / 1000000", f"mod({column}, 1000000)"
    return f"(timestamptz 'epoch' + {seconds} * interval '1 second' + {micros} * interval '1 microsecond')"


_DAYS = (
    "[12][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))|([12][0-9](0[48]|[2468][048]|[13579][26])|(1[26]|2[048])00)-02-29"
)
_ZONE = "(Z|z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
_MOMENT = f"^({_DAYS})[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?{_ZONE}?$"


def _moment(said: str) -> str:
    # The cast raises for what is no time, and rounds what is finer than a microsecond: neither may reach it.
    cut = f"regexp_replace({said}, '([.][0-9]{{6}})[0-9]+', '\\1')"
    zone = f"CASE WHEN {said} ~ '{_ZONE}$' THEN '' ELSE 'Z' END"
    return f"CASE WHEN {said} ~ '{_MOMENT}' THEN CAST({cut} || {zone} AS timestamptz) END"


def _padded(number: str, width: int) -> str:
    digits = f"ltrim(CAST({number} AS text), '-')"
    sign, width_left = f"CASE WHEN {number} < 0 THEN '-' ELSE '' END", f"{width} - CAST({number} < 0 AS integer)"
    return f"({sign} || lpad({digits}, greatest({width_left}, length({digits})), '0'))"


def _json_array(column: str, keys: Sequence[str]) -> str:
    found = f"CAST({column} AS json) #> '{{{','.join(keys)}}}'"
    return f"CASE WHEN json_typeof({found}) = 'array' THEN {found} END"


def _json_integer(value: str, key: str) -> str:
    member = f"({value} ->> '{key}')"
    kind = f"json_typeof({value} -> '{key}')"
    return f"CASE WHEN {kind} = 'number' AND {member} ~ '^-?[0-9]{{1,18}}$' THEN CAST({member} AS bigint) END"


def _json_text(value: str, key: str) -> str:
    return f"CASE WHEN json_typeof({value} -> '{key}') = 'string' THEN {value} ->> '{key}' END"


POSTGRES = Dialect(
    name="postgres",
    is_server=True,
    writer=_writer,
    reader=_reader,
    exists=lambda _url: True,  # the server will tell
    place=_place,
    hold=lambda _url: _NothingHeld(),
    explain=_explain,
    stand_still=_stand_still,
    interrupt=_interrupt,
    pour=_pour,
    back_up=None,
    copies=lambda _url: [],
    admit=_admit,
    bar=_bar,
    scrub=_scrub,
    lock_schema=_lock_schema,
    alter=alter,
    temporary=lambda name, like: f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} (LIKE {like}) ON COMMIT DELETE ROWS",
    digest=lambda column: f"substring(sha256({column}) FROM 1 FOR {DIGEST_BYTES})",
    time=_time,
    moment=_moment,
    number=lambda column: f"CAST({column} AS numeric({SEQUENCE_DIGITS + SEQUENCE_DECIMALS}, {SEQUENCE_DECIMALS}))",
    document=lambda column: f"CAST({column} AS jsonb)",
    least=lambda one, other: f"least({one}, {other})",
    joined=lambda column: f"string_agg({column}, ',')",
    padded=_padded,
    json=JsonSql(
        array=_json_array,
        elements=lambda array, name: f"LATERAL json_array_elements({array}) {name}(value)",
        is_object=lambda name: f"json_typeof({name}.value) = 'object'",
        integer=_json_integer,
        text=_json_text,
    ),
)
