"""A host by its name, its port and its certificate: no HTTP request, no websocket, and nothing is sent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass

from recorder.errors import NotConnected, Untrusted
from recorder.wire.dialling import _NEXT_ADDRESS_S, _OPEN_TIMEOUT_S, _tls


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a host showed; ``protocol`` (TLSv1.3) and ``expires_us``, its certificate's end, are None without TLS."""

    address: str
    protocol: str | None = None
    expires_us: int | None = None


async def greet(host: str, port: int, *, tls: bool) -> Greeting:
    """Connect as `dial` would, look, and leave; NotConnected, or Untrusted for a certificate that does not verify."""
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            _, writer = await asyncio.open_connection(
                host, port, ssl=_tls() if tls else None, happy_eyeballs_delay=_NEXT_ADDRESS_S
            )
    except ssl.SSLCertVerificationError as error:
        raise Untrusted(f"the certificate does not verify: {error.verify_message}") from None
    except socket.gaierror as error:
        raise NotConnected(f"the name {host} does not resolve: {error.strerror}") from None
    except TimeoutError:
        raise NotConnected(f"no answer within {_OPEN_TIMEOUT_S:.0f} s") from None
    except (OSError, UnicodeError) as error:
        raise NotConnected(getattr(error, "strerror", None) or str(error)) from None
    try:
        return _seen(writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _seen(writer: asyncio.StreamWriter) -> Greeting:
    address = str(writer.get_extra_info("peername")[0])
    connection: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    if connection is None:
        return Greeting(address)
    ends = str((connection.getpeercert() or {}).get("notAfter", ""))
    return Greeting(address, connection.version(), ssl.cert_time_to_seconds(ends) * 1_000_000 if ends else None)
