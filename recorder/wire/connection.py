"""An open websocket: what came, in which bytes, how large it was, and when it was complete."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WebsocketFrame
from websockets.frames import Opcode as WebsocketOpcode
from websockets.protocol import State

from recorder import clock
from recorder.errors import ConnectionOver
from recorder.model import Opcode
from recorder.wire.shortening import DATA, Shortener

KEPT_OF_LARGER_BYTES = 1024 * 1024
"""What is kept of a longer message: closing the connection instead would bring the same message again, for ever."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message: its bytes as they arrived, and when it was complete (see model for the units).

    ``size`` is how many bytes it really had: more than ``len(payload)`` when it was longer than the connection's
    ``max_message_bytes``; ``payload`` is then only its beginning.
    """

    payload: bytes
    opcode: Opcode
    received_us: int
    monotonic_ns: int
    size: int


class RecordingConnection(ClientConnection):
    """Bounds what a message may take, and notes its size and time when its last byte arrives, not when it is asked for.

    It rests on the library in three ways only: asyncio calls ``data_received`` with the stream's bytes, the library
    calls ``process_event`` with each frame in their order, and ``protocol.state`` says when the handshake is done.
    """

    def __init__(self, *arguments: Any, max_message_bytes: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept = min(KEPT_OF_LARGER_BYTES, max_message_bytes)
        self._limit = max_message_bytes
        self.stamps: deque[tuple[int, Opcode, int, int]] = deque()
        self._shortener = Shortener(max_message_bytes, self._kept)
        self._opcode = WebsocketOpcode.TEXT
        self._parts = bytearray()
        self.last_bytes_ns = clock.elapsed_ns()
        self.pings = 0

    @property
    def is_amid_message(self) -> bool:
        """Whether a message has begun to come and has not ended."""
        return bool(self._parts) or self._shortener.is_amid_frame

    def data_received(self, data: bytes) -> None:
        """Let the library have the handshake's answer, by lines so that it ends where that ends; then what is cut."""
        self.last_bytes_ns = clock.elapsed_ns()
        at = 0
        while at < len(data) and self.protocol.state is State.CONNECTING:
            end = data.find(b"\n", at) + 1 or len(data)
            super().data_received(data[at:end])
            at = end
        if at < len(data):
            super().data_received(self._shortener.feed(data[at:]))

    def process_event(self, event: Any) -> None:
        """Take a frame: a message is handed on once it is whole."""
        self.pings += isinstance(event, WebsocketFrame) and event.opcode is WebsocketOpcode.PING
        if isinstance(event, WebsocketFrame) and event.opcode in DATA:
            if event.opcode is not WebsocketOpcode.CONT:
                self._opcode = event.opcode
            # Put together here: the library keeps each part apart, and fails on more than some thousands.
            self._parts += event.data
            if not event.fin:
                return
            event = self._message(self._shortener.sizes.popleft())
        super().process_event(event)

    def _message(self, size: int) -> WebsocketFrame:
        """Note when and how it came, and return it whole, or what is kept of it, in one frame."""
        opcode: Opcode = "text" if self._opcode is WebsocketOpcode.TEXT else "binary"
        self.stamps.append((size, opcode, clock.wall_us(), clock.elapsed_ns()))
        parts, self._parts = self._parts, bytearray()
        return WebsocketFrame(self._opcode, parts if size <= self._limit else parts[: self._kept])


class Connection:
    """An open websocket. ``receive`` and ``send`` raise :class:`~recorder.errors.ConnectionOver` once it is over."""

    def __init__(self, websocket: RecordingConnection) -> None:
        self._websocket = websocket

    @property
    def bytes_ns(self) -> int | None:
        """When the last bytes came (elapsed) of a message that is not complete yet; None when there is none."""
        return self._websocket.last_bytes_ns if self._websocket.is_amid_message else None

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

    async def receive(self) -> Received:
        """Wait for the next message and return it undecoded: invalid UTF-8 must not close the connection."""
        try:
            payload = await self._websocket.recv(decode=False)
        except ConnectionClosed as closed:
            raise _over(closed) from None
        size, opcode, received_us, monotonic_ns = self._websocket.stamps.popleft()
        return Received(payload, opcode, received_us, monotonic_ns, size)

    async def close(self) -> None:
        """Close politely; whoever waits in `receive` is told."""
        await self._websocket.close()

    def abort(self) -> None:
        """Drop the connection at once: a dead peer answers no close handshake."""
        self._websocket.transport.abort()


def _over(closed: ConnectionClosed) -> ConnectionOver:
    return ConnectionOver(closed.rcvd.code if closed.rcvd else None, closed.rcvd.reason if closed.rcvd else "")
