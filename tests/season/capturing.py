"""The same match, recorded by the real ``Capture`` with the real limiter and account, on a loop of virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from recorder import backoff, capture, clock
from recorder.account import Account
from recorder.capture import recording as one_stream
from recorder.config import TokenSource
from recorder.errors import WireError
from recorder.feed.decisions import Done
from recorder.fixtures import Entry
from recorder.model import StoredStream, Stream
from recorder.operations import AddAction, Operation
from recorder.pacing import ConnectLimiter
from recorder.pacing.boards import Change
from recorder.wire.connection import Received, Taker
from recorder.wire.intake import Intake
from tests.season.looping import SeasonLoop
from tests.season.machine import Machine
from tests.season.network import Link
from tests.season.recording import TIMING, Process, Recording
from tests.season.server import Server
from tests.season.simulation import Simulation, Wrap
from tests.season.timeline import S

T = TypeVar("T")

_SURVIVED_NS = 30 * S
_LOOKS_S = 5.0


class MachineBoard:
    """The turns that outlive a process."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def exchange(self, change: Change[T]) -> T:
        """Replace what stands there."""
        self._machine.turns, found = change(self._machine.turns, self._machine.timeline.now_ns)
        return found

    def close(self) -> None:
        """Do nothing."""


class Call:
    """One connection as capture holds it: `wire.Connection`, without a socket."""

    bytes_ns = None
    paused_ns = 0

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._inbox: asyncio.Queue[Received | WireError] = asyncio.Queue()
        self._answered: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self.link: Link | None = None

    # What the network tells.

    def opened(self, link: Link) -> None:
        self.link = link
        if self._answered.cancelled():
            link.drop()
        else:
            self._answered.set_result(link)

    def message(self, payload: bytes) -> None:
        received = Received(payload, "text", self._machine.wall_us, self._machine.timeline.now_ns, len(payload))
        self._inbox.put_nowait(received)

    def over(self, error: WireError) -> None:
        self._over.set()
        if self._answered.done():
            self._inbox.put_nowait(error)
        else:
            self._answered.set_exception(error)

    # What capture asks for.

    async def answered(self) -> None:
        await self._answered

    async def send(self, text: str) -> None:
        assert text

    async def deliver(self, take: Taker) -> None:
        wants_more = True
        while wants_more:
            received = await self._inbox.get()
            if isinstance(received, WireError):
                raise received
            wants_more = take([received])

    async def close(self) -> None:
        assert self.link is not None
        self.link.close()
        await self._over.wait()

    def abort(self) -> None:
        assert self.link is not None
        self.link.abort()


class Captured(Recording):
    """Records one stream until it has ended, or its process is gone: all by `Capture`."""

    def __init__(self, limiter: ConnectLimiter, token: TokenSource, account: Account, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._stored = arguments[-1]
        self._vendor = capture.Vendor("wss://vendor.example", token, limiter, account)
        self._task: asyncio.Task[None] | None = None
        self._is_gone = False
        self.dialled_ns = self._stored_ns = 0

    def start(self) -> None:
        """Begin, as a process does that was just started."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        recording = capture.Capture(
            Entry(self.stream, 1),
            self._stored,
            self,  # type: ignore[arg-type]  # what it asks of a writer
            self._vendor,
            overlap=3,
            until="finished",
            timing=TIMING,
            lead_s=0.0,
            progress=lambda _new: None,
        )
        self.ledger = recording._ledger
        assert isinstance(recording._backoff, WatchedBackoff)
        recording._backoff.recording = self
        self.done = await recording.run()
        self.done_ns = self.now_ns
        assert isinstance(self.done, Done)

    # As a writer.

    def submit(self, operations: Sequence[Operation]) -> None:
        if self._is_gone:
            return
        self.disk.submit(operations)
        if any(isinstance(operation, AddAction) for operation in operations):
            self._stored_ns = self.now_ns

    is_full = True
    """So that `room` is asked for behind every message."""

    async def room(self) -> None:
        self.watcher.heard()

    # As part of a process.

    def stop(self) -> None:
        """It is asked to leave."""
        if self._task is not None:
            self._task.cancel()

    def vanish(self) -> None:
        """The process is gone: what it still does reaches nothing."""
        self._is_gone = True
        self.stop()

    @property
    def is_done(self) -> bool:
        """Whether it has ended; raises what has ended it otherwise."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()
        return super().is_done

    def may_survive(self) -> bool:
        """Say whether the last connection stored something new, or lived for long."""
        return self._stored_ns >= self.dialled_ns or self.now_ns - self.dialled_ns >= _SURVIVED_NS


class WatchedBackoff(backoff.Backoff):
    """As the real one, and told off when it is taken back for a handshake."""

    recording: Captured | None = None

    def survived(self) -> None:
        """The last connection was a success."""
        assert self.recording is not None
        assert self.recording.may_survive(), "the back-off was taken back for a connection that brought nothing"
        super().survived()


class CapturedSimulation(Simulation):
    """A match of a seed, recorded by `Capture`. Its faults are the same; the machine does not sleep."""

    def __init__(self, seed: int, token_file: Path, wrap: Wrap) -> None:
        super().__init__(seed, wrap)
        self.faults.process = [kind for kind in self.faults.process if kind != "slept"]
        self._token = TokenSource(token_file, {})
        self._loop = SeasonLoop(self.timeline)
        self._limiter: ConnectLimiter | None = None
        self._account: Account | None = None

    def _start(self) -> None:
        self._limiter = ConnectLimiter(boards=[MachineBoard(self.machine)])
        self._account = Account(keep_trying=True, probe_s=TIMING.poll)
        super()._start()

    def _recording(self, process: Process, stream: Stream, server: Server, stored: StoredStream) -> Recording:
        assert self._limiter is not None
        assert self._account is not None
        return Captured(
            self._limiter, self._token, self._account,
            self.machine, process.disk, self.network, server, self.trouble, stream, stored,
        )  # fmt: skip

    def _pass(self, is_over: Callable[[], bool]) -> None:
        async def wait() -> None:
            while not is_over():  # noqa: ASYNC110  # nobody tells: it is looked at
                await asyncio.sleep(_LOOKS_S)

        self._loop.run_until_complete(wait())

    def play(self) -> Counter[str]:
        """As the simulation's, with the clocks of the machine."""
        with pytest.MonkeyPatch.context() as patching:
            patching.setattr(clock, "elapsed_ns", lambda: self.timeline.now_ns)
            patching.setattr(clock, "wall_us", lambda: self.machine.wall_us)
            patching.setattr(one_stream, "dial", self._dial)
            patching.setattr(one_stream, "Backoff", WatchedBackoff)
            try:
                return super().play()
            finally:
                self._loop.close()

    @asynccontextmanager
    async def _dial(self, url: str, _headers: object, *, proxy: str | None, intake: Intake) -> AsyncIterator[Call]:
        """Dial as `wire.dial` does."""
        assert proxy is None
        assert intake
        said = urlsplit(url)
        start = parse_qs(said.query).get("startPosition")
        assert self.process is not None
        recording = next(r for r in self.process.recordings if (r.stream.feed == "media") == ("/media/" in said.path))
        assert isinstance(recording, Captured)
        recording.dialled_ns = self.timeline.now_ns
        call = Call(self.machine)
        self.network.dial(recording.server, call, int(start[0]) if start else None)
        self.trouble.dialled()
        try:
            await call.answered()
            yield call
        finally:
            if call.link is not None:
                call.link.drop()
