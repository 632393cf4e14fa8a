"""The small tables of an export: one file for the rows of all streams."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from recorder.export import parts
from recorder.export.codecs import CODECS
from recorder.export.columns import Exported, to_arrow
from recorder.export.layout import staged, table_path
from recorder.export.manifest import File
from recorder.export.partitions import Place

_ROWS_AT_ONCE = 8_000


def write_small(
    table: Exported, place: Place, new: list[tuple[Any, ...]], files: Mapping[str, File], staying: Collection[int]
) -> File:
    """Write a table under a temporary name: new rows, in any order, and those of the streams that stay."""
    path, codec = table_path(table, place.form.suffix), CODECS[place.form]
    new.sort(key=lambda row: int(row[table.at("stream_id")]))
    tables = (to_arrow(table, table.columns, list(zip(*some, strict=True))) for some in _batched(new))
    kept = parts.kept(place.directory, codec, table, [files[path]] if staying else [], staying)
    # Also when there are no rows.
    first = (0, to_arrow(table, table.columns, []))
    pieces = chain([first], parts.merged(tables, kept))
    whole = replace(codec, most_bytes=sys.maxsize)
    (file,) = parts.write(whole, table, pieces, iter([path]), partial(staged, place.directory)).files
    return file


def _batched(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[begin : begin + _ROWS_AT_ONCE] for begin in range(0, len(rows), _ROWS_AT_ONCE))
