"""A lake in Spark: the archive's views over its files, in a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recorder.lake.views import JULIAN_DAY_OF_1970, VIEWS, counted, source_of
from recorder.publishing.tables import NAMES, schema

_KINDS = {
    "int64": "BIGINT",
    "string": "STRING",
    "bool": "BOOLEAN",
    "double": "DOUBLE",
    "binary": "BINARY",
    "date32[day]": "DATE",
    "timestamp[us, tz=UTC]": "TIMESTAMP",
}
"""What Arrow calls a type, as Spark calls it; a decimal is called the same."""


def register(session: Any, roots: Mapping[str, str], files: Mapping[str, Sequence[str]]) -> None:
    """Make the views, temporary ones, in a session.

    ``roots``: the directory of each table; ``files``: the addresses of its files.
    """
    for table in sorted(NAMES, key=lambda name: name != "streams"):
        _read(session, table, roots[table], files[table]).createOrReplaceTempView(f"files_of_{table}")
        session.sql(f"CREATE OR REPLACE TEMPORARY VIEW {source_of(table)} AS {counted(table, f'files_of_{table}')}")
    for name, select in VIEWS.items():
        session.sql(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS {select()}")
    days = f"unix_micros(t) / 86400000000 + {JULIAN_DAY_OF_1970}D"
    session.sql(f"CREATE OR REPLACE TEMPORARY FUNCTION julianday(t TIMESTAMP) RETURNS DOUBLE RETURN {days}")


def _read(session: Any, table: str, root: str, files: Sequence[str]) -> Any:
    """Return the rows of all files, with what their paths tell, as a data frame."""
    columns = ", ".join(f"{field.name} {_kind(str(field.type))}" for field in schema(table))
    if not files:
        return session.createDataFrame([], columns)
    # Told the types, it looks into no file before it is asked, and takes no number of a path for one.
    return session.read.schema(columns).option("basePath", _address(root)).parquet(*map(_address, files))


def _kind(arrow: str) -> str:
    return _KINDS.get(arrow) or arrow.replace("decimal128", "DECIMAL")


def _address(place: str) -> str:
    """Return an address for a session whose own file system may be another than this machine's."""
    return place if "://" in place else f"file://{place}"
