"""The vendor's websocket server on 127.0.0.1, in its own thread with its own loop, so that any kind of test can use it.

Faults counted in ``faults_fired``: bad_accept, unknown_path, handshake_status, refuse, no_token, shift, live,
ignore_start, cut, abort (beside what ended in a TCP reset), after_end, drop_all, inject, mangle, omit, duplicate,
fragment, error.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from websockets.asyncio.server import ServerConnection, serve

from tests.vendor.handshake import Handshake
from tests.vendor.ledger import Attempt, Ledger
from tests.vendor.matches import Match
from tests.vendor.script import Drop, Script
from tests.vendor.talk import Connection, Stream, Talk

CLOSE_TIMEOUT = 5.0
"""Seconds that a client has to answer a close frame."""
GOODBYE = 0.3
"""The same when the server goes away: tests may have left clients behind that answer nothing."""


class VendorServer:
    """A context manager; ``with VendorServer() as server: server.serve(match); connect(server.endpoint + match.path)``.

    All methods may be called from any thread, with a path or a Match, while clients are connected; what they change
    is true when they return. No method waits for a client, except ``wait_for``.
    """

    def __init__(self, *, token_timeout: float = 5.0, port: int = 0) -> None:
        """``port``: where to listen, as after a restart; 0: wherever there is room."""
        self._token_timeout = token_timeout
        self._ledger = Ledger()
        self._streams: dict[str, Stream] = {}
        self._handshake = Handshake(self._ledger, self._streams, self.release)
        self._sockets: set[Connection] = set()
        """Every TCP connection; changed under the ledger's lock, in the loop's thread."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="vendor", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port = port

    @property
    def endpoint(self) -> str:
        """``ws://127.0.0.1:PORT``."""
        return f"ws://127.0.0.1:{self._port}"

    # What it serves

    def serve(self, where: str | Match, script: Script | None = None) -> Script:
        """Serve a path, or a match (whose packets the script gets unless it has its own); return the script."""
        script = Script() if script is None else script
        if isinstance(where, Match) and not script.packets:
            script.packets = where.packets
        script.packets = list(script.packets)  # ours from here on: append() must not change a Match
        if script.live_pace is not None and script.available is None:
            script.available = 0
        with self._ledger.change():
            self._streams[_path(where)] = Stream(_path(where), script)
        return script

    def script(self, where: str | Match) -> Script:
        """Return the script of a path; its fields may be changed, and hold for what is sent from then on."""
        return self._streams[_path(where)].script

    def packets(self, where: str | Match) -> list[bytes]:
        """Return a copy of the vendor's whole list."""
        with self._ledger.changed:
            return list(self.script(where).packets)

    def released(self, where: str | Match) -> list[bytes]:
        """Return a copy of the part of the list that exists so far."""
        with self._ledger.changed:
            return self.script(where).packets[: self.script(where).head]

    def append(self, where: str | Match, packets: Iterable[bytes]) -> None:
        """Add packets at the end of the list; they are sent at once unless the script has ``available``."""
        with self._ledger.change():
            self.script(where).packets.extend(packets)
        self._wake(where)

    def release(self, where: str | Match, count: int | None = None) -> None:
        """Let ``count`` more packets exist (None: all, and later ones at once)."""
        with self._ledger.change():
            self.script(where).release(count)
        self._wake(where)

    def truncate(self, where: str | Match, length: int) -> None:
        """Keep the first ``length`` packets only; connections further on wait until the list is that long again."""
        with self._ledger.change():
            del self.script(where).packets[length:]

    def replace(self, where: str | Match, packets: Iterable[bytes]) -> None:
        """Put another list in place; open connections go on at the index that they have come to."""
        with self._ledger.change():
            self.script(where).packets[:] = packets
        self._wake(where)

    def drop_all(self, how: Drop = "abort", where: str | Match | None = None) -> int:
        """Start to drop the open connections (of a path); return how many."""
        with self._ledger.change():
            chosen = [
                connection
                for connection in self._sockets
                if connection.stream is not None
                and connection.attempt.open
                and (where is None or connection.stream.path == _path(where))
            ]
            for connection in chosen:
                connection.attempt.ended = "dropped"
                self._ledger.faults_fired.update(["drop_all", "abort"] if how == "abort" else ["drop_all"])

        def drop() -> None:
            for connection in chosen:
                self._spawn(connection.drop(how))

        self._call(drop)
        return len(chosen)

    # What it saw

    @property
    def attempts(self) -> list[Attempt]:
        """All attempts so far, of all paths, in order; a copy of the list of the living entries."""
        with self._ledger.changed:
            return list(self._ledger.attempts)

    @property
    def faults_fired(self) -> Counter[str]:
        """How often each fault has fired so far (a copy)."""
        with self._ledger.changed:
            return Counter(self._ledger.faults_fired)

    def attempts_on(self, where: str | Match) -> list[Attempt]:
        """Attempts on one path, in order."""
        return [attempt for attempt in self.attempts if attempt.path == _path(where)]

    def open_count(self, where: str | Match | None = None) -> int:
        """How many connections are open (on a path)."""
        attempts = self.attempts if where is None else self.attempts_on(where)
        return sum(attempt.open for attempt in attempts)

    def busiest_second(self) -> int:
        """Return the greatest number of attempts in any sliding second."""
        return self._ledger.busiest_second()

    def wait_for(self, predicate: Callable[[], object], timeout: float = 10.0) -> None:
        """Block until ``predicate()`` holds, asked after every event; TimeoutError says what the server saw."""
        self._ledger.wait_for(predicate, timeout)

    # How it runs

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the vendor server does not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._stop.set)
        self._thread.join(10)
        if self._thread.is_alive():
            raise RuntimeError("the vendor server does not stop")
        if error is None and self._ledger.errors:
            raise self._ledger.errors[0]

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await serve(
            self._talk,
            "127.0.0.1",
            self._port,
            process_request=self._handshake.request,
            process_response=self._handshake.response,
            compression=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT,
            max_queue=None,  # nobody reads after the token, yet pings and closes must get through
            create_connection=self._connection_class(),
            backlog=1024,
        )
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        with self._ledger.change():
            for attempt in self._ledger.attempts:
                attempt.ended = attempt.ended or "stopped"
        server.close()
        try:
            async with asyncio.timeout(GOODBYE):
                await server.wait_closed()
        except TimeoutError:
            for connection in list(self._sockets):
                connection.transport.abort()
            await server.wait_closed()
        await asyncio.gather(*self._tasks)  # none is left, unless a drop failed

    def _connection_class(self) -> type[Connection]:
        ledger, sockets = self._ledger, self._sockets

        class Tracked(Connection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                with ledger.changed:
                    sockets.add(self)

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                with ledger.change():
                    sockets.discard(self)
                    if self.stream is not None:  # a client may leave before the talk begins
                        self.attempt.ended = self.attempt.ended or "client"

        return Tracked

    async def _talk(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Connection)
        await Talk(connection, self._ledger).run(self._token_timeout)

    def _wake(self, where: str | Match) -> None:
        path = _path(where)

        def wake() -> None:
            for connection in self._sockets:
                if connection.stream is not None and connection.stream.path == path:
                    connection.wake.set()

        self._call(wake)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call(self, function: Callable[[], object]) -> None:
        """Run a function in the server's loop, if there is one and it still runs."""
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it may close right now
                self._loop.call_soon_threadsafe(function)


def _path(where: str | Match) -> str:
    return where.path if isinstance(where, Match) else where
