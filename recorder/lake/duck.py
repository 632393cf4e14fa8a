"""A lake in DuckDB: the archive's views over its files, in a connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recorder.extras import need
from recorder.lake.views import JULIAN_DAY_OF_1970, VIEWS, counted, source_of
from recorder.publishing.tables import NAMES, PARTITIONS, schema


def connected(files: Mapping[str, Sequence[str]], connection: Any = None) -> Any:
    """Return a connection with the views; ``files``: the addresses of each table's.

    ``connection``: one of the user's own, in which the views are temporary; else a new one in memory, whose times are
    told in UTC.
    """
    if connection is None:
        connection = need("duckdb", "analysis").connect()
        connection.execute("SET TimeZone = 'UTC'")
    for statement in _statements(connection, files):
        connection.execute(statement)
    return connection


def _statements(connection: Any, files: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for table in sorted(NAMES, key=lambda name: name != "streams"):
        said = counted(table, _read(connection, table, files[table]))
        yield f"CREATE OR REPLACE TEMPORARY VIEW {source_of(table)} AS {said}"
    for name, select in VIEWS.items():
        yield f"CREATE OR REPLACE TEMPORARY VIEW {name} AS {select()}"
    days = f"epoch_us(t) / 86400000000 + {JULIAN_DAY_OF_1970}"
    yield f"CREATE OR REPLACE TEMPORARY MACRO julianday(t) AS {days}"


def _read(connection: Any, table: str, files: Sequence[str]) -> str:
    """Return an item of FROM: the rows of all files, with what their paths tell."""
    if not files:  # DuckDB reads no empty list
        connection.register(f"no_{table}", schema(table).empty_table())
        return f"no_{table}"
    listed = ", ".join("'" + address.replace("'", "''") + "'" for address in files)
    kinds = ", ".join(f"{name}: {kind}" for name, kind in zip(PARTITIONS, ("VARCHAR", "DATE"), strict=True))
    return f"read_parquet([{listed}], hive_partitioning = true, hive_types = {{{kinds}}})"
