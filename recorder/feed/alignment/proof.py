"""What is known about the vendor's list as a whole: why it must be read from 0, how far such a read has come, and
where the server starts when it is asked for a position (rules 1, 2 and 4).

A proof that is cut goes on in pieces (``pieces.py``); one that comes to nothing three times is given up:
a gap says so, and recording goes on with what the data suggests.
"""

from __future__ import annotations

from dataclasses import dataclass

from recorder.feed.alignment.calibration import LIVE, Calibration
from recorder.feed.alignment.effects import Proven
from recorder.feed.alignment.working import Working

_GIVE_UP = 3  # rounds that came to nothing, before we say so and go on without the proof
_BY_PROOF = ("unplaced", "server_behind", "unproven", "head")


@dataclass(frozen=True, slots=True)
class Walk:
    """A proof in pieces: everything before ``place`` was equal, and the vendor is thought to start at s + shift."""

    place: int
    shift: int
    blind: bool = False
    """Pieces of one item: no room for an item that overlaps."""


@dataclass(slots=True)
class Heads:
    """What earlier reads from 0 began with, when that was not our first item."""

    unknown: bytes | None = None
    late: int | None = None
    asked_again: bool = False


class Proof:
    """Says whether the next connection must read from 0: each reason is cleared by what answers it."""

    def __init__(self, working: Working, calibration: Calibration | None) -> None:
        self._working = working
        self.calibration = calibration
        """What was proven about the server's start; None: nothing yet."""
        self.due = not working.open.isdisjoint(_BY_PROOF)
        self.reason = "what an earlier run could not prove" if self.due else ""
        self.behind = False
        """The vendor showed less than we hold."""
        self.looking = bool(working.parked)
        """Something is parked that a read from 0 may place."""
        self.given_up = False
        self.walk: Walk | None = None
        self.observed: Calibration | None = None
        """Becomes the calibration when the list is proven."""
        self.last_shift: int | None = None
        self.heads = Heads()
        self.doubted_live = False
        """What was taken for a live-only server has sent something old: once, then it is let pass."""
        self._failed_rounds = 0
        self._tolerated: set[int] = set()

    @property
    def needs_read(self) -> bool:
        """Whether the next connection must read from 0, or go on with such a read."""
        return self.due or self.behind or self.looking

    @property
    def is_live(self) -> bool:
        """Whether the server sends only what is new: then no read from 0 proves anything."""
        return self.calibration is not None and self.calibration.live

    @property
    def likely_shift(self) -> int:
        """The shift that is worth a try: it may be ambiguous, or not shown at all."""
        for known in (self.observed, self.calibration):
            if known is not None and known.likeliest is not None:
                return known.likeliest if self.last_shift is None or known.shift is not None else self.last_shift
        return self.last_shift or 0

    def require(self, why: str) -> None:
        """Read from 0 next."""
        self.due, self.reason = True, why

    def tolerate(self, shift: int) -> None:
        """A start that only unreadable frames explain may be a changed past too: read from 0 next, once for each."""
        if shift not in self._tolerated:
            self._tolerated.add(shift)
            self.require("a start that unreadable frames may explain")

    def begin_again(self, why: str) -> None:
        """Read from 0 next, whatever was tried and given up before."""
        self.require(why)
        self._failed_rounds, self.given_up, self.walk = 0, False, None

    def observe(self, known: Calibration | None, asked: int, found: int, skipped: int = 0, uncounted: int = 0) -> None:
        """A connection began with index ``found``: keep what this leaves of ``known``, else what it says itself."""
        agreeing = known.agreeing(asked, found, skipped, uncounted) if known else None
        self.observed = agreeing or Calibration.observed(asked, found)

    def learn(self, calibration: Calibration | None) -> None:
        """This start behaviour is proven."""
        if calibration is not None and calibration != self.calibration:
            self.calibration = calibration
            self._working.tell(Proven(calibration))

    def complete(self) -> None:
        """The vendor's list and ours are the same, from the first item to the last."""
        # A read that taught nothing about the server's start does not count as getting on; nor does a fork.
        if self.given_up or (self.observed is not None and not self.looking):
            self._failed_rounds = 0
        self.given_up = False
        self.learn(self.observed)
        self._forget()
        # Pieces of one item never show two items side by side: what was given up before is not settled by them.
        is_blind = self.walk is not None and self.walk.blind
        self._working.heal(cause for cause in _BY_PROOF if not (is_blind and cause == "unproven"))

    def be_live(self) -> None:
        """The server sends only what is new: there is nothing to prove, and nothing to wait for."""
        self._failed_rounds = 0
        self._forget()
        self.looking, self.walk = False, None
        self.learn(LIVE)
        self._working.heal(("unplaced", "server_behind"))  # the seam's own gap says it now

    def doubt_live(self) -> None:
        """It may keep a list after all, whose beginning was new to us."""
        self.doubted_live = True
        self.calibration = None

    def _forget(self) -> None:
        """What was to be found out is found out."""
        self.due = self.behind = False
        self.observed = None
        self.heads = Heads()

    def fell_behind(self, place: int) -> None:
        """The vendor shows only what is before ``place``: keep ours, and look again next time."""
        self.behind, self.walk = True, None
        n = len(self._working.list)
        self._working.gap("server_behind", place, n, f"the vendor shows {place} of our {n}")

    def caught_up(self) -> None:
        """It was slow, not behind: it has shown them after all."""
        if self.behind:
            self.behind = False
            self._working.heal(("server_behind",))

    def got_on(self) -> None:
        """Something new was stored: what failed before does not count."""
        if not self.given_up:
            self._failed_rounds = 0

    def try_again(self) -> None:
        """The vendor lets us read again."""
        if self.given_up:
            self.given_up, self._failed_rounds = False, 0
            self.require("a proof that was given up")

    def round_failed(self) -> bool:
        """Start again; after three rounds say that there is no proof, and go on. Returns whether it gave up."""
        self.walk = None
        self._failed_rounds += 1
        if self._failed_rounds < _GIVE_UP:
            self.require("the proof came to nothing")
            return False
        self.due = self.behind = self.looking = False
        self.given_up = True
        n = len(self._working.list)
        self._working.gap("unproven", 0, None, f"{_GIVE_UP} reads from 0 did not reach position {n}")
        return True
