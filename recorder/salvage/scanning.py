"""All rows that a file's pages hold, the surest first.

First what SQLite itself would find: the b-trees from their roots. Then b-trees that nothing leads to any more, since a
page above them is lost. Then pages that are damaged, byte by byte. Pages that SQLite lists as free are left alone: what
was taken out of an archive on purpose is not to come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Table

from recorder.salvage.btree import Cell, Node, read_node
from recorder.salvage.carving import carve
from recorder.salvage.pages import Pages
from recorder.salvage.reading import Records, Unread, inside
from recorder.salvage.schema import read_schema
from recorder.salvage.shapes import SAVED, Row, key_of

Found = Iterator[tuple[Table, Row]]
_NAMED = {table.name: table for table in SAVED}
_FIXTURES = "ix_stream_fixture_id"


@dataclass(frozen=True, slots=True)
class DamagedPage:
    """A page that may have held rows that were not found. ``table``: whose, None where nobody can tell.

    ``behind``: the last key before it, as far as its tree tells.
    """

    number: int
    table: Table | None
    what: str
    behind: Row = ()


class Scan:
    """Reads all pages once; what it tells is whole when `rows` has come to its end.

    ``hints``: fixtures that the index over them names. ``notes``: damage that cost no row.
    """

    def __init__(self, pages: Pages) -> None:
        self.damaged: list[DamagedPage] = []
        self.unread: list[Unread] = []
        self.hints: set[str] = set()
        self.notes: list[str] = []
        self._pages = pages
        self._records = Records(pages)
        self._schema = read_schema(self._records)
        self._seen = {1, *self._schema.pages}
        self._carved = [number for number in self._schema.unread if number != 1]
        self._look_at_the_whole()

    @property
    def revision(self) -> str | None:
        """The revision of the schema, None where it cannot be told."""
        return self._schema.revision

    def rows(self) -> Found:
        """Yield every row that is found, perhaps several times, perhaps with bytes that are not what was written."""
        for name, root in sorted(self._schema.roots.items()):
            if name in _NAMED:
                yield from self._tree(root, _NAMED[name])
            else:
                self._pass_over(name, root)
        yield from self._lost_trees()
        for number in self._carved:
            yield from self._carve(self._pages.page(number) or b"")
        for image in self._pages.suspects():
            yield from self._carve(image)

    def _look_at_the_whole(self) -> None:
        if not self._schema.is_whole:
            self.notes.append("the table of tables is damaged: rows without a tree are told by their shape")
        if self._pages.is_log_damaged:
            self.damaged.append(DamagedPage(0, None, "of the write-ahead log is damaged"))
        told = self._pages.told_count
        if told > self._pages.count:
            what = f"and all behind it are not there: the file tells of {told} pages, {self._pages.count} are there"
            self.damaged.append(DamagedPage(self._pages.count + 1, None, what))

    # -- from the roots ------------------------------------------------------------------------------------------------

    def _tree(self, root: int, table: Table) -> Found:
        """Yield the rows of a tree in the order of their keys."""
        behind: Row = ()
        pending: list[int | tuple[bytes, Cell]] = [root]
        while pending:
            item = pending.pop()
            if isinstance(item, int):
                if item not in self._seen:
                    pending += reversed(self._inside(item, table, behind))
                continue
            found = self._records.row(*item)
            if isinstance(found, Unread) or found[0] is not table:
                self.unread.append(Unread(table, found.key if isinstance(found, Unread) else ()))
                continue
            key = key_of(table, found[1])
            if key <= behind:
                self.unread.append(Unread(table, key))
            behind = key
            yield found

    def _inside(self, number: int, table: Table, behind: Row) -> list[int | tuple[bytes, Cell]]:
        self._seen.add(number)
        page = self._pages.page(number)
        if page is None:
            self.damaged.append(DamagedPage(number, table, "is not there", behind))
            return []
        node = read_node(page)
        if node is not None and node.is_of_rows and node.is_sound:
            return inside(page, node)
        self._to_carve(number, table, "is damaged", behind)
        return [] if node is None or not node.is_of_rows else self._left_in(page, node)

    def _left_in(self, page: bytes, node: Node) -> list[int | tuple[bytes, Cell]]:
        """Return what can be read in a damaged node: what it points at may be nothing."""
        return [
            item
            for item in inside(page, node)
            if (
                item <= self._pages.count if isinstance(item, int) else not isinstance(self._records.row(*item), Unread)
            )
        ]

    def _to_carve(self, number: int, table: Table | None, what: str, behind: Row = ()) -> None:
        self.damaged.append(DamagedPage(number, table, what, behind))
        self._carved.append(number)

    def _pass_over(self, name: str, root: int) -> None:
        """Mark the pages of an index, or of a table that is none of ours: they are not what nobody knows of."""
        pending = [root]
        while pending:
            number = pending.pop()
            page = self._pages.page(number)
            if number in self._seen or page is None:
                continue
            self._seen.add(number)
            node = read_node(page)
            if node is None or not node.is_sound:
                self.notes.append(f"page {number}, of {name}, is damaged: it held no row of an archive")
            if node is not None:
                pending += [child for child in (node.last_child, *(cell.child for cell in node.cells)) if child]
                self._take_hints(name, page, node)

    def _take_hints(self, name: str, page: bytes, node: Node) -> None:
        for cell in node.cells:
            found = self._records.row(page, cell) if cell.size else None
            if name == _FIXTURES and isinstance(found, Unread) and found.key and isinstance(found.key[0], str):
                self.hints.add(found.key[0])

    # -- what no root leads to -----------------------------------------------------------------------------------------

    def _lost_trees(self) -> Found:
        free, others, children = self._pages.free(), list[int](), set[int]()
        for number in self._pages.numbers():
            if number in self._seen or number in free:
                continue
            page = self._pages.page(number) or b"\0"
            node = read_node(page)
            if node is None or not (node.is_of_rows or node.is_sound):
                others.append(number)
                continue
            if not node.is_of_rows:
                continue  # of a table of SQLite's own, or Alembic's
            if not node.is_sound:
                self._to_carve(number, None, "is damaged")
            for item in inside(page, node) if node.is_sound else self._left_in(page, node):
                if isinstance(item, int):
                    children.add(item)
                else:
                    yield from self._lost_row(*item)
        for number in others:
            if number not in self._records.used:
                self._to_carve(number, None, "belongs to nothing that can be read")
        for number in sorted(child for child in children if child > self._pages.count):
            self.damaged.append(DamagedPage(number, None, "is not there"))

    def _lost_row(self, page: bytes, cell: Cell) -> Found:
        found = self._records.row(page, cell)
        if not isinstance(found, Unread):
            yield found
        elif len(found.key) == 2 and isinstance(found.key[0], str):
            self.hints.add(found.key[0])
        else:
            self.unread.append(found)

    def _carve(self, page: bytes) -> Found:
        found: list[tuple[Table, Row]] = []

        def is_row(cell: Cell) -> bool:
            row = self._records.row(page, cell)
            if not isinstance(row, Unread):
                found.append(row)
            return not isinstance(row, Unread)

        for _ in carve(page, is_row):
            yield found.pop()
