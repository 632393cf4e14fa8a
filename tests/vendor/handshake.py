"""The opening handshake: what is refused before the upgrade, and where a connection begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

from websockets import Request, Response
from websockets.asyncio.server import ServerConnection

from tests.vendor import wire
from tests.vendor.ledger import Attempt, Ledger
from tests.vendor.talk import Connection, Stream


class Handshake:
    """Both hooks of ``websockets.serve``; they run in the server's loop."""

    def __init__(self, ledger: Ledger, streams: Mapping[str, Stream], release: Callable[[str, int], None]) -> None:
        self.ledger = ledger
        self.streams = streams
        self.release = release

    def request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Write the attempt down, and refuse what must be refused."""
        assert isinstance(connection, Connection)
        url = urlsplit(request.path)
        query = parse_qs(url.query)
        attempt = Attempt(
            path=url.path,
            query=url.query,
            headers=request.headers,
            speed=query.get("speed", [None])[-1],
            start_position=_integer(query.get("startPosition", [""])[-1]),
        )
        connection.attempt = attempt
        self.ledger.enter(attempt)
        if request.headers.get_all("Accept") != [wire.ACCEPT]:
            return self.refuse(connection, 400, wire.NO_ACCEPT, "bad_accept")
        stream = self.streams.get(url.path)
        if stream is None:
            return self.refuse(connection, 404, "Not Found", "unknown_path")
        connection.stream = stream
        script = stream.script
        if stream.refusing and script.handshake_status is not None:
            stream.refused += 1
            response = self.refuse(connection, script.handshake_status, script.refusal_text or "", "handshake_status")
            if script.retry_after is not None:
                when = script.retry_after
                response.headers["Retry-After"] = when() if callable(when) else str(when)
            response.headers.update(script.refusal_headers)
            return response
        if stream.refusing and script.auth in ("refuse_401", "refuse_403"):
            stream.refused += 1
            response = self.refuse(
                connection, int(script.auth[-3:]), script.refusal_text or wire.UNAUTHORISED, "refuse"
            )
            response.headers.update(script.refusal_headers)
            return response
        self.begin(stream, attempt)
        return None

    def response(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """Write down what is answered in the end (websockets itself refuses what is no websocket request)."""
        assert isinstance(connection, Connection)
        with self.ledger.change():
            connection.attempt.status = response.status_code
            if response.status_code != 101:
                connection.attempt.ended = "refused"

    def refuse(self, connection: Connection, status: int, text: str, fault: str) -> Response:
        response = connection.respond(status, text)
        with self.ledger.change(fault):
            connection.attempt.ended = "refused"
        return response

    def begin(self, stream: Stream, attempt: Attempt) -> None:
        """Choose the first index, at the request: what comes to exist later is live for this connection."""
        script = stream.script
        with self.ledger.change():
            attempt.first_index = script.first_index(attempt.start_position)
            if attempt.first_index != max(0, attempt.start_position or 0):
                fault = {"live": "live", "ignore": "ignore_start"}.get(str(script.start), "shift")
                self.ledger.faults_fired[fault] += 1
        if script.live_pace is not None and not stream.ticking:
            stream.ticking = True
            self.tick(stream, asyncio.get_running_loop().time() + script.live_pace)

    def tick(self, stream: Stream, when: float) -> None:
        """Let one more packet exist at ``when``, and so on, on a fixed grid: a late tick is made up for."""

        def tick() -> None:
            script = stream.script
            if script.live_pace is not None and self.streams.get(stream.path) is stream:
                if script.available is not None:
                    self.release(stream.path, 1)
                self.tick(stream, when + script.live_pace)

        asyncio.get_running_loop().call_at(when, tick)


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
