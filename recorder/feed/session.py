"""One connection, from dialling to close: driven with bytes and times, it answers what to do next.

Pure: a whole match (opening, heartbeats, actions, close, decision to retry) is a list of calls and a list of answers.
Times are elapsed nanoseconds unless they are named ``_us`` (wall clock, only written down).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from recorder.errors import ConnectionOver, WireError
from recorder.feed.booking import Entry, frame_of
from recorder.feed.decisions import NORMAL_CLOSE, Done, Next, NotYet, Retry, after_failure
from recorder.feed.ledger import Ledger
from recorder.feed.messages import Message, is_reply, read
from recorder.model import ACTIONS, Frame, Kind, Opcode
from recorder.operations import Operation, UpdateSession

Until = Literal["finished", "caught_up"]
"""When a stream has ended: when the match is over, or as soon as all that is there has been read."""

_S = 1_000_000_000
_LONGEST_MESSAGE_NS = 60 * _S
_STEP_NS = _S // 2  # a wall clock that goes wrong by less is being slewed


@dataclass(frozen=True, slots=True)
class Timing:
    """How long silence has to last to mean something, in seconds.

    ``dead``: no frame of any kind; the vendor sends heartbeats every 10 s, or every 20 s (golf pages), so 25 s is no
    false alarm. ``deaf``: heartbeats alone while the match is in play; a new connection shows whether it is us.
    ``quiet``: nothing known has come, so nothing will (resume.md, rule 2). ``settle``: behind the last action of a
    backlog. ``linger``: after the end, for late corrections. ``give_up``: nothing since the start, so there is no
    match. ``poll``: between two looks for a fixture that is not there yet. ``counts``: how often a session's counts
    are written.
    """

    dead: float = 25.0
    deaf: float = 600.0
    quiet: float = 10.0
    settle: float = 1.0
    linger: float = 900.0
    give_up: float = 6 * 3600.0
    poll: float = 60.0
    counts: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do now: store these, and, when ``close`` says why, close the connection (a dead one: ``abort`` it)."""

    operations: tuple[Operation, ...] = ()
    close: str | None = None
    abort: bool = False


class Session:
    """One connection of one stream. Call `received` for every message, `tick` every `tick_s`, `closed` once.

    ``asked_past_all``: the vendor was asked for what is behind everything that is stored, so that its silence says that
    there is no more. ``give_up_ns``: when a stream of which nothing has come yet ends as not played. ``is_due``: its
    start has passed, as far as we know.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        session_id: int,
        opened_us: int,
        opened_ns: int,
        until: Until,
        timing: Timing,
        asked_past_all: bool = False,
        give_up_ns: int | None = None,
        is_due: bool = True,
    ) -> None:
        self._ledger = ledger
        self._asked_past_all = asked_past_all
        self._session_id = session_id
        self._opened_us = opened_us
        self._until = until
        self._timing = timing
        self._give_up_ns = give_up_ns
        self._is_due = is_due
        self._frames = 0
        self._actions = 0
        self.authorised = False
        """Whether the vendor let us in: anything but an error has come."""
        self._said: Message | None = None
        self._realign: str | None = None
        self._given_up: str | None = None
        self._ended: Done | None = None
        self._last_frame_ns = self._last_tick_ns = self._last_bytes_ns = opened_ns
        self._idle_since_ns = opened_ns
        self._told_quiet = False
        self._counted_ns = opened_ns
        self._wall_offset_ns = opened_us * 1000 - opened_ns
        self.new = 0
        """Actions that took a position on this connection; on other channels, messages that were not known."""

    @property
    def tick_s(self) -> float:
        """Seconds between two calls of `tick`."""
        return min(self._timing.settle, self._timing.quiet, self._timing.dead) / 4

    # -- messages ----------------------------------------------------------------------------------------------------

    def received(
        self, payload: bytes, opcode: Opcode, received_us: int, now_ns: int, *, size: int = 0, flag: str | None = None
    ) -> Answer:
        """Take one message; ``size`` is what it really had, when that is more than ``payload``.

        ``flag``: what was done to its bytes before anybody saw them.
        """
        frame = frame_of(
            self._ledger.stream,
            self._session_id,
            self._frames,
            payload,
            opcode=opcode,
            received_us=received_us,
            monotonic_ns=now_ns,
            reason=flag,
        )
        self._frames += 1
        self._last_frame_ns = max(self._last_frame_ns, now_ns)  # a pause of ours may lie behind its arrival
        if size > len(payload):
            self._let_in(now_ns)
            return self._answer(self._ledger.too_large(frame, size), now_ns)
        message = read(payload)
        if message.kind is Kind.ACTION and self._ledger.stream.channel == ACTIONS:
            self.authorised = True
            self._actions += 1
            self._stirred(now_ns)
            return self._answer(self._ledger.actions(frame, message, self._opened_us), now_ns)
        return self._control(frame, message, now_ns)

    def _control(self, frame: Frame, message: Message, now_ns: int) -> Answer:
        is_raw = self._ledger.stream.channel != ACTIONS
        kind = Kind.UNKNOWN if message.kind is Kind.ACTION else message.kind
        if kind is Kind.ERROR:
            self._said = message
        else:
            # protocol 1.4: the auth reply's JSON is not public, so the first message that is nothing else is it.
            if kind is Kind.UNKNOWN and not self.authorised and (not is_raw or is_reply(message)):
                kind = Kind.AUTH
            self._let_in(now_ns)
            if is_raw and kind is Kind.UNKNOWN:
                self._stirred(now_ns)
        reasons = "; ".join(filter(None, (frame.reason, message.reason))) or None
        return self._answer(self._ledger.control(replace(frame, kind=kind, reason=reasons), message), now_ns)

    def _let_in(self, now_ns: int) -> None:
        if not self.authorised:
            self.authorised = True
            self._idle_since_ns = now_ns

    def _stirred(self, now_ns: int) -> None:
        """Something has come that is what we are here for."""
        self._idle_since_ns, self._told_quiet = max(self._idle_since_ns, now_ns), False

    # -- time --------------------------------------------------------------------------------------------------------

    def paused(self, duration_ns: int) -> None:
        """We did not read for so long: what did not come meanwhile is no silence of the vendor's."""
        self._last_frame_ns += duration_ns
        self._idle_since_ns += duration_ns

    def tick(self, now_ns: int, now_us: int, *, last_bytes_ns: int = 0) -> Answer:
        """Look at the clock; ``last_bytes_ns`` is when any bytes came, though they may not be a whole message yet."""
        self._last_bytes_ns = last_bytes_ns
        stepped = self._look_at_wall_clock(now_ns, now_us)
        answer = self._look(now_ns, now_us)
        return replace(answer, operations=stepped + answer.operations)

    def _look(self, now_ns: int, now_us: int) -> Answer:
        if self._is_dead(now_ns):
            self._given_up = f"no frame of any kind for {self._timing.dead:g} s"
            return Answer(close=self._given_up, abort=True)
        idle_s = (now_ns - self._idle_since_ns) / _S
        answer = Answer()
        if self._shows_no_more and self._has_settled(now_ns) and self._is_over(now_ns):
            # Before the alignment asks for a proof of where the vendor begins: it would cost a read of everything.
            return self._end()
        if self.authorised and not self._told_quiet and idle_s >= self._timing.quiet:
            self._told_quiet = True
            answer = self._answer(self._ledger.quiet(now_us), now_ns)
        if answer.close is not None:
            return answer
        if self._has_settled(now_ns) and self.authorised:
            if self._is_over(now_ns):
                return self._end(answer)
            self._ledger.watch()
        return self._give_up(answer, now_ns, idle_s)

    def _is_dead(self, now_ns: int) -> bool:
        """Say whether the socket is dead. Right after a sleep of our own what has come meanwhile still lies in it."""
        # A long message on a slow line is life; but not for ever, or a peer could keep us with a byte now and then.
        alive_ns = max(self._last_frame_ns, min(self._last_bytes_ns, self._last_frame_ns + _LONGEST_MESSAGE_NS))
        slept = now_ns - self._last_tick_ns > self._timing.dead / 2 * _S
        self._last_tick_ns = now_ns
        return not slept and now_ns - alive_ns >= self._timing.dead * _S

    def _give_up(self, answer: Answer, now_ns: int, idle_s: float) -> Answer:
        """Close where waiting on would bring nothing: there is no match, or we have gone deaf."""
        if self._told_quiet and self._is_not_played(now_ns):
            self._ended = self._not_played()
            return replace(answer, close=self._ended.why)
        if self._ledger.standing.in_play and idle_s >= self._timing.deaf:
            self._realign = f"in play, and nothing but heartbeats for {self._timing.deaf:g} s"
            return replace(answer, close=self._realign)
        return answer

    def _look_at_wall_clock(self, now_ns: int, now_us: int) -> tuple[Operation, ...]:
        before_ns, self._wall_offset_ns = self._wall_offset_ns, now_us * 1000 - now_ns
        if abs(self._wall_offset_ns - before_ns) < _STEP_NS:
            return ()
        return self._ledger.clock_stepped((before_ns + now_ns) // 1000, now_us)

    # -- the end -----------------------------------------------------------------------------------------------------

    def stopped(self, now_us: int) -> tuple[Operation, ...]:
        """We were asked to leave: the connection is over, and nothing is wrong with it."""
        entry = self._ledger.close_session(authorised=self.authorised, now_us=now_us, lost=None, ended=False)
        return entry.operations

    def closed(self, error: WireError | None, now_ns: int, now_us: int) -> tuple[tuple[Operation, ...], Next]:
        """The connection is over, or never was; ``error`` says how, None when we closed it."""
        # A cut in the middle of a backlog is not its end, even when the last action said that the match is over.
        is_shown = self._has_settled(now_ns) or self._said_no_more(error) or self._showed_it_again
        if self._ended is None and self._realign is None and is_shown and self._is_over(now_ns):
            self._end()
        decision = self._next(error, now_ns, now_us)
        lost = decision.why if isinstance(decision, Retry) and not decision.at_once else None
        entry = self._ledger.close_session(
            authorised=self.authorised, now_us=now_us, lost=lost, ended=isinstance(decision, Done)
        )
        gone = isinstance(decision, Done) and decision is not self._ended
        doubt = self._ledger.not_read_again(decision.why, now_us) if gone and not self._is_proven else ()
        return entry.operations + doubt, decision

    def _end(self, answer: Answer | None = None) -> Answer:
        """End the stream; one that is over is read once more from 0 first."""
        answer = answer or Answer()
        over = self._ledger.standing.over
        if over and not self._is_proven:
            self._realign = "the match is over: reading it once more from its beginning"
            self._ledger.read_again()
            return replace(answer, close=self._realign)
        why = {"finished": "the match is over", "not_played": f"the match is {self._ledger.standing.status}"}
        self._ended = Done(why[over] if over else "caught up", over)
        return replace(answer, close=self._ended.why)

    @property
    def _is_proven(self) -> bool:
        """Whether there is nothing that a read from 0 could show."""
        ledger, calibration = self._ledger, self._ledger.resume.calibration
        is_live = calibration is not None and calibration.live
        return ledger.stream.channel != ACTIONS or ledger.length == 0 or ledger.read_whole or is_live

    def _is_over(self, now_ns: int) -> bool:
        """Say whether the stream has ended: everything is proven to be there, and nothing more is expected."""
        ledger = self._ledger
        if ledger.stream.channel != ACTIONS or ledger.length == 0:
            complete = self._told_quiet
        else:
            # Quiet and mended: the vendor has less than we hold, and that is all there is.
            behind = self._told_quiet and ledger.resume.is_mended
            complete = ledger.resume.caught_up or self._shows_no_more or behind
        if not (self.authorised and complete):
            return False
        return self._until == "caught_up" or (ledger.standing.over is not None and self._has_lingered(now_ns))

    def _is_not_played(self, now_ns: int) -> bool:
        return self._ledger.length == 0 and self._give_up_ns is not None and now_ns >= self._give_up_ns

    def _not_played(self) -> Done:
        return Done(f"nothing within {self._timing.give_up / 3600:g} h of its start", "not_played")

    @property
    def _shows_no_more(self) -> bool:
        """Whether the vendor, asked for what is behind everything that is stored, has sent nothing."""
        return self._asked_past_all and not self._actions and self._realign is None

    @property
    def _showed_it_again(self) -> bool:
        """Whether this was the last read, and it came to the end that was known already."""
        return self._ledger.is_rereading and not self.new and self._ledger.resume.caught_up

    def _said_no_more(self, error: WireError | None) -> bool:
        """Say whether closing was the vendor's way to say that there is no more: politely, or twice in a row."""
        if not (self.authorised and self._shows_no_more):
            return False
        self._ledger.empty_answers += 1
        clean = isinstance(error, ConnectionOver) and error.code == NORMAL_CLOSE
        return clean or self._ledger.empty_answers > 1

    def _has_settled(self, now_ns: int) -> bool:
        """Say whether what was there at the beginning has come; where nothing has, that takes longer to tell."""
        # Whoever asks for one pass wants all of it: a vendor that takes a breath has not come to the end.
        is_short = self._actions and self._until == "finished"
        silence = self._timing.settle if is_short else self._timing.quiet
        return now_ns - self._idle_since_ns >= silence * _S

    def _has_lingered(self, now_ns: int) -> bool:
        """Say whether late corrections have had their time; a match that was over before we came gets none."""
        since_ns = self._ledger.over_since_ns
        return since_ns is None or now_ns - since_ns >= self._timing.linger * _S

    def _next(self, error: WireError | None, now_ns: int, now_us: int) -> Next:
        if self._ended is not None:
            return self._ended
        if self._realign is not None:
            return Retry(self._realign, at_once=True)
        decision = after_failure(
            error,
            self._said,
            frames=self._frames,
            authorised=self.authorised,
            is_due=self._is_due,
            now_us=now_us,
        )
        if isinstance(decision, Retry) and error is None and self._given_up:
            decision = replace(decision, why=self._given_up)
        if isinstance(decision, NotYet) and self._is_not_played(now_ns):
            return self._not_played()
        over = self._ledger.standing.over
        if isinstance(decision, NotYet) and over and self._ledger.length and self._has_lingered(now_ns):
            return Done(f"the match is over, and the vendor no longer has it ({decision.why})", over)
        return decision

    def _answer(self, entry: Entry, now_ns: int) -> Answer:
        self.new += entry.new
        operations = entry.operations
        if now_ns - self._counted_ns >= self._timing.counts * _S:
            self._counted_ns = now_ns
            counts = UpdateSession(self._ledger.stream.stream_id, self._session_id, self._ledger.counts)
            operations = (*operations, counts)
        if entry.reconnect is not None:
            self._realign = entry.reconnect
        return Answer(operations, entry.reconnect)
