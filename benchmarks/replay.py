"""How fast a replay is to one client, and what a thousand clients cost it. Run: make bench-replay.

Fast: the same bytes from a bare websockets server (`for packet in packets: await connection.send(packet, text=True)`)
and from a replay with speed=fast, in turn, in this process; the client is a process of its own that only counts the
bytes of a raw socket, and never the limit. Frames a second by the clock and by the CPU time of this process; the ratio
is the median of the rounds' ratios.

Crowd: clients of the bundled matches, half at each, in the football match's second half, all in one process of their
own that notes when each message arrived. Share: CPU seconds of the server's process for each second. Late: from when a
message was due until it was read; the process that reads for all clients in turn is in it, so the server is better than
that. Memory: what a fresh server's process grows by until all are let in.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, serve

from recorder.feed.endpoint import ACCEPT
from recorder.replay import Behaviour, Pace, ReplayServer, bundled, made
from recorder.replay.dialect import AUTH_REPLY
from recorder.replay.pace import happened

ROUNDS = 7
COPIES = 100
CROWD_ROUNDS = 5
CROWDS = ((10, 1.0, 15.0), (1000, 1.0, 15.0), (10, 60.0, 8.0), (1000, 60.0, 8.0))
"""Clients, scale, seconds of one round."""

_TOKEN = b'{"authToken": "any"}'


# -- clients, in a process of their own --------------------------------------------------------------------------------


def opening(address: str) -> bytes:
    """Return the request of a handshake."""
    url = urlsplit(address)
    lines = [f"GET {url.path}?{url.query} HTTP/1.1", f"Host: {url.netloc}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", f"Accept: {ACCEPT}", "", ""]
    return "\r\n".join(lines).encode()


def token() -> bytes:
    """Return the frame that bears the token, masked with zeros."""
    return bytes([0x81, 0x80 | len(_TOKEN), 0, 0, 0, 0]) + _TOKEN


def drain(address: str, size: int) -> None:
    """Read so many bytes behind the handshake; print the seconds since the token was sent, and their hash."""
    url = urlsplit(address)
    with socket.create_connection((url.hostname, url.port)) as client:
        client.sendall(opening(address))
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65_536)
        assert head.startswith(b"HTTP/1.1 101 "), head
        everything = memoryview(bytearray(size))
        began = time.perf_counter()
        client.sendall(token())
        read = 0
        while read < size:
            got = client.recv_into(everything[read:])
            assert got, "the server has left"
            read += got
        seconds = time.perf_counter() - began
    print(seconds, hashlib.sha256(everything).hexdigest())


class Listener(asyncio.Protocol):
    """One client of a crowd: when each message that bears packets arrived, on the machine's monotonic clock."""

    def __init__(self, address: str) -> None:
        self.arrived: list[float] = []
        self.let_in = asyncio.get_running_loop().create_future()
        self._address = address
        self._buffer = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(opening(self._address) + token())

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._buffer += data
        if not self._is_open:
            _, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            self._is_open, self._buffer = True, rest
        while (end := frame_end(self._buffer)) is not None:
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            if b'"fixtureAction"' in frame:
                self.arrived.append(now)
            elif not self.let_in.done():
                self.let_in.set_result(None)


def frame_end(buffer: bytes) -> int | None:
    """Return where a server's first frame ends, None when it is not all there."""
    if len(buffer) < 4:
        return None
    length, head = buffer[1], 2
    if length == 126:
        length, head = int.from_bytes(buffer[2:4], "big"), 4
    return head + length if len(buffer) >= head + length else None


async def crowd(clients: int, addresses: Sequence[str]) -> None:
    """Connect so many clients, say so, and at the next line on stdin print for each when its messages arrived."""
    loop = asyncio.get_running_loop()
    listeners = []
    for number in range(clients):
        address = addresses[number % len(addresses)]
        host, _, port = urlsplit(address).netloc.partition(":")
        _, listener = await loop.create_connection(partial(Listener, address), host, int(port))
        listeners.append(listener)
    await asyncio.gather(*(listener.let_in for listener in listeners))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(json.dumps([listener.arrived for listener in listeners]), flush=True)


# -- fast --------------------------------------------------------------------------------------------------------------


def frame_size(message: bytes) -> int:
    """Return how many bytes a server's frame has."""
    return len(message) + (2 if len(message) < 126 else 4 if len(message) < 65_536 else 10)


@dataclass(frozen=True)
class Drained:
    """One round: seconds by the clock and of this process's CPU, and what came."""

    wall: float
    cpu: float
    digest: str


async def drained(address: str, size: int) -> Drained:
    """Have a client drain an address."""
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.replay", "drain", address, str(size), stdout=asyncio.subprocess.PIPE
    )
    began = time.process_time()
    printed, _ = await client.communicate()
    seconds, digest = printed.decode().split()
    return Drained(float(seconds), time.process_time() - began, digest)


@asynccontextmanager
async def bare(packets: Sequence[bytes]) -> AsyncIterator[str]:
    """Serve packets as a loop of a few lines would."""

    async def converse(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(AUTH_REPLY, text=True)
        for packet in packets:
            await connection.send(packet, text=True)
        await connection.wait_closed()

    async with serve(converse, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def fast() -> None:
    """Print how fast a replay is against a bare server."""
    packets = [packet for recording in bundled() for packet in recording.load()] * COPIES
    size = sum(map(frame_size, packets)) + frame_size(AUTH_REPLY)
    recording = made(bundled()[0].stream, packets)
    pairs = []
    for _ in range(ROUNDS):
        async with bare(packets) as address:
            plain = await drained(address, size)
        async with ReplayServer([recording], Behaviour(heartbeat_s=3600)) as server:
            replayed = await drained(server.addresses[0] + "?speed=fast", size)
        assert plain.digest == replayed.digest
        pairs.append((plain, replayed))
    print(f"{len(packets)} frames, {size / 1e6:.0f} MB, {ROUNDS} rounds; median frames a second (least to most)")
    for name, rounds in (("bare server", [plain for plain, _ in pairs]), ("replay", [each for _, each in pairs])):
        for unit, seconds in (("by the clock", [e.wall for e in rounds]), ("by CPU time", [e.cpu for e in rounds])):
            rates = sorted(len(packets) / each for each in seconds)
            print(f"{name:<12} {unit:<13} {statistics.median(rates):>9,.0f}  ({rates[0]:,.0f} to {rates[-1]:,.0f})")
    print(f"ratio        by the clock  {statistics.median(plain.wall / each.wall for plain, each in pairs):>9.2f}")
    print(f"ratio        by CPU time   {statistics.median(plain.cpu / each.cpu for plain, each in pairs):>9.2f}")


# -- crowd -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watched:
    """One round: share of a core, lateness in seconds of each message, kB that the process grew by for each client."""

    share: float
    late: Sequence[float]
    kilobytes: float


def resident() -> float:
    """Return this process's memory in kB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024


def cpu() -> float:
    """Return this process's CPU seconds, its own and the kernel's for it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def watched(clients: int, scale: float, seconds: float) -> Watched:
    """Play to so many clients for a while."""
    behaviour = Behaviour(scale=scale, pace=Pace(begin="2/60:00"), is_paused=True)
    async with ReplayServer(bundled(), behaviour) as server:
        memory, begin_s, all_dues = resident(), server.clock.read(), server.playing.schedule.dues
        starts = [happened(dues, begin_s) for dues in all_dues]
        addresses = [f"{url}?startPosition={start}" for url, start in zip(server.addresses, starts, strict=True)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.replay", "crowd", str(clients), *addresses),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**28,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        assert server.clients == clients
        memory = (resident() - memory) / clients
        began, used = time.monotonic(), cpu()
        server.clock.start()
        await asyncio.sleep(seconds)
        share = (cpu() - used) / (time.monotonic() - began)
        stopped = time.monotonic()
        printed, _ = await process.communicate(b"stop\n")
        late = []
        for number, arrived in enumerate(json.loads(printed)):
            stream = number % len(addresses)
            moments = [began + (due - begin_s) / scale for due in all_dues[stream][starts[stream] :]]
            assert len(arrived) >= sum(each < stopped - 1.0 for each in moments), "a client lacks messages"
            late += [at - due for at, due in zip(arrived, moments, strict=False)]
    return Watched(share, late, memory)


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which a part of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


async def crowds() -> None:
    """Print what crowds cost."""
    rounds: list[list[Watched]] = [[] for _ in CROWDS]
    for _ in range(CROWD_ROUNDS):
        for number, setting in enumerate(CROWDS):
            rounds[number].append(await watched(*setting))
    print(f"\n{CROWD_ROUNDS} rounds, medians; late: of all messages of all rounds, in milliseconds")
    print("clients  scale  share of a core  messages/s  late p50  late p99")
    for (clients, scale, seconds), found in zip(CROWDS, rounds, strict=True):
        late = [1000 * each for one in found for each in one.late]
        share = statistics.median(one.share for one in found)
        row = f"{clients:>7}  {scale:>5g}  {share:>15.1%}  {len(late) / seconds / CROWD_ROUNDS:>10.0f}"
        print(f"{row}  {percentile(late, 0.5):>8.1f}  {percentile(late, 0.99):>8.1f}")


def grown() -> None:
    """Print what a client takes of a fresh server's memory."""
    fresh = [sys.executable, "-m", "benchmarks.replay", "memory"]
    found = [float(subprocess.run(fresh, check=True, capture_output=True).stdout) for _ in range(CROWD_ROUNDS)]
    print(f"memory: {statistics.median(found):.0f} kB a client, at 1000 clients")


async def memory() -> None:
    """Print how many kB this process grows by for each of a thousand clients."""
    print((await watched(1000, 1.0, 0.0)).kilobytes)


def main() -> None:
    """Measure, or be the clients."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    match sys.argv[1:]:
        case ["drain", address, size]:
            drain(address, int(size))
        case ["crowd", clients, *addresses]:
            asyncio.run(crowd(int(clients), addresses))
        case ["memory"]:
            asyncio.run(memory())
        case []:
            asyncio.run(fast())
            asyncio.run(crowds())
            grown()


if __name__ == "__main__":
    main()
