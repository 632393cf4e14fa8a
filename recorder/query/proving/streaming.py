"""Many rows, one after the other, at the least cost a row: `Reader.stream` in portions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from sqlalchemy import text

from recorder.query.reading import Reader

_AT_ONCE = 500


def rows_of(reader: Reader, statement: str, stream_id: int) -> Iterator[Any]:
    """Return the rows that a statement about ``:id`` selects, inside the transaction that is open."""
    options = {"stream_results": True, "max_row_buffer": _AT_ONCE}
    found = reader.connection.execute(text(statement), {"id": stream_id}, execution_options=options)
    return chain.from_iterable(found.partitions(_AT_ONCE))
