"""An open websocket: what came, in which bytes, how large it was, and when it was complete."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WebsocketFrame
from websockets.frames import Opcode as WebsocketOpcode
from websockets.protocol import State

from recorder import clock
from recorder.errors import ConnectionOver
from recorder.model import Opcode
from recorder.wire.intake import Intake
from recorder.wire.shortening import DATA, Shortener
from recorder.wire.whole import is_begun, whole_messages

KEPT_OF_LARGER_BYTES = 1024 * 1024
"""What is kept of a longer message: closing the connection instead would bring the same message again, for ever."""

MOST_AT_ONCE = 256
"""Messages that are handed out in one go: who takes them holds up all others meanwhile."""


class Received(Struct, frozen=True, gc=False):
    """One message: its bytes as they arrived, and when it was complete (see model for the units).

    ``size`` is how many bytes it really had: more than ``len(payload)`` when it was longer than the connection's
    ``max_message_bytes``; ``payload`` is then only its beginning.
    """

    payload: bytes
    opcode: Opcode
    received_us: int
    monotonic_ns: int
    size: int


Taker = Callable[[list[Received]], bool]
"""Takes messages that have come, and says whether it wants more."""


class RecordingConnection(ClientConnection):
    """Bounds what a message may take, and notes its size and time when its last byte arrives, not when it is asked for.

    Messages wait here and not in the library's queue, which stops and starts the reading of the socket every few
    messages and hands them out one by one. Whoever has them delivered gets them in the very call that brought their
    bytes: to wake a task for each read instead is a second turn of the loop for each (decision 22).

    It rests on the library in four ways only: asyncio calls ``data_received`` with the stream's bytes and
    ``connection_lost`` at its end, the library calls ``process_event`` with each frame in their order, and ``protocol``
    says when the handshake is done and whether and how the connection was closed.
    """

    def __init__(self, *arguments: Any, max_message_bytes: int, intake: Intake, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept = min(KEPT_OF_LARGER_BYTES, max_message_bytes)
        self._limit = max_message_bytes
        self.messages: deque[Received] = deque()
        """Complete, and not asked for yet."""
        self._intake = intake
        self._paused_ns = 0
        self._paused_at_ns: int | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._taker: Taker | None = None
        self._shortener = Shortener(max_message_bytes, self._kept)
        self._opcode: Opcode = "text"
        self._begun = b""
        self._parts: bytearray | None = None
        self.last_bytes_ns = clock.elapsed_ns()
        self.pings = 0

    @property
    def is_amid_message(self) -> bool:
        """Whether a message has begun to come and has not ended."""
        return bool(self._begun) or self._parts is not None or self._shortener.is_amid_frame

    def data_received(self, data: bytes) -> None:
        """Let the library have the handshake's answer, by lines so that it ends where that ends; then what is cut."""
        self.last_bytes_ns = clock.elapsed_ns()
        while data and self.protocol.state is State.CONNECTING:
            end = data.find(b"\n") + 1 or len(data)
            super().data_received(data[:end])
            data = data[end:]
        if self._begun:
            data, self._begun = self._begun + data, b""
        if not self.is_amid_message and self.protocol.close_rcvd is None:
            payloads, opcodes, end = whole_messages(data, self._limit)
            self._keep(payloads, opcodes)
            data = data[end:]
            if data and is_begun(data, self._limit):
                data, self._begun = b"", data
        if data:
            super().data_received(self._shortener.feed(data))
        self._hand_out()

    def process_event(self, event: Any) -> None:
        """Take a frame: a message is kept once it is whole."""
        if not isinstance(event, WebsocketFrame) or event.opcode not in DATA:
            self.pings += isinstance(event, WebsocketFrame) and event.opcode is WebsocketOpcode.PING
            super().process_event(event)
            return
        if event.opcode is not WebsocketOpcode.CONT:
            self._opcode = "text" if event.opcode is WebsocketOpcode.TEXT else "binary"
        # Put together here: the library keeps each part apart, and fails on more than some thousands.
        parts = self._parts = self._parts or bytearray()
        parts += event.data
        if event.fin:
            self._parts = None
            size = self._shortener.sizes.popleft()
            self._keep([bytes(parts if size <= self._limit else parts[: self._kept])], [self._opcode], size)

    def _keep(self, payloads: Sequence[bytes], opcodes: Sequence[Opcode], size: int | None = None) -> None:
        """Note when and how messages came; ``size``: what the only one really had."""
        received_us, now_ns, total = clock.wall_us(), self.last_bytes_ns, 0
        for payload, opcode in zip(payloads, opcodes, strict=True):
            length = len(payload)
            self.messages.append(Received(payload, opcode, received_us, now_ns, size or length))
            total += length
        if payloads:
            self._intake.add(self, total)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._intake.join(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand out what is left, and tell whoever waits."""
        super().connection_lost(exc)
        self._intake.leave(self)
        self._hand_out()

    async def deliver(self, take: Taker | None) -> None:
        """Give ``take`` the messages that are there, and each other as it comes, until it wants no more for now.

        None: only wait until one is there. Raises ConnectionClosed when none will come any more, and whatever ``take``
        raises.
        """
        self._taker = take
        waiter = self._waiter = self.loop.create_future()
        try:
            self._hand_out()
            await waiter
        finally:
            self._taker = self._waiter = None

    async def next(self) -> Received:
        """Wait for one message; ConnectionClosed when none will come any more."""
        if not self.messages:
            await self.deliver(None)
        return self._take(1)[0]

    def _hand_out(self) -> None:
        taker, waiter = self._taker, self._waiter
        if waiter is None or waiter.done():
            return
        try:
            while self.messages:
                if taker is None or not taker(self._take(MOST_AT_ONCE)):
                    waiter.set_result(None)
                    return
        except Exception as error:  # the caller of `deliver` is to have it, not the event loop
            waiter.set_exception(error)
            return
        if self.protocol.state is State.CLOSED:
            waiter.set_exception(self.protocol.close_exc)

    def _take(self, most: int) -> list[Received]:
        """Return the first messages that are there, and read on."""
        if len(self.messages) <= most:
            taken = list(self.messages)
            self.messages.clear()
        else:
            taken = [self.messages.popleft() for _ in range(most)]
        self._intake.take(self, sum([len(message.payload) for message in taken]))
        return taken

    def pause(self) -> None:
        """Read nothing more: too much waits already."""
        if self._paused_at_ns is None:
            self._paused_at_ns = clock.elapsed_ns()
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused_at_ns is not None:
            self._paused_ns += clock.elapsed_ns() - self._paused_at_ns
            self._paused_at_ns = None
            self.transport.resume_reading()

    @property
    def paused_ns(self) -> int:
        """How long the socket was not read, in all, so that whatever did not come then is no silence."""
        now = 0 if self._paused_at_ns is None else clock.elapsed_ns() - self._paused_at_ns
        return self._paused_ns + now


class Connection:
    """An open websocket. Its methods raise :class:`~recorder.errors.ConnectionOver` once it is over."""

    def __init__(self, websocket: RecordingConnection) -> None:
        self._websocket = websocket

    @property
    def bytes_ns(self) -> int | None:
        """When the last bytes came (elapsed) of a message that is not complete yet; None when there is none."""
        return self._websocket.last_bytes_ns if self._websocket.is_amid_message else None

    @property
    def paused_ns(self) -> int:
        """How long we did not read, in all, because too much that had come was waiting."""
        return self._websocket.paused_ns

    @property
    def pings(self) -> int:
        """How many websocket pings the peer has sent."""
        return self._websocket.pings

    @property
    def date(self) -> str | None:
        """The ``Date`` header of the handshake's answer."""
        response = self._websocket.response
        return None if response is None else next(iter(response.headers.get_all("Date")), None)

    async def ping(self) -> None:
        """Send a websocket ping and wait for its answer."""
        try:
            await asyncio.shield(await self._websocket.ping())  # the library settles what it hands out by itself
        except ConnectionClosed as closed:
            raise _over(closed) from None

    async def send(self, text: str) -> None:
        """Send a text message."""
        try:
            await self._websocket.send(text)
        except ConnectionClosed as closed:
            raise _over(closed) from None

    async def deliver(self, take: Taker) -> None:
        """Give ``take`` the messages that are there, and each other as it comes, until it wants no more for now.

        They are undecoded: invalid UTF-8 must not close the connection. Raises whatever ``take`` raises.
        """
        try:
            await self._websocket.deliver(take)
        except ConnectionClosed as closed:
            raise _over(closed) from None

    async def receive(self) -> Received:
        """Wait for the next message and return it."""
        try:
            return await self._websocket.next()
        except ConnectionClosed as closed:
            raise _over(closed) from None

    async def close(self) -> None:
        """Close politely; whoever waits in `deliver` or `receive` is told."""
        await self._websocket.close()

    def abort(self) -> None:
        """Drop the connection at once: a dead peer answers no close handshake."""
        self._websocket.transport.abort()


def _over(closed: ConnectionClosed) -> ConnectionOver:
    return ConnectionOver(closed.rcvd.code if closed.rcvd else None, closed.rcvd.reason if closed.rcvd else "")
