"""One connection, from dialling to close: driven with bytes and times, it answers what to do next.

Pure: a whole match (opening, heartbeats, actions, close, decision to retry) is a list of calls and a list of answers.
Times are elapsed nanoseconds unless they are named ``_us`` (wall clock, only written down).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from recorder.errors import WireError
from recorder.feed.alignment import Ask
from recorder.feed.booking import Entry, frame_of
from recorder.feed.decisions import Done, Next, NotYet, Retry, after_failure
from recorder.feed.ending import Ending, Seen, Until
from recorder.feed.ledger import Ledger
from recorder.feed.messages import Message, is_reply, read
from recorder.feed.parsed import Parsed, parsed
from recorder.feed.timing import Timing
from recorder.feed.usual import read_usual
from recorder.model import ACTIONS, Frame, Kind, Opcode
from recorder.operations import Operation, UpdateSession

_S = 1_000_000_000
_LONGEST_MESSAGE_NS = 60 * _S
_STEP_NS = _S // 2  # a wall clock that goes wrong by less is being slewed


class Answer(Struct, frozen=True, gc=False):
    """What to do now: store these, and, when ``close`` says why, close the connection (a dead one: ``abort`` it)."""

    operations: tuple[Operation, ...] = ()
    close: str | None = None
    abort: bool = False


class Session:
    """One connection of one stream. Call `received` for every message, `tick` every `tick_s`, `closed` once.

    ``ask``: what the vendor was asked for. ``give_up_ns``: when a stream of which nothing has come yet ends as not
    played. ``is_due``: its start has passed, as far as we know.
    """

    def __init__(
        self,
        ledger: Ledger,
        ask: Ask,
        *,
        session_id: int,
        opened_us: int,
        opened_ns: int,
        until: Until,
        timing: Timing,
        give_up_ns: int | None = None,
        is_due: bool = True,
    ) -> None:
        self._ledger = ledger
        self._is_raw = ledger.stream.channel != ACTIONS
        self._ending = Ending(ledger, ask, until, timing, give_up_ns)
        self._session_id = session_id
        self._opened_us = opened_us
        self._timing = timing
        self._is_due = is_due
        self._frames = 0
        self._actions = 0
        self.authorised = False
        """Whether the vendor let us in: anything but an error has come."""
        self._said: Message | None = None
        self._leaving: str | None = None
        """Why we close this connection, to dial another one at once."""
        self._dead: str | None = None
        self._ended: Done | None = None
        self._last_frame_ns = self._last_tick_ns = opened_ns
        self._idle_since_ns = opened_ns
        self._told_quiet = False
        self._counted_ns = opened_ns
        if ledger.wall_offset_ns is None:
            ledger.wall_offset_ns = opened_us * 1000 - opened_ns
        self.new = 0
        """Actions that took a position on this connection; on other channels, messages that were not known."""

    @property
    def tick_s(self) -> float:
        """Seconds between this call of `tick` and the next: few while only a silence may happen."""
        longest = min(self._timing.quiet, self._timing.dead)
        is_settled = self._ledger.is_watched or self._told_quiet
        return (longest if is_settled else min(self._timing.settle, longest)) / 4

    # -- messages ----------------------------------------------------------------------------------------------------

    def received(
        self, payload: bytes, opcode: Opcode, received_us: int, now_ns: int, *, size: int = 0, flag: str | None = None
    ) -> Answer:
        """Take one message; ``size`` is what it really had, when that is more than ``payload``.

        ``flag``: what was done to its bytes before anybody saw them.
        """
        frame = partial(
            frame_of,
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
            return self._answer(self._ledger.too_large(frame(), size), now_ns)
        if not self._is_raw and (usual := read_usual(payload)) is not None:
            return self._list((usual,), frame(kind=Kind.ACTION), now_ns)
        message = read(payload)
        if message.kind is Kind.ACTION and not self._is_raw:
            return self._list([parsed(packet) for packet in message.packets], frame(kind=Kind.ACTION), now_ns)
        return self._control(frame(), message, now_ns)

    def _list(self, packets: Sequence[Parsed], frame: Frame, now_ns: int) -> Answer:
        """Take a message that bears actions."""
        self.authorised = True
        self._said = None
        self._stirred(now_ns)
        foreign = self._ledger.foreign(packets)
        if foreign is not None:
            # What is another fixture's says nothing of where the vendor's list of ours begins or ends.
            return self._answer(self._ledger.anothers(frame, foreign), now_ns)
        self._actions += 1
        return self._answer(self._ledger.actions(frame, packets, self._opened_us), now_ns)

    def _control(self, frame: Frame, message: Message, now_ns: int) -> Answer:
        is_raw = self._is_raw
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
        self._idle_since_ns = max(self._idle_since_ns, now_ns)
        self._told_quiet = False

    # -- time --------------------------------------------------------------------------------------------------------

    def paused(self, duration_ns: int) -> None:
        """We did not read for so long: what did not come meanwhile is no silence of the vendor's."""
        self._last_frame_ns += duration_ns
        self._idle_since_ns += duration_ns

    def tick(self, now_ns: int, now_us: int, *, bytes_ns: int | None = None) -> Answer:
        """Look at the clock; ``bytes_ns``: when the last bytes came of a message that is not whole yet, if one is."""
        stepped = self._look_at_wall_clock(now_ns, now_us)
        slept = now_ns - self._last_tick_ns > self._timing.dead / 2 * _S
        self._last_tick_ns = now_ns
        # Right after a sleep of our own, what has come meanwhile still lies in the socket.
        answer = Answer() if slept else self._look(now_ns, now_us, bytes_ns)
        return replace(answer, operations=stepped + answer.operations)

    def _look(self, now_ns: int, now_us: int, bytes_ns: int | None) -> Answer:
        # A long message on a slow line is life; but not for ever, or a peer could keep us with a byte now and then.
        alive_ns = max(self._last_frame_ns, min(bytes_ns or 0, self._last_frame_ns + _LONGEST_MESSAGE_NS))
        if now_ns - alive_ns >= self._timing.dead * _S:
            self._dead = f"no frame of any kind for {self._timing.dead:g} s"
            return Answer(close=self._dead, abort=True)
        if alive_ns > self._last_frame_ns:
            return Answer()  # and no silence either
        return self._look_for_silence(self._seen(now_ns), now_us)

    def _look_for_silence(self, seen: Seen, now_us: int) -> Answer:
        ending = self._ending
        answer = Answer()
        if self.authorised and not self._told_quiet and seen.idle_s >= self._timing.quiet:
            self._told_quiet = True
            answer = self._answer(self._ledger.quiet(now_us), seen.now_ns)
            seen = self._seen(seen.now_ns)
        if answer.close is not None:
            return answer
        if self.authorised and ending.has_settled(seen):
            if ending.is_over(seen):
                return self._end(now_us, answer)
            self._ledger.watch()
        return self._give_up(answer, seen)

    def _give_up(self, answer: Answer, seen: Seen) -> Answer:
        """Close where waiting on would bring nothing: there is no match, or we have gone deaf."""
        if self._told_quiet and self._ending.is_not_played(seen.now_ns):
            self._ended = self._ending.not_played()
            return replace(answer, close=self._ended.why)
        if self._ledger.standing.in_play and seen.idle_s >= self._timing.deaf:
            self._leaving = f"in play, and nothing but heartbeats for {self._timing.deaf:g} s"
            return replace(answer, close=self._leaving)
        return answer

    def _look_at_wall_clock(self, now_ns: int, now_us: int) -> tuple[Operation, ...]:
        before_ns, offset_ns = self._ledger.wall_offset_ns, now_us * 1000 - now_ns
        self._ledger.wall_offset_ns = offset_ns
        if before_ns is None or abs(offset_ns - before_ns) < _STEP_NS:
            return ()
        return self._ledger.clock_stepped((before_ns + now_ns) // 1000, now_us)

    def _seen(self, now_ns: int) -> Seen:
        return Seen(
            authorised=self.authorised,
            actions=self._actions,
            new=self.new,
            idle_s=(now_ns - self._idle_since_ns) / _S,
            quiet=self._told_quiet,
            leaving=self._leaving is not None,
            now_ns=now_ns,
        )

    # -- the end -----------------------------------------------------------------------------------------------------

    def stopped(self, now_us: int) -> tuple[Operation, ...]:
        """We were asked to leave: the connection is over, and nothing is wrong with it."""
        return self._ledger.close_session(authorised=self.authorised, now_us=now_us)

    def closed(self, error: WireError | None, now_ns: int, now_us: int) -> tuple[tuple[Operation, ...], Next]:
        """The connection is over, or never was; ``error`` says how, None when we closed it."""
        if self.authorised and not self._actions and self._leaving is None:
            self._ledger.empty_answers += 1
        ended: tuple[Operation, ...] = ()
        seen = self._seen(now_ns)
        if not (self._ended or self._leaving) and self._ending.was_shown(seen, error) and self._ending.is_over(seen):
            ended = self._end(now_us).operations
        decision = self._next(error, seen, now_us)
        if isinstance(decision, Done) and decision is not self._ended and self._ending.is_doubtful:
            ended += self._ledger.not_read_again(decision.why, now_us)
        lost = decision.why if not isinstance(decision, Done) and self._leaving is None else None
        return ended + self._ledger.close_session(authorised=self.authorised, now_us=now_us, lost=lost), decision

    def _end(self, now_us: int, answer: Answer | None = None) -> Answer:
        """End the stream; a match that is over is read once more from 0 first."""
        answer = answer or Answer()
        if self._ending.needs_last_read:
            self._leaving = "the match is over: reading it once more from its beginning"
            self._ledger.read_again()
            return replace(answer, close=self._leaving)
        self._ended = self._ending.done()
        return replace(answer, operations=answer.operations + self._ledger.end(now_us), close=self._ended.why)

    def _next(self, error: WireError | None, seen: Seen, now_us: int) -> Next:
        if self._ended is not None and self._ended.ended == "finished" and self._ledger.standing.over is None:
            self._ended, self._leaving = None, "the match goes on after all"
        if self._ended is not None:
            return self._ended
        if self._leaving is not None:
            return Retry(self._leaving, at_once=True)
        decision = self._after_failure(error, now_us)
        not_there = isinstance(decision, NotYet)
        if (not_there or (isinstance(decision, Retry) and self.authorised)) and self._ending.is_not_played(seen.now_ns):
            return self._ending.not_played()
        if (not_there and self._ending.is_known_to_be_over(seen.now_ns)) or self._ending.is_gone(seen):
            return self._ending.gone(decision.why)
        return decision

    def _after_failure(self, error: WireError | None, now_us: int) -> Next:
        decision = after_failure(
            error,
            self._said,
            frames=self._frames,
            authorised=self.authorised,
            is_due=self._is_due,
            now_us=now_us,
        )
        if isinstance(decision, Retry) and error is None and self._dead:
            return dataclasses.replace(decision, why=self._dead)
        return decision

    def _answer(self, entry: Entry, now_ns: int) -> Answer:
        self.new += entry.new
        operations = entry.operations
        if now_ns - self._counted_ns >= self._timing.counts * _S:
            self._counted_ns = now_ns
            counts = UpdateSession(self._ledger.stream.stream_id, self._session_id, self._ledger.counts)
            operations = (*operations, counts)
        if entry.reconnect is not None:
            self._leaving = entry.reconnect
        return Answer(operations, entry.reconnect)
