"""A server that is never the limit: a process of its own that sends frames which it has encoded before.

It speaks as much of the protocol as a recorder needs: the handshake, the token, heartbeats, ``startPosition``. Commands
come on stdin, answers go to stdout as JSON lines, with times on the machine's monotonic clock (`time.monotonic_ns`):

    {"streams": 200, "length": 250, "first": 0}  make the packets; answers with their bytes
    {"clients": true}                how many clients have been let in
    {"burst": true}                  send everything to everybody
    {"rate": 2000, "seconds": 10}    send so many frames a second, to the clients in turn
    {"idle": 5.0}                    nothing but a heartbeat to each so often
    {"reset": true}                  drop all clients
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from benchmarks.recording.packets import packets, streams
from recorder.feed import endpoint
from recorder.replay.certificate import server_tls
from recorder.replay.dialect import AUTH_REPLY

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"^Sec-WebSocket-Key:\s*(\S+)", re.I | re.M)
_CHUNK = 256 * 1024
_HEARTBEAT = b'{"eventElementType":"heartbeat"}'


def encoded(message: bytes) -> bytes:
    """Return a message as one websocket frame of a server's."""
    size = len(message)
    if size < 126:
        return bytes((0x81, size)) + message
    if size < 65_536:
        return bytes((0x81, 126)) + size.to_bytes(2) + message
    return bytes((0x81, 127)) + size.to_bytes(8) + message


class Client(asyncio.Protocol):
    """One connection; ``left`` are the frames that it has not been sent."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""
        self._is_open = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.left: list[bytes] = []
        self.at = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.clients.discard(self)
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open and b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            self._is_open = True
            self._shake_hands(head)
        if self._is_open and len(self._buffer) > 6:  # the token: let in whoever brings one
            if self._buffer[0] & 0x0F == 0x8:
                self.transport.close()
            elif self not in self._server.clients:
                self.transport.write(encoded(AUTH_REPLY))
                self._server.let_in(self)
            self._buffer = b""

    def _shake_hands(self, head: bytes) -> None:
        key = _KEY.search(head)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        target = urlsplit(head.split(b" ", 2)[1].decode())
        begin = int(parse_qs(target.query).get("startPosition", ["0"])[0])
        self.left, self.at = self._server.frames.get(target.path, []), begin

    def send_next(self) -> bool:
        """Send one frame more; False when there is none."""
        if self.at >= len(self.left):
            return False
        self.transport.write(self.left[self.at])
        self.at += 1
        return True

    async def send_all(self) -> None:
        """Send whatever is left, as fast as it is taken."""
        while self.at < len(self.left):
            chunk, size = [], 0
            while self.at < len(self.left) and size < _CHUNK:
                chunk.append(self.left[self.at])
                size += len(chunk[-1])
                self.at += 1
            self.transport.write(b"".join(chunk))
            await self._writable.wait()


class Server:
    """All clients, and what is done to them."""

    def __init__(self) -> None:
        self.frames: dict[str, list[bytes]] = {}
        self.clients: set[Client] = set()
        self._order: list[Client] = []
        self._beating: asyncio.Task[None] | None = None

    def let_in(self, client: Client) -> None:
        """Count a client that has brought a token."""
        self.clients.add(client)
        self._order.append(client)

    async def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do what a command says; return the answer."""
        match command:
            case {"streams": count, "length": length, **more}:
                first = int(more.get("first", 0))
                self.frames, size = {}, 0
                for number, stream in enumerate(streams(count, first), first):
                    messages = packets(stream, number, length)
                    self.frames[urlsplit(endpoint.url("ws://any", stream)).path] = [encoded(each) for each in messages]
                    size += sum(map(len, messages))
                return {"bytes": size}
            case {"clients": True}:
                return {"clients": len(self.clients)}
            case {"burst": True}:
                began = time.monotonic_ns()
                await asyncio.gather(*(client.send_all() for client in list(self.clients)))
                return {"began_ns": began, "ended_ns": time.monotonic_ns()}
            case {"rate": rate, "seconds": seconds}:
                return await self._steady(rate, seconds)
            case {"idle": every_s}:
                if self._beating is None:
                    self._beating = asyncio.create_task(self._beat(every_s))
                return {}
            case {"reset": True}:
                if self._beating is not None:
                    self._beating.cancel()
                    self._beating = None
                for client in list(self.clients):
                    client.transport.abort()
                self.clients.clear()
                self._order.clear()
                return {}
        raise ValueError(command)

    async def _steady(self, rate: float, seconds: float) -> dict[str, Any]:
        began, sent, most = time.monotonic(), 0, int(rate * seconds)
        turn: Iterator[Client] = iter(())
        late = 0.0
        while sent < most:
            due = began + sent / rate
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            late = max(late, time.monotonic() - due)
            client = next(turn, None)
            if client is None:
                turn = iter([each for each in self._order if each in self.clients])
                client = next(turn)
            assert client.send_next(), "the streams are too short"
            sent += 1
        return {"began_ns": int(began * 1e9), "ended_ns": time.monotonic_ns(), "sent": sent, "late_s": late}

    async def _beat(self, every_s: float) -> None:
        beat = encoded(_HEARTBEAT)
        while True:
            began = time.monotonic()
            clients = [each for each in self._order if each in self.clients]
            for number, client in enumerate(clients):  # spread over the time between two
                if (left := began + every_s * number / len(clients) - time.monotonic()) > 0.01:
                    await asyncio.sleep(left)
                client.transport.write(beat)
            await asyncio.sleep(max(0.01, began + every_s - time.monotonic()))


async def main(certificate: Path | None) -> None:
    """Serve until stdin ends."""
    server = Server()
    loop = asyncio.get_running_loop()
    tls = None if certificate is None else server_tls(certificate)
    listening = await loop.create_server(lambda: Client(server), "127.0.0.1", 0, ssl=tls, backlog=4096)
    scheme = "ws" if tls is None else "wss"
    print(json.dumps({"endpoint": f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await server.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
