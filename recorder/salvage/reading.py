"""A cell's record, with what of it stands on other pages, as a row of one of our tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Table

from recorder.archive import tables
from recorder.salvage.btree import Cell, Node
from recorder.salvage.pages import Pages
from recorder.salvage.records import NoRecord, Value, decode
from recorder.salvage.shapes import Row, facts_of, row_of, table_of


@dataclass(frozen=True, slots=True)
class Unread:
    """A row of which not enough could be read. ``key``: the first of its values, as many as are known."""

    table: Table | None
    key: Row = ()


@dataclass(slots=True)
class Records:
    """``used``: the pages on which records go on, as far as they were read."""

    pages: Pages
    used: set[int] = field(default_factory=set)

    def values(self, page: bytes, cell: Cell) -> tuple[list[Value], bool]:
        """Return a cell's values, as far as its pages are there, and whether all of it is. Raises NoRecord."""
        parts, left, number = [page[cell.start : cell.start + cell.local]], cell.size - cell.local, cell.behind
        taken = set[int]()
        while left > 0 and number not in taken and (more := self.pages.page(number)) is not None:
            taken.add(number)
            parts.append(more[4 : 4 + left])
            left -= len(parts[-1])
            number = int.from_bytes(more[:4])
        self.used |= taken
        return decode(b"".join(parts), cell.size), not left

    def row(self, page: bytes, cell: Cell) -> tuple[Table, Row] | Unread:
        """Return the row that a cell holds, and of which table it is."""
        try:
            values, is_whole = self.values(page, cell)
        except NoRecord:
            return Unread(None)
        table = table_of(values) if is_whole else None
        if table is not None:
            return table, row_of(table, values)
        facts = facts_of(values)
        return Unread(None, tuple(values[:3])) if facts is None else (tables.action, facts)


def inside(page: bytes, node: Node) -> list[int | tuple[bytes, Cell]]:
    """Return what a node of rows holds in the order of its keys: numbers of pages, and cells of its own."""
    found: list[int | tuple[bytes, Cell]] = []
    for cell in node.cells:
        found += [cell.child, (page, cell)] if cell.child else [(page, cell)]
    return [*found, node.last_child] if node.last_child else found
