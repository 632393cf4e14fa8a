"""Whom the wire trusts: certificates, proxies, and that what it must not trust is sent nothing.

The certificates of ``data/tls`` were made for these tests alone: ``localhost`` and ``expired`` are signed by
``authority``, ``stranger`` by itself, and all are for the name `localhost`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from recorder.errors import NotConnected, Untrusted
from recorder.wire import Intake, dial, dialling

TLS = Path(__file__).parent / "data" / "tls"
TOKEN = "the token, which nobody else may see"
PASSWORD = "the-proxy-password"


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the tests' authority as if it was one of the machine's own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "authority.pem"))


def server_context(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem")
    return context


async def echo(server: ServerConnection) -> None:
    await server.send(await server.recv())


def say(proxy: Callable[[int], str] | None = None, context: ssl.SSLContext | None = None) -> bytes:
    """Send the token to an echoing server by TLS and return what it says; ``proxy`` is given the server's port."""

    async def main() -> bytes:
        async with serve(echo, "127.0.0.1", 0, ssl=context or server_context("localhost")) as server:
            port = server.sockets[0].getsockname()[1]
            async with dial(f"wss://localhost:{port}/x", {}, proxy=proxy(port) if proxy else None) as connection:
                await connection.send(TOKEN)
                return (await connection.receive()).payload

    return asyncio.run(main())


def test_a_good_certificate() -> None:
    """A server that is who it says, by an authority of the machine's, is spoken to."""
    assert say() == TOKEN.encode()


async def _refused(context: ssl.SSLContext, host: str) -> tuple[NotConnected, list[bytes]]:
    """Dial a TLS server; return why that failed, and what came through to it."""
    came: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(1000))
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context) as server:
        with pytest.raises(NotConnected) as refused:
            async with dial(f"wss://{host}:{server.sockets[0].getsockname()[1]}/x", {"X": TOKEN}):
                pass
    return refused.value, came


@pytest.mark.parametrize(
    ("name", "host", "why"),
    [
        ("expired", "localhost", "expired"),
        ("stranger", "localhost", "self-signed"),
        ("localhost", "127.0.0.1", "not valid for"),
    ],
)
def test_a_bad_certificate(name: str, host: str, why: str) -> None:
    """Expired, signed by nobody we know, or another host's: it is told so, and nothing is sent."""
    error, came = asyncio.run(_refused(server_context(name), host))
    assert isinstance(error, Untrusted)
    assert why in str(error)
    assert came == []


def test_an_unknown_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same server, when the machine does not know who vouches for it, is not trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "stranger.pem"))
    error, came = asyncio.run(_refused(server_context("localhost"), "localhost"))
    assert isinstance(error, Untrusted)
    assert came == []


@contextmanager
def outdated() -> Iterator[ssl.SSLContext]:
    """Give the settings of a server that knows nothing newer than TLS 1.1."""
    context = server_context("localhost")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    yield context


def test_old_tls_is_refused() -> None:
    """A server that offers at most TLS 1.1 is no server for a token; a client that took it would have been served."""
    with outdated() as context:
        _, came = asyncio.run(_refused(context, "localhost"))
    assert came == []
    with outdated() as context:
        assert asyncio.run(_version_for_anyone(context)) == "TLSv1.1"


async def _version_for_anyone(server: ssl.SSLContext) -> Any:
    """Return the version by which a client that minds nothing is served."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version = ssl.TLSVersion.TLSv1
    client.set_ciphers("ALL:@SECLEVEL=0")

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=server) as running:
        port = running.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return version


def test_no_key_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever reads the session's keys reads the token: they are written nowhere, whatever is asked."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert say() == TOKEN.encode()
    assert list(tmp_path.iterdir()) == []


def test_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Certificates are verified, names too, and TLS 1.2 is the least."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    context = dialling._tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.keylog_filename is None


def test_one_context_until_the_certificates_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Thousands of connections share what TLS needs; new certificates on the machine are seen by the next one."""
    first = dialling._tls()
    assert dialling._tls() is first
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    second = dialling._tls()
    assert second is not first
    os.utime(bundle, ns=(1, 1))
    assert dialling._tls() is not second


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "wss_proxy"])
def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A proxy that stands in the environment for other programs sees no connection."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert say() == TOKEN.encode()
        with pytest.raises(BlockingIOError):
            proxy.accept()


# -- a proxy that was asked for ----------------------------------------------------------------------------------------


class Proxy:
    """An HTTP proxy; ``seen`` holds every byte that passed it. With an ``answer`` it only says that."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.seen = bytearray()
        self._answer = answer

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        request = await reader.readuntil(b"\r\n\r\n")
        self.seen += request
        if self._answer is not None:
            writer.write(self._answer)
        else:
            port = int(request.split()[1].rpartition(b":")[2])
            server = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await asyncio.gather(self._relay(reader, server[1]), self._relay(server[0], writer))
        writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                self.seen += data
                writer.write(data)
        writer.close()


def by_way_of(proxy: Proxy, talk: Callable[[str], Awaitable[Any]], **options: Any) -> Any:
    """Run ``talk`` with the address of a running proxy."""

    async def main() -> Any:
        async with await asyncio.start_server(proxy.talk, "127.0.0.1", 0, **options) as server:
            scheme = "https" if options else "http"
            return await talk(f"{scheme}://user:{PASSWORD}@localhost:{server.sockets[0].getsockname()[1]}")

    return asyncio.run(main())


async def through(proxy: str) -> bytes:
    """Send the token by way of a proxy, and return what the server echoes."""
    async with serve(echo, "127.0.0.1", 0, ssl=server_context("localhost")) as server:
        port = server.sockets[0].getsockname()[1]
        async with dial(f"wss://localhost:{port}/x", {}, proxy=proxy) as connection:
            await connection.send(TOKEN)
            return (await connection.receive()).payload


@pytest.mark.parametrize("options", [{}, {"ssl": "localhost"}], ids=["http", "https"])
def test_an_explicit_proxy(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The proxy is used, and it sees neither the token nor anybody else the keys."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    proxy = Proxy()
    context = {key: server_context(name) for key, name in options.items()}
    assert by_way_of(proxy, through, **context) == TOKEN.encode()
    assert proxy.seen.startswith(b"CONNECT localhost:")
    assert b"Proxy-Authorization: Basic " in proxy.seen
    assert TOKEN.encode() not in proxy.seen
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/\r\n\r\n", "302"),
        (b"no proxy\r\n\r\n", "valid HTTP"),
        (b"", "valid HTTP"),
    ],
)
def test_a_proxy_that_does_not_let_us_through(answer: bytes, why: str) -> None:
    """It is said that it was the proxy, and its password is not."""
    with pytest.raises(NotConnected, match="proxy") as refused:
        by_way_of(Proxy(answer), through)
    assert why in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_a_proxy_that_listens() -> None:
    """A proxy that answers in the server's place has no certificate for it, and is sent nothing."""

    async def impostor(proxy: str) -> bytes:
        async with serve(echo, "127.0.0.1", 0, ssl=server_context("stranger")) as server:
            port = server.sockets[0].getsockname()[1]
            async with dial(f"wss://localhost:{port}/x", {}, proxy=proxy):
                return b""

    with pytest.raises(Untrusted, match="proxy"):
        by_way_of(Proxy(), impostor)


@pytest.mark.parametrize(
    "address",
    [
        f"user:{PASSWORD}@localhost:3128",
        f"socks5://user:{PASSWORD}@localhost:1080",
        f"http://user:{PASSWORD}/x@localhost:3128",
        f"http://user:{PASSWORD}@localhost:99999",
        f"http://{PASSWORD}@localhost:3128",
        f"http://us%3Aer:{PASSWORD}@localhost:3128",
        f"http://user:{PASSWORD}@localhost:3128/path",
        "http://[::1",
        "",
    ],
)
def test_what_is_no_proxy(address: str) -> None:
    """An address that cannot be used is said so, without repeating what may hold a password."""
    with pytest.raises(NotConnected, match="proxy") as refused:
        say(lambda _port: address)
    assert PASSWORD not in str(refused.value)


def test_a_proxy_that_is_not_there() -> None:
    """Nobody listens at the proxy's address: said so."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(NotConnected, match="by way of the proxy") as refused:
        say(lambda _port: f"http://user:{PASSWORD}@127.0.0.1:{port}")
    assert PASSWORD not in str(refused.value)


def _long(name: str, count: int) -> list[bytes]:
    """Messages of 6 to 27 kB: more, and less, than is read at once."""
    return [f"{name} {number} ".encode() * 997 * (1 + number % 3) for number in range(count)]


def test_tls_connections_share_a_read_buffer() -> None:
    """What many TLS connections read takes turns in one buffer, and each gets its own messages, whole."""
    names, count = ("one", "two", "three"), 30

    async def send(server: ServerConnection) -> None:
        name = str(await server.recv())
        for message in _long(name, count):
            await server.send(message)

    async def read(url: str, name: str, intake: Intake) -> list[bytes]:
        async with dial(url, {}, intake=intake) as connection:
            transport: Any = connection._websocket.transport
            assert transport._ssl_protocol._ssl_buffer is intake.buffer
            await connection.send(name)
            messages = [(await connection.receive()).payload for _ in range(count)]
            assert transport._ssl_protocol._ssl_buffer is intake.buffer
            return messages

    async def main() -> list[list[bytes]]:
        async with serve(send, "127.0.0.1", 0, ssl=server_context("localhost")) as server:
            url, intake = f"wss://localhost:{server.sockets[0].getsockname()[1]}/x", Intake()
            return await asyncio.gather(*(read(url, name, intake) for name in names))

    assert asyncio.run(main()) == [_long(name, count) for name in names]
