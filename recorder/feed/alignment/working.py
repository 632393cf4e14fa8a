"""The list that we hold, and what is kept beside it without a place.

This module knows how to append, park, fork and heal; *when* is decided by the rows of the decision table (the map is
in :mod:`recorder.feed.alignment`). Every change tells an effect, so that the archive can do the same to its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recorder.feed.alignment.effects import Append, Effect, EpochCurrent, Fork, Heal, Item, OpenGap, Park, Resent


class Listing:
    """Content in order, with an index. Memory per item: two list slots and one dict entry."""

    __slots__ = ("_again", "_first", "digests", "seqs")

    def __init__(self, stored: Iterable[tuple[bytes, int | None]] = ()) -> None:
        self.digests: list[bytes] = []
        self.seqs: list[int | None] = []
        self._first: dict[bytes, int] = {}
        self._again: dict[bytes, list[int]] = {}  # every place of a content that has several; rare
        for digest, seq in stored:
            self.add(digest, seq)

    def __len__(self) -> int:
        return len(self.digests)

    def add(self, digest: bytes, seq: int | None) -> int:
        """Append, and return the position; O(1)."""
        position = len(self.digests)
        self.digests.append(digest)
        self.seqs.append(seq)
        first = self._first.setdefault(digest, position)
        if first != position:
            self._again.setdefault(digest, [first]).append(position)
        return position

    def places(self, digest: bytes) -> Sequence[int]:
        """Return every position of this content, ascending; empty when it is unknown."""
        first = self._first.get(digest)
        if first is None:
            return ()
        return self._again.get(digest) or (first,)

    def prefix(self, length: int) -> Listing:
        """Return a new list with the first ``length`` items."""
        return Listing(zip(self.digests[:length], self.seqs[:length], strict=True))


# Gaps of these causes say "this may be so now": one open row is enough. The others each mark a place or a moment.
_ONCE = frozenset({"unplaced", "server_behind", "unproven", "head", "dup_suspect"})


class Working:
    """The working list, its parent while an epoch is new, the parked items and the open gaps."""

    def __init__(
        self,
        stored: Iterable[tuple[bytes, int | None]],
        parked: Iterable[Item],
        open_gaps: Iterable[str],
        current_length: int | None,
    ) -> None:
        self.list = Listing(stored)
        # An item that is both stored and parked was placed just before a crash.
        self.parked = {item.digest: item for item in parked if not self.list.places(item.digest)}
        self.open = set(open_gaps)
        self._parent: Listing | None = None
        self._parent_place = -1
        self._current_length = current_length  # of the epoch that is still current; None: this list is
        self._effects: list[Effect] = []

    @property
    def last_seq(self) -> int | None:
        """``fixtureSeqNum`` of the last stored item."""
        return self.list.seqs[-1] if self.list.seqs else None

    def not_later(self, item: Item) -> bool:
        """Whether the item's seq says that it is no later than our last."""
        last = self.last_seq
        return item.seq is not None and last is not None and item.seq <= last

    def tell(self, effect: Effect) -> None:
        """Add to the effects, which are obeyed in this order."""
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Return the effects since the last call."""
        effects, self._effects = self._effects, []
        return effects

    def begin_connection(self) -> None:
        """Let go of the parent, unless the new epoch still has to show itself."""
        if self._current_length is None:
            self._parent = None

    def append(self, item: Item) -> None:
        """Give ``item`` the next position."""
        parked = self.parked.pop(item.digest, None) if self.parked else None
        same_as = None if self._parent is None else self._place_in_parent(item.digest)
        position = self.list.add(item.digest, item.seq)
        self.tell(Append(position, item, parked, same_as))
        if parked is not None and not self.parked:
            self.heal(("unplaced",))
        if self._current_length is not None and len(self.list) >= self._current_length:
            self.epoch_current()

    def _place_in_parent(self, digest: bytes) -> int | None:
        places = self._parent.places(digest) if self._parent is not None else ()
        if not places:
            return None
        self._parent_place = next((q for q in places if q > self._parent_place), places[-1])
        return self._parent_place

    def park(self, item: Item, why: str) -> None:
        """Keep the frame before anything else happens; its place may be told later (rule 3)."""
        if item.digest in self.parked:
            self.tell(Resent(item))
            return
        self.parked[item.digest] = item
        self.tell(Park(item, why))
        self.gap("unplaced", len(self.list), None, why)

    def gap(self, cause: str, start: int | None, stop: int | None, detail: str) -> None:
        """Open a gap, unless one of a cause that needs only one is open."""
        if cause in _ONCE and cause in self.open:
            return
        self.open.add(cause)
        self.tell(OpenGap(cause, start, stop, detail))

    def heal(self, causes: Iterable[str]) -> None:
        """Close the open gaps of these causes (rule 4); `unplaced` only when nothing is parked any more."""
        healed = tuple(c for c in causes if c in self.open and not (c == "unplaced" and self.parked))
        if healed:
            self.open.difference_update(healed)
            self.tell(Heal(healed))

    def fork(self, position: int, why: str, item: Item) -> None:
        """Begin a new epoch at ``position``, where ``item`` differs from what is stored (rule 5)."""
        ours = self.list.digests[position].hex() if position < len(self.list) else "nothing"
        self.tell(Fork(position, why))
        detail = f"{why}; first difference at position {position}: stored {ours}, vendor {item.digest.hex()}"
        self.gap("list_changed", position, None, detail)
        if self._current_length is None:
            self._current_length = len(self.list)
        self._parent, self._parent_place = self.list, position - 1
        self.list = self.list.prefix(position)

    def epoch_current(self) -> None:
        """The new epoch, if there is one, was read to its end or is long enough."""
        if self._current_length is not None:
            self._current_length = None
            self.tell(EpochCurrent())
