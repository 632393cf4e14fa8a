"""A server that speaks the vendor's protocol, for everybody who has no account: on loopback, from recordings.

As far as the vendor's pages tell it: the Accept header is asked for (400 without), the token comes as the first
message, the server says that the connection stands, heartbeats come between packets, ``startPosition`` skips events,
``speed=fast`` leaves the pauses out. What those pages leave open is decided as in docs/feed.md.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from recorder.feed import endpoint
from recorder.replay.recordings import Recording

_AUTH_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How recordings are served.

    ``scale``: how many times as fast as recorded; None: everything at once, as with ``speed=fast``. Time begins with
    the server, for all recordings: whoever connects gets what has "happened" by then, and the rest as it comes.
    ``token``: the only one that is let in; None: any. ``cuts``: by stream id the positions after which a connection is
    broken off, each once, in turn with and without a close frame.
    """

    scale: float | None = 1.0
    heartbeat_s: float = 10.0
    token: str | None = None
    cuts: Mapping[int, Sequence[int]] = field(default_factory=dict)


class ReplayServer:
    """Serves recordings to any number of clients; `listen` opens the port."""

    def __init__(self, recordings: Sequence[Recording], behaviour: Behaviour) -> None:
        self._recordings = {endpoint.path(recording.stream): recording for recording in recordings}
        self._behaviour = behaviour
        self._cuts = {stream_id: sorted(positions) for stream_id, positions in behaviour.cuts.items()}
        self._kinds_of_cut = itertools.cycle(("abort", "close"))
        self._began = 0.0
        self.cuts_made = 0

    def listen(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[Server]:
        """Open the port (0: any free one); time begins now."""
        self._began = asyncio.get_running_loop().time()
        return serve(self._converse, host, port, process_request=self._admit, compression=None, ping_interval=None)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Accept") != endpoint.ACCEPT:
            # Both of the vendor's pages: "400: Bad Request".
            return connection.respond(HTTPStatus.BAD_REQUEST, "Request is missing required HTTP header 'Accept'")
        if urlsplit(request.path).path not in self._recordings:
            return connection.respond(HTTPStatus.NOT_FOUND, "unknown fixture")
        return None

    async def _converse(self, connection: ServerConnection) -> None:
        try:
            if not await self._authenticated(connection):
                return
            assert connection.request is not None
            address = urlsplit(connection.request.path)
            query = parse_qs(address.query)
        except ConnectionClosed:
            return
        async with asyncio.TaskGroup() as group:
            talk = (self._beat(connection), self._send(connection, self._recordings[address.path], query))
            tasks = [group.create_task(_until_closed(said)) for said in talk]
            await connection.wait_closed()  # also in the middle of a long pause between two packets
            for task in tasks:
                task.cancel()

    async def _authenticated(self, connection: ServerConnection) -> bool:
        try:
            async with asyncio.timeout(_AUTH_TIMEOUT_S):
                token = json.loads(await connection.recv())["authToken"]
        except (TimeoutError, ValueError, TypeError, KeyError):
            token = None
        if token is None or self._behaviour.token not in (None, token):
            await connection.send(json.dumps({"errorMessage": "Supplied token could not be authenticated"}))
            await connection.close(1008, "not authenticated")
            return False
        await connection.send(json.dumps({"dataType": "connectionState", "message": "AUTHORISED"}))
        return True

    async def _beat(self, connection: ServerConnection) -> None:
        while True:
            await asyncio.sleep(self._behaviour.heartbeat_s)
            now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            beat = {"eventElementType": "Heartbeat", "timestamp": now, "message": f"Heartbeat sent at {now}"}
            await connection.send(json.dumps(beat))

    async def _send(self, connection: ServerConnection, recording: Recording, query: Mapping[str, list[str]]) -> None:
        start = _start_position(query)
        fast = query.get("speed") == ["fast"] or self._behaviour.scale is None
        loop = asyncio.get_running_loop()
        for position in range(start, len(recording.packets)):
            if not fast:
                due = self._began + recording.offsets_s[position] / (self._behaviour.scale or 1.0)
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
            await connection.send(recording.packets[position], text=True)
            if await self._cut(connection, recording, position):
                return

    async def _cut(self, connection: ServerConnection, recording: Recording, position: int) -> bool:
        due = self._cuts.get(recording.stream.stream_id)
        if not due or position < due[0]:
            return False
        due.pop(0)
        self.cuts_made += 1
        if next(self._kinds_of_cut) == "close":
            await connection.close(1001, "cut on purpose")
        else:
            connection.transport.abort()
        return True


async def _until_closed(said: Coroutine[None, None, None]) -> None:
    with suppress(ConnectionClosed):
        await said


def _start_position(query: Mapping[str, list[str]]) -> int:
    """The vendor: "how many events to skip from the beginning of the list", "default is 0"."""
    given = query.get("startPosition", ["0"])[0]
    return int(given) if given.isdigit() else 0
