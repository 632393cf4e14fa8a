"""Records on a page whose order is lost: every place is tried, and what has the shape of a row is taken for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recorder.salvage.btree import Cell, cell_at, varint

_MOST_HEADER = 250
"""Bytes: the widest of our rows has 44 columns, whose kinds take at most a few bytes each."""
_WHOLE_NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 8, 9})


def carve(page: bytes, is_row: Callable[[Cell], bool]) -> Iterator[Cell]:
    """Yield the cells that are found on a page. ``is_row`` reads a cell and says whether it is one of ours."""
    at = 0
    while at < len(page) - 4:
        cell = _begins_at(page, at)
        if cell is not None and is_row(cell):
            yield cell
            at = cell.end
        else:
            at += 1


def _begins_at(page: bytes, at: int) -> Cell | None:
    """Say whether a record may begin here: its size, its header's size, and a whole number first, as our keys have."""
    try:
        size, start = varint(page, at)
        header, kinds = varint(page, start)
        if header > min(size, _MOST_HEADER) or page[kinds] not in _WHOLE_NUMBERS:
            return None
    except IndexError:
        return None
    return cell_at(page, size, start)
