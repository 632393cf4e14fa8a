"""One match, from its seed: everything that happens in it, and the verdict on what was recorded."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from random import Random
from uuid import UUID

from recorder.model import StoredStream, Stream
from tests.season.faults import Faults
from tests.season.judge import judge
from tests.season.machine import Archive, Machine
from tests.season.network import Network
from tests.season.playing import Match
from tests.season.recording import Process, Recording
from tests.season.server import Dialect, Server
from tests.season.shelf import Shelf
from tests.season.timeline import Timeline
from tests.season.trouble import Trouble

_TWO_FEEDS = 0.06

Wrap = Callable[[Shelf], Archive]
"""Puts something beside the archive in memory, that is told the same."""


class Simulation:
    """Two feeds of some matches are recorded at once; most are recorded from one."""

    def __init__(self, seed: int, wrap: Wrap = lambda shelf: shelf) -> None:
        self.seed = seed
        dice = self._random("match")
        self.timeline = Timeline()
        self.shelf = Shelf()
        feeds = ("betting", "media")[: 1 + (dice.random() < _TWO_FEEDS)]
        fixture_id = str(UUID(int=dice.getrandbits(128)))
        self.streams = [Stream(feed, "snooker", fixture_id) for feed in feeds]  # type: ignore[arg-type]
        self.servers = [self._server(feed, fixture_id) for feed in feeds]
        can_repeat = all(server.dialect.numbered or server.dialect.group == 1 for server in self.servers)
        self.faults = Faults(self._random("faults"), changes=dice.random() < 0.3, can_repeat=can_repeat)
        self.archive = wrap(self.shelf)
        self.network = Network(self.timeline, self._random("network"), self.faults)
        self.machine = Machine(self.timeline, self._random("machine"), self.faults, self.archive)
        self.trouble = Trouble(
            self.machine, self.network, self.servers, self._random("trouble"), self.faults, self._restart
        )
        self.process: Process | None = None
        self._is_over = False
        for server in self.servers:
            self.timeline.after(dice.uniform(0, 90), server.kick_off)
        self._restart(dice.choice((0.0, 60.0, dice.uniform(0, 900))))

    def _random(self, part: str) -> Random:
        return Random(f"{self.seed} {part}")

    def _server(self, feed: str, fixture_id: str) -> Server:
        dice = self._random(f"{feed} server")
        dialect = Dialect.drawn(dice)
        match = Match(self._random(f"{feed} match"), fixture_id, numbered=dialect.numbered)
        return Server(self.timeline, dice, dialect, match)

    def _restart(self, seconds: float) -> None:
        if not self._is_over:
            self.timeline.after(seconds, self._start)

    def _start(self) -> None:
        self.archive.close_dangling_sessions()
        process = self.process = Process(self.machine, self.trouble.committing, self.trouble.gone)
        self.trouble.watch(process)
        for stream, server in zip(self.streams, self.servers, strict=True):
            stored = self.archive.load(stream.stream_id)
            process.recordings.append(self._recording(process, stream, server, stored))
        for recording in process.recordings:
            recording.start()

    def _recording(self, process: Process, stream: Stream, server: Server, stored: StoredStream) -> Recording:
        """Return what records a stream."""
        return Recording(self.machine, process.disk, self.network, server, self.trouble, stream, stored)

    def play(self) -> Counter[str]:
        """Let all of it happen; raise AssertionError unless it was recorded as it should be; return the faults."""
        state = random.getstate()
        random.seed(f"{self.seed} back-off")
        try:
            self._pass(lambda: self.process is not None and self.process.is_done)
            process, self._is_over = self.process, True
            assert process is not None
            process.leave()
            self._pass(lambda: process.is_gone)
            self._judge(process)
        finally:
            random.setstate(state)
        words = [word for server in self.servers for word in server.dialect.words]
        return self.faults.fired + Counter(words)

    def _pass(self, is_over: Callable[[], bool]) -> None:
        """Let time pass."""
        self.timeline.run(is_over)

    def _judge(self, process: Process) -> None:
        assert self.network.busiest_second() <= 5
        for recording in process.recordings:
            judge(recording, recording.server, self.shelf.rows[recording.stream.stream_id])
