"""One connection to the vendor: the only file that opens a socket to it. Moves bytes, understands none of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.frames import Frame as WebsocketFrame
from websockets.frames import Opcode as WebsocketOpcode

from recorder import clock
from recorder.errors import ConnectionOver, HandshakeRefused, NotConnected
from recorder.model import Opcode

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""A longer message closes the connection (1009). The library's own limit, 1 MiB, is less than a late joiner may get."""

_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_BODY_SHOWN = 200

# The library logs frames at DEBUG, and the first frame we send is the token.
_MUTE = logging.Logger("recorder.wire.mute", logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Received:
    """One message: its bytes as they arrived, and when it was complete (see model for the units)."""

    payload: bytes
    opcode: Opcode
    received_us: int
    monotonic_ns: int


class _StampedConnection(ClientConnection):
    """Notes opcode and time of each message when its last fragment arrives, not when somebody asks for it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stamps: deque[tuple[Opcode, int, int]] = deque()
        self._opcode: Opcode = "text"

    def process_event(self, event: Any) -> None:
        if isinstance(event, WebsocketFrame) and event.opcode in (
            WebsocketOpcode.TEXT,
            WebsocketOpcode.BINARY,
            WebsocketOpcode.CONT,
        ):
            if event.opcode is not WebsocketOpcode.CONT:
                self._opcode = "text" if event.opcode is WebsocketOpcode.TEXT else "binary"
            if event.fin:
                self.stamps.append((self._opcode, clock.wall_us(), clock.elapsed_ns()))
        super().process_event(event)


class _StraightConnect(connect):
    """Never follows a redirect: the token would go wherever it points."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Connection:
    """An open websocket. ``receive`` and ``send`` raise :class:`~recorder.errors.ConnectionOver` once it is over."""

    def __init__(self, websocket: _StampedConnection) -> None:
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
        opcode, received_us, monotonic_ns = self._websocket.stamps.popleft()
        return Received(payload, opcode, received_us, monotonic_ns)

    async def close(self) -> None:
        """Close politely; whoever waits in `receive` is told."""
        await self._websocket.close()

    def abort(self) -> None:
        """Drop the connection at once: a dead peer answers no close handshake."""
        self._websocket.transport.abort()


@asynccontextmanager
async def dial(url: str, headers: Mapping[str, str]) -> AsyncIterator[Connection]:
    """Open a websocket to ``url`` and close it in the end; NotConnected or HandshakeRefused when none comes about.

    No compression (it costs more than it saves here, and bounds the size of nothing), no client pings (the watchdog
    on received frames sees what pings would, and is suspended while we ourselves pause reading), no proxy from the
    environment (it would see the token).
    """
    try:
        websocket = await _StraightConnect(
            url,
            additional_headers=dict(headers),
            create_connection=_StampedConnection,
            compression=None,
            proxy=None,
            ping_interval=None,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            max_size=MAX_MESSAGE_BYTES,
            ssl=_tls() if url.startswith("wss:") else None,
            user_agent_header="recorder",
            logger=_MUTE,
        )
    except InvalidStatus as refused:
        response = refused.response
        body = bytes(response.body or b"")[:_BODY_SHOWN].decode("utf-8", "replace").strip()
        retry_after = next(iter(response.headers.get_all("Retry-After")), None)  # `get` raises when it stands twice
        raise HandshakeRefused(response.status_code, body, retry_after) from None
    except ssl.SSLCertVerificationError as error:
        raise NotConnected(f"the certificate does not verify: {error.verify_message}") from None
    except (InvalidHandshake, InvalidMessage, InvalidURI) as error:
        raise NotConnected(f"not a websocket server: {error}") from None
    except TimeoutError:
        raise NotConnected(f"no answer within {_OPEN_TIMEOUT_S:.0f} s") from None
    except (OSError, EOFError) as error:
        raise NotConnected(getattr(error, "strerror", None) or str(error) or type(error).__name__) from None
    assert isinstance(websocket, _StampedConnection)
    try:
        yield Connection(websocket)
    finally:
        # Shielded: a stop in the middle of a close would leave the vendor with half a connection.
        await asyncio.shield(_close(websocket))


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
