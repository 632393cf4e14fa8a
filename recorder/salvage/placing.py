"""One list made consistent again: which frame's action stands at which position. Pure.

Positions must be 0, 1, 2, …. Where rows are lost, frames that bear actions which stand nowhere may fill the hole: those
that arrived between its neighbours, in the order in which they arrived, when there are not more of them than missing
positions. What is missing then is lost: the list goes on behind it without a hole, and a seam says where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from recorder.model import Arrival

Key = tuple[int, int, int]
"""Of an action: (session, frame number, part). Greater keys arrived later."""

_FIRST: Key = (-1, -1, -1)
_FEW = 2
"""So many rows may have another position than the order of arrival gives."""


@dataclass(frozen=True, slots=True)
class Item:
    """An action as a list holds it. ``content``: its digest. ``arrival``: None where no row tells it.

    ``is_put_back``: no row tells that it stands there.
    """

    key: Key
    content: bytes
    arrival: Arrival | None
    is_put_back: bool = False


@dataclass(frozen=True, slots=True)
class Seam:
    """``lost`` positions from ``first`` (as they were) are gone, somewhere between ``at`` and ``to`` (as they are)."""

    first: int
    lost: int
    at: int
    to: int


@dataclass(frozen=True, slots=True)
class Relisted:
    """A list without holes. ``moved``: where each old position is now; seams in order."""

    items: tuple[Item, ...]
    seams: tuple[Seam, ...]
    moved: Mapping[int, int]

    @property
    def lost(self) -> int:
        """How many positions are gone."""
        return sum(seam.lost for seam in self.seams)


def relist(rows: Mapping[int, Item], spare: Sequence[Item], length: int | None = None) -> Relisted:
    """Return the list that ``rows``, by position, and ``spare`` actions, which stand nowhere, come to.

    ``length``: so many positions there were at least, where something tells. Nothing is put back behind that.
    """
    plain = _relist(rows, spare, length)
    by_arrival = _by_arrival(rows, spare, length) if plain.lost else None
    return by_arrival or plain


def _relist(rows: Mapping[int, Item], spare: Sequence[Item], length: int | None) -> Relisted:
    items: list[Item] = []
    seams: list[Seam] = []
    moved: dict[int, int] = {}
    expected, before = 0, _FIRST
    for position, row in sorted(rows.items()):
        if position > expected:
            filling = _between(spare, before, row.key)
            _fill(items, seams, expected, position - expected, filling)
        moved[position] = len(items)
        items.append(row)
        expected, before = position + 1, row.key
    missing = max(0, (length or 0) - expected)
    # What came after that may be of a list that is lost altogether.
    _fill(items, seams, expected, missing, _between(spare, before, None)[:missing])
    return Relisted(tuple(items), tuple(seams), moved)


def _fill(items: list[Item], seams: list[Seam], first: int, missing: int, filling: Sequence[Item]) -> None:
    """Put ``filling`` into a hole of ``missing`` positions, unless it is too much for it."""
    taken = filling if len(filling) <= missing else []
    at = len(items)
    items += taken
    if missing > len(taken):
        seams.append(Seam(first, missing - len(taken), at, len(items)))


def _between(spare: Sequence[Item], before: Key, behind: Key | None) -> list[Item]:
    found: dict[bytes, Item] = {}
    for item in spare:
        if before < item.key and (behind is None or item.key < behind):
            found.setdefault(item.content, item)
    return list(found.values())


def _by_arrival(rows: Mapping[int, Item], spare: Sequence[Item], length: int | None) -> Relisted | None:
    """Return the list in the order of arrival, if that is without a hole and nearly what the rows say.

    A row whose position is damaged stands where another should, or far behind the end.
    """
    ordered = sorted([*rows.values(), *_unique(spare)], key=lambda item: item.key)
    in_order = [row for _, row in sorted(rows.items())]
    is_ordered = all(one.key < other.key for one, other in pairwise(in_order))
    if not rows or (is_ordered and (not spare or len(ordered) != max(rows) + 1)):
        return None  # nothing says that a position is wrong
    kept = sum(position < len(ordered) and ordered[position] is row for position, row in rows.items())
    if len(rows) - kept > _FEW or len(spare) > _FEW or len(ordered) < (length or 0):
        return None
    places = {item.key: index for index, item in enumerate(ordered)}
    return Relisted(tuple(ordered), (), {position: places[row.key] for position, row in rows.items()})


def _unique(items: Iterable[Item]) -> list[Item]:
    return list({item.content: item for item in reversed(list(items))}.values())


def shift(position: int | None, seams: Sequence[Seam]) -> int | None:
    """Return where a position of before stands in a list with seams; one that is lost, where the list goes on."""
    if position is None:
        return None
    gone = 0
    for seam in seams:
        if position >= seam.first + seam.lost:
            gone += seam.lost
        elif position > seam.first:
            gone += position - seam.first
    return position - gone


def adopted(rows: Mapping[int, Item], other: Mapping[int, Item], end: int) -> dict[int, Item]:
    """Return ``rows`` with what ``other``, which is the same list before ``end``, has in their holes."""
    lacking = {position: replace(item, is_put_back=True) for position, item in other.items() if position < end}
    return lacking | dict(rows)
