"""Rows of the views as CSV and as Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from recorder.extras import need
from recorder.query.arrow import table
from recorder.query.rows import Json, View, kinds, typed

CSV = "text/csv; charset=utf-8"
PARQUET = "application/vnd.apache.parquet"

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # the wide ones too: some spreadsheets take them for the others


def as_csv(view: type[View], rows: Sequence[Any]) -> bytes:
    """Return rows as `recorder timeline --format csv` prints them, but safe to be opened in a spreadsheet."""
    out = _Lines()
    writer = csv.writer(out, lineterminator="\r\n")
    columns = kinds(view)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(kind, getattr(row, name)) for name, kind in columns.items()])
    return "".join(out.lines).encode()


class _Lines:
    """Ends lines with a newline alone, and leaves what is to be quoted to a writer that ends them with both.

    Without quotes a carriage return in a text would begin a new row, and what stands behind it a cell.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        """Take a whole line."""
        self.lines.append(line.removesuffix("\r\n") + "\n")


def _cell(kind: Any, value: Any) -> str:
    if value is None:
        return ""
    if kind is bool:
        return "yes" if value else "no"
    said = str(value)
    # A spreadsheet computes what begins so, and a formula can send the sheet away: an apostrophe makes it a text.
    return "'" + said if kind in (str, Json) and said.startswith(_FORMULA) else said


def as_parquet(view: type[View], rows: Sequence[Any]) -> bytes:
    """Return rows as a Parquet file, as `recorder export` types its columns; ConfigurationError without the extra."""
    parquet = need("pyarrow.parquet", "export")
    columns = list(kinds(view))
    narrow = ([getattr(row, name) for name in columns] for row in rows)
    cells = [msgspec.structs.astuple(row) for row in typed(view, narrow)]
    out = io.BytesIO()
    parquet.write_table(table(kinds(view), cells), out, compression="zstd")
    return out.getvalue()


FORMATS: Mapping[str, tuple[str, Callable[[type[View], Sequence[Any]], bytes]]] = {
    "csv": (CSV, as_csv),
    "parquet": (PARQUET, as_parquet),
}
"""The media type of each format, by its suffix, and what writes it."""
