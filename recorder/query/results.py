"""What the Python API answers with: a list of values that turns into a data frame when one is wanted."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from recorder.extras import need
from recorder.query.rows import View, kinds

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")
V = TypeVar("V", bound=View)

_SHOWN = 30
"""Rows that a notebook shows."""


class Rows(list[T], Generic[T]):
    """A list of rows, in the order of the answer. ``columns``: the name of each column, and its kind (`rows.kinds`).

    An operation of `list` that makes a new list makes a plain one.
    """

    def __init__(self, rows: Iterable[T], columns: Mapping[str, Any]) -> None:
        super().__init__(rows)
        self.columns = dict(columns)

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table: aware times, exact decimals, JSON as text. Needs the extra `export`."""
        from recorder.query.arrow import table

        return table(self.columns, self._cells())

    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame. Needs the extra `export`."""
        frame: pl.DataFrame = need("polars", "export").from_arrow(self.to_arrow())
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas frame; needs the extras `export` and `analysis`.

        Whole numbers and flags stay what they are beside missing ones; exact numbers are `decimal.Decimal`.
        """
        pandas, arrow = need("pandas", "analysis"), need("pyarrow", "export")
        nullable = {arrow.int64(): pandas.Int64Dtype(), arrow.bool_(): pandas.BooleanDtype()}
        return self.to_arrow().to_pandas(types_mapper=nullable.get)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the rows to whoever reads Arrow's C stream: ``duckdb.sql("FROM rows")``, ``polars.DataFrame(rows)``."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        cells = self._cells(self[:_SHOWN])
        used = [at for at in range(len(self.columns)) if any(row[at] is not None for row in cells)]
        names = list(self.columns)
        head = "".join(f"<th>{html.escape(names[at])}</th>" for at in used)
        body = "".join(f"<tr>{''.join(_cell(row[at]) for at in used)}</tr>" for row in cells)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{self._counted()}</p>"

    def _counted(self) -> str:
        plural = "" if len(self) == 1 else "s"
        return f"{len(self)} row{plural}" + (f", the first {_SHOWN} shown" if len(self) > _SHOWN else "")

    def _cells(self, rows: Sequence[T] | None = None) -> list[tuple[Any, ...]]:
        chosen: Sequence[Any] = self if rows is None else rows
        return [msgspec.structs.astuple(row) if isinstance(row, View) else tuple(row) for row in chosen]


def rows_of(view: type[V], rows: Iterable[V]) -> Rows[V]:
    """Return values of a view with its columns."""
    return Rows(rows, kinds(view))


def _cell(value: Any) -> str:
    return "<td></td>" if value is None else f"<td>{html.escape(str(value))}</td>"
