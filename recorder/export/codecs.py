"""How a table is written into a file of each format, and read back: Arrow tables in, Arrow tables out."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import msgspec

from recorder.export.columns import Column, Exported, to_arrow
from recorder.export.formats import Format
from recorder.extras import need
from recorder.model import microseconds, moment_text
from recorder.query.rows import Json

_ROWS_AT_ONCE = 4_000
_BYTES_AT_ONCE = 16 * 1024 * 1024
_UNIQUE = frozenset({"action_id", "trace_id"})


class Sink(Protocol):
    """A file that is being written."""

    def write_table(self, part: Any) -> None:
        """Append a ``pyarrow.Table``."""

    def close(self) -> None:
        """Complete the file."""


@dataclass(frozen=True, slots=True)
class Codec:
    """``write(path, table)`` begins a file; ``read(path, table, columns)`` gives these columns of it, bit by bit.

    ``most_bytes``: of Arrow data, with which a file is large enough. Of a file that is not what it should be, ``read``
    raises ValueError (pyarrow's errors are some) or KeyError.
    """

    write: Callable[[Path, Exported], Sink]
    read: Callable[[Path, Exported, Sequence[Column]], Iterator[Any]]
    most_bytes: int


# -- Parquet -----------------------------------------------------------------------------------------------------------


def _write_parquet(path: Path, table: Exported) -> Sink:
    parquet = need("pyarrow.parquet", "export")
    # A dictionary of numbers, or of texts that are all different, makes a file larger and takes longer.
    repeated = [column.name for column in table.columns if column.kind is str and column.name not in _UNIQUE]
    sink: Sink = parquet.ParquetWriter(path, table.schema(), compression="zstd", use_dictionary=repeated)
    return sink


def _read_parquet(path: Path, table: Exported, columns: Sequence[Column]) -> Iterator[Any]:
    pa, parquet = need("pyarrow", "export"), need("pyarrow.parquet", "export")
    schema = table.schema(columns)
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=schema.names):
            yield pa.Table.from_batches([batch]).select(schema.names).cast(schema)


# -- text --------------------------------------------------------------------------------------------------------------


def _texts(part: Any, column: Column) -> list[Any]:
    """Return a column's values as both text formats have them: times, exact numbers and bytes (base64) as text."""
    values = part.column(column.name)
    if column.kind is datetime:
        micros = values.cast(need("pyarrow", "export").int64()).to_pylist()
        return [None if value is None else moment_text(value) for value in micros]
    found: list[Any] = values.to_pylist()
    if column.kind is bytes:
        return [None if value is None else base64.b64encode(value).decode() for value in found]
    if column.kind is Decimal:
        return [None if value is None else f"{value:f}" for value in found]
    return found


def _values(texts: Iterable[Any], column: Column) -> list[Any]:
    """Return the values behind texts, as they are stored."""
    read = _READ.get(column.kind)
    return [value if value is None or read is None else read(value) for value in texts]


_READ: dict[Any, Callable[[Any], Any]] = {
    datetime: microseconds,
    bytes: lambda text: base64.b64decode(text, validate=True),
    int: int,
}


class _Lines:
    """JSON, an object a line."""

    def __init__(self, path: Path, table: Exported) -> None:
        self._file = path.open("wb")
        self._columns = table.columns
        self._encode = msgspec.json.Encoder().encode

    def write_table(self, part: Any) -> None:
        names = [column.name for column in self._columns]
        values = [_json_values(_texts(part, column), column) for column in self._columns]
        for row in zip(*values, strict=True):
            self._file.write(self._encode(dict(zip(names, row, strict=True))) + b"\n")

    def close(self) -> None:
        self._file.close()


def _json_values(values: list[Any], column: Column) -> list[Any]:
    if column.is_id:
        return [None if value is None else str(value) for value in values]
    if column.kind is Json:
        return [None if value is None else msgspec.Raw(value.encode()) for value in values]
    return values


@cache
def _line(table: Exported) -> msgspec.json.Decoder[Any]:
    """Return what reads a line; JSON columns stay the text that they are."""
    fields = [(column.name, msgspec.Raw if column.kind is Json else Any) for column in table.columns]
    return msgspec.json.Decoder(msgspec.defstruct("Line", fields))


def _read_jsonl(path: Path, table: Exported, columns: Sequence[Column]) -> Iterator[Any]:
    decode, lines = _line(table).decode, list[Any]()
    size = 0
    with path.open("rb") as file:
        for line in file:
            try:
                lines.append(decode(line))
            except msgspec.MsgspecError as error:
                raise ValueError(str(error)) from None
            size += len(line)
            if len(lines) >= _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
                yield _of_lines(table, columns, lines)
                lines, size = [], 0
    yield _of_lines(table, columns, lines)


def _of_lines(table: Exported, columns: Sequence[Column], lines: Sequence[Any]) -> Any:
    values = []
    for column in columns:
        texts = [getattr(line, column.name) for line in lines]
        if column.kind is Json:
            texts = [None if raw == b"null" else bytes(raw).decode() for raw in texts]
        values.append(_values(texts, column))
    return to_arrow(table, columns, values)


class _Csv:
    def __init__(self, path: Path, table: Exported) -> None:
        self._columns, self._schema = table.columns, _csv_schema(table)
        self._writer = need("pyarrow.csv", "export").CSVWriter(str(path), self._schema)

    def write_table(self, part: Any) -> None:
        pa = need("pyarrow", "export")
        arrays = [
            part.column(column.name) if _is_plain(column) else pa.array(_texts(part, column), pa.string())
            for column in self._columns
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _csv_schema(table: Exported) -> Any:
    pa = need("pyarrow", "export")
    fields = zip(table.columns, table.schema(), strict=True)
    return pa.schema([field if _is_plain(column) else field.with_type(pa.string()) for column, field in fields])


def _read_csv(path: Path, table: Exported, columns: Sequence[Column]) -> Iterator[Any]:
    csv = need("pyarrow.csv", "export")
    schema = _csv_schema(table)
    reader = csv.open_csv(
        path,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        # An empty cell is null, a quoted empty one is text of no length.
        convert_options=csv.ConvertOptions(
            column_types=schema,
            include_columns=[column.name for column in columns],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
        # A row may be as large as a message, and must fit into a block.
        read_options=csv.ReadOptions(block_size=_csv_block(path), use_threads=False),
    )
    with reader:
        for batch in reader:
            yield to_arrow(table, columns, [_values(batch.column(one.name).to_pylist(), one) for one in columns])


def _csv_block(path: Path) -> int:
    return max(1 << 20, min(path.stat().st_size + 1, 1 << 30))


def _is_plain(column: Column) -> bool:
    return column.kind in (int, bool, float)


CODECS = {
    Format.PARQUET: Codec(_write_parquet, _read_parquet, 1024 * 1024 * 1024),
    Format.JSONL: Codec(_Lines, _read_jsonl, 256 * 1024 * 1024),
    # A file is read in one piece.
    Format.CSV: Codec(_Csv, _read_csv, 64 * 1024 * 1024),
}
