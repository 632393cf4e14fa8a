"""The roots of stored lists: chains over what they hold and over the bytes that it was read from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, text

from recorder.archive.chains import content_chain, content_start

_DIGESTS = text("""
    SELECT stream_id, epoch, content_digest, frame_digest FROM action
    WHERE stream_id IN :ids ORDER BY stream_id, epoch, position""").bindparams(bindparam("ids", expanding=True))
_STREAMS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Roots:
    """Of one list, as `recorder verify` prints them: the chains of its contents and of the messages behind them."""

    content: bytes
    bytes: bytes


def empty(stream_id: int) -> Roots:
    """Return the roots of a list that holds nothing."""
    return Roots(content_start(stream_id), content_start(stream_id))


def rooted(stream_id: int, digests: Iterable[tuple[bytes, bytes]]) -> Roots:
    """Return the roots of a list; ``digests``: of each action's content and of its message, by position."""
    contents, frames = zip(*digests, strict=True)
    start = content_start(stream_id)
    return Roots(content_chain(start, contents), content_chain(start, frames))


def roots(connection: Connection, stream_ids: Sequence[int]) -> dict[tuple[int, int], Roots]:
    """Return the roots of the lists of streams, by stream and epoch, made again from the digests that are stored."""
    found: dict[tuple[int, int], Roots] = {}
    for begin in range(0, len(stream_ids), _STREAMS_AT_ONCE):
        rows = connection.execute(_DIGESTS, {"ids": list(stream_ids[begin : begin + _STREAMS_AT_ONCE])})
        for key, listed in groupby(rows, key=_list_of):
            found[key] = rooted(key[0], ((bytes(row[2]), bytes(row[3])) for row in listed))
    return found


def _list_of(row: Any) -> tuple[int, int]:
    return row[0], row[1]
