"""One stream: dial, obey the feed's session, hand what it says to the archive's writer, dial again.

The only place where wire and archive meet. Nothing is decided here but when to wait.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import random
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from recorder import __version__, clock
from recorder.account import Account
from recorder.archive.writer import Writer
from recorder.config import TokenSource
from recorder.errors import ConnectionOver, NotConnected, RecorderError, WireError
from recorder.feed import endpoint
from recorder.feed.alignment import Ask, Calibration
from recorder.feed.ledger import Ledger
from recorder.feed.session import Answer, Done, Next, Refused, Retry, Session, Timing, Until
from recorder.fixtures import Entry
from recorder.ids import TimeOrderedIds
from recorder.model import StoredStream
from recorder.operations import CloseSession, OpenSession, OpenStream
from recorder.pacing import ConnectLimiter
from recorder.wire import Connection, dial

_log = logging.getLogger(__name__)

_MAX_BACKOFF_S = 60.0
_SURVIVED_S = 30.0
_QUIET_FAILURES = 2
_ONE_PASS_FAILURES = 5
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


class Capture:
    """Records one stream until it has ended or is cancelled; ``progress`` is told of each new action."""

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
        progress: Callable[[int], None],
    ) -> None:
        self.entry = entry
        self._writer = writer
        self._vendor = vendor
        self._until = until
        self._timing = timing
        self._progress = progress
        self._failures = 0
        self._ledger = Ledger(entry.stream, stored, TimeOrderedIds(stored.last_session_id), overlap)

    async def run(self) -> bool:
        """Record; return whether the stream has ended (else: one pass was asked for and could not be made)."""
        stream = self.entry.stream
        self._writer.submit(
            [
                OpenStream(
                    stream=stream,
                    label=self.entry.label,
                    competition=self.entry.competition,
                    speed=self.entry.speed,
                    starts_us=self.entry.starts_us,
                    origin_host=urlsplit(self._vendor.endpoint).hostname,
                    at_us=clock.wall_us(),
                )
            ]
        )
        while True:
            await self._vendor.limiter.turn()
            if self._vendor.account.shut_out.is_set():
                return False
            decision = await self._connection()
            if isinstance(decision, Done):
                _log.info("%s: %s", stream, decision.why)
                return True
            if isinstance(decision, Refused):
                self._vendor.account.refused(f"{stream}: {decision.why}")
            if self._until == "caught_up" and self._failures >= _ONE_PASS_FAILURES:
                return False
            await self._pause(decision)

    async def _pause(self, decision: Retry | Refused) -> None:
        if isinstance(decision, Retry) and decision.at_once:
            _log.info("%s: dialling again: %s", self.entry.stream, decision.why)
            return
        # Full jitter: many streams that were dropped together must not come back together.
        ceiling = min(_MAX_BACKOFF_S, self._vendor.backoff_s * 2**self._failures) if self._failures else 0.0
        seconds = random.uniform(0, ceiling) + (decision.after if isinstance(decision, Retry) else 0.0)
        self._failures += 1
        # One drop that is mended is nothing to wake anybody for.
        level = logging.WARNING if isinstance(decision, Refused) or self._failures > _QUIET_FAILURES else logging.INFO
        _log.log(level, "%s: %s; dialling again in %.1f s", self.entry.stream, decision.why, seconds)
        await asyncio.sleep(seconds)

    async def _connection(self) -> Next:
        """Dial once and record until the connection is over; its session row is closed whatever happens."""
        try:
            token = self._vendor.token.read()  # anew for every attempt: the file may have been rotated
        except RecorderError as error:
            return Refused(str(error))
        opened_us, opened_ns = clock.wall_us(), clock.elapsed_ns()
        session_id = self._ledger.ids.next(opened_us)
        ask = self._ledger.resume.ask()
        url = endpoint.url(
            self._vendor.endpoint, self.entry.stream, start_position=ask.start_position, speed=self.entry.speed
        )
        _log.info("%s: dialling from %s (%s)", self.entry.stream, ask.start_position or 0, ask.why or "a full read")
        self._ledger.open_session()
        self._writer.submit([self._opened(session_id, opened_us, opened_ns, url, ask)])
        session = Session(
            self._ledger,
            session_id=session_id,
            opened_us=opened_us,
            opened_ns=opened_ns,
            until=self._until,
            timing=self._timing,
            asked_past_all=_asks_past_all(ask, self._ledger.resume.calibration),
        )
        conversation = _Conversation(session, self._writer, self._told)
        try:
            async with dial(url, endpoint.headers()) as connection:
                await connection.send(endpoint.auth_message(token.reveal()))
                await conversation.hold(connection)
        except WireError as error:
            conversation.error = error
            self._vendor.account.tried = True
            self._vendor.account.reached |= not isinstance(error, NotConnected)
        except asyncio.CancelledError:
            conversation.why = "stopped"
            raise
        finally:
            operations, decision = session.closed(conversation.error, clock.elapsed_ns(), clock.wall_us())
            self._writer.submit([*operations, self._closed(session_id, conversation, decision)])
        if session.appended or clock.elapsed_ns() - opened_ns >= _SURVIVED_S * 1e9:
            self._failures = 0
        return decision

    def _told(self, appended: int) -> None:
        """Something that is no error arrived, with this many new actions."""
        self._vendor.account.received()
        if appended:
            self._progress(appended)

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

    def _closed(self, session_id: int, conversation: _Conversation, decision: Next) -> CloseSession:
        error = conversation.error
        closed = error if isinstance(error, ConnectionOver) else None
        return CloseSession(
            stream_id=self.entry.stream.stream_id,
            session_id=session_id,
            counts=self._ledger.counts,
            closed_us=clock.wall_us(),
            close_code=closed.code if closed else None,
            close_reason=closed.reason if closed else None,
            outcome=conversation.why or decision.why,
        )


class _Conversation:
    """One open connection between wire and session: whichever says so first ends it."""

    def __init__(self, session: Session, writer: Writer, told: Callable[[int], None]) -> None:
        self._session = session
        self._writer = writer
        self._told = told
        self._pausing = False
        self.why: str | None = None
        """Why we closed it; None: the peer did."""
        self.error: WireError | None = None

    async def hold(self, connection: Connection) -> None:
        """Take messages until the connection is over."""
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch(connection))
            try:
                while not self._obey(await self._take(connection)):
                    await self._room()
            except ConnectionOver as over:
                self.error = over if self.why is None else None
            watch.cancel()

    async def _take(self, connection: Connection) -> Answer:
        message = await connection.receive()
        before = self._session.appended
        answer = self._session.received(message.payload, message.opcode, message.received_us, message.monotonic_ns)
        if self._session.authorised:
            self._told(self._session.appended - before)
        return answer

    async def _room(self) -> None:
        """Stop reading while too much waits for the disk; the vendor's silence is not watched meanwhile."""
        began_ns = clock.elapsed_ns()
        self._pausing = True
        await self._writer.room()
        self._pausing = False
        self._session.paused(clock.elapsed_ns() - began_ns)

    async def _watch(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(self._session.tick_s)
            if self._pausing:
                continue
            answer = self._session.tick(clock.elapsed_ns(), clock.wall_us())
            if self._obey(answer):
                if answer.abort:
                    connection.abort()
                else:
                    await connection.close()
                return

    def _obey(self, answer: Answer) -> bool:
        if answer.operations:
            self._writer.submit(answer.operations)
        self.why = self.why or answer.close
        return self.why is not None


def _asks_past_all(ask: Ask, calibration: Calibration | None) -> bool:
    """Say whether whatever comes should be new: as it was asked for, or because this vendor sends nothing else."""
    return not ask.from_zero and (not ask.overlap or (calibration is not None and calibration.live))
