"""Questions about many streams at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, bindparam, text

_STREAMS_AT_ONCE = 200


def asked(
    connection: Connection, statement: str, ids: Sequence[int], options: Mapping[str, Any] | None = None
) -> CursorResult[Any]:
    """Return what a statement says of the streams ``:ids``."""
    bound = text(statement).bindparams(bindparam("ids", expanding=True))
    return connection.execute(bound, {"ids": list(ids)}, execution_options=options or {})


def some(stream_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the ids by hundreds: a statement takes only so many values."""
    for begin in range(0, len(stream_ids), _STREAMS_AT_ONCE):
        yield stream_ids[begin : begin + _STREAMS_AT_ONCE]
