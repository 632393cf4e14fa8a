"""The list that we hold, what is kept beside it without a place, and the effects that change either of them.

This room knows how to append, park, fork and heal; *when* is decided by :mod:`recorder.feed.alignment`. Every change
is answered with an effect, so that the archive can do the same to its rows. Positions and indices count from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from recorder.feed.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Item:
    """One action as it arrives; or one that was parked."""

    digest: bytes
    """16 bytes that stand for its canonical content."""
    seq: int | None
    """``fixtureSeqNum``: a hint, never a key (resume, rule 10)."""
    ref: object = field(default=None, compare=False)
    """Which frame and part it came in; alignment only hands it back."""


@dataclass(frozen=True, slots=True)
class Append:
    """``item`` takes ``position`` in the working list."""

    position: int
    item: Item
    parked: Item | None = None
    """The same content, kept earlier without a place: that frame is the evidence, it came first."""
    same_as: int | None = None
    """In a new epoch: the position in its parent that holds the same content, and whose first arrival counts."""


@dataclass(frozen=True, slots=True)
class Match:
    """``item`` equals what is stored at ``position``: compare and count, store nothing."""

    position: int
    item: Item


@dataclass(frozen=True, slots=True)
class Resent:
    """``item`` has the content that came just before it, or that is parked already: count it."""

    item: Item
    position: int | None = None
    """Where the same content is stored; None: it is parked."""


@dataclass(frozen=True, slots=True)
class Park:
    """Keep the frame of ``item`` as `unplaced`: its position cannot be told yet."""

    item: Item
    why: str


@dataclass(frozen=True, slots=True)
class Fork:
    """A new epoch begins: positions [0, ``position``) of the working list, and what follows."""

    position: int
    why: str


@dataclass(frozen=True, slots=True)
class EpochCurrent:
    """The new epoch is as long as the current one, or was read to its end: it is the current one now."""


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A doubt, in [``from_position``, ``to_position``); None: nobody can tell. Equal: a seam just before that place."""

    cause: str
    from_position: int | None
    to_position: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Heal:
    """The open gaps of these causes are closed by proof."""

    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Close this connection and dial again; the next question is known already."""

    why: str


@dataclass(frozen=True, slots=True)
class Proven:
    """This start behaviour is proven: keep it on the session row."""

    calibration: Calibration


Effect = Append | Match | Resent | Park | Fork | EpochCurrent | OpenGap | Heal | Reconnect | Proven


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
    """The working list, its parent while an epoch is new, the parked items and the open gaps.

    Every method that changes something appends the effects to ``out``, in the order in which they must be obeyed.
    """

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

    @property
    def last_seq(self) -> int | None:
        """``fixtureSeqNum`` of the last stored item."""
        return self.list.seqs[-1] if self.list.seqs else None

    def begin_connection(self) -> None:
        """Let go of the parent, unless the new epoch still has to show itself."""
        if self._current_length is None:
            self._parent = None

    def append(self, item: Item, out: list[Effect]) -> None:
        """Give ``item`` the next position."""
        parked = self.parked.pop(item.digest, None) if self.parked else None
        same_as = None if self._parent is None else self._place_in_parent(item.digest)
        position = self.list.add(item.digest, item.seq)
        out.append(Append(position, item, parked, same_as))
        if parked is not None and not self.parked:
            self.heal(("unplaced",), out)
        if self._current_length is not None and len(self.list) >= self._current_length:
            self.epoch_current(out)

    def _place_in_parent(self, digest: bytes) -> int | None:
        places = self._parent.places(digest) if self._parent is not None else ()
        if not places:
            return None
        self._parent_place = next((q for q in places if q > self._parent_place), places[-1])
        return self._parent_place

    def park(self, item: Item, why: str, out: list[Effect]) -> None:
        """Keep the frame before anything else happens; its place may be told later (rule 3)."""
        if item.digest in self.parked:
            out.append(Resent(item))
            return
        self.parked[item.digest] = item
        out.append(Park(item, why))
        self.gap("unplaced", len(self.list), None, why, out)

    def gap(self, cause: str, start: int | None, stop: int | None, detail: str, out: list[Effect]) -> None:
        """Open a gap, unless one of a cause that needs only one is open."""
        if cause in _ONCE and cause in self.open:
            return
        self.open.add(cause)
        out.append(OpenGap(cause, start, stop, detail))

    def heal(self, causes: Iterable[str], out: list[Effect]) -> None:
        """Close the open gaps of these causes (rule 4); `unplaced` only when nothing is parked any more."""
        healed = tuple(c for c in causes if c in self.open and not (c == "unplaced" and self.parked))
        if healed:
            self.open.difference_update(healed)
            out.append(Heal(healed))

    def fork(self, position: int, why: str, item: Item, out: list[Effect]) -> None:
        """Begin a new epoch at ``position``, where ``item`` differs from what is stored (rule 5)."""
        ours = self.list.digests[position].hex() if position < len(self.list) else "nothing"
        out.append(Fork(position, why))
        detail = f"{why}; first difference at position {position}: stored {ours}, vendor {item.digest.hex()}"
        self.gap("list_changed", position, None, detail, out)
        if self._current_length is None:
            self._current_length = len(self.list)
        self._parent, self._parent_place = self.list, position - 1
        self.list = self.list.prefix(position)

    def epoch_current(self, out: list[Effect]) -> None:
        """The new epoch, if there is one, was read to its end or is long enough."""
        if self._current_length is not None:
            self._current_length = None
            out.append(EpochCurrent())
