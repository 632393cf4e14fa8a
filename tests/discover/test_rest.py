"""Asking: what is sent, what is never done with the token, and what becomes of every kind of refusal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.config import TokenSource
from recorder.discover import rest as rest_module
from recorder.discover.rest import Answer, NotThere, Rest
from recorder.errors import ConfigurationError, RecorderError, TemporaryError, TokenError, Unreachable
from recorder.pacing import ConnectLimiter
from tests.discover.conftest import rest_of
from tests.discover.server import Reply, RestServer
from tests.recording import TOKEN
from tests.test_wire_tls import PASSWORD, TLS, Proxy, by_way_of, server_context

PATH = "/soccer/fixtures"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_module, "_FIRST_PAUSE_S", 0.01)


def get(endpoint: str, path: str = PATH, *, token: str = TOKEN, **options: Any) -> Answer:
    async def work() -> Answer:
        async with rest_of(endpoint, token) as rest:
            return await rest.get(path, [("dateFrom", "2026-11-22")], **options)

    return asyncio.run(work())


def test_what_is_sent(rest_server: RestServer) -> None:
    """The vendor's headers and filters, no compression; the bytes come back as they were sent."""
    answer = get(rest_server.endpoint)
    (asked,) = rest_server.asked
    assert (asked.path, asked.query) == (PATH, {"dateFrom": ["2026-11-22"]})
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["accept"] == "application/vnd.imggaming.dde.api+json;version=1"
    assert asked.headers["accept-encoding"] == "identity"
    assert answer.body == rest_server.reply(asked).body
    assert answer.url == f"{rest_server.endpoint}{PATH}?dateFrom=2026-11-22"
    assert answer.opened_ns < answer.received_ns


REFUSALS: list[tuple[int, bytes, type[RecorderError], str, int]] = [
    (401, b"{ The supplied authentication is invalid }", TokenError, "authentication is invalid", 77),
    (200, b'{"errorMessage":"Supplied token could not be authenticated"}', TokenError, "could not be", 77),
    (403, b'{"error":"Forbidden","status":403}', TokenError, "Forbidden", 77),
    (404, b'{"error":"no such","status":404}', NotThere, "no such thing", 2),
    (400, b"Request is missing required HTTP header 'Accept'", RecorderError, "missing required", 1),
    (200, b'{"message":"Could not find fixture topic","level":"WARN"}', RecorderError, "fixture topic", 1),
    (302, b"", RecorderError, "redirects", 1),
]


@pytest.mark.parametrize(("status", "body", "error", "said", "code"), REFUSALS)
def test_refusals(
    rest_server: RestServer, status: int, body: bytes, error: type[RecorderError], said: str, code: int
) -> None:
    """Each of the vendor's forms of errors is told in its words, asked once, with the right exit code."""
    rest_server.replies = [Reply(status, body, {"Location": "http://127.0.0.1:1/elsewhere"})]
    with pytest.raises(error, match=said) as refused:
        get(rest_server.endpoint)
    assert (type(refused.value), refused.value.exit_code) == (error, code)
    assert len(rest_server.asked) == 1


PASSING = {
    "500": Reply(500, b'{"error":"oops","status":500}'),
    "429": Reply(429, b"slow down", {"Retry-After": "0"}),
    "cut off": Reply(200, b'[{"id":', cut=40),
}


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING)
def test_what_may_pass_is_tried_again(rest_server: RestServer, reply: Reply) -> None:
    """Twice; a third time it is given up, as temporary."""
    rest_server.replies = [reply, reply]
    assert get(rest_server.endpoint).body.startswith(b"[")
    rest_server.replies = [reply, reply, reply]
    with pytest.raises(TemporaryError) as away:
        get(rest_server.endpoint)
    assert away.value.exit_code == 75
    assert len(rest_server.asked) == 6


def test_retry_after_is_obeyed(rest_server: RestServer) -> None:
    """For as long as it says."""
    rest_server.replies = [Reply(429, b"", {"Retry-After": "1"})]
    get(rest_server.endpoint)
    first, second = rest_server.asked
    assert second.at - first.at >= 1.0


def test_a_long_retry_after_is_told(rest_server: RestServer) -> None:
    """Nobody waits an hour at a prompt; and nothing is asked meanwhile."""
    rest_server.replies = [Reply(429, b"", {"Retry-After": "1800"})]
    with pytest.raises(TemporaryError, match=r"left alone for 1[78]"):
        get(rest_server.endpoint)
    assert len(rest_server.asked) == 1


def test_429_slows_down_all_who_share_the_limiter(rest_server: RestServer) -> None:
    """The turns of streams as well."""

    async def work() -> tuple[float, float]:
        limiter = ConnectLimiter(2000)
        async with Rest(rest_server.endpoint, TokenSource(None, {"RECORDER_TOKEN": TOKEN}), limiter) as rest:
            before = await limiter.spacing_s()
            with pytest.raises(TemporaryError):
                await rest.get(PATH, attempts=1)
            await limiter.slow_down()  # the one of the client is told in the background, before this one
            return before, await limiter.spacing_s()

    rest_server.replies = [Reply(429)]
    before, after = asyncio.run(work())
    assert after >= 4 * before


def test_five_a_second_shared(rest_server: RestServer) -> None:
    """Two clients with one limiter: of six requests that follow each other, the sixth comes a second later."""

    async def work() -> None:
        limiter, token = ConnectLimiter(), TokenSource(None, {"RECORDER_TOKEN": TOKEN})
        async with Rest(rest_server.endpoint, token, limiter) as one, Rest(rest_server.endpoint, token, limiter) as two:
            await asyncio.gather(*(client.get(PATH) for client in (one, two, one, two, one, two, one)))

    asyncio.run(work())
    times = sorted(asked.at for asked in rest_server.asked)
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[5:], strict=False))


def test_a_slow_answer_is_given_up(rest_server: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a byte comes."""
    monkeypatch.setattr(rest_module, "_WHOLE_S", 0.3)
    rest_server.replies = [Reply(200, b"[" * 50, every_s=0.1)]
    with pytest.raises(Unreachable, match="no whole answer"):
        get(rest_server.endpoint, attempts=1)


def test_an_answer_is_bounded(rest_server: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body without an end does not fill the memory."""
    monkeypatch.setattr(rest_module, "MAX_ANSWER_BYTES", 1000)
    with pytest.raises(RecorderError, match="longer than"):
        get(rest_server.endpoint)


def test_nobody_there(dead_port: str) -> None:
    """Told with the address, as temporary."""
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1") as away:
        get(dead_port, attempts=1)
    assert away.value.exit_code == 75


@pytest.fixture
def dead_port(free_port: Callable[[], int]) -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def free_port() -> Callable[[], int]:
    import socket

    def find() -> int:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return int(taken.getsockname()[1])

    return find


@pytest.mark.parametrize(
    "endpoint", ["http://vendor.example", "ftp://vendor.example", "https://", "https://a@b.example"]
)
def test_unsafe_endpoints(endpoint: str) -> None:
    """The token goes encrypted, or to this machine."""
    with pytest.raises(ConfigurationError):
        rest_of(endpoint)


def test_the_environments_proxy_is_not_used(rest_server: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody chose it for this."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get(rest_server.endpoint).body


def test_the_token_is_in_no_text(rest_server: RestServer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a log, however detailed, nor in an error that holds what the vendor said."""
    rest_server.replies = [Reply(400, f"bad header: Bearer {TOKEN}".encode())]
    with caplog.at_level(logging.DEBUG), pytest.raises(RecorderError) as refused:
        get(rest_server.endpoint)
    assert TOKEN not in str(refused.value) + caplog.text


@pytest.mark.parametrize("token", ["line\nend", "nön-ascii-token", "with a\x00nul"])
def test_a_token_that_no_header_can_carry(rest_server: RestServer, token: str) -> None:
    """Said without showing it; nothing is asked."""
    with pytest.raises(TokenError, match="character") as refused:
        get(rest_server.endpoint, token=token)
    assert token not in str(refused.value)
    assert rest_server.asked == []


@pytest.mark.parametrize("name", ["stranger", "expired"])
def test_whom_it_trusts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """The machine's own authorities alone; nobody else is sent anything, and no key is written down."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "authority.pem"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with RestServer(tls=server_context("localhost")) as good:
        assert get(good.endpoint).body == b"[]"
    with RestServer(tls=server_context(name)) as bad, pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        get(bad.endpoint, attempts=1)
    assert bad.asked == []
    assert not (tmp_path / "keys").exists()


def test_an_explicit_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used, and sees no token."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "authority.pem"))
    proxy = Proxy()
    with RestServer(tls=server_context("localhost")) as server:

        async def talk(address: str) -> Answer:
            token = TokenSource(None, {"RECORDER_TOKEN": TOKEN})
            async with Rest(server.endpoint, token, ConnectLimiter(2000), proxy=address) as rest:
                answer = await rest.get(PATH)
            relays = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(relays, timeout=10)  # the proxy learns of the farewell
            return answer

        assert by_way_of(proxy, talk).body == b"[]"
    assert proxy.seen.startswith(b"CONNECT localhost:")
    assert TOKEN.encode() not in proxy.seen


@pytest.mark.parametrize("address", ["nonsense", f"ftp://user:{PASSWORD}@host:1", f"http://user:{PASSWORD}@host:port"])
def test_an_address_that_is_no_proxy(address: str) -> None:
    """Said without its password."""
    with pytest.raises(ConfigurationError, match="proxy") as refused:
        Rest("https://vendor.example", TokenSource(None, {}), ConnectLimiter(), proxy=address)
    assert PASSWORD not in str(refused.value)
