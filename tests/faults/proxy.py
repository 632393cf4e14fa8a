"""A network that misbehaves: a TCP proxy in its own thread, between recorder and vendor; it knows neither.

Faults counted in ``fired``: rst, fin, hole, slice, throttle, delay, hold, refused (nobody listens upstream).
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

HANDSHAKE = -1
"""For ``Fault.at``: right behind the server's answer to the opening handshake."""

Direction = Literal["up", "down"]
BOTH: frozenset[Direction] = frozenset({"up", "down"})
UP: frozenset[Direction] = frozenset({"up"})
DOWN: frozenset[Direction] = frozenset({"down"})

_TICK_S = 0.02


@dataclass(frozen=True)
class Fault:
    """What happens to one connection; the default is nothing."""

    at: int | None = None
    """After so many bytes from the server (0: instead of the first one) ..."""
    how: Literal["rst", "fin", "hole"] = "rst"
    """... it is reset, ended in order, or left open while everything vanishes."""
    directions: frozenset[Direction] = BOTH
    """In which directions a hole swallows ("down": to the client)."""
    slice: int | None = None
    """Forward so many bytes at a time."""
    rate: float | None = None
    """Forward so many bytes a second."""
    delay: float = 0.0
    """Seconds that whatever arrives waits."""


NOTHING = Fault()
Plan = Callable[[str, int], Fault]
"""The fault for a path and the number, from 0, of this connection of that path."""


@dataclass(eq=False)
class _Link:
    path: str
    fault: Fault
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    holes: set[Direction] = field(default_factory=set)
    head: bytes | None = None
    """What the server has said until its answer to the handshake is complete, where that matters."""
    left: int | None = None
    """Bytes from the server until the fault; None: not known, or never again."""


class Proxy:
    """A context manager; ``with Proxy(server.endpoint, plan) as proxy: connect(proxy.endpoint)``. Any thread may call.

    ``upstream`` may be changed; it holds for the connections that come after.
    """

    def __init__(self, upstream: str, plan: Plan = lambda _path, _number: NOTHING) -> None:
        self.upstream = upstream
        self.plan = plan
        self.changed = threading.Condition()
        self.fired: Counter[str] = Counter()
        self.endpoint = ""
        self._seen: Counter[str] = Counter()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[str, asyncio.Event] = {}
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="proxy", daemon=True)

    # What a test does while clients are connected

    def hole(self, path: str | None = None, directions: frozenset[Direction] = BOTH) -> None:
        """Let everything vanish on the connections (of a path) that are open now; they stay open."""

        def fall() -> None:
            for link in self._links:
                if path in (None, link.path):
                    link.holes |= directions
                    self._fire("hole")

        self._call(fall)

    def hold(self, path: str) -> None:
        """Stop all connections of a path, and new ones, until ``free``; nothing vanishes."""

        def hold() -> None:
            self._held[path] = asyncio.Event()
            self._fire("hold")

        self._call(hold)

    def free(self, path: str) -> None:
        """End a ``hold``."""
        self._call(lambda: self._held.pop(path).set())

    def wait_for(self, predicate: Callable[[], object], timeout: float = 10.0) -> None:
        """Block until ``predicate()`` holds, asked after every fault."""
        with self.changed:
            if not self.changed.wait_for(predicate, timeout):
                raise TimeoutError(f"not within {timeout} s; {dict(self.fired)}")

    # How it runs

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._call(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self.endpoint = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            request = await client_reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ")[1].split(b"?")[0].decode()
            number, self._seen[path] = self._seen[path], self._seen[path] + 1
            await self._gate(path)
            host, _, port = self.upstream.removeprefix("ws://").partition(":")
            try:
                server_reader, server = await asyncio.open_connection(host, int(port))
            except OSError:
                self._fire("refused")
                _reset(client)
                return
            fault = self.plan(path, number)
            link = _Link(path, fault, client, server)
            if fault.at == HANDSHAKE:
                link.head = b""
            else:
                link.left = fault.at
            self._links.add(link)
            try:
                server.write(request)
                await self._connect(link, client_reader, server_reader)
            finally:
                self._links.discard(link)
                server.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            client.close()

    async def _connect(
        self, link: _Link, client_reader: asyncio.StreamReader, server_reader: asyncio.StreamReader
    ) -> None:
        pumps = {
            asyncio.ensure_future(self._pump(link, client_reader, link.server, "up")),
            asyncio.ensure_future(self._pump(link, server_reader, link.client, "down")),
        }
        try:
            pending = pumps
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if not all(pump.result() for pump in done):
                    return
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> bool:
        """Forward until the end; True if the other side must not learn of it."""
        with suppress(OSError):
            if direction == "down" and link.left == 0 and self._break(link):
                return False
            while data := await reader.read(65536):
                for piece in self._pieces(link, direction, data):
                    await self._gate(link.path)
                    if direction in link.holes:
                        continue
                    writer.write(piece)
                    await writer.drain()
                    await self._shape(link, len(piece))
                    if direction == "down" and link.left == 0 and self._break(link):
                        return False
        return direction in link.holes

    def _pieces(self, link: _Link, direction: Direction, data: bytes) -> Iterator[bytes]:
        fault = link.fault
        size = fault.slice or (max(1, int(fault.rate * _TICK_S)) if fault.rate else 65536)
        if direction == "down" and link.head is not None:
            link.head += data
            if (end := link.head.find(b"\r\n\r\n") + 4) >= 4:
                link.left = end - (len(link.head) - len(data))
                link.head = None
        while data:
            length = size
            if direction == "down" and link.left:
                length = min(size, link.left)
                link.left -= min(length, len(data))
            yield data[:length]
            data = data[length:]

    async def _shape(self, link: _Link, size: int) -> None:
        fault = link.fault
        if fault.slice:
            self._fire("slice")
            await asyncio.sleep(0)
        if fault.rate:
            self._fire("throttle")
            await asyncio.sleep(size / fault.rate)
        if fault.delay:
            self._fire("delay")
            await asyncio.sleep(fault.delay)

    def _break(self, link: _Link) -> bool:
        """Do what is planned; return whether the connection is over."""
        link.left = None
        self._fire(link.fault.how)
        if link.fault.how == "hole":
            link.holes |= link.fault.directions
            return False
        if link.fault.how == "rst":
            _reset(link.client)
        return True

    async def _gate(self, path: str) -> None:
        while event := self._held.get(path):
            await event.wait()

    def _fire(self, fault: str) -> None:
        with self.changed:
            self.fired[fault] += 1
            self.changed.notify_all()

    def _call(self, function: Callable[[], object]) -> None:
        """Run a function in the proxy's loop; what it changes is true on return."""
        assert self._loop is not None
        done = threading.Event()

        def run() -> None:
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End with RST: lingering for 0 s is what makes the kernel send it."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
