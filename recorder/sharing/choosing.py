"""Which leases to take and which to hand over, from what a beat has seen. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from recorder.sharing.shares import fair_shares
from recorder.sharing.table import Row, Seen

_AT_ONCE = 10
"""Streams on their way to another recorder: as many as may connect in a beat, by 5 attempts a second."""

_LEFT = 2
"""Beats after which a stream that others leave is taken over the fair share: it may be on our list alone."""

_FIRST_REST, _LONGEST_REST = 30, 1800
"""Beats without handing over after nobody wanted what we gave; twice as many each time."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Of ``by_share`` up to ``room`` streams may be taken, of ``left_over`` all; ``surplus`` is to be handed over."""

    by_share: frozenset[int]
    room: int
    left_over: frozenset[int]
    surplus: tuple[int, ...]


class Chooser:
    """What one recorder, ``name``, remembers from beat to beat.

    Lists may differ, and no recorder knows another's. So what nobody takes is taken by whoever lists it, and what was
    given away in vain comes back and is not offered again soon: each time a recording is interrupted.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: frozenset[str] = frozenset()
        self._left: dict[int, int] = {}
        """For how many beats each stream has been there to be taken."""
        self._given: set[int] = set()
        """What we gave away and nobody has taken yet."""
        self._unwanted: set[int] = set()
        self._rest = 0
        self._next_rest = _FIRST_REST

    def gave(self, stream_id: int) -> None:
        """Note that we gave a lease back for another to take."""
        self._given.add(stream_id)

    def choose(
        self, seen: Seen, held: Collection[int], busy: Collection[int], handing: Collection[int], *, inherit: bool
    ) -> Choice:
        """Choose; ``busy`` streams cannot be taken now, those in ``handing`` are being handed over.

        ``inherit``: whether expired leases may be taken from their owners.
        """
        self._meet(frozenset(seen.holders))
        free = [row for row in seen.rows if row.stream_id not in held and row.stream_id not in busy]
        free_ids = {row.stream_id for row in free}
        wanted = {stream_id for stream_id in self._given if stream_id not in free_ids and stream_id not in busy}
        if wanted:
            self._next_rest = _FIRST_REST  # somebody wants what we give
        self._given -= wanted
        takeable = {row.stream_id for row in free if self._is_takeable(row, seen, inherit=inherit)}
        self._left = {stream_id: self._left.get(stream_id, 0) + 1 for stream_id in takeable}
        left_over = frozenset(each for each in takeable if self._left[each] > _LEFT + (each in self._given))
        orphans = sum(valid.number for name, valid in seen.elsewhere.items() if name not in seen.holders)
        share = fair_shares(self._peers(len(held), seen), len(free) + orphans)[self._name]
        on_their_way = len(handing) + len(self._given & free_ids)
        surplus = self._surplus(held, handing, len(held) - share, _AT_ONCE - on_their_way)
        return Choice(frozenset(takeable - self._given), max(0, share - len(held)), left_over, surplus)

    def took(self, stream_ids: Collection[int]) -> None:
        """Note what we took: what comes back was wanted by nobody."""
        back = self._given & set(stream_ids)
        self._given -= back
        self._unwanted |= back
        if back and len(self._known) > 1:
            self._rest, self._next_rest = self._next_rest, min(_LONGEST_REST, 2 * self._next_rest)

    def _meet(self, live: frozenset[str]) -> None:
        if live - self._known:  # somebody new, who may want what nobody wanted
            self._unwanted.clear()
            self._rest, self._next_rest = 0, _FIRST_REST
        if live <= {self._name}:
            self._given.clear()
        self._known = live

    def _peers(self, held: int, seen: Seen) -> dict[str, int]:
        """Return how many of our list each recorder holds that may share it.

        One that holds streams of another list only has another list; one that holds nothing has probably just begun.
        What has ended for us counts too: one that began later may look at it once again.
        """
        kept = {name: valid.number for name, valid in seen.elsewhere.items()}
        peers = {name: kept.get(name, 0) for name, number in seen.holders.items() if name in kept or not number}
        return peers | {self._name: held}

    def _is_takeable(self, row: Row, seen: Seen, *, inherit: bool) -> bool:
        # Ours, and we do not hold it: the answer to our taking it never came.
        return row.owner is None or row.owner == self._name or (inherit and not row.is_valid(seen.now_us))

    def _surplus(self, held: Collection[int], handing: Collection[int], number: int, most: int) -> tuple[int, ...]:
        if self._rest:
            self._rest -= 1
            return ()
        ordered = sorted(set(held) - set(handing), key=lambda stream_id: (stream_id in self._unwanted, -stream_id))
        return tuple(ordered[: max(0, min(number - len(handing), most))])
