"""What a row of the decision table looks at, and the steps that several rows take.

The rows are in ``first_of_read``, ``first_of_resume``, ``pieces``, ``aligned`` and ``silence``.
"""

from __future__ import annotations

from collections.abc import Sequence

from recorder.feed.alignment.calibration import Calibration
from recorder.feed.alignment.connection import Connection, Mode
from recorder.feed.alignment.effects import Item, Match, Reconnect, Resent
from recorder.feed.alignment.proof import Proof
from recorder.feed.alignment.working import Working


class Alignment:
    """One stream: what it holds (``working``), what is proven of it (``proof``), and the ``connection`` of now."""

    def __init__(self, working: Working, calibration: Calibration | None, overlap: int, unreadable: int = 0) -> None:
        self.working = working
        self.proof = Proof(working, calibration)
        self.connection = Connection(is_open=False, length_before=self.n)
        self.overlap = self.full_overlap = max(0, overlap)
        """How many stored items to ask for again: fewer while the vendor cuts us short."""
        self.unreadable = unreadable
        """How many different frames are known that the vendor may count and we cannot read (rule 6)."""

    @property
    def n(self) -> int:
        """How many items the working list holds."""
        return len(self.working.list.digests)

    def places(self, item: Item) -> Sequence[int]:
        """Return every stored index of this content (q), ascending; empty: it is unknown."""
        return self.working.list.places(item.digest)

    def within_skip(self, place: int, item: Item) -> int | None:
        """Return where the item stands behind ``place``, if the frames that we could not read account for the rest."""
        if not self.connection.unreadable:
            return None
        reach = range(place + 1, place + self.connection.unreadable + 1)
        return next((q for q in self.places(item) if q in reach), None)

    # -- one item ----------------------------------------------------------------------------------------------------

    def append(self, item: Item) -> None:
        """The item takes the next position."""
        self.working.append(item)
        self._showed(item)
        self.connection.place = self.n
        if not self.working.parked:
            self.proof.looking = False

    def match(self, place: int, item: Item) -> None:
        """The item equals what is stored at ``place``; the next one should be what is stored behind it."""
        self.working.tell(Match(place, item))
        self._showed(item)
        if self.connection.place is None:
            self.connection.began = place
        self.connection.place = place + 1
        if place + 1 == self.n:
            self._reached_the_end()

    def _showed(self, item: Item) -> None:
        if self.connection.late:
            self.connection.shown.append(item)

    def _reached_the_end(self) -> None:
        if self.connection.mode is Mode.RESUME:
            self.proof.caught_up()
        elif not self.connection.late:
            # Z | p reaches n | proven: clear what was due or behind, keep the shift
            self.proof.complete()

    def resent(self, item: Item, place: int | None = None) -> None:
        """The item came just before, or is parked already: count it."""
        self.working.tell(Resent(item, place))

    def park(self, item: Item, why: str) -> None:
        """Keep the item without a place (rule 3), and look for its place in a read from 0."""
        self.working.park(item, why)
        self.proof.looking = True

    def disorder(self, item: Item, place: int) -> None:
        """The item is stored at ``place``, and came later than it should; one gap a connection."""
        self.working.tell(Match(place, item))
        connection = self.connection
        if not connection.disorder_told:
            connection.disorder_told = True
            detail = f"position {place} came where position {connection.place} was due"
            self.working.gap("disorder", place, connection.place, detail)

    # -- the list ----------------------------------------------------------------------------------------------------

    def fork(self, place: int, why: str, *items: Item) -> None:
        """The vendor's list is ours up to ``place``, and then ``items``: a new epoch (rule 5)."""
        self.working.fork(place, why, items[-1] if place else items[0])
        self.proof.observed, self.proof.walk, self.connection.late = None, None, 0
        for item in items:
            self.append(item)
        self.proof.complete()

    def fork_late(self, item: Item) -> None:
        """This read began late and goes on differently: the vendor's list is what it has shown since."""
        self.fork(0, "the vendor's list begins elsewhere and has changed", *self.connection.shown, item)

    def seam(self, *items: Item) -> None:
        """A live-only server: go on densely; what may be missing lies in the gap."""
        if self.connection.mode is Mode.READ:
            self.connection.seam = self.n
        seqs = f"fixtureSeqNum {self.working.last_seq}, then {items[0].seq}"
        self.go_on(*items, gap=("live_only", f"the vendor sends only what is new: {seqs}"))
        self.proof.be_live()

    def go_on(self, *items: Item, gap: tuple[str, str] | None = None) -> None:
        """Append what was parked earlier, in order of arrival (it was seen live), and then what is new of ``items``."""
        arriving = {item.digest: item for item in items}
        earlier = list(self.working.parked.values())
        if gap is not None:
            before = sum(item.digest not in arriving for item in earlier)
            self.working.gap(gap[0], self.n, self.n + before, gap[1])
        for item in earlier:
            self.append(arriving.pop(item.digest, item))
        for item in arriving.values():
            self.append(item)
        # What was parked behind the newest of them may come once more.
        self.connection.place = self.places(items[-1])[-1] + 1

    # -- the connection ----------------------------------------------------------------------------------------------

    def close(self, why: str) -> None:
        """Close, and read from 0 next, unless the proof was given up."""
        if not self.proof.given_up:
            self.proof.require(why)
        self.connection.is_open = False
        self.working.tell(Reconnect(why))
