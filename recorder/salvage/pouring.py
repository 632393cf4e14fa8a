"""Rows that were found, into a new archive: each key once, the surest row first, and no frame without its proof."""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import Any

from sqlalchemy import Table

from recorder.archive import tables
from recorder.model import digest
from recorder.salvage.shapes import Row, key_of, names_itself

_ROWS_AT_ONCE = 20_000
_MOST_SPARES = 10_000

_DIGEST, _PAYLOAD = (tables.frame.columns.keys().index(name) for name in ("digest", "payload"))


class Pool:
    """The new archive while rows arrive in it.

    ``missing``: keys of frames of which something is known, and no bytes that make their digest.
    ``spares``: by digest, frames that were found under a key that another frame has.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.missing: set[Row] = set()
        self.spares: dict[bytes, Row] = {}
        self.nameless: set[int] = set()
        """Ids of rows of ``stream`` whose name does not make them."""
        self._connection = connection
        self._stored = 0
        connection.execute("BEGIN IMMEDIATE")

    def take(self, table: Table, row: Row) -> None:
        """Store a row, unless its key is taken."""
        if table is tables.compatible or not self._proves_itself(table, row):
            return
        if not self._connection.execute(inserting(table), row).rowcount and table is tables.frame:
            self._keep_spare(row)
        self._stored += 1
        if self._stored % _ROWS_AT_ONCE == 0:
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Make what was stored durable."""
        self._connection.execute("COMMIT")

    def _proves_itself(self, table: Table, row: Row) -> bool:
        if table is tables.stream and not names_itself(row):
            self.nameless.add(int(str(row[0])))
            return False
        if table is tables.frame:
            payload = row[_PAYLOAD]
            if not isinstance(payload, bytes) or digest(payload) != row[_DIGEST]:
                self.missing.add(key_of(table, row))
                return False
        return True

    def _keep_spare(self, row: Row) -> None:
        stored = self._connection.execute(
            "SELECT digest FROM frame WHERE stream_id = ? AND session_id = ? AND frame_number = ?", row[:3]
        ).fetchone()
        found: Any = row[_DIGEST]
        if stored[0] != found and len(self.spares) < _MOST_SPARES:
            self.spares[found] = row


@lru_cache
def inserting(table: Table) -> str:
    """Return the statement that stores a row unless its key is taken."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f'INSERT OR IGNORE INTO "{table.name}" ({names}) VALUES ({", ".join("?" * len(table.columns))})'
