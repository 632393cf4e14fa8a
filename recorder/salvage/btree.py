"""One page of a b-tree in SQLite's format. Source: https://www.sqlite.org/fileformat2.html, section 1.6.

Our tables are WITHOUT ROWID: their rows are the records of index b-trees, and stand on interior pages as well. Only
SQLite's own table of the schema and Alembic's are table b-trees.
"""

from __future__ import annotations

from dataclasses import dataclass

INDEX_INTERIOR, TABLE_INTERIOR, INDEX_LEAF, TABLE_LEAF = 0x02, 0x05, 0x0A, 0x0D
_HEADERS = {INDEX_INTERIOR: 12, TABLE_INTERIOR: 12, INDEX_LEAF: 8, TABLE_LEAF: 8}
FILE_HEADER = 100
_LEAST_CELL = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a cell's record is: ``size`` bytes in all, ``local`` of them from ``start``, the rest from page ``behind``.

    ``end``: the first byte behind the cell. ``child``: the page left of it, 0 on a leaf.
    """

    size: int
    start: int
    local: int
    behind: int
    end: int
    child: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A page of a b-tree: its cells in order, and the right-most child, 0 on a leaf.

    ``is_sound``: every byte of it is accounted for, so that no cell can be missing.
    """

    kind: int
    cells: tuple[Cell, ...]
    last_child: int
    is_sound: bool

    @property
    def is_of_rows(self) -> bool:
        """Whether its cells hold records of an index b-tree, as our tables are."""
        return self.kind in (INDEX_LEAF, INDEX_INTERIOR)


def varint(page: bytes, at: int) -> tuple[int, int]:
    """Return the variable-length integer at ``at``, and where it ends. Raises IndexError behind the page."""
    value = 0
    for index in range(at, at + 8):
        byte = page[index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index + 1
    return value << 8 | page[at + 8], at + 9


def local_size(size: int, page_size: int, *, of_table: bool = False) -> int:
    """Return how many bytes of a record of ``size`` bytes stand on its own page."""
    most = page_size - 35 if of_table else (page_size - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (page_size - 12) * 32 // 255 - 23
    surplus = least + (size - least) % (page_size - 4)
    return surplus if surplus <= most else least


def read_node(page: bytes, begin: int = 0) -> Node | None:
    """Return a page as a node, None when it is none at all; cells that point nowhere are left out (not sound).

    ``begin``: where the node's header stands, 100 on the first page of the file.
    """
    kind = page[begin]
    length = _HEADERS.get(kind)
    if length is None:
        return None
    count = int.from_bytes(page[begin + 3 : begin + 5])
    array = begin + length
    last_child = int.from_bytes(page[begin + 8 : begin + 12]) if length == 12 else 0
    places = [int.from_bytes(page[at : at + 2]) for at in range(array, min(array + 2 * count, len(page) - 1), 2)]
    cells = [_cell(page, kind, place) if array <= place < len(page) else None for place in places]
    found = tuple(cell for cell in cells if cell is not None)
    is_sound = len(found) == count and _is_accounted(page, begin, array + 2 * count, places, found)
    return Node(kind, found, last_child, is_sound)


def _cell(page: bytes, kind: int, place: int) -> Cell | None:
    try:
        child, at = 0, place
        if kind in (INDEX_INTERIOR, TABLE_INTERIOR):
            child, at = int.from_bytes(page[at : at + 4]), at + 4
        if kind == TABLE_INTERIOR:
            _, end = varint(page, at)
            return Cell(0, at, 0, 0, end, child)
        size, at = varint(page, at)
        if kind == TABLE_LEAF:
            _, at = varint(page, at)
    except IndexError:
        return None
    return cell_at(page, size, at, child, of_table=kind == TABLE_LEAF)


def cell_at(page: bytes, size: int, start: int, child: int = 0, *, of_table: bool = False) -> Cell | None:
    """Return the cell whose record of ``size`` bytes begins at ``start``; None when it does not fit on the page."""
    local = local_size(size, len(page), of_table=of_table)
    end = start + local + (4 if local < size else 0)
    if end > len(page):
        return None
    behind = int.from_bytes(page[start + local : end]) if local < size else 0
    return Cell(size, start, local, behind, end, child)


def _is_accounted(page: bytes, begin: int, array_end: int, places: list[int], cells: tuple[Cell, ...]) -> bool:
    """Say whether cells, free blocks and fragments fill the page from where its content is said to begin."""
    content = int.from_bytes(page[begin + 5 : begin + 7]) or 65536
    used = [(place, max(cell.end, place + _LEAST_CELL)) for place, cell in zip(places, cells, strict=True)]
    block = int.from_bytes(page[begin + 1 : begin + 3])
    while block:
        if block < content or block + 4 > len(page) or len(used) > len(page):
            return False
        used.append((block, block + int.from_bytes(page[block + 2 : block + 4])))
        block = int.from_bytes(page[block : block + 2])
    at, fragments = content, 0
    for first, end in sorted(used):
        if first < at:
            return False
        fragments, at = fragments + first - at, end
    return array_end <= content and at <= len(page) and fragments + len(page) - at == page[begin + 7]
