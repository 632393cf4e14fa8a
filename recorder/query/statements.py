"""Anybody's own SELECT, and what its columns are taken for."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from recorder.archive.dialect import driver_error
from recorder.errors import UsageError
from recorder.query.reading import Reader
from recorder.query.results import Rows
from recorder.query.rows import known_columns, read

_SELECT = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/|\()*(select|with|values|explain|table)\b", re.IGNORECASE | re.DOTALL)


def asked(reader: Reader, statement: str, parameters: Mapping[str, Any]) -> Rows[Any]:
    """Return what a SELECT finds, as named tuples.

    A column that bears the name of a view's column, and can be read as what that is, has its type; any other is as the
    database gives it.
    """
    if not _SELECT.match(statement):
        raise UsageError("the statement cannot be run: it is no SELECT, and this connection only reads")
    try:
        said, rows = reader.table(statement, parameters)
    except (SQLAlchemyError, OverflowError) as error:
        raise UsageError(f"the statement cannot be run: {driver_error(error)}") from error
    names = _told_apart(said)
    values = [list(row) for row in rows]
    kinds = {name: _convert(values, at, known_columns().get(name)) for at, name in enumerate(names)}
    row = namedtuple("Row", names, rename=True)  # type: ignore[misc]
    return Rows([row(*each) for each in values], kinds)


def _told_apart(said: Sequence[str]) -> list[str]:
    """Number columns of one name, as a join brings them."""
    names: list[str] = []
    for name in said:
        free = (f"{name}_{number}" for number in count(2))
        names.append(name if name not in names else next(each for each in free if each not in (*names, *said)))
    return names


def _convert(rows: Sequence[list[Any]], at: int, kind: Any) -> Any:
    """Turn a column into its kind, in place, and return that; None, and nothing changed, where it is something else."""
    found = [row[at] for row in rows if row[at] is not None]
    if not (
        all(value in (0, 1) for value in found) if kind is bool else all(isinstance(value, str) for value in found)
    ):
        return None
    try:
        converted = [read(kind, row[at]) for row in rows]
    except (ValueError, ArithmeticError):
        return None
    for row, value in zip(rows, converted, strict=True):
        row[at] = value
    return kind
