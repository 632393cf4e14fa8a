"""Rows of the views as Arrow: exact numbers stay exact, times keep their zone. Needs the extra `export`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from recorder.extras import need
from recorder.feed.values import SEQUENCE_DECIMALS, SEQUENCE_DIGITS
from recorder.query.rows import Json, View, kinds

if TYPE_CHECKING:
    import pyarrow as pa


def schema(view: type[View]) -> pa.Schema:
    """Return the Arrow schema of a view; JSON columns are text there."""
    return need("pyarrow", "export").schema([(name, _type(kind)) for name, kind in kinds(view).items()])


def table(columns: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Return rows as an Arrow table; ``columns`` says the kind of each, None where Arrow is to find out."""
    arrow = need("pyarrow", "export")
    arrays = []
    for at, kind in enumerate(columns.values()):
        values = [row[at] for row in rows]
        if kind is Json:
            values = [None if value is None else _text(value) for value in values]
        arrays.append(arrow.array(values, _type(kind)))
    return arrow.Table.from_arrays(arrays, names=list(columns))


def _type(kind: Any) -> Any:
    arrow = need("pyarrow", "export")
    of_kind = {
        None: None,
        int: arrow.int64(),
        float: arrow.float64(),
        str: arrow.string(),
        Json: arrow.string(),
        bool: arrow.bool_(),
        bytes: arrow.binary(),
        datetime: arrow.timestamp("us", "UTC"),
        Decimal: arrow.decimal128(SEQUENCE_DIGITS + SEQUENCE_DECIMALS, SEQUENCE_DECIMALS),
    }
    return of_kind[kind]


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Half a surrogate pair, which JSON can escape, is no text.
    return text if text.isascii() or text.encode(errors="replace").decode() == text else json.dumps(value)
