"""One connection to the vendor: the only file that opens a socket to it. Moves bytes, understands none of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.frames import Frame as WebsocketFrame
from websockets.frames import Opcode as WebsocketOpcode
from websockets.protocol import State
from websockets.proxy import parse_proxy

from recorder import clock
from recorder.errors import ConnectionOver, HandshakeRefused, NotConnected, Untrusted
from recorder.model import Opcode

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The longest message that is kept whole. The library's own limit, 1 MiB, is less than a late joiner may get."""

KEPT_OF_LARGER_BYTES = 1024 * 1024
"""What is kept of a longer message: closing the connection instead would bring the same message again, for ever."""

_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_SENT_UNANSWERED_S = 20.0
_BODY_SHOWN = 200
_CONTROL_BYTES = 125  # RFC 6455, 5.5: the most that a control frame may hold

# The library logs frames at DEBUG, and the first frame we send is the token.
_MUTE = logging.Logger("recorder.wire.mute", logging.CRITICAL + 1)


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


class Shortener:
    """Cuts messages that are too long out of the bytes of a websocket stream (RFC 6455, 5.2), as they pass.

    What comes out is a websocket stream again. A frame with which its message grows beyond ``limit`` bytes comes out
    with as much of it as belongs to the message's first ``kept``, and the rest is dropped as it arrives, however long
    its header says that it is. The message ends where it ended, never before its last byte was there. Frames that are
    no data and frames that break the protocol pass unchanged: the library judges them.
    """

    def __init__(self, limit: int, kept: int) -> None:
        self._limit = limit
        self._kept = min(kept, limit)
        self._head = bytearray()
        self._passing = 0
        self._dropping = 0
        self._end = b""
        self._size = 0
        self.sizes: deque[int] = deque()
        """The true size in bytes of each message whose last frame has begun to come out."""

    def feed(self, data: bytes) -> bytes:
        """Take the stream's next bytes, and return those that take their place."""
        out = bytearray()
        at = 0
        while at < len(data):
            at += self._take(data, at, out)
            if not (self._passing or self._dropping):
                out += self._end
                self._end = b""
        return bytes(out)

    def _take(self, data: bytes, at: int, out: bytearray) -> int:
        """Take from ``data`` what is of one kind from ``at`` on, and return how many bytes that was."""
        if self._passing:
            taken = min(self._passing, len(data) - at)
            out += data[at : at + taken]
            self._passing -= taken
        elif self._dropping:
            taken = min(self._dropping, len(data) - at)
            self._dropping -= taken
        else:
            taken = 1
            self._head.append(data[at])
            if len(self._head) == _head_length(self._head):
                out += self._begin(bytes(self._head))
                self._head.clear()
        return taken

    def _begin(self, head: bytes) -> bytes:
        """Take a frame's header and decide about its payload; return the header that takes its place."""
        length = head[1] & 0x7F if len(head) == 2 else int.from_bytes(head[2:])
        opcode, is_last = head[0] & 0x0F, bool(head[0] & 0x80)
        if opcode not in _DATA:
            self._passing = length
            return head
        before = 0 if opcode != WebsocketOpcode.CONT else self._size
        self._size = before + length
        if is_last:
            self.sizes.append(self._size)
        if self._size <= self._limit:
            self._passing = length
            return head
        self._passing = min(length, max(0, self._kept - before))
        self._dropping = length - self._passing
        self._end = _EMPTY_LAST if is_last else b""
        # Nothing left of a frame in the middle: leave it out. The first one is needed, it says text or binary.
        return _unfinished(head[0], self._passing) if self._passing or opcode != WebsocketOpcode.CONT else b""


_DATA = (WebsocketOpcode.CONT, WebsocketOpcode.TEXT, WebsocketOpcode.BINARY)
_EMPTY_LAST = bytes([0x80 | WebsocketOpcode.CONT, 0])
"""A frame that ends a message and adds nothing to it."""


def _head_length(head: bytearray) -> int:
    """Return how many bytes a frame's header has, as far as can be said (at least 2): a server's is never masked."""
    return 2 + {126: 2, 127: 8}.get(head[1] & 0x7F, 0) if len(head) > 1 else 2


def _unfinished(first: int, length: int) -> bytes:
    """Return the header of a frame that does not end its message, with the reserved bits and opcode of ``first``."""
    return bytes([first & 0x7F, 127]) + length.to_bytes(8)


class _RecordingConnection(ClientConnection):
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

    def data_received(self, data: bytes) -> None:
        """Let the library have the handshake's answer, by lines so that it ends where that ends; then what is cut."""
        at = 0
        while at < len(data) and self.protocol.state is State.CONNECTING:
            end = data.find(b"\n", at) + 1 or len(data)
            super().data_received(data[at:end])
            at = end
        if at < len(data):
            super().data_received(self._shortener.feed(data[at:]))

    def process_event(self, event: Any) -> None:
        if isinstance(event, WebsocketFrame) and event.opcode in _DATA:
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


class _StraightConnect(connect):
    """Never follows a redirect: the token would go wherever it points."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Connection:
    """An open websocket. ``receive`` and ``send`` raise :class:`~recorder.errors.ConnectionOver` once it is over."""

    def __init__(self, websocket: _RecordingConnection) -> None:
        self._websocket = websocket

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


@asynccontextmanager
async def dial(
    url: str,
    headers: Mapping[str, str],
    *,
    proxy: str | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> AsyncIterator[Connection]:
    """Open a websocket to ``url`` and close it in the end; NotConnected or HandshakeRefused when none comes about.

    ``proxy`` is the URL of a proxy to go through. Of a message longer than ``max_message_bytes`` only the first
    `KEPT_OF_LARGER_BYTES` (or ``max_message_bytes``, if that is less) are kept, see `Received`.

    No compression (it costs more than it saves here, and bounds the size of nothing), no client pings (the watchdog
    on received frames sees what pings would, and is suspended while we ourselves pause reading), no proxy from the
    environment (nobody chose it for this), no redirects (the token would follow).
    """
    websocket = await _open(url, headers, proxy, max_message_bytes)
    try:
        yield Connection(websocket)
    finally:
        # Shielded: a stop in the middle of a close would leave the vendor with half a connection.
        await asyncio.shield(_close(websocket))


async def _open(url: str, headers: Mapping[str, str], proxy: str | None, limit: int) -> _RecordingConnection:
    """Make the connection; whatever hinders it becomes one of our errors."""
    way = "" if proxy is None else "by way of the proxy: "
    try:
        websocket = await _StraightConnect(
            url,
            additional_headers=dict(headers),
            create_connection=partial(_RecordingConnection, max_message_bytes=limit),  # type: ignore[arg-type]
            compression=None,
            ping_interval=None,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            # Messages are bounded by our own connection, this is for control frames, which it lets pass: the library
            # allows them what the message that they interrupt has left of this.
            max_size=limit + _CONTROL_BYTES,
            ssl=_tls() if url.startswith("wss:") else None,
            user_agent_header="recorder",
            logger=_MUTE,
            **_through(proxy),
        )
    except InvalidStatus as refused:
        raise _refusal(refused) from None
    except ssl.SSLCertVerificationError as error:
        raise Untrusted(f"{way}the certificate does not verify: {error.verify_message}") from None
    except ProxyError as error:
        raise NotConnected(f"the proxy does not let us through: {error}") from None
    except (InvalidHandshake, InvalidMessage, InvalidURI) as error:
        raise NotConnected(f"{way}not a websocket server: {error}") from None
    except TimeoutError:
        raise NotConnected(f"{way}no answer within {_OPEN_TIMEOUT_S:.0f} s") from None
    except UnicodeError:
        raise NotConnected(f"{way}the host's name cannot be one") from None
    except (OSError, EOFError) as error:
        raise NotConnected(way + (getattr(error, "strerror", None) or str(error) or type(error).__name__)) from None
    assert isinstance(websocket, _RecordingConnection)
    _bound_unanswered(websocket)
    return websocket


def _refusal(refused: InvalidStatus) -> HandshakeRefused:
    response = refused.response
    body = bytes(response.body or b"")[:_BODY_SHOWN].decode("utf-8", "replace").strip()
    retry_after = next(iter(response.headers.get_all("Retry-After")), None)  # `get` raises when it stands twice
    return HandshakeRefused(response.status_code, body, retry_after)


def _through(proxy: str | None) -> dict[str, Any]:
    """Return the library's options for a proxy, none of them taken from the environment.

    Raises NotConnected for what is no proxy's address; its text repeats nothing of it, for it may hold a password.
    """
    if proxy is None:
        return {"proxy": None}
    try:
        parsed = parse_proxy(proxy)
    except (InvalidProxy, ValueError):
        parsed = None
    # A colon in the user's name looks like the one before the password (RFC 7617): the library refuses to send it.
    if parsed is None or parsed.scheme not in ("http", "https") or ":" in (parsed.username or ""):
        raise NotConnected("the proxy's address cannot be used; expected http://host:port or https://host:port")
    return {"proxy": proxy} | ({"proxy_ssl": _tls()} if parsed.scheme == "https" else {})


def _bound_unanswered(websocket: ClientConnection) -> None:
    """Let the kernel end a connection whose peer is gone: else it goes on accepting our writes for a quarter hour."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only
    if option is not None:
        found = websocket.transport.get_extra_info("socket")
        found.setsockopt(socket.IPPROTO_TCP, option, int(_SENT_UNANSWERED_S * 1000))


async def _close(websocket: ClientConnection) -> None:
    """Close politely, reading on meanwhile: the peer's answer stands behind whatever it has sent us before."""
    closing = asyncio.ensure_future(websocket.close())
    with contextlib.suppress(ConnectionClosed):
        while True:
            await websocket.recv(decode=False)
    await closing


def _tls() -> ssl.SSLContext:
    # Not `create_default_context`: it obeys SSLKEYLOGFILE, and whoever reads that file reads the token.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # the vendor: TLS 1.2 or later only
    context.load_default_certs()
    return context


def _over(closed: ConnectionClosed) -> ConnectionOver:
    return ConnectionOver(closed.rcvd.code if closed.rcvd else None, closed.rcvd.reason if closed.rcvd else "")
