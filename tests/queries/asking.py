"""The worked queries, and how each database is asked them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from recorder.archive.dialect import parse_url
from tests.archive.filling import Filled

QUERIES = Path(__file__).parents[2] / "docs" / "queries"

on_postgres = pytest.mark.parametrize("database", ["postgres"], indirect=True, scope="session")
"""For a test whose text is for Postgres alone."""


def query(name: str, database: str) -> str:
    """Return the text of a query: the one for all, unless ``sqlite``, ``postgres`` or ``duckdb`` has its own."""
    own = QUERIES / f"{name}.{database}.sql"
    return (own if own.exists() else QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def answered(filled: Filled, name: str) -> list[tuple[Any, ...]]:
    """Return what a query finds in an archive."""
    url, dialect = parse_url(filled.url)
    engine = dialect.reader(url)
    with engine.connect() as connection:
        # A user's own % is no placeholder.
        asked = connection.exec_driver_sql(query(name, dialect.name), execution_options={"no_parameters": True})
        found = [plain(row) for row in asked]
    engine.dispose()
    return found


def plain(row: Any) -> tuple[Any, ...]:
    """Return a row whose times are text and whose numbers are Python's, as every database has them."""

    def value(said: Any) -> Any:
        if isinstance(said, datetime):
            return said.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return float(said) if isinstance(said, Decimal) else said

    return tuple(value(said) for said in row)


def near(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> bool:
    """Whether two answers are equal, durations to the millisecond that a binary fraction may round either way."""
    return len(found) == len(wanted) and all(
        len(one) == len(other)
        and all(
            abs(mine - theirs) < 0.0015 if isinstance(theirs, float) and mine is not None else mine == theirs
            for mine, theirs in zip(one, other, strict=True)
        )
        for one, other in zip(found, wanted, strict=True)
    )
