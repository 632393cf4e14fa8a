"""Resume: what to ask for, and which place each arriving item takes. A pure function of what was stored and proven.

One :class:`Resume` per stream lives over many connections::

    resume.ask()            what to ask for; begins a connection
    resume.item(x)          one action arrived
    resume.unreadable()     a frame went by that may have been an action
    resume.quiet()          nothing came for 10 s, since the authorisation or the last item
    resume.ended(...)       the connection is over

The last four answer with effects, to be obeyed in order (:mod:`recorder.feed.working`). No order of calls raises.

A connection reads in one of three ways: READ from 0, RESUME near the end, or PIECE, the next piece of a proof whose
read from 0 was cut. *Place* is the stored index of the item that should come next; None until something aligned.
The rows of the decision table (docs: resume) stand above the branches that obey them; n = stored, p = place,
q = stored index of the arriving item, Z = a read from 0, R = a resume.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from recorder.feed.calibration import LIVE, Calibration
from recorder.feed.working import (
    Append,
    Effect,
    EpochCurrent,
    Fork,
    Heal,
    Item,
    Match,
    OpenGap,
    Park,
    Proven,
    Reconnect,
    Resent,
    Working,
)

__all__ = [
    "LIVE", "Append", "Ask", "Calibration", "Effect", "EpochCurrent", "Fork", "Heal", "Item", "Match", "OpenGap",
    "Park", "Proven", "Reconnect", "Resent", "Resume",
]  # fmt: skip

_GIVE_UP = 3  # rounds of a proof that came to nothing, before we say so and go on without it
_REGAIN = 4  # new items on one connection that show that the vendor does not cut us short
_BY_PROOF = ("unplaced", "server_behind", "unproven", "head")


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask for. ``start_position`` None: leave the parameter out (rule 8), the vendor begins with the first."""

    start_position: int | None
    from_zero: bool
    overlap: int
    """How many stored items should come again; 0: none, or all of them."""
    why: str


@dataclass(frozen=True, slots=True)
class _Walk:
    """A proof in pieces: everything before ``place`` was equal, and the vendor is thought to start at s + shift."""

    place: int
    shift: int
    blind: bool = False  # pieces of one item: no room for an item that overlaps


class _Mode(Enum):
    CLOSED = auto()
    READ = auto()
    RESUME = auto()
    PIECE = auto()


class Resume:
    """The alignment of one stream.

    ``stored``: (digest, seq) of the working list, in order. ``parked``: items kept without a place. ``open_gaps``:
    the causes of the gaps that are open. ``current_length``: when the working list is an epoch that is not current
    yet, the length of the one that is.
    """

    def __init__(
        self,
        stored: Iterable[tuple[bytes, int | None]] = (),
        *,
        overlap: int = 3,
        calibration: Calibration | None = None,
        parked: Iterable[Item] = (),
        open_gaps: Iterable[str] = (),
        current_length: int | None = None,
    ) -> None:
        self._working = Working(stored, parked, open_gaps, current_length)
        self.calibration = calibration
        """What was proven about the server's start; None: nothing yet."""
        self._full_overlap = self._overlap = max(0, overlap)
        # Why the next connection must read from 0: each is cleared by what answers it.
        self._due = not self._working.open.isdisjoint(_BY_PROOF)
        self._behind = False
        self._look_for_parked = bool(self._working.parked)
        self._reason = "what an earlier run could not prove" if self._due else ""
        # The proof under way.
        self._walk: _Walk | None = None
        self._observed: Calibration | None = None  # becomes the calibration when the list is proven
        self._last_shift: int | None = None
        self._failed_rounds = 0
        self._unproven = False  # given up: go on with what the data suggests, a gap says so
        # What earlier reads from 0 began with.
        self._head_before: bytes | None = None
        self._late_before: int | None = None
        self._asked_head_again = False
        self._begin(_Mode.CLOSED, None, 0)

    def _begin(self, mode: _Mode, place: int | None, asked: int, expected: int = 0) -> None:
        """Forget the last connection."""
        self._mode = mode
        self._place = place
        self._asked = asked
        self._expected = expected  # the stored index that should come first
        self._held: Item | None = None
        self._anchor: int | None = None  # where a resume seems to begin, if the second item says so too
        self._late = 0  # a read from 0 that began with this index instead
        self._shown: list[Item] = []  # by such a read: what it has shown, all of it
        self._unreadable = 0  # frames since the last item
        self._items = 0
        self._length_before = len(self._working.list)
        self._was_quiet = False
        self._disorder_told = False

    @property
    def n(self) -> int:
        """How many items the working list holds."""
        return len(self._working.list)

    @property
    def caught_up(self) -> bool:
        """Whether this connection has aligned and shown everything that is stored."""
        return self._mode is not _Mode.CLOSED and self._place == self.n

    @property
    def digests(self) -> Sequence[bytes]:
        """The content of the working list, in order. Read only."""
        return self._working.list.digests

    @property
    def parked(self) -> Sequence[Item]:
        """The items that are kept without a place, in order of arrival."""
        return tuple(self._working.parked.values())

    @property
    def recorded_from_start(self) -> bool:
        """Whether the first item may well be the vendor's first: seq 1 or none. A hint; nobody can tell for sure."""
        return not self.n or self._working.list.seqs[0] in (None, 1)

    def demand_proof(self, why: str = "asked for") -> None:
        """Read from 0 on the next connection: edits before the overlap are seen only so (rule 7)."""
        self._require(why)
        self._failed_rounds, self._unproven, self._walk = 0, False, None

    # -- before the connection ---------------------------------------------------------------------------------------

    def ask(self) -> Ask:
        """Begin a connection."""
        self._working.begin_connection()
        # dialling | proof due, parked, behind, or n ≤ overlap | Z, else R at n − overlap
        if self._needs_read() and self._walk is not None:
            walk = self._walk
            expected = walk.place if walk.blind else walk.place - 1
            if expected - walk.shift > 0:
                return self._start(_Mode.PIECE, expected, walk.shift, "the next piece of a proof from 0")
        if self._needs_read():
            return self._from_zero(self._reason)
        overlap = self._overlap
        if overlap == 1 and not self.calibration and self._working.last_seq is None:
            overlap = 2  # rule 9: without seq, anchor on two
        if self.n <= overlap:
            return self._from_zero("the list is short")
        shift = self.calibration.shift if self.calibration else None
        if shift is None:
            shift = 0
            if not self._overlap:  # cut short again and again: only a guess can bring us further
                shift = self._likely_shift()
        if self.n - overlap - shift <= 0:
            return self._from_zero("the list is short")
        return self._start(_Mode.RESUME, self.n - overlap, shift, "resume")

    def _start(self, mode: _Mode, expected: int, shift: int, why: str) -> Ask:
        self._begin(mode, None, expected - shift, expected)
        return Ask(expected - shift, False, self.n - expected, why)

    def _from_zero(self, why: str) -> Ask:
        self._begin(_Mode.READ, None if self.n else 0, 0)
        return Ask(None, True, 0, why)

    def _needs_read(self) -> bool:
        return self._due or self._behind or self._look_for_parked

    def _require(self, why: str) -> None:
        self._due, self._reason = True, why

    def _likely_shift(self) -> int:
        for known in (self._observed, self.calibration):
            if known is not None and known.likeliest is not None:
                return known.likeliest if self._last_shift is None or known.shift is not None else self._last_shift
        return self._last_shift or 0

    # -- what arrives ------------------------------------------------------------------------------------------------

    def item(self, item: Item) -> list[Effect]:
        """One action arrived. Ignored after :class:`Reconnect`, and without a connection."""
        out: list[Effect] = []
        if self._mode is _Mode.CLOSED:
            return out
        self._items += 1
        if self._place is not None:
            self._next(item, self._place, out)
        elif self._mode is _Mode.READ:
            self._first_of_read(item, out)
        elif self._mode is _Mode.PIECE:
            self._first_of_piece(item, out)
        elif self._anchor is not None:
            self._second_of_resume(item, self._anchor, out)
        else:
            self._first_of_resume(item, out)
        self._unreadable = 0
        return out

    def unreadable(self) -> list[Effect]:
        """A frame went by that may have been an action."""
        # any | unreadable frame, heartbeat | keep or count; no position (rule 6)
        self._unreadable += 1
        return []

    def _next(self, item: Item, place: int, out: list[Effect]) -> None:
        """An item after something aligned."""
        digests = self._working.list.digests
        if place == len(digests):
            self._behind_the_end(item, out)
        elif digests[place] == item.digest:
            # aligned, p < n | equals stored[p] | p + 1
            self._match(place, item, out)
        elif place and digests[place - 1] == item.digest:
            # aligned | equals stored[p − 1] | a re-send: count
            out.append(Resent(item, place - 1))
        elif (skipped_to := self._within_skip(place, item)) is not None:
            # aligned, p < n | q within p+1..p+k after k unreadable frames | accept the skip
            self._match(skipped_to, item, out)
        else:
            self._mismatch(item, place, out)

    def _behind_the_end(self, item: Item, out: list[Effect]) -> None:
        """Aligned, p = n."""
        places = self._working.list.places(item.digest)
        if not places:
            # aligned, p = n | unknown | append
            self._append(item, out)
        elif places[-1] == self.n - 1:
            # aligned | equals stored[p − 1] | a re-send: count
            out.append(Resent(item, self.n - 1))
            if item.seq is None:  # rule 9: without a seq nobody can tell it from the same thing happening twice
                detail = f"position {self.n - 1} came twice in a row without a fixtureSeqNum; it was kept once"
                self._working.gap("dup_suspect", self.n - 1, self.n, detail, out)
        elif item.seq is None:
            self._append(item, out)  # the same thing happened again: nothing is lost
        elif places[-1] < self._late:
            # Z, first item | q > 0 | … if earlier items follow: fork
            self._fork_late(item, out)
        elif self._mode is _Mode.RESUME and not self._unproven:
            # aligned, p = n | q < n − 1, has seq | R: close, Z.
            self._close(f"position {places[-1]} came again behind the end", out)
        else:
            # aligned, p = n | q < n − 1, has seq | Z: gap `disorder`
            self._disorder(item, places[-1], out)

    def _mismatch(self, item: Item, place: int, out: list[Effect]) -> None:
        """Aligned, p < n | any other mismatch."""
        places = self._working.list.places(item.digest)
        earlier = bool(places) and places[-1] < place
        if self._mode is _Mode.READ:
            if self._late and not (earlier and places[-1] >= self._late):
                # Z, first item | q > 0 | … if earlier items follow: fork
                self._fork_late(item, out)
            elif earlier:
                # Z: q < p: gap `disorder`
                self._disorder(item, places[-1], out)
            else:
                # Z: … else fork at p
                self._fork(place, "the vendor's list has changed", [item], out)
        elif self._unproven:
            detail = f"position {place} is no longer what was stored, and no read from 0 gets that far"
            self._working.gap("list_changed", place, None, detail, out)
            if places:
                self._match(places[-1], item, out)
            else:
                self._settle([item], out)
        else:
            # R: park, close, Z
            if not places:
                self._working.park(item, f"another item than the one stored at position {place}", out)
            if self._mode is _Mode.PIECE and self._round_failed(out):
                detail = f"position {place} is no longer what was stored, and no read from 0 gets that far"
                self._working.gap("list_changed", place, None, detail, out)
            self._close(f"position {place} is not what was stored", out)

    # -- the first item of a read from 0 -----------------------------------------------------------------------------

    def _first_of_read(self, item: Item, out: list[Effect]) -> None:
        """Z, first item, or held (Z, n = 0 | x | append: there the place is 0 from the start)."""
        places = self._working.list.places(item.digest)
        if self._held is not None:
            self._after_held(self._held, item, bool(places), out)
        elif not places:
            before, self._head_before = self._head_before, item.digest
            if before == item.digest and self._may_be_replay(item):
                # Z, first item | same as the last Z's first, seq ≤ last stored | replay proven: fork at 0
                self._fork(0, "the vendor replays another list", [item], out)
            else:
                # Z, first item | unknown | hold and park
                self._held = item
                self._working.park(item, "the first item of a read from 0 is unknown", out)
                self._look_for_parked = True
        elif places[0] <= self._unreadable:
            # Z, first item | q = 0 | match, p = 1 (or: accept the skip)
            self._match(places[0], item, out)
        elif places[0] == self._late_before:
            # Z, first item | q > 0 | late by exactly q before: fork at 0 (head deleted)
            self._fork(0, f"the vendor no longer sends the first {places[0]}", [item], out)
        else:
            # Z, first item | q > 0 | … else gap `head`, same epoch
            self._late = self._late_before = places[0]
            self._working.gap("head", 0, places[0], f"a read from 0 began with position {places[0]}", out)
            self._require("the last read from 0 began late")
            self._match(places[0], item, out)

    def _after_held(self, held: Item, item: Item, known: bool, out: list[Effect]) -> None:
        if item.digest == held.digest:
            out.append(Resent(item))
        elif known:
            # Z, held | a known item | the head changed: fork at 0 with held + x
            self._fork(0, "the first item has changed", [held, item], out)
        else:
            # Z, held | a second unknown, or quiet | seq(first) ≤ seq(last stored): close, Z once; else seam
            self._seam_or_again(held, item, out)

    def _seam_or_again(self, held: Item, second: Item | None, out: list[Effect]) -> None:
        if self._may_be_replay(held) and not self._asked_head_again:
            self._asked_head_again = True
            if second is not None:
                self._working.park(second, "a read from 0 shows another list", out)
            self._close("is this a replay, or does the vendor send only what is new?", out)
        else:
            self._seam([held] if second is None else [held, second], out)

    # -- the first item of a resume ----------------------------------------------------------------------------------

    def _first_of_resume(self, item: Item, out: list[Effect]) -> None:
        places = self._working.list.places(item.digest)
        if not places:
            self._unknown_first(item, out)
        elif (found := self._which(places)) is None:
            # R, not aligned | … ambiguous | close, Z
            self._close("the first item stands at several places", out)
        else:
            known = self.calibration or Calibration()
            agreeing = known.agreeing(self._asked, found, self._unreadable)
            if (known and agreeing == known) or self._unproven:
                # R, not aligned | q unique, start as proven | align, p = q + 1
                self._match(found, item, out)
            elif item.seq is None and (found < self.n - 1 or self._expected < self.n):
                self._anchor = found
            else:
                # R, not aligned | q known, start differs from the proven one | suspect: close, Z (rule 1).
                self._suspect(found, out)

    def _second_of_resume(self, item: Item, anchor: int, out: list[Effect]) -> None:
        """Without a seq the first item may be the same thing happening again: anchor on two (rule 9)."""
        digests = self._working.list.digests
        if item.digest == digests[anchor]:
            out.append(Resent(item, anchor))
        elif anchor + 1 < self.n and digests[anchor + 1] == item.digest:
            self._suspect(anchor, out)
        else:
            if self._working.list.places(item.digest):
                self._round_failed(out)
            else:
                self._working.park(item, f"after position {anchor} came an unknown item", out)
                self._look_for_parked = True
                if anchor == self.n - 1:
                    self._last_shift = anchor - self._asked  # likely, not shown
            self._close("the first item alone proves no place", out)

    def _suspect(self, found: int, out: list[Effect]) -> None:
        """Another start than the proven one. Only narrowed: it was ambiguous, and is proven again."""
        self._last_shift = found - self._asked
        agreeing = self.calibration.agreeing(self._asked, found, self._unreadable) if self.calibration else None
        self._observed = agreeing or Calibration.observed(self._asked, found)
        self._close(f"asked for {self._asked}, got position {found}: to be proven", out)

    def _unknown_first(self, item: Item, out: list[Effect]) -> None:
        live = self.calibration is not None and self.calibration.live
        if live and not self._not_later(item):
            self._seam([item], out)
        elif self._fits_the_end(item):
            self._append(item, out)
        elif self._unproven:
            self._settle([item], out)
        else:
            # R, not aligned | unknown | park; close, Z
            self._working.park(item, f"asked for {self._asked}, got an unknown item", out)
            self._look_for_parked = True
            self._close("the first item is unknown", out)

    def _which(self, places: Sequence[int]) -> int | None:
        """Return the one place that a first item can stand at; None when it is ambiguous (rule 9)."""
        if len(places) == 1:
            return places[0]
        if self._unproven:
            return places[-1]
        # A vendor that cuts us short would never let us end another proof: then the proven start decides.
        decides = self._start_is_proven() and self._overlap < self._full_overlap
        return self._expected if decides and self._expected in places else None

    def _start_is_proven(self) -> bool:
        return self.calibration is not None and self.calibration.shift is not None

    def _fits_the_end(self, item: Item) -> bool:
        """Whether an unknown first item is the one behind our last, although no overlap was asked to show it."""
        last, end = self._working.last_seq, self.n
        at_the_end = self._mode is _Mode.PIECE and self._walk is not None and self._walk.place == end
        if not (self._expected == end or at_the_end) or self._not_later(item):
            return False
        agreeing = self.calibration.agreeing(self._asked, end) if self.calibration else Calibration()
        if agreeing:
            self.calibration = agreeing  # an unknown item: this server does not begin with 0
        elif not (item.seq is not None and last is not None and item.seq == last + 1):
            return False
        self._last_shift = end - self._asked
        return True

    # -- the first item of a piece -----------------------------------------------------------------------------------

    def _first_of_piece(self, item: Item, out: list[Effect]) -> None:
        """It must stand where it is expected; before that it does as well, since what follows shows the rest."""
        places = self._working.list.places(item.digest)
        proven_to = self._walk.place if self._walk else 0
        found: int | None = None
        if self._expected in places:
            found = self._expected
        elif not places and self._fits_the_end(item):
            self._append(item, out)
            return
        elif len(places) == 1:
            self._last_shift = places[0] - self._asked
            found = places[0] if places[0] < proven_to else self._within_skip(self._expected, item)
        if found is not None:
            known = self._observed or self.calibration
            agreeing = known.agreeing(self._asked, found, self._unreadable) if known else None
            self._observed = agreeing or Calibration.observed(self._asked, found)
            self._walk = _Walk(proven_to, found - self._asked, self._walk.blind if self._walk else False)
            self._match(found, item, out)
            return
        if places:
            if item.seq is not None or len(places) == 1:
                self._observed = Calibration.observed(self._asked, places[0])
        else:
            self._working.park(item, f"asked for {self._asked}, got an unknown item", out)
        self._round_failed(out)
        self._close(f"asked for {self._asked}, and position {self._expected} did not come", out)

    # -- silence and the end -----------------------------------------------------------------------------------------

    def quiet(self) -> list[Effect]:
        """Nothing came for 10 s. May be told again and again."""
        out: list[Effect] = []
        if self._mode is _Mode.CLOSED:
            return out
        self._was_quiet = True
        if self._held is not None and self._place is None:
            self._seam_or_again(self._held, None, out)
        elif self._place is not None and self._place < self.n:
            # aligned, p < n | quiet | `server_behind`: keep ours, stay
            self._server_behind(self._place, out)
        elif self._place is not None:
            self._read_to_the_end(out)
        elif self.calibration is not None and self.calibration.live:
            self._due = False  # it sends only what is new: a read from 0 proves nothing
        elif self._mode is _Mode.READ:
            self._server_behind(0, out)
        elif self._expected < self.n:
            # R, not aligned | quiet / ended | Z (rule 2)
            if self._mode is _Mode.PIECE:
                self._round_failed(out)
            self._close("asked for an overlap, and nothing came", out)
        elif self._mode is _Mode.PIECE:
            self._look_for_parked = False
        elif not self.calibration:
            # No overlap was asked and no start is proven: it may have begun behind something. It does not cut us now.
            self._overlap = self._full_overlap
            self._close("nothing came, and no start is proven", out)
        return out

    def _server_behind(self, place: int, out: list[Effect]) -> None:
        self._behind, self._walk = True, None
        self._working.gap("server_behind", place, self.n, f"the vendor shows {place} of our {self.n}", out)

    def _read_to_the_end(self, out: list[Effect]) -> None:
        if self._mode is not _Mode.RESUME:
            self._look_for_parked = False  # the vendor's list does not hold what is parked
        self._working.epoch_current(out)

    def ended(self, *, authorised: bool) -> list[Effect]:
        """The connection is over. ``authorised``: the vendor had accepted the token, so its silence means something."""
        out: list[Effect] = []
        cut = self._mode is not _Mode.CLOSED  # not by us
        new = self.n - self._length_before
        live = self.calibration is not None and self.calibration.live
        if cut and authorised:
            asked_for_known = self._overlap or not self.calibration
            if self._mode is _Mode.RESUME and self._place is None and asked_for_known and not live:
                # R, not aligned | quiet / ended | Z (rule 2)
                self._require("the last resume showed nothing")
                if self._anchor is not None:
                    self._round_failed(out)
            if self._mode is not _Mode.RESUME and not self._was_quiet:
                self._proof_was_cut(out)
            short = self._items and new <= 0 and not self._was_quiet
            if short and not (self._needs_read() and self._place is not None and self._place < self.n):
                self._overlap //= 2
        if new > 0 and not self._unproven:
            self._failed_rounds = 0
        if new >= _REGAIN:
            self._overlap = self._full_overlap
            if self._unproven:  # the vendor lets us read again: try the proof again
                self._unproven, self._failed_rounds = False, 0
                self._require("a proof that was given up")
        self._begin(_Mode.CLOSED, None, 0)
        return out

    def _proof_was_cut(self, out: list[Effect]) -> None:
        """Walk on from where a read from 0, or a piece of one, was cut; everything was equal so far."""
        if not self._needs_read() or self._late:
            return
        if self._place is None:
            if self._held is not None or (self._walk is not None and self._walk.blind):
                self._round_failed(out)
            return
        walk = self._walk
        if walk is None:
            self._walk = _Walk(self._place, self._likely_shift())
        elif self._place > walk.place:
            self._walk = _Walk(self._place, walk.shift, walk.blind)
        elif not walk.blind:
            self._walk = _Walk(walk.place, walk.shift, blind=True)
        else:
            self._round_failed(out)

    def _round_failed(self, out: list[Effect]) -> bool:
        """Start the proof again; after three rounds say that there is none, and go on. Returns whether it gave up."""
        self._walk = None
        self._failed_rounds += 1
        if self._failed_rounds < _GIVE_UP:
            self._require("the proof came to nothing")
            return False
        self._due = self._behind = self._look_for_parked = False
        self._unproven = True
        self._working.gap("unproven", 0, None, f"{_GIVE_UP} reads from 0 did not reach position {self.n}", out)
        return True

    # -- steps that several rows share -------------------------------------------------------------------------------

    def _append(self, item: Item, out: list[Effect]) -> None:
        self._working.append(item, out)
        if self._late:
            self._shown.append(item)
        self._place = self.n
        if not self._working.parked:
            self._look_for_parked = False

    def _match(self, place: int, item: Item, out: list[Effect]) -> None:
        out.append(Match(place, item))
        if self._late:
            self._shown.append(item)
        self._place = place + 1
        if self._place < self.n:
            return
        # Z | p reaches n | proven: clear what was due or behind, keep the shift
        if self._mode is not _Mode.RESUME and not self._late:
            if self._observed is not None and self._observed != self.calibration:
                self.calibration = self._observed
                out.append(Proven(self.calibration))
            self._settled(out)
        elif self._behind and self._mode is _Mode.RESUME:
            self._behind = False  # it was slow, not behind: it has shown them after all
            self._working.heal(("server_behind",), out)

    def _settled(self, out: list[Effect]) -> None:
        """The vendor's list and ours are the same, from the first item to the last."""
        if not self._working.parked:
            self._look_for_parked = False
        # A read that taught nothing about the server's start does not count as getting on.
        if self._unproven or (self._observed is not None and not self._look_for_parked):
            self._failed_rounds = 0
        self._due = self._behind = self._unproven = self._asked_head_again = False
        self._observed = self._head_before = self._late_before = None
        self._working.heal(_BY_PROOF, out)

    def _fork(self, place: int, why: str, items: list[Item], out: list[Effect]) -> None:
        self._working.fork(place, why, items[-1] if place else items[0], out)
        self._observed, self._walk, self._late = None, None, 0
        for item in items:
            self._append(item, out)
        self._settled(out)

    def _fork_late(self, item: Item, out: list[Effect]) -> None:
        """This read began late and goes on differently: the vendor's list is what it has shown since."""
        self._fork(0, "the vendor's list begins elsewhere and has changed", [*self._shown, item], out)

    def _seam(self, items: list[Item], out: list[Effect]) -> None:
        """A live-only server: go on densely; what may be missing lies in the gap."""
        seqs = f"fixtureSeqNum {self._working.last_seq}, then {items[0].seq}"
        self._settle(items, out, ("live_only", f"the vendor sends only what is new: {seqs}"))
        self._due = self._behind = self._look_for_parked = self._asked_head_again = False
        self._walk = self._observed = self._head_before = None
        self._failed_rounds = 0
        if self.calibration != LIVE:
            self.calibration = LIVE
            out.append(Proven(LIVE))
        self._working.heal(("unplaced", "server_behind"), out)  # the seam's own gap says it now

    def _settle(self, items: list[Item], out: list[Effect], gap: tuple[str, str] | None = None) -> None:
        """Append what was parked earlier, in order of arrival (it was seen live), and then ``items``."""
        arriving = {item.digest for item in items}
        earlier = [item for item in self._working.parked.values() if item.digest not in arriving]
        if gap is not None:
            self._working.gap(gap[0], self.n, self.n + len(earlier), gap[1], out)
        for item in [*earlier, *items]:
            self._append(item, out)

    def _disorder(self, item: Item, place: int, out: list[Effect]) -> None:
        out.append(Match(place, item))
        if not self._disorder_told:
            self._disorder_told = True
            detail = f"position {place} came where position {self._place} was due"
            self._working.gap("disorder", place, self._place, detail, out)

    def _close(self, why: str, out: list[Effect]) -> None:
        """Close, and read from 0 next, unless the proof was given up."""
        if not self._unproven:
            self._require(why)
        self._mode = _Mode.CLOSED
        out.append(Reconnect(why))

    def _not_later(self, item: Item) -> bool:
        """Whether the item's seq says that it is no later than our last."""
        last = self._working.last_seq
        return item.seq is not None and last is not None and item.seq <= last

    def _may_be_replay(self, item: Item) -> bool:
        """Whether an unknown head may be another list, rather than what is new."""
        if item.seq is None:  # no hint: then a server that was proven to keep a list is not live-only
            return self.calibration is not None and not self.calibration.live
        return self._not_later(item)

    def _within_skip(self, place: int, item: Item) -> int | None:
        """Return where the item stands behind ``place``, if the frames that we could not read account for the rest."""
        if not self._unreadable:
            return None
        reach = range(place + 1, place + self._unreadable + 1)
        return next((q for q in self._working.list.places(item.digest) if q in reach), None)
