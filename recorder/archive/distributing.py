"""An archive spread over several servers by Citus: which tables are, by which statements, and when that is refused.

Everything that belongs to a match is spread by ``stream_id`` and kept together, so that no match is on two servers.
What recorders share with each other stays on the coordinator: its rows are locked by FOR UPDATE SKIP LOCKED, many at
once, which Citus does for a table of one server only. Nothing is a reference table (one whole copy on each server):
that would be for tables that rows of matches are joined with, and there are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import URL, Connection

from recorder.archive import migrate, tables
from recorder.archive.dialect import Dialect, DiskErrors, parse_url
from recorder.archive.merging.load import CARRIED
from recorder.archive.migrate import SchemaState
from recorder.errors import ArchiveHeld, ConfigurationError, NewerArchive, UsageError

SPREAD = tuple(table.name for table in (*CARRIED, tables.tombstone, tables.shipment))
"""The tables that are distributed, by ``stream_id``; the first is there for the others to be kept together with."""

LOCAL = tuple(table.name for table in (tables.lease, tables.recorder, tables.turns, tables.compatible))
"""The tables that stay on the coordinator as they are; alembic_version, which is not ours, does so too."""

_FIRST, _OTHERS = SPREAD[0], SPREAD[1:]


def _array(names: tuple[str, ...]) -> str:
    return f"ARRAY[{', '.join(repr(name) for name in names)}]"


_NOT_YET = (
    "NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = CAST(name AS regclass) AND partkey IS NOT NULL)"
)

EXTENSION = "CREATE EXTENSION IF NOT EXISTS citus"

STATEMENTS = (
    f"""\
SELECT create_distributed_table(name, 'stream_id')
  FROM unnest({_array((_FIRST,))}) name
  WHERE {_NOT_YET}""",
    f"""\
SELECT create_distributed_table(name, 'stream_id', colocate_with => '{_FIRST}')
  FROM unnest({_array(_OTHERS)}) name
  WHERE {_NOT_YET}""",
    f"""\
SELECT truncate_local_data_after_distributing_table(name)
  FROM unnest({_array(SPREAD)}) name""",
)
"""What distributes an archive, in one transaction, and completes one that is half distributed; as in docs/scale.md.

The last one is for an archive with rows: these have been copied to the other servers by then, and stay, unseen, in the
coordinator's files.
"""

_LOADED = "SELECT current_setting('citus.shard_count', true) IS NOT NULL"
_HAS_EXTENSION = "SELECT 1 FROM pg_extension WHERE extname = 'citus'"
_GROUP = "SELECT groupid FROM pg_dist_local_group"
_SERVERS = "SELECT count(*) FROM pg_dist_node WHERE shouldhaveshards AND isactive AND noderole = 'primary'"

# What lies more than ten minutes ahead was written before the server's clock was set back: no lease lasts so long.
_RECORDING = """
SELECT host FROM recorder, (SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) AS us) now
WHERE stream_id = 0 AND NOT leaving AND expires_us > now.us AND expires_us <= now.us + 600000000
ORDER BY host
"""

# Of a local table that Citus knows of nevertheless (it has foreign keys, say) the colocation is 0.
_PLACES = """
SELECT name, column_to_column_name(logicalrelid, partkey), colocationid,
  coalesce((SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(logicalrelid)), pg_relation_size(logicalrelid))
FROM unnest(CAST(%s AS text[])) name JOIN pg_dist_partition ON logicalrelid = to_regclass(name)
WHERE colocationid <> 0
"""


class _Place(NamedTuple):
    """How Citus holds a table: by which column (None: whole), together with which others, and what stayed behind."""

    table: str
    column: str | None
    together: int
    left_bytes: int


@dataclass(frozen=True, slots=True)
class Distributed:
    """What `distribute` has done: the archive's place, on how many servers its rows are, which tables are new there."""

    place: str
    servers: int
    tables: tuple[str, ...]
    """Empty when all of them were distributed before."""


def distribute(database_url: str) -> Distributed:
    """Spread an archive over the servers of its Citus; complete what is half done, leave what is done.

    In one transaction: all of it happens, or nothing. Raises UsageError for a file, ConfigurationError (NewerArchive)
    for a server without Citus, a worker, a coordinator without workers, a schema that is not this version's or a table
    that was placed otherwise by hand; ArchiveHeld while recorders share the archive.
    """
    url, dialect = parse_url(database_url)
    place = dialect.place(url)
    if not dialect.is_server:
        raise UsageError(
            f"{place} is one file, which cannot be spread over servers: merge it into a Postgres with Citus, and "
            "distribute that"
        )
    with DiskErrors(dialect, url):
        _prepare(url, dialect, place)
        with dialect.writer(url).begin() as connection:
            dialect.lock_schema(connection)
            servers = _require_servers(connection, place)
            return Distributed(place, servers, _spread(connection, place))


def _prepare(url: URL, dialect: Dialect, place: str) -> None:
    """See that it can be done, and make the extension: on its own, since without it no worker can be added."""
    with dialect.writer(url).begin() as connection:
        if not connection.exec_driver_sql(_LOADED).scalar_one():
            raise ConfigurationError(
                f"the server of {place} has no Citus: install it there and on its workers, with citus in "
                "shared_preload_libraries, or stay on one Postgres"
            )
        if connection.exec_driver_sql(_HAS_EXTENSION).first() and connection.exec_driver_sql(_GROUP).scalar():
            raise ConfigurationError(f"{place} is on a worker of Citus; name its coordinator with --database-url")
        _require_head(connection, place)
        connection.exec_driver_sql(EXTENSION)


def _require_head(connection: Connection, place: str) -> None:
    migrate.require_readable(connection, place)
    found, revision = migrate.state(connection)
    if found is not SchemaState.CURRENT:
        raise NewerArchive(f"{place} is at schema {revision}, of a newer recorder; distribute it by that version")


def _require_servers(connection: Connection, place: str) -> int:
    servers = connection.exec_driver_sql(_SERVERS).scalar_one()
    if not servers:
        raise ConfigurationError(
            f"the Citus of {place} has no server that takes rows: add each worker there with "
            "SELECT citus_add_node('host', 5432), and run again"
        )
    return int(servers)


def _spread(connection: Connection, place: str) -> tuple[str, ...]:
    before = _places(connection, place)
    missing = tuple(name for name in SPREAD if name not in before)
    if not missing and not any(each.left_bytes for each in before.values()):
        return ()
    _require_nobody(connection, place)
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a large archive may take its time
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
    _places(connection, place)  # the first table may have come to others than those that were there
    return missing


def _require_nobody(connection: Connection, place: str) -> None:
    """Raise while recorders share the archive: their shipping would stand still, and hold us up, while rows move."""
    hosts = list(connection.exec_driver_sql(_RECORDING).scalars())
    if hosts:
        raise ArchiveHeld(
            f"recorders on {', '.join(dict.fromkeys(hosts))} share {place} now: stop them, distribute it, and start "
            "them again"
        )


def _places(connection: Connection, place: str) -> dict[str, _Place]:
    """Return how Citus holds the tables that it holds; raise when one is held otherwise than it has to be."""
    rows = connection.exec_driver_sql(_PLACES, ([*SPREAD, *LOCAL],))
    found = {row[0]: _Place(*row) for row in rows}
    for name, each in found.items():
        together = found.get(_FIRST, each).together
        if name in LOCAL or each.column != "stream_id" or each.together != together:
            wanted = "has to stay on the coordinator" if name in LOCAL else f"has to be by stream_id, beside {_FIRST}"
            raise ConfigurationError(
                f"the table {name} of {place} was distributed otherwise, but it {wanted}: take that back there with "
                f"SELECT undistribute_table('{name}'), and run again"
            )
    return found
