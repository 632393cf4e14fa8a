"""One connection: what it brings, unharmed, and every way in which it does not come about or ends."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Opcode as WebsocketOpcode

from recorder import wire
from recorder.errors import ConnectionOver, HandshakeRefused, NotConnected
from recorder.wire import Received, dial, dialling
from tests.raw import RawServer

TOKEN = "a token for tests"

Talk = Callable[[ServerConnection], Awaitable[None]]


def converse(talk: Talk, client: Callable[[wire.Connection], Awaitable[Any]], **options: Any) -> Any:
    """Dial a server that talks so, and return what the client's side returns."""

    async def main() -> Any:
        options.setdefault("ping_interval", None)
        async with serve(talk, "127.0.0.1", 0, **options) as server:
            port = server.sockets[0].getsockname()[1]
            async with dial(f"ws://127.0.0.1:{port}/x", {"Accept": "a"}) as connection:
                return await client(connection)

    return asyncio.run(main())


async def all_of(connection: wire.Connection) -> tuple[list[Received], ConnectionOver]:
    received = []
    while True:
        try:
            received.append(await connection.receive())
        except ConnectionOver as over:
            return received, over


def test_messages() -> None:
    """Bytes, kinds and order are what was sent: invalid UTF-8, binary, empty and fragmented messages too."""

    async def talk(server: ServerConnection) -> None:
        await server.send(b"\xff\xfe", text=True)
        await server.send(b"\x00\x01")
        await server.send("")
        await server.send(["in ", "several ", "parts"])
        await server.send([b"a", b"b"])

    received, over = converse(talk, all_of)
    assert [(message.payload, message.opcode) for message in received] == [
        (b"\xff\xfe", "text"),
        (b"\x00\x01", "binary"),
        (b"", "text"),
        (b"in several parts", "text"),
        (b"ab", "binary"),
    ]
    assert (over.code, over.reason) == (1000, "")


def test_times_are_of_arrival() -> None:
    """A message is stamped when it was complete, not when somebody asks for it; a ping between parts does no harm."""

    async def talk(server: ServerConnection) -> None:
        async def parts() -> Any:
            yield "one"
            await server.ping()
            yield "two"

        await server.send(parts())
        await server.send("second")
        await server.wait_closed()

    async def client(connection: wire.Connection) -> tuple[Received, Received, int]:
        first = await connection.receive()
        while not connection._websocket.messages:  # noqa: ASYNC110 - the second has not arrived yet
            await asyncio.sleep(0)
        asked_ns = time.monotonic_ns()
        return first, await connection.receive(), asked_ns

    before_ns, before_us = time.monotonic_ns(), time.time_ns() // 1000
    first, second, asked_ns = converse(talk, client)
    assert (first.payload, second.payload) == (b"onetwo", b"second")
    assert before_ns < first.monotonic_ns <= second.monotonic_ns < asked_ns
    assert before_us <= first.received_us <= second.received_us


def test_large_message() -> None:
    """A message far beyond the library's own limit of 1 MiB comes whole."""

    async def talk(server: ServerConnection) -> None:
        await server.send("x" * 5_000_000)

    received, _ = converse(talk, all_of)
    assert [len(message.payload) for message in received] == [5_000_000]


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going"), (1011, "oops"), (4401, "who are you")])
def test_close_codes(code: int, reason: str) -> None:
    """The peer's code and reason are told, the normal ones like all others."""

    async def talk(server: ServerConnection) -> None:
        await server.close(code, reason)

    _, over = converse(talk, all_of)
    assert (over.code, over.reason) == (code, reason)
    assert str(code) in str(over)


def test_cut_off() -> None:
    """A connection that breaks has no code; sending into it says the same."""

    async def talk(server: ServerConnection) -> None:
        await server.send("last")
        await server.recv()
        server.transport.abort()

    async def client(connection: wire.Connection) -> tuple[list[Received], ConnectionOver]:
        await connection.send("go")
        result = await all_of(connection)
        with pytest.raises(ConnectionOver, match="cut off"):
            await connection.send("more")
        return result

    received, over = converse(talk, client)
    assert [message.payload for message in received] == [b"last"]
    assert (over.code, str(over)) == (None, "cut off without a close frame")


def test_abort_needs_no_answer() -> None:
    """A dead peer is dropped without waiting for its close frame."""

    async def talk(server: ServerConnection) -> None:
        server.transport.pause_reading()
        await asyncio.sleep(0.2)
        server.transport.abort()

    async def client(connection: wire.Connection) -> ConnectionOver:
        connection.abort()
        return (await all_of(connection))[1]

    assert converse(talk, client).code is None


def refused(answer: bytes | None, path: str = "/x") -> Exception:
    """Dial a server that answers with these bytes."""

    async def main(endpoint: str) -> None:
        async with dial(endpoint + path, {"Accept": "a"}):
            pass

    with RawServer(answer) as server, pytest.raises((NotConnected, HandshakeRefused)) as error:
        asyncio.run(main(server.endpoint))
    return error.value


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 400, 401, 403, 404, 429, 500, 503])
def test_handshake_status(status: int) -> None:
    """Any status but 101 is told with its body and Retry-After; redirects are no different."""
    answer = f"HTTP/1.1 {status} X\r\nLocation: ws://127.0.0.1:1/\r\nRetry-After: 7\r\n"
    body = "" if status == 204 else "Content-Length: 3\r\n\r\nwhy"
    error = refused((answer + (body or "\r\n")).encode())
    assert isinstance(error, HandshakeRefused)
    assert (error.status, error.body, error.retry_after) == (status, "why" if body else "", "7")


def test_long_body_is_cut() -> None:
    """An error page is cut to what a sentence can hold, and bytes that are no text are replaced."""
    body = b"\xff" + b"x" * 5000
    error = refused(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert isinstance(error, HandshakeRefused)
    assert len(error.body) == 200
    assert error.body.startswith("\ufffdxxx")


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00" * 100, b"SSH-2.0\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"],
)
def test_no_websocket_server(answer: bytes) -> None:
    """What speaks no websocket is said so."""
    assert isinstance(refused(answer), NotConnected)


def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and says nothing is given up."""
    monkeypatch.setattr(dialling, "_OPEN_TIMEOUT_S", 0.2)
    assert "no answer" in str(refused(None))


def test_nobody_listens() -> None:
    """Nobody there: said in words."""
    with RawServer() as server:
        endpoint = server.endpoint

    async def main() -> None:
        async with dial(endpoint, {}):
            pass

    with pytest.raises(NotConnected, match=r"(?i)refused|connect"):
        asyncio.run(main())


def test_unknown_host() -> None:
    """A name that leads nowhere: said in words."""

    async def main() -> None:
        async with dial("ws://no-such-host.invalid/x", {}):
            pass

    with pytest.raises(NotConnected):
        asyncio.run(main())


def test_tls_to_a_plain_server() -> None:
    """TLS towards a server that has none is no connection."""

    async def main(port: int) -> None:
        async with dial(f"wss://127.0.0.1:{port}/x", {}):
            pass

    with RawServer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server, pytest.raises(NotConnected):
        asyncio.run(main(server.port))


def test_a_host_that_cannot_be_a_name() -> None:
    """A name that no address can be asked for is said so, and is no crash."""

    async def main() -> None:
        async with dial(f"ws://{'x' * 70}.invalid/x", {}):
            pass

    with pytest.raises(NotConnected, match="name"):
        asyncio.run(main())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_lead_nowhere(status: int) -> None:
    """A redirect is told as what it is, and the host that it names sees no connection at all."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        port = elsewhere.getsockname()[1]
        error = refused(f"HTTP/1.1 {status} X\r\nLocation: ws://127.0.0.1:{port}/\r\n\r\n".encode())
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert isinstance(error, HandshakeRefused)
    assert error.is_redirect
    assert str(error) == f"HTTP {status}: it redirects, which is never followed: the token would go there too"


def test_other_refusals_are_no_redirects() -> None:
    """What the server says stands in the sentence."""
    error = HandshakeRefused(503, "busy", None)
    assert not error.is_redirect
    assert (str(error), str(HandshakeRefused(429, "", "7"))) == ("HTTP 503: busy", "HTTP 429")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="a setting of Linux")
def test_the_kernel_gives_up_a_peer_that_is_gone() -> None:
    """What we send is acknowledged within 20 s, or the connection is over; and it is not held back."""

    async def talk(server: ServerConnection) -> None:
        await server.wait_closed()

    async def client(connection: wire.Connection) -> tuple[int, int]:
        found = connection._websocket.transport.get_extra_info("socket")
        options = (socket.TCP_USER_TIMEOUT, socket.TCP_NODELAY)
        return tuple(found.getsockopt(socket.IPPROTO_TCP, option) for option in options)

    assert converse(talk, client) == (20_000, 1)


def test_quiet_library(caplog: pytest.LogCaptureFixture) -> None:
    """The library logs neither what we send nor what comes, at any level."""

    async def talk(server: ServerConnection) -> None:
        await server.send(await server.recv())

    async def client(connection: wire.Connection) -> Received:
        await connection.send(TOKEN)
        return await connection.receive()

    import logging

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("websockets").setLevel(logging.CRITICAL)  # the server of this test
        try:
            converse(talk, client)
        finally:
            logging.getLogger("websockets").setLevel(logging.NOTSET)
    assert TOKEN not in caplog.text
    assert WebsocketOpcode.TEXT  # the stamps rest on the library's own opcodes
