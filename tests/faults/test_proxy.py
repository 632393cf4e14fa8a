"""The proxy does what it is asked to do: otherwise the tests with it prove nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.proxy import DOWN, HANDSHAKE, Fault, Proxy

ANSWER = b"HTTP/1.1 101 Switching\r\n\r\n"
SAID = ANSWER + bytes(range(256)) * 4


@pytest.fixture
def upstream() -> Iterator[str]:
    """The address of a server that says the same to everybody, and then waits for the end."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(client)
                client.recv(65536)
                client.sendall(SAID)

    clients: list[socket.socket] = []
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    for left in (listener, *clients):
        left.close()


def dial(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.endpoint.removeprefix("ws://").partition(":")
    client = socket.create_connection((host, int(port)), timeout=0.3)
    client.sendall(b"GET /path?query HTTP/1.1\r\n\r\n")
    return client


def heard(client: socket.socket) -> tuple[bytes, str]:
    """What a client hears, and how it ends."""
    said = b""
    while True:
        try:
            data = client.recv(65536)
        except TimeoutError:
            return said, "open"
        except ConnectionResetError:
            return said, "rst"
        if not data:
            return said, "fin"
        said += data


@pytest.mark.parametrize("how", ["rst", "fin"])
@pytest.mark.parametrize("at", [0, 1, len(ANSWER), 500, len(SAID)])
def test_cut(upstream: str, how: str, at: int) -> None:
    """A cut comes behind exactly so many bytes, as RST or as FIN."""
    fault = Fault(at=at, how="rst" if how == "rst" else "fin")
    with Proxy(upstream, lambda _path, _number: fault) as proxy, dial(proxy) as client:
        assert heard(client) == (SAID[:at], how)
        assert proxy.fired == {how: 1}


@pytest.mark.parametrize("size", [None, 1, 7])
def test_hole(upstream: str, size: int | None) -> None:
    """Right behind the handshake all vanishes, and the connection stays open; a second connection is another one."""
    fault = Fault(at=HANDSHAKE, how="hole", directions=DOWN, slice=size)
    with Proxy(upstream, lambda _path, number: Fault() if number else fault) as proxy:
        with dial(proxy) as client:
            assert heard(client) == (ANSWER, "open")
        with dial(proxy) as client:
            assert heard(client) == (SAID, "open")
        assert proxy.fired["hole"] == 1


def test_hold(upstream: str) -> None:
    """What is held comes later, and whole."""
    with Proxy(upstream) as proxy:
        proxy.hold("/path")
        with dial(proxy) as client:
            assert heard(client) == (b"", "open")
            proxy.free("/path")
            assert heard(client) == (SAID, "open")


def test_slow(upstream: str) -> None:
    """A slow link takes its time."""
    with Proxy(upstream, lambda _path, _number: Fault(rate=5_000.0)) as proxy, dial(proxy) as client:
        began = time.monotonic()
        assert heard(client) == (SAID, "open")
        assert time.monotonic() - began >= len(SAID) / 5_000
        assert proxy.fired["throttle"] >= 5


def test_nobody_there() -> None:
    """Without a server the client is reset."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Proxy(f"ws://127.0.0.1:{port}") as proxy, dial(proxy) as client:
        assert heard(client) == (b"", "rst")
        assert proxy.fired == {"refused": 1}
