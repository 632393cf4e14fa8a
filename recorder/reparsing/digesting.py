"""A digest of derived rows that is the same on every machine and on both databases: docs/reparse.md defines it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any


class RowsDigest:
    """Of one stream's rows, added in the order of epoch and position."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, epoch: int, position: int, values: Sequence[Any]) -> None:
        """Add a row: its key, and its derived columns in their order."""
        self.rows += 1
        self._hash.update(line(epoch, position, values))

    def text(self) -> str:
        """Return it as 64 hexadecimal digits."""
        return self._hash.hexdigest()


def line(epoch: int, position: int, values: Sequence[Any]) -> bytes:
    """Return the one line of JSON, in ASCII, that stands for a row."""
    return json.dumps([epoch, position, *values], ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def total(streams: Iterable[tuple[int, int, str]]) -> str:
    """Return the digest of many streams, given in any order: the id, the rows and the digest of each.

    A stream without rows counts for nothing.
    """
    lines = (f"{stream_id} {rows} {digest}\n" for stream_id, rows, digest in sorted(streams) if rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
