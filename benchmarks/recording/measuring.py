"""What is measured: one round of each kind, and the rounds of several contenders in turn."""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.recording.processes import Running, Server, ours, rival

NOT_KEPT = ("list.txt", "token", "log")
"""Files that `processes` puts into a directory."""

Figures = Mapping[str, float]
Contender = Callable[[], Figures]


@dataclass(frozen=True)
class Load:
    """What the server sends: so many streams of so many frames each, from the ``first`` of all streams on."""

    server: Server
    streams: int
    length: int
    first: int = 0

    @property
    def frames(self) -> int:
        return self.streams * self.length

    def prepare(self) -> int:
        """Have the server make the packets; return the bytes of all."""
        return int(self.server.ask(streams=self.streams, length=self.length, first=self.first)["bytes"])


@contextmanager
def fresh() -> Iterator[Path]:
    """Make a directory, and remove it."""
    directory = Path(tempfile.mkdtemp(prefix="recorder-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


Started = Callable[[Path, int], AbstractContextManager[Running]]
"""Starts somebody who records so many streams, in a directory."""


def recorder(load: Load, url: str = "", *options: str) -> Started:
    """Return what starts our recorder: on a SQLite file in its directory, or on ``url``."""

    def start(directory: Path, streams: int) -> AbstractContextManager[Running]:
        place = url or f"sqlite:///{directory}/archive.db"
        return ours(directory, load.server, streams, streams * load.length, place, *options, first=load.first)

    return start


def other(kind: str, load: Load, url: str = "", *, endless: bool = False) -> Started:
    """Return what starts a rival, which ends when it has kept all frames; ``endless``: for it counts heartbeats too."""

    def start(directory: Path, streams: int) -> AbstractContextManager[Running]:
        place = url or (f"sqlite:///{directory}/archive.db" if kind == "orm" else "")
        frames = sys.maxsize if endless else streams * load.length
        return rival(kind, directory, load.server, streams, frames, place)

    return start


def burst(
    load: Load,
    start: Started,
    behind: Callable[[], object] = lambda: None,
    *,
    ready: Callable[[], object] = lambda: None,
) -> Figures:
    """Send everything at once; frames a second until all are kept, and CPU microseconds a frame of the process.

    Also the server's own CPU a frame, and the bytes of all files that are left for each byte of the packets.
    ``ready``: called when all have connected, before anything is sent. ``behind``: what is waited for after that, from
    the same start (``frames/s in all``).
    """
    size = load.prepare()
    with fresh() as directory:
        with start(directory, load.streams) as running:
            running.wait_for_clients(load.server, load.streams)
            time.sleep(0.5)  # what starting has left to do
            ready()
            cpu, server = running.cpu_s(), load.server.cpu_s()
            began_ns = load.server.ask(burst=True)["began_ns"]
            answer = running.answer()
            server = load.server.cpu_s() - server
            behind()
            whole = (time.monotonic_ns() - began_ns) / 1e9
        left = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file() and path.name not in NOT_KEPT)
    return {
        "frames/s": load.frames / ((answer["done_ns"] - began_ns) / 1e9),
        "CPU µs": (answer["cpu_s"] - cpu) / load.frames * 1e6,
        "server's CPU µs": server / load.frames * 1e6,
        "bytes/byte": left / size,
        "frames/s in all": load.frames / whole,
    }


def steady(load: Load, start: Started, rate: float, seconds: float) -> Figures:
    """Send at a rate; the share of a core, and how long frames take until they are durable (ours alone tells that)."""
    load.prepare()
    with fresh() as directory, start(directory, load.streams) as running:
        running.wait_for_clients(load.server, load.streams)
        time.sleep(0.5)
        cpu = running.cpu_s()
        sent = load.server.ask(rate=rate, seconds=seconds)
        answer = running.answer()
        share = (answer["cpu_s"] - cpu) / ((answer["done_ns"] - sent["began_ns"]) / 1e9)
    found = {"core": share, "sent late, ms": 1e3 * sent["late_s"]}
    return found | {name: float(answer[name]) for name in ("p50_ms", "p99_ms") if name in answer}


def idle(load: Load, start: Started, settle: float, seconds: float, *, rate: float = 0.0) -> Figures:
    """Heartbeats every five seconds, and frames at a rate; the share of a core and KiB of memory a stream.

    ``settle``: seconds before anything is measured; by then a recorder should know that nothing is to come.

    Memory: what the process has more than one of the same kind with a single stream.
    """
    sizes = {}
    share = 0.0
    for streams in (1, load.streams):
        load.server.ask(streams=streams, length=load.length)
        load.server.ask(idle=5.0)  # from the start: until all are connected the first would be taken for dead
        with fresh() as directory, start(directory, streams) as running:
            running.wait_for_clients(load.server, streams)
            time.sleep(settle)
            cpu, began = running.cpu_s(), time.monotonic()
            if rate and streams > 1:
                load.server.ask(rate=rate, seconds=seconds)
            elif streams > 1:
                time.sleep(seconds)
            share = (running.cpu_s() - cpu) / max(1e-9, time.monotonic() - began)
            sizes[streams] = running.resident()
    return {"core": share, "KiB a stream": (sizes[load.streams] - sizes[1]) / load.streams / 1024}


def commands(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Figures]]:
    """Return the CPU seconds of whole processes, in turn."""

    def run(command: Sequence[str]) -> Figures:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}

    return in_turn({name: partial(run, command) for name, command in commands.items()}, rounds)


def in_turn(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[Figures]]:
    """Have every contender do one round, and then again."""
    found: dict[str, list[Figures]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            print(f"  round {number + 1}: {name}", file=sys.stderr, flush=True)
            found[name].append(contender())
    return found


def median(rounds: Sequence[Figures], name: str) -> float:
    """Return the median of a figure over its rounds."""
    return statistics.median(each[name] for each in rounds)
