"""What people would use or write instead: each receives what the server sends and keeps it in its own way.

Run: python -m benchmarks.recording.rivals KIND DIRECTORY FRAMES [CONNINFO], the addresses on stdin. When so many frames
are kept it prints when that was (`time.monotonic_ns`), and the CPU seconds of the process.
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from websockets.asyncio.client import connect

_TOKEN = '{"authToken": "any"}'

Keep = Callable[[str, str], None]


def ndjson(directory: Path) -> Keep:
    """Lines to one file, never synced, nothing parsed: the ceiling of what Python can receive."""
    output = (directory / "all.ndjson").open("w", encoding="utf-8")

    def keep(_stream: str, message: str) -> None:
        output.write(message)
        output.write("\n")

    return keep


def flumine(directory: Path) -> Keep:
    """As flumine's MarketRecorder: parsed, and appended as a line to a file per match that is opened for each."""

    def keep(stream: str, message: str) -> None:
        update = json.loads(message)
        with (directory / stream.replace("/", "_")).open("a") as output:
            output.write(json.dumps({"op": "mcm", "clk": None, "pt": time.time(), "mc": [update]}) + "\n")

    return keep


class Receiver:
    """Connects to all addresses and counts what is kept."""

    def __init__(self, keep: Keep, frames: int) -> None:
        self._keep = keep
        self._left = frames
        self.done = asyncio.Event()

    async def take(self, address: str, tls: ssl.SSLContext | None) -> None:
        """Receive from one address."""
        path = address.partition("//")[2].partition("/")[2]
        async with connect(
            address, ssl=tls, compression=None, ping_interval=None, max_queue=16, open_timeout=None
        ) as websocket:
            await websocket.send(_TOKEN)
            await websocket.recv()
            async for message in websocket:
                assert isinstance(message, str)
                self._keep(path, message)
                self.kept()

    def kept(self, count: int = 1) -> None:
        """Count frames that are kept."""
        self._left -= count
        if self._left <= 0 and not self.done.is_set():
            print(json.dumps({"done_ns": time.monotonic_ns(), "cpu_s": time.process_time()}), flush=True)
            self.done.set()


class Cryptofeed(Receiver):
    """As cryptofeed's Postgres backend: a queue, and a coroutine that inserts what has gathered as literal rows.

    Some versions of it take 100 rows at most at once. Here there is no limit, which is the faster way.
    """

    def __init__(self, frames: int) -> None:
        super().__init__(self._queue_up, frames)
        self._queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def _queue_up(self, stream: str, message: str) -> None:
        self._queue.put_nowait((stream, message))

    async def write(self, conninfo: str) -> None:
        """Insert batches, a transaction each."""
        import psycopg

        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        await connection.execute(
            "CREATE TABLE updates (id serial PRIMARY KEY, timestamp timestamp, receipt_timestamp timestamp, feed text,"
            " symbol text, data jsonb)"
        )
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            rows = ",".join(self._row(*each) for each in batch)
            async with connection.transaction():
                await connection.execute(
                    f"INSERT INTO updates (timestamp, receipt_timestamp, feed, symbol, data) VALUES {rows}".encode()
                )
            super().kept(len(batch))

    def kept(self, count: int = 1) -> None:
        """It is kept once it is committed."""

    def _row(self, stream: str, message: str) -> str:
        packet = json.loads(message)
        said = packet["fixtureAction"].get("timestamp")
        now = datetime.now(UTC).replace(tzinfo=None).isoformat()
        quoted = json.dumps(packet).replace("'", "''")
        return f"('{said or now}','{now}','imgarena','{stream}','{quoted}')"


class BatchedReceiver(Receiver):
    """Stores in batches, in a thread: `batched`."""

    def __init__(self, directory: Path, frames: int) -> None:
        from benchmarks.recording.batched import Batched  # not imported by the others

        batched = Batched(directory, super().kept)
        super().__init__(batched.keep, frames)
        batched.start()

    def kept(self, count: int = 1) -> None:
        """It is kept once it is committed."""


def _keeper(kind: str, directory: Path, url: str) -> Keep:
    if kind == "orm":
        from benchmarks.recording.orm import orm  # not imported by the others

        return orm(url)
    return {"ndjson": ndjson, "flumine": flumine}[kind](directory)


async def main(kind: str, directory: Path, frames: int, url: str) -> None:
    """Receive from the addresses on stdin."""
    addresses = sys.stdin.read().split()
    tls = ssl.create_default_context() if addresses[0].startswith("wss") else None
    writing = None
    if kind == "cryptofeed":
        receiver: Receiver = Cryptofeed(frames)
        assert isinstance(receiver, Cryptofeed)
        writing = asyncio.create_task(receiver.write(url))
    elif kind == "batched":
        receiver = BatchedReceiver(directory, frames)
    else:
        receiver = Receiver(_keeper(kind, directory, url), frames)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, receiver.done.set)  # what is buffered is written
    takers = [asyncio.create_task(receiver.take(address, tls)) for address in addresses]
    await receiver.done.wait()
    for task in [*takers, *([writing] if writing else [])]:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else ""))
