"""Who may ask, by which name, and what a browser may do with the answer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recorder.config import read_private
from recorder.errors import ConfigurationError, TokenError
from recorder.web.logins import Logins

LONGEST_ADDRESS = 8_192
"""Bytes of path and query together."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#]+)(?::[0-9]{1,5})?")
_LONGEST_NAME = 64

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer bears: nothing of the page comes from, goes to, or shows in another origin."""


class Credentials:
    """Who is let in: ``user:password`` for HTTP's basic authentication, anything else is a bearer token.

    Kept as digests of equal length, and all of them are compared each time: how long a refusal takes tells nothing.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._digests = [_digest(_scheme(line), line) for line in lines]

    def admit(self, authorization: str | None) -> bool:
        """Say whether the Authorization header of a request names one of them."""
        given = _digest(*_given(authorization or ""))
        return sum(hmac.compare_digest(given, known) for known in self._digests) > 0


def read_credentials(path: Path) -> Credentials:
    """Read a file of mode 600: each line ``user:password`` or a token; blank lines and those with # do not count.

    ConfigurationError when it cannot be read, when others can read it, or when nothing is in it.
    """
    try:
        lines = [line.strip() for line in read_private(path, "auth file").splitlines()]
    except TokenError as error:  # it is no token of the vendor's: exit 77 would send its reader there
        raise ConfigurationError(str(error)) from None
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise ConfigurationError(f"auth file {path} names nobody; write user:password, or a token, into it")
    return Credentials(lines)


def _scheme(line: str) -> str:
    return "basic" if ":" in line else "bearer"


def _given(authorization: str) -> tuple[str, str]:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return scheme.lower(), value.strip()
    try:
        return "basic", base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""


def _digest(scheme: str, value: str) -> bytes:
    return hashlib.sha256(f"{scheme} {value}".encode("utf-8", "surrogateescape")).digest()


def is_loopback(host: str) -> bool:
    """Say whether a name or an address is this machine's own."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Guard:
    """ASGI middleware: refuses who is not let in, and gives every answer its `HEADERS`.

    ``credentials``: None lets everybody in. ``is_local``: only this machine is served. A page of somebody else's may
    have its own name lead to 127.0.0.1 and read what is served there as its own (DNS rebinding): so the name that was
    dialled must be this machine's.
    """

    app: ASGIApp
    credentials: Credentials | None = None
    is_local: bool = True
    logins: Logins = field(default_factory=Logins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (self._refusal(scope) or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            told = {"Allow": "GET, HEAD", "Connection": "close"}
            return _told(scope, HTTPStatus.METHOD_NOT_ALLOWED, "this page only reads: GET and HEAD", told)
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            # Nobody here would read it, and where it ends is what a proxy and we may take differently.
            sentence = "nothing can be sent along: this page only reads"
            return _told(scope, HTTPStatus.BAD_REQUEST, sentence, {"Connection": "close"})
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_ADDRESS:
            return _told(scope, HTTPStatus.REQUEST_URI_TOO_LONG, f"the address is longer than {LONGEST_ADDRESS} bytes")
        if self.is_local and not is_loopback(_name(headers.get("host", ""))):
            sentence = "this page is served to its own machine: dial it as 127.0.0.1"
            return _told(scope, HTTPStatus.MISDIRECTED_REQUEST, sentence)
        return None if self.credentials is None else self._turned_away(scope, headers, self.credentials)

    def _turned_away(self, scope: Scope, headers: Headers, credentials: Credentials) -> ASGIApp | None:
        given, address = headers.get("authorization"), _address(scope, headers)
        # What comes too soon is not compared, or waiting would be no hindrance.
        if given and (wait_s := self.logins.wait_s(address)):
            told = {"Retry-After": str(math.ceil(wait_s))}
            return _told(scope, HTTPStatus.TOO_MANY_REQUESTS, "too many logins were refused: wait a little", told)
        if credentials.admit(given):
            return None
        if given:  # a browser asks without, to be asked
            self.logins.refused(address)
        told = {"WWW-Authenticate": 'Basic realm="recorder", charset="UTF-8"'}
        return _told(scope, HTTPStatus.UNAUTHORIZED, "log in, or send a token", told)


def _told(scope: Scope, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> ASGIApp:
    told = {"Cache-Control": "no-store", **(headers or {})}
    if scope["path"].startswith("/api/"):
        return JSONResponse({"error": sentence}, int(status), told)
    return PlainTextResponse(f"{sentence}\n", int(status), told)


def _name(host: str) -> str:
    """Return the name in a Host header, without the port; empty when it is not written as one."""
    found = _HOST.fullmatch(host)
    return "" if found is None else found[1]


def _address(scope: Scope, headers: Headers) -> str:
    """Return who asks: behind a proxy on this machine, whom that names."""
    address: str = (scope.get("client") or ("",))[0]
    named = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return named[:_LONGEST_NAME] if named and is_loopback(address) else address
