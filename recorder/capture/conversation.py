"""One open connection between wire and session: whichever says so first ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from recorder import clock
from recorder.archive.writer import Writer
from recorder.config import TokenSource
from recorder.errors import ConnectionOver, HandshakeRefused, WireError
from recorder.feed.session import Answer, Session
from recorder.operations import Operation
from recorder.wire import Connection, Received

_HIDDEN = "the vendor sent our token back: its bytes are replaced"


class Conversation:
    """Takes what comes on one connection; `hold` it until it is over."""

    def __init__(
        self,
        session: Session,
        writer: Writer,
        let_in: Callable[[], None],
        stored: Callable[[int, Iterable[Operation]], None],
        token: TokenSource,
        expect: Callable[[float | None], None],
    ) -> None:
        self._session = session
        self._writer = writer
        self._let_in = let_in
        self._stored = stored
        self._token = token
        self._expect = expect
        self._pausing = False
        self._paused_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self.why: str | None = None
        """Why we closed it; None: the peer did."""
        self.error: WireError | None = None

    async def hold(self, connection: Connection) -> None:
        """Take messages until the connection is over, whoever ends it."""
        self._watch(connection)
        try:
            while True:
                # Also once we leave: what is on its way already may never be sent again.
                await connection.deliver(partial(self._take, connection))
                await self._room(connection)
        except ConnectionOver as over:
            self.error = without_token(over, self._token) if self.why is None else None
        finally:
            self._stop_watching()
            if self._closing is not None:
                self._closing.cancel()  # it is closed, or whoever has dialled closes it
        if self._failure is not None:
            raise self._failure

    def _take(self, connection: Connection, messages: Iterable[Received]) -> bool:
        """Take what has come, and hand what is to be stored of it to the writer; say whether there is room for more."""
        session = self._session
        operations: list[Operation] = []
        was_in, before = session.authorised, session.new
        try:
            for message in messages:
                payload = self._token.hide(message.payload)
                answer = session.received(
                    payload,
                    message.opcode,
                    message.received_us,
                    message.monotonic_ns,
                    size=message.size,
                    flag=None if payload is message.payload else _HIDDEN,
                )
                operations += answer.operations
                self.why = self.why or answer.close
        finally:  # what was taken is told to the books, and must not be missing in the archive
            if operations:
                self._writer.submit(operations)
        if session.authorised and not was_in:
            self._let_in()
        if session.new > before:
            self._stored(session.new - before, operations)
        if self.why is not None:
            self._leave(connection)
        return not self._writer.is_full

    def _leave(self, connection: Connection) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(connection.close())

    async def _room(self, connection: Connection) -> None:
        """Take nothing while too much waits for the disk; the vendor's silence is not watched meanwhile."""
        began_ns = clock.elapsed_ns()
        self._pausing = True
        await self._writer.room()
        self._pausing = False
        self._session.paused(clock.elapsed_ns() - began_ns)
        self._paused_ns = connection.paused_ns

    def _watch(self, connection: Connection) -> None:
        """Look at the clock in a while: a timer of the loop's, for a task of its own for each stream is far larger."""
        tick_s = self._session.tick_s
        self._expect(tick_s)
        self._timer = asyncio.get_running_loop().call_later(tick_s, self._look, connection)

    def _look(self, connection: Connection) -> None:
        try:
            if self._pausing or not self._is_to_be_left(connection):
                self._watch(connection)
        except Exception as error:  # whoever holds the connection is to have it, not the event loop
            self._failure = error
            connection.abort()

    def _is_to_be_left(self, connection: Connection) -> bool:
        """Look at the clock, and say whether that was the last time."""
        paused_ns = connection.paused_ns  # for what others have waiting
        if paused_ns > self._paused_ns:
            self._session.paused(paused_ns - self._paused_ns)
            self._paused_ns = paused_ns
        answer = self._session.tick(clock.elapsed_ns(), clock.wall_us(), bytes_ns=connection.bytes_ns)
        if not self._obey(answer):
            return False
        if answer.abort:
            connection.abort()
        else:
            self._leave(connection)
        return True

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _obey(self, answer: Answer) -> bool:
        if answer.operations:
            self._writer.submit(answer.operations)
        self.why = self.why or answer.close
        return self.why is not None


def without_token(error: WireError, token: TokenSource) -> WireError:
    """Return the error with whatever the peer wrote into it cleared of the token."""
    if isinstance(error, ConnectionOver):
        return ConnectionOver(error.code, token.hide_text(error.reason))
    if isinstance(error, HandshakeRefused):
        return HandshakeRefused(error.status, token.hide_text(error.body), error.retry_after)
    return type(error)(token.hide_text(str(error)))
