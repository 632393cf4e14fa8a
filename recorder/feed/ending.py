"""When a stream has ended: the rules, apart from the connection that they look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recorder.errors import ConnectionOver, WireError
from recorder.feed.alignment import Ask
from recorder.feed.decisions import NORMAL_CLOSE, Done
from recorder.feed.ledger import Ledger
from recorder.feed.timing import Timing
from recorder.model import ACTIONS

Until = Literal["finished", "caught_up"]
"""When a stream has ended: when the match is over, or as soon as all that is there has been read."""

_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a connection has shown so far.

    ``actions``: how many messages bore some; ``new``: how many of these were not known. ``idle_s``: since anything
    came that we are here for; ``quiet``: the alignment was told so. ``leaving``: we close it, to ask otherwise.
    """

    authorised: bool
    actions: int
    new: int
    idle_s: float
    quiet: bool
    leaving: bool
    now_ns: int


class Ending:
    """Says of one connection whether it was the last one. ``give_up_ns``: when a stream without anything is none."""

    def __init__(self, ledger: Ledger, ask: Ask, until: Until, timing: Timing, give_up_ns: int | None) -> None:
        self._ledger = ledger
        self._ask = ask
        self._until = until
        self._timing = timing
        self._give_up_ns = give_up_ns

    def has_settled(self, seen: Seen) -> bool:
        """Say whether what was there at the beginning has come; where nothing has, that takes longer to tell."""
        # Whoever asks for one pass wants all of it: a vendor that takes a breath has not come to the end.
        is_short = seen.actions and self._until == "finished"
        return seen.idle_s >= (self._timing.settle if is_short else self._timing.quiet)

    def shows_no_more(self, seen: Seen) -> bool:
        """Say whether the vendor, asked for what is behind everything that is stored, has sent nothing."""
        return self._ask.past_all and not seen.actions and not seen.leaving

    def is_over(self, seen: Seen) -> bool:
        """Say whether nothing more is expected, and everything there is has been shown."""
        if not (seen.authorised and self._is_complete(seen)):
            return False
        # The vendor has more than it shows here: the connection may be dead, which is seen before twice that time.
        if self._ledger.resume.parked and seen.idle_s < 2 * self._timing.dead:
            return False
        return self._until == "caught_up" or (self._ledger.standing.over is not None and self.has_lingered(seen.now_ns))

    def _is_complete(self, seen: Seen) -> bool:
        resume = self._ledger.resume
        if self._ledger.stream.channel != ACTIONS or self._ledger.length == 0:
            return seen.quiet
        return resume.caught_up or self.shows_no_more(seen) or (seen.quiet and resume.is_behind)

    def was_shown(self, seen: Seen, error: WireError | None) -> bool:
        """Say of a connection that is over whether it had shown all, or its end was the vendor's way to say so.

        A cut in the middle of a backlog is not its end, even when the last action said that the match is over.
        """
        clean = isinstance(error, ConnectionOver) and error.code == NORMAL_CLOSE
        says_so = seen.authorised and self.shows_no_more(seen) and (clean or self._ledger.empty_answers > 1)
        return self.has_settled(seen) or says_so or self._was_shown_again(seen, clean=clean)

    def _was_shown_again(self, seen: Seen, *, clean: bool) -> bool:
        """What is known came again, and nothing new; a clean end where that may not be all leads to the last read."""
        ledger = self._ledger
        was_all = ledger.last_read_begun or ledger.was_read_whole
        is_again = ledger.standing.over is not None and not seen.new and ledger.resume.caught_up
        return is_again and (was_all or clean)

    def is_gone(self, seen: Seen) -> bool:
        """Say whether the vendor lets us in and no longer has the match that we know to be over: twice in a row."""
        ledger = self._ledger
        brought_nothing = seen.authorised and not seen.actions and ledger.empty_answers > 1
        return brought_nothing and ledger.stream.channel == ACTIONS and self.is_known_to_be_over(seen.now_ns)

    def is_known_to_be_over(self, now_ns: int) -> bool:
        """Say whether what is stored says that the match is over, and late corrections have had their time."""
        return self._ledger.length > 0 and self._ledger.standing.over is not None and self.has_lingered(now_ns)

    def has_lingered(self, now_ns: int) -> bool:
        """Say whether late corrections have had their time; a match that was over before we came gets none."""
        since_ns = self._ledger.over_since_ns
        return since_ns is None or now_ns - since_ns >= self._timing.linger * _S

    @property
    def needs_last_read(self) -> bool:
        """Whether a read from 0 could still show something of a match that is over."""
        ledger = self._ledger
        done = ledger.last_read_begun or ledger.was_read_whole
        return ledger.standing.over is not None and not (done or self._nothing_to_prove)

    @property
    def is_doubtful(self) -> bool:
        """Whether the match would end without ever having been read whole."""
        return not (self._ledger.was_read_whole or self._nothing_to_prove)

    @property
    def _nothing_to_prove(self) -> bool:
        ledger = self._ledger
        return ledger.stream.channel != ACTIONS or ledger.length == 0 or ledger.is_live_only

    def is_not_played(self, now_ns: int) -> bool:
        """Say whether nothing has come for so long that there is no match."""
        return self._ledger.length == 0 and self._give_up_ns is not None and now_ns >= self._give_up_ns

    def done(self) -> Done:
        """Return how the stream ends, now that it does."""
        standing = self._ledger.standing
        if standing.over is None:
            return Done("caught up")
        return Done(
            "the match is over" if standing.over == "finished" else f"the match is {standing.status}", standing.over
        )

    def not_played(self) -> Done:
        """Return how a stream ends of which nothing has come."""
        return Done(f"nothing within {self._timing.give_up / 3600:g} h of its start", "not_played")

    def gone(self, why: str) -> Done:
        """Return how a stream ends whose match is over and no longer there."""
        return Done(f"the match is over, and the vendor no longer has it ({why})", self._ledger.standing.over)
