"""Rows of Arrow as the typed values that the Python API gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from recorder.extras import need
from recorder.query.rows import Json, View, kinds, read

V = TypeVar("V", bound=View)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def values(view: type[V], rows: Any) -> list[V]:
    """Return the rows of a ``pyarrow.Table`` that has the columns of a view, and maybe more."""
    columns = [_column(kind, rows.column(name)) for name, kind in kinds(view).items()]
    return [view(*row) for row in zip(*columns, strict=True)]


def _column(kind: Any, said: Any) -> list[Any]:
    if kind is datetime:
        micros = said.cast(need("pyarrow", "lake").int64()).to_pylist()
        return [None if value is None else _EPOCH + timedelta(microseconds=value) for value in micros]
    found: list[Any] = said.to_pylist()
    return [read(Json, value) for value in found] if kind is Json else found
