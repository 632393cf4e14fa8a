"""Making a connection: TLS, proxy, handshake; and ending it. Whatever hinders it becomes one of our errors."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import ssl
from asyncio import sslproto
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

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
from websockets.proxy import parse_proxy

from recorder.errors import HandshakeRefused, NotConnected, Untrusted
from recorder.wire.connection import Connection, RecordingConnection
from recorder.wire.intake import READ_BYTES, Intake

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The longest message that is kept whole. The library's own limit, 1 MiB, is less than a late joiner may get."""

_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_NEXT_ADDRESS_S = 0.25  # RFC 8305: a host whose IPv6 leads nowhere is tried by IPv4 as well
_SENT_UNANSWERED_S = 20.0
_BODY_SHOWN = 200
_CONTROL_BYTES = 125  # RFC 6455, 5.5: the most that a control frame may hold

# The library logs frames at DEBUG, and the first frame we send is the token.
_MUTE = logging.Logger("recorder.wire.mute", logging.CRITICAL + 1)


class _StraightConnect(connect):
    """Never follows a redirect: the token would go wherever it points."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@asynccontextmanager
async def dial(
    url: str,
    headers: Mapping[str, str],
    *,
    proxy: str | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    intake: Intake | None = None,
) -> AsyncIterator[Connection]:
    """Open a websocket to ``url`` and close it in the end; NotConnected or HandshakeRefused when none comes about.

    ``proxy`` is the URL of a proxy to go through. Of a message longer than ``max_message_bytes`` only the first
    `KEPT_OF_LARGER_BYTES` (or ``max_message_bytes``, if that is less) are kept, see `Received`. ``intake`` is shared by
    those that are not to be read while much of any of them waits.

    No compression (it costs more than it saves here, and bounds the size of nothing), no client pings (the watchdog
    on received frames sees what pings would, and is suspended while we ourselves pause reading), no proxy from the
    environment (nobody chose it for this), no redirects (the token would follow).
    """
    intake = intake or Intake()
    websocket = await _open(url, headers, proxy, max_message_bytes, intake)
    _share_buffer(websocket, intake.buffer)
    try:
        yield Connection(websocket)
    finally:
        try:
            # Shielded: a stop in the middle of a close would leave the vendor with half a connection.
            await asyncio.shield(_close(websocket))
        except asyncio.CancelledError:
            websocket.transport.abort()  # our farewell is on its way, nobody waits for the vendor's
            raise


async def _open(
    url: str, headers: Mapping[str, str], proxy: str | None, limit: int, intake: Intake
) -> RecordingConnection:
    """Make the connection; whatever hinders it becomes one of our errors."""
    way = "" if proxy is None else "by way of the proxy: "
    try:
        websocket = await _StraightConnect(
            url,
            additional_headers=dict(headers),
            create_connection=partial(RecordingConnection, max_message_bytes=limit, intake=intake),  # type: ignore[arg-type]
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
            **_by_name(url),
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
    assert isinstance(websocket, RecordingConnection)
    _bound_unanswered(websocket)
    return websocket


def _by_name(url: str) -> dict[str, Any]:
    """Return the options for a host that has a name, and so perhaps several addresses, not all of which lead there."""
    try:
        ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return {"happy_eyeballs_delay": _NEXT_ADDRESS_S}
    return {}


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


async def _close(websocket: RecordingConnection) -> None:
    """Close politely, reading on meanwhile: the peer's answer stands behind whatever it has sent us before."""
    closing = asyncio.ensure_future(websocket.close())
    with contextlib.suppress(ConnectionClosed):
        await websocket.deliver(lambda _messages: True)
    await closing


# A TLS connection's buffer is never given back, and asyncio's own has 256 KiB: 16 until the handshake is over, then one
# for all. There is no public way to say so; where the names are others some day, only the memory is lost.
if hasattr(sslproto.SSLProtocol, "max_size"):
    sslproto.SSLProtocol.max_size = READ_BYTES


def _share_buffer(websocket: ClientConnection, buffer: bytearray) -> None:
    """Let a TLS connection receive into ``buffer``, in place of its own: it is emptied in the call that fills it."""
    protocol: Any = getattr(websocket.transport, "_ssl_protocol", None)
    if hasattr(protocol, "_ssl_buffer") and hasattr(protocol, "_ssl_buffer_view"):
        protocol._ssl_buffer, protocol._ssl_buffer_view = buffer, memoryview(buffer)


def _tls() -> ssl.SSLContext:
    """Return what TLS needs, one for all connections while the machine's certificates stay the same."""
    paths = ssl.get_default_verify_paths()  # these follow the environment
    return _context(tuple((path, _changed_ns(path)) for path in (paths.cafile, paths.capath)))


def _changed_ns(path: str | None) -> int | None:
    try:
        return None if path is None else os.stat(path).st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=1)
def _context(_certificates: object) -> ssl.SSLContext:
    # Not `create_default_context`: it obeys SSLKEYLOGFILE, and whoever reads that file reads the token.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # the vendor: TLS 1.2 or later only
    context.load_default_certs()
    return context
