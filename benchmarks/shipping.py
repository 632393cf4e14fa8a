"""How long a frame is on its way, from the writer's queue to where another session of Postgres sees it.

Run: make bench-shipping. The server is this machine's own, with fsync, on the same cores as everything else. A frame is
a real packet of a soccer match with its action. When it is visible is seen by another process, which asks for a
snapshot every 2 ms.
"""

from __future__ import annotations

import bisect
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from msgspec import structs

from recorder.archive.shipping import Shipper
from recorder.archive.writer import Writer
from recorder.model import Stream
from recorder.operations import AddAction, AddFrame, Operation
from tests.archive.filling import open_session, open_stream, recorded
from tests.postgres import PostgresServer
from tests.vendor import load

SECONDS = 20
BACKLOG = 100_000


class Feed:
    """One stream that never ends: a match's packets, over and over."""

    def __init__(self, number: int) -> None:
        self.stream = Stream("betting", "soccer", f"{number:08d}-0000-4000-8000-000000000000")
        self.opening: list[Operation] = [open_stream(self.stream), open_session(self.stream)]
        self._count = 0

    def next(self, received_us: int) -> list[Operation]:
        frame, action = PACKETS[self._count % len(PACKETS)]
        key = {"stream_id": self.stream.stream_id, "session_id": 1, "frame_number": self._count}
        made = structs.replace(frame, received_us=received_us, **key)
        self._count += 1
        return [
            AddFrame(made),
            AddAction(structs.replace(action, position=made.frame_number, received_us=received_us, **key)),
        ]


def _packets() -> Iterator[tuple]:  # type: ignore[type-arg]
    frame = None
    for operation in recorded(load("soccer-france-romania")):
        if isinstance(operation, AddFrame):
            frame = operation.frame
        elif isinstance(operation, AddAction):
            yield frame, operation.action


PACKETS = list(_packets())


def watch(conninfo: str) -> None:
    """Print what each moment's snapshot saw, until standard input ends."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        print("ready", flush=True)
        last = ""
        while True:
            ((snapshot,),) = connection.execute("SELECT pg_current_snapshot()::text").fetchall()
            if snapshot != last:
                print(time.time_ns() // 1000, snapshot, flush=True)
                last = snapshot
            time.sleep(0.002)


def seen_us(lines: list[str], xids: set[int]) -> dict[int, int]:
    """Return when each transaction was first visible."""
    moments = []
    for line in lines:
        moment, snapshot = line.split()
        _, bound, running = snapshot.split(":")
        moments.append((int(bound), {int(xid) for xid in running.split(",") if xid}, int(moment)))
    bounds = [bound for bound, *_ in moments]
    found = {}
    for xid in xids:
        for _, unfinished, at in moments[bisect.bisect_right(bounds, xid) :]:
            if xid not in unfinished:
                found[xid] = at
                break
    return found


def delays(server: PostgresServer, rate: int, streams: int) -> list[float]:
    """Return how many milliseconds each frame took, of some seconds at ``rate`` frames a second."""
    database = server.archive()
    feeds = [Feed(number) for number in range(streams)]
    with tempfile.TemporaryDirectory() as directory, Writer(f"sqlite:///{directory}/spool.db") as writer:
        writer.submit([operation for feed in feeds for operation in feed.opening])
        writer.flushed().result()
        shipper = Shipper(writer, server.url(database), keep_s=86_400, purged=lambda _stream: None)
        assert shipper.settled(60)
        conninfo = f"host={server.directory} user=recorder dbname={database}"
        seen_path = Path(directory) / "seen"
        with seen_path.open("wb") as output:
            watcher = subprocess.Popen([sys.executable, "-m", "benchmarks.shipping", conninfo], stdout=output)
        while not seen_path.stat().st_size:
            time.sleep(0.01)
        turns = itertools.cycle(feeds)
        began = time.monotonic()
        used = time.process_time()
        for number in range(rate * SECONDS):
            if (left := began + number / rate - time.monotonic()) > 0:
                time.sleep(left)
            writer.submit(next(turns).next(time.time_ns() // 1000))
        used = time.process_time() - used
        assert shipper.settled(60)
        time.sleep(1)
        watcher.terminate()
        watcher.wait()
        lines = seen_path.read_text().splitlines()[1:]
        shipper.close()
    rows = server.execute("SELECT CAST(CAST(xmin AS text) AS bigint), received_us FROM frame", database=database)
    server.drop(database)
    assert len(rows) == rate * SECONDS
    seen = seen_us(lines, {xid for xid, _ in rows})
    print(f"    (this process used {100 * used / SECONDS:.0f} % of a core, {len(seen)} transactions)", file=sys.stderr)
    return [(seen[xid] - received_us) / 1000 for xid, received_us in rows]


def catching_up(server: PostgresServer, streams: int) -> tuple[float, float]:
    """Return how many frames a second the spool took alone, and how many are shipped when all are there."""
    database = server.archive()
    feeds = [Feed(number) for number in range(streams)]
    with tempfile.TemporaryDirectory() as directory, Writer(f"sqlite:///{directory}/spool.db") as writer:
        writer.submit([operation for feed in feeds for operation in feed.opening])
        began = time.monotonic()
        turns = itertools.cycle(feeds)
        for number in range(BACKLOG):
            writer.submit(next(turns).next(time.time_ns() // 1000))
            if number % 1_000 == 0:
                writer.flushed().result()
        writer.flushed().result()
        writing = BACKLOG / (time.monotonic() - began)
        began = time.monotonic()
        shipper = Shipper(writer, server.url(database), keep_s=86_400, purged=lambda _stream: None)
        assert shipper.settled(600)
        shipping = BACKLOG / (time.monotonic() - began)
        shipper.close()
    server.drop(database)
    return writing, shipping


def main() -> None:
    if len(sys.argv) > 1 and "=" in sys.argv[1]:
        watch(sys.argv[1])
        return
    server = PostgresServer()
    server.start(fsync=True)
    try:
        print(f"{'frames/s':>10}{'streams':>10}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'250 ms / p99':>14}")
        for rate, streams in itertools.product((1_000, 2_000), (1, 200)):
            found = sorted(delays(server, rate, streams))
            p50, p99 = statistics.median(found), found[int(0.99 * len(found))]
            print(f"{rate:>10}{streams:>10}{p50:>10.0f}{p99:>10.0f}{found[-1]:>10.0f}{250 / p99:>14.1f}", flush=True)
        print(f"\n{'catching up':>20}{'streams':>10}{'frames/s':>10}{'to 10,000/s':>14}{'to the spool':>14}")
        for streams in (1, 200):
            writing, shipping = catching_up(server, streams)
            ratios = f"{shipping / 10_000:>14.1f}{shipping / writing:>14.2f}"
            print(f"{BACKLOG:>20}{streams:>10}{shipping:>10.0f}{ratios}", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
