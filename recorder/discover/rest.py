"""Asking the vendor's REST: one turn of the limiter for each request, and every answer bounded in time and size.

Needs the extra `discover` (httpx).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from recorder import clock, logs
from recorder.config import TokenSource
from recorder.discover.envelopes import error_in
from recorder.errors import ConfigurationError, RecorderError, TemporaryError, TokenError, Unreachable, UsageError
from recorder.extras import need
from recorder.feed.endpoint import ACCEPT
from recorder.feed.holdable import sentence
from recorder.feed.retry import retry_after
from recorder.pacing import ConnectLimiter

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""The longest answer that is read: some 8,000 fixtures at the size of the vendor's samples."""

_SILENCE_S = 10.0
_WHOLE_S = 60.0
_PATIENCE_S = 60.0
"""Who is told to come back later than this is told so, and does not wait here."""
_FIRST_PAUSE_S = 1.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HEADER = re.compile(r"[\x20-\x7e]+")


class NotThere(UsageError):
    """The vendor has nothing at this address (HTTP 404)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body as it was received, of HTTP status 200; ``url`` is what was asked, ``*_us`` and ``*_ns`` as in `model`."""

    url: str
    body: bytes
    opened_us: int
    opened_ns: int
    received_us: int
    received_ns: int


def check_endpoint(endpoint: str) -> None:
    """Raise a ConfigurationError for an address to which the token must not go."""
    address = urlsplit(endpoint)
    if address.scheme not in ("http", "https") or not address.hostname or "@" in address.netloc:
        raise ConfigurationError(f"the REST endpoint {endpoint} is no web address; expected https://host")
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        raise ConfigurationError(
            f"{endpoint} would carry the token unencrypted; use https:// (http:// is for this machine only)"
        )


class Rest:
    """The vendor's REST at ``endpoint``. ``urgency``: of its turns, as in `ConnectLimiter.turn`.

    Redirects are never followed (the token would go there too), and nothing is taken from the environment: no proxy but
    the one whose URL is given here.
    """

    def __init__(
        self,
        endpoint: str,
        token: TokenSource,
        limiter: ConnectLimiter,
        *,
        urgency: int = 0,
        proxy: str | None = None,
    ) -> None:
        check_endpoint(endpoint)
        self.endpoint = endpoint.rstrip("/")
        self.token = token
        self._limiter = limiter
        self._urgency = urgency
        self._httpx = need("httpx", "discover")
        self._client = self._make_client(proxy)
        self._not_before_ns = 0
        """Until when (elapsed) the vendor has asked not to be asked."""

    def _make_client(self, proxy: str | None) -> httpx.AsyncClient:
        try:
            client: httpx.AsyncClient = self._httpx.AsyncClient(
                verify=_tls(self.endpoint),
                trust_env=False,
                follow_redirects=False,
                timeout=_SILENCE_S,
                proxy=self._proxy(proxy),
            )
        except (ValueError, ImportError, self._httpx.InvalidURL):
            # Its text may hold a password: do not repeat it.
            raise ConfigurationError(
                "the proxy's address cannot be used for the REST; expected http://host:port or https://host:port"
            ) from None
        return client

    def _proxy(self, address: str | None) -> httpx.Proxy | str | None:
        if address is None or not address.lower().startswith("https:"):
            return address
        proxy: httpx.Proxy = self._httpx.Proxy(address, ssl_context=_tls("https:"))
        return proxy

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str, query: Sequence[tuple[str, str]] = (), *, attempts: int = 3) -> Answer:
        """Return the answer to a path (with its leading slash) and a query.

        What may pass (no connection, no whole answer, 429, 5xx) is tried ``attempts`` times. Raises NotThere for 404,
        TokenError for 401 and 403, TemporaryError for what may pass and did not, RecorderError for any other refusal.
        """
        for failures in range(1, attempts + 1):
            await self._wait()
            try:
                return await self._ask(path, query)
            except TemporaryError:
                if failures == attempts:
                    raise
            await asyncio.sleep(_FIRST_PAUSE_S * 2 ** (failures - 1))
        raise AssertionError("no attempt was asked for")

    async def _wait(self) -> None:
        left_s = (self._not_before_ns - clock.elapsed_ns()) / 1e9
        if left_s > _PATIENCE_S:
            raise TemporaryError(f"{self.endpoint} asks to be left alone for {left_s:.0f} s; run again after that")
        if left_s > 0:
            await asyncio.sleep(left_s)

    async def _ask(self, path: str, query: Sequence[tuple[str, str]]) -> Answer:
        headers = self._headers()
        url = str(self._httpx.URL(self.endpoint + path, params=list(query)))
        attempt = await self._limiter.turn(self._urgency)
        opened_us, opened_ns = clock.wall_us(), clock.elapsed_ns()
        try:
            async with asyncio.timeout(_WHOLE_S), self._client.stream("GET", url, headers=headers) as response:
                attempt.answered()
                body = await self._body(response)
        except TimeoutError:
            raise Unreachable(f"{url}: no whole answer within {_WHOLE_S:.0f} s; try again later") from None
        except self._httpx.HTTPError as error:
            # Without its cause: what the library says of a request may hold the request.
            raise Unreachable(f"{url}: {self._clean(str(error) or type(error).__name__)}; try again later") from None
        finally:
            attempt.answered()
        if (refused := self._refusal(response, url, body)) is not None:
            raise refused
        return Answer(url, body, opened_us, opened_ns, clock.wall_us(), clock.elapsed_ns())

    def _headers(self) -> dict[str, str]:
        token = self.token.read()  # anew for every request: the file may have been rotated
        logs.keep_secret(token)
        if not _HEADER.fullmatch(token.reveal()):
            raise TokenError("the token holds a character that no HTTP header can carry; write it anew into its file")
        # Bytes are kept as received: no compression.
        return {
            "Authorization": f"Bearer {token.reveal()}",
            "Accept": ACCEPT,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "recorder",
        }

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for some in response.aiter_bytes():
            body += some
            if len(body) > MAX_ANSWER_BYTES:
                raise RecorderError(
                    f"{response.url}: the answer is longer than {MAX_ANSWER_BYTES >> 20} MiB; ask for fewer days"
                )
        return bytes(body)

    def _refusal(self, response: httpx.Response, url: str, body: bytes) -> RecorderError | None:
        """Return what an answer says against us, None when it brings something."""
        status, said = response.status_code, error_in(body)
        why = self._clean(f"HTTP {status}" + (f": {said}" if said else ""))
        if status in (401, 403) or (said is not None and "authenticat" in said.lower()):
            return TokenError(f"{url}: the vendor refuses the token ({why}); ask for a new one, or name another file")
        if status in {429, 503}:
            self._slow_down(response.headers.get("Retry-After"), is_limit=status == 429)
        if status == 429 or status >= 500:
            return TemporaryError(f"{url}: {why}; try again later")
        if status == 404:
            return NotThere(f"{url}: the vendor has no such thing ({why})")
        if 300 <= status < 400:
            return RecorderError(f"{url}: it redirects ({why}), which is never followed: the token would go there too")
        if status != 200 or said is not None:
            is_other = status == 200 and body.lstrip()[:1] not in (b"{", b"[")
            return _strange(url, why) if is_other else RecorderError(f"{url}: the vendor refuses the request ({why})")
        return None

    def _slow_down(self, header: str | None, *, is_limit: bool) -> None:
        if is_limit:
            self._limiter.slow_down()
        pause_s = retry_after(header, clock.wall_us())
        self._not_before_ns = max(self._not_before_ns, clock.elapsed_ns() + int(pause_s * 1e9))

    def _clean(self, text: str) -> str:
        return sentence(self.token.hide_text(text), 200)


def _strange(url: str, why: str) -> RecorderError:
    """A page of somebody between us and the vendor, most often."""
    return TemporaryError(
        f"{url}: what came is no answer of the vendor's ({why}); look at --rest-endpoint and the proxy, or try later"
    )


def _tls(address: str) -> ssl.SSLContext:
    # As in wire/dialling: `create_default_context` obeys SSLKEYLOGFILE, and whoever reads that file reads the token.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if address.startswith("https:"):
        context.load_default_certs()
    return context
