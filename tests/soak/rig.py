"""A day of recording in less: the whole daemon and the vendor's server in one process, in virtual time.

``python -m tests.soak.rig DIRECTORY STREAMS HOURS EVERY_MINUTES`` records, and prints what it measures: a line of JSON
at the end of each period, when all has been quiet for a while, and one about the whole. Each stream has a heartbeat
every 10 s; within each period of EVERY_MINUTES it gets one action, and a quarter of the streams are dropped.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recorder import clock, daemon, logs
from recorder.archive.writer import Writer
from recorder.errors import RecorderError
from recorder.feed.timing import Timing
from recorder.fixtures import parse_list
from recorder.home import local
from tests.faults.made import make
from tests.recording import TOKEN
from tests.soak.server import LoopServer
from tests.soak.virtual import VirtualLoop
from tests.vendor import Match, Script

_BUSY_PART = 0.7
"""Of each period, the part in which something happens; the rest is for waiting."""


_SETTLE_S = 4.0
"""Four times what users have: a stream then looks at its clock once a second instead of four times, the main cost."""


@dataclass(frozen=True)
class Plan:
    """What is recorded, and for how long."""

    directory: Path
    streams: int
    hours: float
    every_minutes: float

    @property
    def periods(self) -> int:
        """How many periods there are."""
        return round(self.hours * 60 / self.every_minutes)

    @property
    def drops(self) -> int:
        """How many connections are dropped in all."""
        return sum(self.is_dropped(number, period) for period in range(self.periods) for number in range(self.streams))

    def is_dropped(self, number: int, period: int) -> bool:
        """Whether a stream is dropped in a period: a quarter of them are, in turn."""
        return (number + period) % 4 == 0

    def matches(self) -> list[Match]:
        """The matches, with an action for each period, one that is there from the beginning, and one that never is."""
        return [make(f"soak {number}", self.periods + 2) for number in range(self.streams)]


@dataclass(frozen=True)
class Sample:
    """What the process had at some time: ``minute`` virtual, memory in KiB."""

    minute: float
    rss: int
    descriptors: int
    tasks: int
    open_connections: int


class Recorder:
    """The daemon over a plan's matches, whose archive's writer is known."""

    def __init__(self, plan: Plan, server: LoopServer, matches: Sequence[Match]) -> None:
        token = plan.directory / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        settings = daemon.Settings(
            database_url=f"sqlite:///{plan.directory / 'archive.db'}",
            endpoint=server.endpoint,
            token_file=token,
            timing=Timing(settle=_SETTLE_S),
        )
        entries, _ = parse_list("\n".join(match.line for match in matches), "list")
        self._daemon = daemon.Daemon(settings, entries, lambda _entry, _appended: None)
        self._running = asyncio.create_task(self._daemon.run())

    async def stop(self) -> None:
        """Leave in order; raises what the daemon has to say."""
        self._daemon.stop("the soak")
        await self._running


async def happen(plan: Plan, server: LoopServer, matches: Sequence[Match]) -> None:
    """Let the periods pass, each with its actions and its drops; print a sample of the end of each."""
    loop = asyncio.get_running_loop()
    for period in range(plan.periods):
        begin = loop.time()
        step = plan.every_minutes * 60 * _BUSY_PART / plan.streams
        for number, match in enumerate(matches):
            await asyncio.sleep(step)
            server.release(match, 1)
            if plan.is_dropped(number, period):
                server.drop_all("abort" if period % 2 else "close", match)
        await asyncio.sleep(begin + plan.every_minutes * 60 - loop.time())
        print(json.dumps(asdict(sample((period + 1) * plan.every_minutes, server))), flush=True)


def sample(minute: float, server: LoopServer) -> Sample:
    """Measure this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(
        minute=minute,
        rss=pages * os.sysconf("SC_PAGESIZE") // 1024,
        descriptors=len(os.listdir("/proc/self/fd")),
        tasks=len(asyncio.all_tasks()),
        open_connections=server.open_count(),
    )


async def soak(plan: Plan, loop: VirtualLoop) -> dict[str, Any]:
    """Record as planned; return what was measured."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    server, matches = LoopServer(), plan.matches()
    await server.start()
    for match in matches:
        server.serve(match, Script(match.packets, available=1))
    recorder = Recorder(plan, server, matches)
    await happen(plan, server, matches)
    await recorder.stop()
    await server.stop()
    return {
        "attempts": server.entered,
        "jumps": loop.jumps,
        "real_s": round(time.monotonic() - began_s, 1),
        "cpu_s": round(time.process_time() - began_cpu_s, 1),
    }


def follow_writers(loop: VirtualLoop) -> None:
    """Let no time pass while the archive's thread is behind."""
    writers: list[Writer] = []

    class Followed(Writer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            writers.append(self)

    def settle() -> None:
        for writer in list(writers):
            try:
                wait([writer.flushed()])
            except RecorderError:  # it is closed
                writers.remove(writer)

    vars(local)["Writer"] = Followed  # where a home gets its writer from
    loop.settle = settle


def main(arguments: Sequence[str]) -> None:
    """Soak, and print what was measured."""
    directory, streams, hours, every_minutes = arguments
    plan = Plan(Path(directory), int(streams), float(hours), float(every_minutes))
    os.environ["STATE_DIRECTORY"] = str(plan.directory / "state")
    logs.set_up(0)
    loop = VirtualLoop(grain=0.25)
    clock.elapsed_ns, clock.wall_us = loop.elapsed_ns, loop.wall_us
    follow_writers(loop)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        measured = runner.run(soak(plan, loop))
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1:])
