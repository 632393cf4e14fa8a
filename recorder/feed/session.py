"""One connection, from dialling to close: driven with bytes and times, it answers what to do next.

Pure: a whole match (opening, heartbeats, actions, close, decision to retry) is a list of calls and a list of answers.
Times are monotonic nanoseconds unless they are named ``_us`` (wall clock, only written down).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from recorder.errors import ConnectionOver, HandshakeRefused, WireError
from recorder.feed.ledger import Entry, Ledger, frame_of
from recorder.feed.messages import read
from recorder.model import ACTIONS, Kind, Opcode
from recorder.operations import Operation, UpdateSession

Until = Literal["finished", "caught_up"]
"""When a stream has ended: when the match is over, or as soon as all that is there has been read."""

_S = 1_000_000_000
_NORMAL_CLOSE = 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """How long silence has to last to mean something, in seconds.

    ``dead``: no frame of any kind; the vendor sends heartbeats every 10 s, or every 20 s (golf pages), so 25 s is no
    false alarm. ``quiet``: nothing known has come, so nothing will (resume.md, rule 2). ``settle``: behind the last
    action of a backlog. ``linger``: after `finished`, for late corrections. ``counts``: how often a session's counts
    are written.
    """

    dead: float = 25.0
    quiet: float = 10.0
    settle: float = 1.0
    linger: float = 900.0
    counts: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do now: store these, and, when ``close`` says why, close the connection (a dead one: ``abort`` it)."""

    operations: tuple[Operation, ...] = ()
    close: str | None = None
    abort: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Dial again: at once, or after a back-off (the vendor's own ``after`` seconds at least, when it named any)."""

    why: str
    at_once: bool = False
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was let through to us: perhaps the token. Dial again after a back-off, unless too many say so."""

    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """The stream has ended."""

    why: str


Next = Retry | Refused | Done


class Session:
    """One connection of one stream. Call `received` for every message, `tick` every `tick_s`, `closed` once.

    ``asked_past_all``: the vendor was asked for what is behind everything that is stored, so that its silence says that
    there is no more.
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
    ) -> None:
        self._ledger = ledger
        self._asked_past_all = asked_past_all
        self._session_id = session_id
        self._opened_us = opened_us
        self._until = until
        self._timing = timing
        self._frames = 0
        self._actions = 0
        self.authorised = False
        """Whether the vendor let us in: anything but an error has come."""
        self._error: str | None = None
        self._realign: str | None = None
        self._ended: str | None = None
        self._last_frame_ns = opened_ns
        self._idle_since_ns = opened_ns
        self._told_quiet = False
        self._counted_ns = opened_ns
        self.appended = 0
        """Actions that took a position on this connection."""

    @property
    def tick_s(self) -> float:
        """Seconds between two calls of `tick`."""
        return min(self._timing.settle, self._timing.quiet, self._timing.dead) / 4

    def received(self, payload: bytes, opcode: Opcode, received_us: int, now_ns: int) -> Answer:
        """Take one message."""
        frame = frame_of(
            self._ledger.stream,
            self._session_id,
            self._frames,
            payload,
            opcode=opcode,
            received_us=received_us,
            monotonic_ns=now_ns,
        )
        self._frames += 1
        self._last_frame_ns = max(self._last_frame_ns, now_ns)  # a pause of ours may lie behind its arrival
        message = read(payload)
        if message.kind is Kind.ACTION and self._ledger.stream.channel == ACTIONS:
            self.authorised = True
            self._actions += 1
            self._idle_since_ns, self._told_quiet = max(self._idle_since_ns, now_ns), False
            return self._answer(self._ledger.actions(frame, message, self._opened_us), now_ns)
        kind = Kind.UNKNOWN if message.kind is Kind.ACTION else message.kind
        if kind is Kind.ERROR:
            self._error = message.reason or "an error message"
        elif not self.authorised:
            # protocol 1.4: the auth reply's JSON is not public, so the first message that is nothing else is it.
            kind = Kind.AUTH if kind is Kind.UNKNOWN and self._ledger.stream.channel == ACTIONS else kind
            self.authorised = True
            self._idle_since_ns = now_ns
        return self._answer(self._ledger.control(replace(frame, kind=kind, reason=message.reason), message), now_ns)

    def paused(self, duration_ns: int) -> None:
        """We did not read for so long: what did not come meanwhile is no silence of the vendor's."""
        self._last_frame_ns += duration_ns
        self._idle_since_ns += duration_ns

    def tick(self, now_ns: int, now_us: int) -> Answer:
        """Look at the clock."""
        if now_ns - self._last_frame_ns >= self._timing.dead * _S:
            return Answer(close=f"no frame of any kind for {self._timing.dead:g} s", abort=True)
        idle_s = (now_ns - self._idle_since_ns) / _S
        answer = Answer()
        if self._shows_no_more and self._has_settled(now_ns) and self._is_over(now_ns):
            # Before the alignment asks for a proof of where the vendor begins: it would cost a read of everything.
            self._ended = self._end
            return Answer(close=self._ended)
        if self.authorised and not self._told_quiet and idle_s >= self._timing.quiet:
            self._told_quiet = True
            answer = self._answer(self._ledger.quiet(now_us), now_ns)
        if answer.close is None and self._has_settled(now_ns) and self._is_over(now_ns):
            self._ended = self._end
            return replace(answer, close=self._ended)
        return answer

    def closed(self, error: WireError | None, now_ns: int, now_us: int) -> tuple[tuple[Operation, ...], Next]:
        """The connection is over, or never was; ``error`` says how, None when we closed it."""
        # A cut in the middle of a backlog is not its end, even when the last action said that the match is over.
        if (self._has_settled(now_ns) or self._said_no_more(error)) and self._is_over(now_ns):
            self._ended = self._end
        entry = self._ledger.close_session(authorised=self.authorised, now_us=now_us)
        return entry.operations, self._next(error)

    @property
    def _end(self) -> str:
        return "the match is over" if self._ledger.finished else "caught up"

    def _is_over(self, now_ns: int) -> bool:
        """Say whether the stream has ended: everything is proven to be there, and nothing more is expected."""
        ledger = self._ledger
        if ledger.stream.channel != ACTIONS or ledger.resume.n == 0:
            complete = self._told_quiet
        else:
            complete = ledger.resume.caught_up or self._shows_no_more
        if not (self.authorised and complete):
            return False
        return self._until == "caught_up" or (ledger.finished and self._has_lingered(now_ns))

    @property
    def _shows_no_more(self) -> bool:
        """Whether the vendor, asked for what is behind everything that is stored, has sent nothing."""
        return self._asked_past_all and not self._actions and self._realign is None

    def _said_no_more(self, error: WireError | None) -> bool:
        """Say whether closing was the vendor's way to say that there is no more: politely, or twice in a row."""
        if not (self.authorised and self._shows_no_more):
            return False
        self._ledger.empty_answers += 1
        clean = isinstance(error, ConnectionOver) and error.code == _NORMAL_CLOSE
        return clean or self._ledger.empty_answers > 1

    def _has_settled(self, now_ns: int) -> bool:
        """Say whether what was there at the beginning has come; where nothing has, that takes longer to tell."""
        silence = self._timing.settle if self._actions else self._timing.quiet
        return now_ns - self._idle_since_ns >= silence * _S

    def _has_lingered(self, now_ns: int) -> bool:
        """Say whether late corrections have had their time; a match that was over before we came gets none."""
        since_ns = self._ledger.finished_live_ns
        return since_ns is None or now_ns - since_ns >= self._timing.linger * _S

    def _next(self, error: WireError | None) -> Next:
        if self._ended is not None:
            return Done(self._ended)
        if self._realign is not None:
            return Retry(self._realign, at_once=True)
        refusal = self._refusal(error)
        if refusal is not None:
            return Refused(refusal)
        after = retry_after(error.retry_after) if isinstance(error, HandshakeRefused) else 0.0
        return Retry(str(error) if error is not None else "silence", after=after)

    def _refusal(self, error: WireError | None) -> str | None:
        """Say how the vendor refused us, if it did (contract, exit code 77): in any of its dialects."""
        if isinstance(error, HandshakeRefused) and error.status in (401, 403):
            return str(error)
        if self._error is not None and not self.authorised:
            return self._error
        if isinstance(error, ConnectionOver) and self._frames == 0:
            return f"{error} before the first message"
        return None

    def _answer(self, entry: Entry, now_ns: int) -> Answer:
        self.appended += entry.appended
        operations = entry.operations
        if now_ns - self._counted_ns >= self._timing.counts * _S:
            self._counted_ns = now_ns
            counts = UpdateSession(self._ledger.stream.stream_id, self._session_id, self._ledger.counts)
            operations = (*operations, counts)
        if entry.reconnect is not None:
            self._realign = entry.reconnect
        return Answer(operations, entry.reconnect)


def retry_after(header: str | None) -> float:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110: a number); 0 when it names none."""
    text = (header or "").strip()
    return float(text) if text.isascii() and text.isdigit() else 0.0
