"""A replay server in a thread of its own, for clients that know no event loop, or have one of their own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from recorder.replay.behaviour import Behaviour
from recorder.replay.recordings import Recording
from recorder.replay.server import ReplayServer, Source

T = TypeVar("T")


class ServerThread:
    """Serves recordings from ``with`` on until its end; takes what `ReplayServer` takes, and may be used from anywhere.

    ``address``, ``addresses`` and ``recordings`` are as in `ReplayServer`. ``troubles``: what was done to clients on
    purpose so far, oldest first, as ``on_trouble`` is told it; that one is called in the server's thread. After the end
    all of them can still be read.
    """

    def __init__(
        self,
        source: Source = None,
        behaviour: Behaviour | None = None,
        *,
        fixtures: Sequence[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        on_trouble: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._server = ReplayServer(
            source, behaviour, fixtures=fixtures, host=host, port=port, tls=tls, on_trouble=self._note
        )
        self._on_trouble = on_trouble
        self._troubles: list[Mapping[str, Any]] = []
        self._stop = asyncio.Event()
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="recorder-replay", daemon=True)
        self.address = ""
        self.addresses: list[str] = []
        self.recordings: list[Recording] = []

    def __enter__(self) -> Self:
        """Return when clients can connect. Raises what ``async with ReplayServer(...)`` raises."""
        self._thread.start()
        self._loop.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port and every connection; return when the thread has ended."""
        with suppress(RuntimeError):  # its loop is closed when it has failed
            self._loop.result().call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._ended.result()

    @property
    def troubles(self) -> list[Mapping[str, Any]]:
        """What was done to clients so far: for each its ``trouble``, ``at``, ``path``, ``client`` and what it was."""
        return list(self._troubles)

    @property
    def clients(self) -> int:
        """How many clients are connected and have been let in."""
        return self.do(lambda server: server.clients) if self._is_running else 0

    @property
    def sent(self) -> int:
        """How many messages that bear packets were sent in all."""
        return self.do(lambda server: server.sent) if self._is_running else self._server.sent

    @property
    def clock(self) -> ThreadClock:
        """The clock of all recordings: pause it, seek, change its scale."""
        return ThreadClock(self)

    def do(self, work: Callable[[ReplayServer], T]) -> T:
        """Return what ``work`` returns, done in the server's own thread; it must not wait for anything.

        Raises what ``work`` raises, and RuntimeError when the server does not run.
        """
        if threading.current_thread() is self._thread:  # in `on_trouble`
            return work(self._server)
        if not self._is_running:
            raise RuntimeError("a ServerThread serves inside of `with` only")
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work(self._server))
            except BaseException as error:
                done.set_exception(error)

        self._loop.result().call_soon_threadsafe(run)
        either: list[Future[Any]] = [done, self._ended]
        futures.wait(either, return_when=futures.FIRST_COMPLETED)
        if not done.done():
            raise RuntimeError("the ServerThread ended before it could answer")
        return done.result()

    @property
    def _is_running(self) -> bool:
        return self._thread.is_alive() and self._loop.done()

    def _note(self, trouble: Mapping[str, Any]) -> None:
        self._troubles.append(trouble)
        if self._on_trouble is not None:
            self._on_trouble(trouble)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
            self._ended.set_result(None)
        except BaseException as error:
            # Whoever waits in `with` is told, not the thread's own standard error.
            (self._ended if self._loop.done() else self._loop).set_exception(error)

    async def _serve(self) -> None:
        async with self._server as server:
            self.address, self.addresses, self.recordings = server.address, server.addresses, server.recordings
            self._loop.set_result(asyncio.get_running_loop())
            await self._stop.wait()


class ThreadClock:
    """The clock of a `ServerThread`, with the names of `ReplayClock`; each call returns when it has been done."""

    def __init__(self, server: ServerThread) -> None:
        self._server = server

    def read(self) -> float:
        """Return where it stands, in seconds since the first message; infinite when everything has been due at once."""
        return self._server.do(lambda server: server.clock.read())

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self._server.do(lambda server: server.clock.is_paused)

    @property
    def scale(self) -> float | None:
        """How many recorded seconds go by in one; None: all of them at once. Raises UsageError for what it cannot."""
        return self._server.do(lambda server: server.clock.scale)

    @scale.setter
    def scale(self, scale: float | None) -> None:
        self._server.do(lambda server: setattr(server.clock, "scale", scale))

    def start(self) -> None:
        """Let it go, for the first time or after `pause`."""
        self._server.do(lambda server: server.clock.start())

    def pause(self) -> None:
        """Let it stand where it is."""
        self._server.do(lambda server: server.clock.pause())

    def seek(self, at_s: float) -> None:
        """Set it to a moment, in seconds since the first message; a client that has been sent more is sent away."""
        self._server.do(lambda server: server.clock.seek(at_s))
