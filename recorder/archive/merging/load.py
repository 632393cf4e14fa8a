"""Rows on their way, as plain tuples in the order of their table's columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Table

from recorder.archive import tables

CARRIED = (tables.stream, tables.epoch, tables.session, tables.frame, tables.action, tables.gap, tables.audit)
"""Every table that is carried from one archive to another, in the order in which its rows must land."""

Row = tuple[Any, ...]


def place(column: Column[Any]) -> int:
    """Return where a column stands in the rows of its table."""
    return list(column.table.columns).index(column)


@dataclass(slots=True)
class Load:
    """Rows of any number of streams that land in one transaction.

    ``spoken_for`` are the streams whose row says what the fixture list says now, and whether they have ended: it
    replaces what the other archive says. Of other streams the row only fills in what is not said there yet.
    ``fresh`` are the (stream, epoch) that the other archive must not have yet: if it does, somebody was faster.
    """

    rows: dict[Table, list[Row]] = field(default_factory=lambda: {table: [] for table in CARRIED})
    spoken_for: set[int] = field(default_factory=set)
    fresh: set[tuple[int, int]] = field(default_factory=set)

    def add(self, table: Table, rows: Iterable[Row]) -> None:
        """Take more rows of one table on."""
        self.rows[table].extend(rows)

    def take(self, other: Load) -> None:
        """Take all that another one carries on."""
        for table, rows in other.rows.items():
            self.rows[table].extend(rows)
        self.spoken_for |= other.spoken_for
        self.fresh |= other.fresh

    @property
    def stream_ids(self) -> set[int]:
        """The streams that any row is of."""
        return {row[0] for rows in self.rows.values() for row in rows}

    def __bool__(self) -> bool:
        return any(self.rows.values())

    def __iter__(self) -> Iterator[tuple[Table, list[Row]]]:
        return iter(self.rows.items())
