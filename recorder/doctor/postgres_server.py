"""A Postgres server: whether it answers, keeps what it acknowledges, and lets this role do what a recorder does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, text

from recorder import clock
from recorder.archive import migrate
from recorder.archive.dialect import DiskErrors, parse_url
from recorder.doctor.findings import Finding, bad, note, ok, warning
from recorder.doctor.schema import schema_finding
from recorder.errors import DatabaseAway

CHECK = "postgres"
_OLDEST = 130_000
_OFF_MS = 1_000
_LEFT = 10
"""Connections that a recorder, its shipper, leases and a few readers need."""

# What our own sessions set for themselves shows in `setting`; what the role and the server say, in `reset_val`.
_SETTINGS = """
    SELECT name, reset_val FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit',
        'default_transaction_read_only', 'max_connections', 'superuser_reserved_connections', 'server_version',
        'server_version_num')
"""
_STANDING = """
    SELECT pg_is_in_recovery() AS is_standby,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
        has_database_privilege(current_database(), 'TEMPORARY') AS may_temporary,
        has_schema_privilege(current_schema(), 'CREATE') AS may_create,
        CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) AS now_us
"""


def server_findings(database_url: str) -> Iterator[Finding]:
    """Ask the server; raises what `run` would say when it cannot be reached or refuses us."""
    url, dialect = parse_url(database_url)
    place = dialect.place(url)
    engine = dialect.reader(url)
    try:
        with DiskErrors(dialect, url), engine.connect() as connection:
            settings = {row.name: str(row.reset_val) for row in connection.execute(text(_SETTINGS))}
            asked_us = clock.wall_us()
            standing = dict(connection.execute(text(_STANDING)).mappings().one())
            middle_us = (asked_us + clock.wall_us()) // 2
            schema = _schema(connection, place)
    finally:
        engine.dispose()
    yield ok(CHECK, f"{place} answers: Postgres {settings['server_version']}")
    yield from setting_findings(settings)
    yield from standing_findings(standing, settings)
    yield clock_finding(standing["now_us"] - middle_us)
    yield schema


def setting_findings(settings: Mapping[str, str]) -> Iterator[Finding]:
    """Judge the server's settings, by name as `pg_settings` has them."""
    if int(settings["server_version_num"]) < _OLDEST:
        yield bad(CHECK, f"Postgres {settings['server_version']} is too old", "13 or newer is needed")
    for name in ("fsync", "full_page_writes"):
        if settings[name] != "on":
            told = f"{name} is {settings[name]}: a power cut may damage the database, and lose what was acknowledged"
            yield warning(CHECK, told, f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()")
    if settings["fsync"] == settings["full_page_writes"] == "on":
        yield ok(CHECK, "fsync and full_page_writes are on")
    if settings["synchronous_commit"] == "on":
        yield ok(CHECK, "synchronous_commit is on")
    else:
        told = f"synchronous_commit is {settings['synchronous_commit']} by default; a recorder sets it on for itself"
        yield note(CHECK, told, "for other writers: ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf()")


def standing_findings(standing: Mapping[str, Any], settings: Mapping[str, str]) -> Iterator[Finding]:
    """Judge what the server is, and what this role may do there."""
    if standing["is_standby"]:
        yield bad(CHECK, "this server is a standby, which cannot be written", "name the primary", DatabaseAway)
    elif settings["default_transaction_read_only"] == "on":
        remedy = "ALTER ROLE or ALTER DATABASE … RESET default_transaction_read_only"
        yield bad(CHECK, "transactions are read-only here by default", remedy, DatabaseAway)
    else:
        yield ok(CHECK, "it can be written")
    if not standing["may_temporary"]:
        yield bad(
            CHECK, "this role may make no temporary tables, which shipping needs", "GRANT TEMPORARY ON DATABASE …"
        )
    if not standing["may_create"]:
        told = "this role may make no tables in the current schema: it can make or upgrade no archive there"
        yield warning(CHECK, told, "GRANT CREATE ON SCHEMA …, or run `recorder db upgrade` as a role that may")
    most = int(settings["max_connections"]) - int(settings["superuser_reserved_connections"])
    left = most - int(standing["used"])
    if left < _LEFT:
        yield warning(CHECK, f"{left} of {most} connections are left", "raise max_connections, or close what is idle")
    else:
        yield ok(CHECK, f"{left} of {most} connections are left")


def clock_finding(ahead_us: int) -> Finding:
    """Judge how far the server's clock is ahead of ours; half the way there and back is allowed for already."""
    ahead_ms = ahead_us / 1000
    if abs(ahead_ms) < _OFF_MS:
        return ok(CHECK, f"its clock and this machine's are {abs(ahead_ms):.0f} ms apart")
    which = "ahead of" if ahead_ms > 0 else "behind"
    return warning(
        CHECK, f"its clock is {abs(ahead_ms) / 1000:.1f} s {which} this machine's", "run a time service on both"
    )


def _schema(connection: Connection, place: str) -> Finding:
    return schema_finding(CHECK, place, *migrate.state(connection), by_itself=False)
