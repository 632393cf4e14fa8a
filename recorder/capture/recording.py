"""One stream: dial, obey the feed's session, hand what it says to the archive's writer, dial again.

Nothing is decided here but when to wait.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from recorder import __version__, clock, logs
from recorder.account import Account
from recorder.archive.audits import Asking, of_websocket
from recorder.archive.writer import Writer
from recorder.backoff import Backoff
from recorder.capture.conversation import Conversation, without_token
from recorder.config import TokenSource
from recorder.errors import ConnectionOver, NotConnected, RecorderError, WireError
from recorder.feed import endpoint
from recorder.feed.alignment import Ask
from recorder.feed.decisions import Distrusted, Done, Next, NotYet, Refused, Retry
from recorder.feed.ending import Until
from recorder.feed.holdable import sentence
from recorder.feed.ledger import Ledger
from recorder.feed.novelty import Novelties, Novelty
from recorder.feed.session import Session
from recorder.feed.timing import Timing
from recorder.fixtures import Entry
from recorder.ids import TimeOrderedIds
from recorder.model import Audit, StoredStream
from recorder.operations import AddAction, CloseSession, EndStream, NoteAudit, OpenSession, OpenStream, Operation
from recorder.pacing import Attempt, ConnectLimiter
from recorder.wire import Intake, dial

_log = logging.getLogger("recorder.capture")

_SURVIVED_S = 30.0
_QUIET_FAILURES = 2
_ONE_PASS_FAILURES = 5
_LOOK_AGAIN_S = 60.0
_DIALS_S = 60.0
"""More than all time-outs of a handshake together."""
_RECORDER = f"pid {os.getpid()}"


@dataclass(frozen=True, slots=True)
class Vendor:
    """How to reach the vendor: shared by all streams."""

    endpoint: str
    token: TokenSource
    limiter: ConnectLimiter
    account: Account
    backoff_s: float = 1.0
    """First and smallest unit of the back-off."""
    proxy: str | None = None
    intake: Intake = field(default_factory=Intake)
    """What all connections together have received and is not recorded yet."""
    novelties: Novelties = field(default_factory=Novelties)
    """What it sends that it has not told of; counted for this process."""


class Capture:
    """Records one stream until it has ended or is cancelled; ``progress`` is told of each new action.

    ``expect`` is told in how many seconds we shall be heard of again at the latest; None: nobody can say.

    ``lead_s``: how long before its start a stream is opened, when the list tells its start.

    ``is_audit``: the stream is known already and is only asked for again, from 0 and behind all others; whether it has
    ended stays as it is unless the list says otherwise.
    """

    def __init__(
        self,
        entry: Entry,
        stored: StoredStream,
        writer: Writer,
        vendor: Vendor,
        *,
        overlap: int,
        until: Until,
        timing: Timing,
        lead_s: float,
        progress: Callable[[int], None],
        expect: Callable[[float | None], None] = lambda _again_in_s: None,
        is_audit: bool = False,
    ) -> None:
        self.entry = entry
        self.audits: list[Audit] = []
        """What came of reading the list once more."""
        self._writer = writer
        self._vendor = vendor
        self._until = until
        self._timing = timing
        self._lead_s = lead_s
        self._progress = progress
        self._expect = expect
        self._backoff = Backoff(vendor.backoff_s, timing.poll)
        self._got_on = False
        self._came_ns = clock.elapsed_ns()
        self._is_audit = is_audit
        self._session_id: int | None = None
        self._reading_us: int | None = None
        self._ledger = Ledger(entry.stream, stored, TimeOrderedIds(stored.last_session_id), overlap)

    def revise(self, entry: Entry) -> None:
        """Learn that the list says something else of the stream now: it is stored."""
        self.entry = entry
        self._writer.submit([self._opening(clock.wall_us())])

    async def run(self) -> Done | None:
        """Record; return how it went to its end; None: one pass was asked for and could not be made."""
        try:
            return await self._run()
        finally:
            self._expect(None)

    @property
    def contents(self) -> Sequence[bytes]:
        """The content of the list as it is stored now, by position."""
        return self._ledger.resume.digests

    @property
    def epoch(self) -> int:
        """The number of that list."""
        return self._ledger.epoch

    @property
    def is_over(self) -> bool:
        """Whether the list says that nothing more is to come."""
        return self._ledger.standing.over is not None

    async def _run(self) -> Done | None:
        if self._is_audit:
            return await self._ask_again()
        self._writer.submit([self._opening(clock.wall_us())])
        await self._start()
        return await self._record()

    async def _ask_again(self) -> Done | None:
        """Read the list of a known stream from 0; then the stream has ended if it had, unless it goes on after all."""
        ledger = self._ledger
        was_over = ledger.standing.over is not None
        ledger.read_again("an audit")
        if ledger.is_live_only:
            live = Done("the vendor sends only what is new, so nothing can be asked for again")
            self._note_audit(live, live.why)
        done = await self._record() if ledger.reading is not None else None
        if was_over and ledger.standing.over is None:
            self._writer.submit([self._opening(clock.wall_us())])
        elif ledger.standing.over is not None and (done is None or done.ended is None):
            self._end(Done("the match is over", ledger.standing.over))
        return done

    async def _record(self) -> Done | None:
        # Not before: nothing is missed of a match that has not begun.
        if not self._is_audit:  # whoever records it knows whether it was
            self._writer.submit(self._ledger.begin(clock.wall_us()))
        while True:
            attempt = await self._turn()
            if self._vendor.account.shut_out.is_set():
                attempt.answered()
                self._note_audit(None, "the account is shut out")
                return None
            decision = await self._connection(attempt)
            if self._until == "caught_up" and isinstance(decision, NotYet):
                decision = Done(decision.why)
            if isinstance(decision, Done):
                self._note_audit(decision, decision.why)
                self._end(decision)
                return decision
            self._tell(decision)
            if self._until == "caught_up" and self._backoff.failures >= _ONE_PASS_FAILURES:
                self._note_audit(None, decision.why)
                return None
            self._note_audit(decision, decision.why)
            await self._pause(decision)

    async def _turn(self) -> Attempt:
        """Wait until we may dial: the matches in play come first."""
        account = self._vendor.account
        self._expect(None)  # others may be before us for as long as they like
        while True:
            rank = 2 * self._backoff.refusals + (self._is_audit or not self._ledger.standing.in_play)
            await account.permission(rank, self.entry.stream)
            is_probe = account.limited
            attempt = await self._vendor.limiter.turn(2 if self._is_audit else not self._ledger.standing.in_play)
            if is_probe or not account.limited:  # it may have become limited while we waited
                return attempt
            attempt.answered()

    async def _start(self) -> None:
        """Wait for the start that the list tells; looked at again and again, since the wall clock may be set."""
        while self._until == "finished" and (left_s := self._until_due_s() - self._lead_s) > 0:
            _log.info("%s: opens in %.0f s", self.entry.stream, left_s)
            self._expect(min(left_s, _LOOK_AGAIN_S))
            await asyncio.sleep(min(left_s, _LOOK_AGAIN_S))

    def _until_due_s(self) -> float:
        """Return how many seconds are left until the start; negative once it has passed, 0 when nobody told it."""
        return 0.0 if self.entry.starts_us is None else (self.entry.starts_us - clock.wall_us()) / 1e6

    def _end(self, done: Done) -> None:
        _log.info("%s: %s", self.entry.stream, done.why)
        if done.ended is not None:
            self._writer.submit([EndStream(self.entry.stream.stream_id, done.ended, done.why)])

    def _note_audit(self, decision: Next | None, why: str) -> None:
        """Write down what a read of the list once more has come to, when it is over; ``decision`` None: we give up."""
        reading = self._ledger.reading
        if reading is None or (reading.listed is None and not isinstance(decision, Done | None)):
            return
        self._ledger.reading = None
        now_us = clock.wall_us()
        asking = Asking(
            stream_id=self.entry.stream.stream_id,
            audit_id=self._ledger.ids.next(now_us),
            asked="websocket",
            began_us=self._reading_us or now_us,
            ended_us=now_us,
            session_id=self._session_id,
            epoch=self._ledger.epoch,
        )
        audit = of_websocket(asking, reading, why)
        self.audits.append(audit)
        level = logging.WARNING if audit.verdict in ("late", "changed") else logging.INFO
        _log.log(level, "%s: asked for again: %s", self.entry.stream, audit.detail)
        self._writer.submit([NoteAudit(audit)])

    def _tell(self, decision: Next) -> None:
        """Tell the account what concerns all streams."""
        if isinstance(decision, Refused):
            self._vendor.account.refused(f"{self.entry.stream}: {decision.why}", self.entry.stream)
        elif isinstance(decision, Distrusted):
            self._vendor.account.distrusted(f"{self.entry.stream}: {decision.why}", self.entry.stream)
        elif isinstance(decision, Retry) and decision.slow_down:
            self._vendor.limiter.slow_down()

    async def _pause(self, decision: Retry | NotYet | Refused | Distrusted) -> None:
        seconds = self._backoff.seconds(decision, got_on=self._got_on)
        # One drop that is mended is nothing to wake anybody for.
        loud = isinstance(decision, Refused | Distrusted) or self._backoff.failures > _QUIET_FAILURES
        level = logging.WARNING if loud and seconds else logging.INFO
        _log.log(level, "%s: %s; dialling again in %.1f s", self.entry.stream, decision.why, seconds)
        if seconds:
            self._expect(seconds)
            await asyncio.sleep(seconds)

    async def _connection(self, attempt: Attempt) -> Next:
        """Dial once and record until the connection is over; its session row is closed whatever happens.

        ``attempt`` is answered with the handshake. Not when we are cancelled before: the request may be on its way.
        """
        try:
            token = self._vendor.token.read()  # anew for every attempt: the file may have been rotated
        except RecorderError as error:
            attempt.answered()  # nothing was dialled
            return Refused(str(error))
        logs.keep_secret(token)
        opened_us, opened_ns = clock.wall_us(), clock.elapsed_ns()
        session_id = self._session_id = self._ledger.ids.next(opened_us)
        if self._ledger.reading is not None:
            self._reading_us = self._reading_us or opened_us
        proven_to = self._ledger.resume.proven_to
        ask = self._ledger.resume.ask()
        url = self._url(ask)
        _log.info("%s: dialling from %s (%s)", self.entry.stream, ask.start_position or 0, ask.why or "a full read")
        self._expect(_DIALS_S)
        self._ledger.open_session()
        self._writer.submit([self._opened(session_id, opened_us, opened_ns, url, ask)])
        session = self._session(session_id, opened_us, opened_ns, ask)
        conversation = Conversation(session, self._writer, self._let_in, self._stored, self._vendor.token, self._expect)
        decision: Next | None = None
        try:
            async with dial(
                url, endpoint.headers(), proxy=self._vendor.proxy, intake=self._vendor.intake
            ) as connection:
                attempt.answered()
                await connection.send(endpoint.auth_message(token.reveal()))
                await conversation.hold(connection)
        except WireError as error:
            attempt.answered()
            conversation.error = without_token(error, self._vendor.token)
            self._vendor.account.tried = True
            self._vendor.account.reached |= not isinstance(error, NotConnected)
        except asyncio.CancelledError:
            conversation.why = "stopped"
            raise
        finally:
            if conversation.why == "stopped":
                operations = session.stopped(clock.wall_us())
            else:
                operations, decision = session.closed(conversation.error, clock.elapsed_ns(), clock.wall_us())
            self._writer.submit([*operations, self._closed(session_id, conversation, decision)])
        self._got_on = self._ledger.resume.proven_to > proven_to
        if session.new or clock.elapsed_ns() - opened_ns >= _SURVIVED_S * 1e9:
            self._backoff.survived()
        assert decision is not None
        return decision

    def _url(self, ask: Ask) -> str:
        stream, speed = self.entry.stream, self.entry.speed
        return endpoint.url(self._vendor.endpoint, stream, start_position=ask.start_position, speed=speed)

    def _session(self, session_id: int, opened_us: int, opened_ns: int, ask: Ask) -> Session:
        due_s = self._until_due_s()
        # Not before we have waited for so long ourselves: a wall clock that is wrong must not end a match.
        expected_ns = max(self._came_ns, opened_ns + int(due_s * 1e9)) if self.entry.starts_us else self._came_ns
        return Session(
            self._ledger,
            ask,
            session_id=session_id,
            opened_us=opened_us,
            opened_ns=opened_ns,
            until=self._until,
            timing=self._timing,
            give_up_ns=expected_ns + int(self._timing.give_up * 1e9),
            is_due=due_s <= 0,
        )

    def _let_in(self) -> None:
        if self._backoff.failures > _QUIET_FAILURES:
            failures = self._backoff.failures
            _log.warning("%s: let in again after %d attempts that failed", self.entry.stream, failures)
        self._vendor.account.received(self.entry.stream)

    def _stored(self, new: int, operations: Iterable[Operation]) -> None:
        """Tell of new actions, and of what is new about them."""
        self._progress(new)
        for operation in operations:
            if isinstance(operation, AddAction):
                for novelty in self._vendor.novelties.look(operation.action.fields):
                    self._notice(novelty, operation.action.position)

    def _notice(self, novelty: Novelty, position: int) -> None:
        # What the vendor itself leaves open is no reason to wake anybody.
        level = logging.INFO if novelty.is_open else logging.WARNING
        _log.log(level, "%s: not on the vendor's pages: %s (position %d)", self.entry.stream, novelty, position)

    def _opening(self, now_us: int) -> OpenStream:
        return OpenStream(
            stream=self.entry.stream,
            label=self.entry.label,
            competition=self.entry.competition,
            speed=self.entry.speed,
            starts_us=self.entry.starts_us,
            origin_host=urlsplit(self._vendor.endpoint).hostname,
            at_us=now_us,
        )

    def _opened(self, session_id: int, opened_us: int, opened_ns: int, url: str, ask: Ask) -> OpenSession:
        return OpenSession(
            stream_id=self.entry.stream.stream_id,
            session_id=session_id,
            opened_us=opened_us,
            opened_ns=opened_ns,
            url=url,
            start_position=ask.start_position,
            overlap=ask.overlap,
            asked_because=ask.why,
            recorder=_RECORDER,
            host=platform.node(),
            version=__version__,
        )

    def _closed(self, session_id: int, conversation: Conversation, decision: Next | None) -> CloseSession:
        error = conversation.error
        closed = error if isinstance(error, ConnectionOver) else None
        return CloseSession(
            stream_id=self.entry.stream.stream_id,
            session_id=session_id,
            counts=self._ledger.counts,
            closed_us=clock.wall_us(),
            close_code=closed.code if closed else None,
            close_reason=sentence(closed.reason) if closed else None,
            outcome=sentence(conversation.why or (decision.why if decision else "stopped")),
        )
