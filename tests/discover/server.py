"""A vendor's REST for tests: real HTTP on loopback, in every shape that the protocol's pages leave open."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.recording import TOKEN

Json = Any


@dataclass(frozen=True)
class Asked:
    """One request as it came; ``at`` is monotonic seconds."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    at: float


@dataclass(frozen=True)
class Reply:
    """What is sent back; ``cut``: so many bytes fewer than announced; ``every_s``: a byte at a time."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    every_s: float = 0.0


def fixture(number: int, **said: Any) -> dict[str, Json]:
    """Return a fixture as the vendor's page describes it; ``said`` overrides."""
    return {
        "id": f"{number:08d}-0000-4000-8000-000000000000",
        "name": f"Home {number} v Away {number}",
        "startDateUTC": f"2026-11-{22 + number % 7:02d}T13:00:00",
        "status": "Scheduled",
        "type": "Official",
        "coverageLevel": "In Venue",
        "collectionStatus": "CollectionScheduled",
        "teams": [{"id": f"h{number}", "name": f"Home {number}"}, {"id": f"a{number}", "name": f"Away {number}"}],
        "stage": {"season": {"id": "s1", "name": "2026/27", "competition": {"id": "c1", "name": "Premier League"}}},
        "venue": {"id": "v1", "name": "The Ground"},
        "fixtureDeleted": False,
        "updateCount": 3,
        **said,
    }


class RestServer:
    """Serves ``fixtures`` of one ``sport`` to whoever has the ``token``.

    ``shape`` wraps them: ``shape(fixtures, query)`` is the JSON of the list.
    What is in ``replies`` is sent first, one for each request.
    """

    def __init__(self, fixtures: Sequence[Json] = (), tls: ssl.SSLContext | None = None) -> None:
        self.fixtures = list(fixtures)
        self.sport, self.token = "soccer", TOKEN
        self.shape: Callable[[list[Json], dict[str, list[str]]], Json] = lambda fixtures, _query: fixtures
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._host = "http://127.0.0.1" if tls is None else "https://localhost"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"{self._host}:{self._server.server_address[1]}"

    def reply(self, asked: Asked) -> Reply:
        """Answer as the vendor's pages say."""
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401, b"{ The supplied authentication is invalid }")
        if "version=1" not in asked.headers.get("accept", ""):
            return Reply(400, b"Request is missing required HTTP header 'Accept'")
        parts = asked.path.strip("/").split("/")
        if parts == [*self.sport.split("/"), "fixtures"]:
            return _json(self.shape(self.fixtures, asked.query))
        one = [each for each in self.fixtures if parts == [*self.sport.split("/"), "fixtures", each.get("id")]]
        return _json(one[0]) if one else _json({"error": "no such fixture", "status": 404}, 404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes: the second would wait for 40 ms

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(address.path, parse_qs(address.query), headers, time.monotonic())
                server.asked.append(asked)
                self._send(server.replies.pop(0) if server.replies else server.reply(asked))

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body) + reply.cut))
                self.end_headers()
                try:
                    for at in range(0, len(reply.body), 1) if reply.every_s else ():
                        self.wfile.write(reply.body[at : at + 1])
                        time.sleep(reply.every_s)
                    if not reply.every_s:
                        self.wfile.write(reply.body)
                except OSError:
                    return  # the client has seen enough
                self.close_connection = bool(reply.cut)

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler


def _json(value: Json, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def bare(fixtures: list[Json], _query: dict[str, list[str]]) -> Json:
    """Return an array that knows no pages, as in 2023."""
    return fixtures


def bare_pages(fixtures: list[Json], query: dict[str, list[str]]) -> Json:
    """Return an array of at most 6, whatever size was asked for, that says nothing of others."""
    page = int(query["page"][0])
    return fixtures[6 * page : 6 * (page + 1)]


def pageable(fixtures: list[Json], query: dict[str, list[str]]) -> Json:
    """Return Spring's page, of 3."""
    page = int(query["page"][0])
    total = -(-len(fixtures) // 3)
    return {
        "content": fixtures[3 * page : 3 * (page + 1)],
        "pageable": {"pageNumber": page, "pageSize": 3},
        "totalPages": total,
        "last": page + 1 >= total,
    }


def pageable_only(fixtures: list[Json], query: dict[str, list[str]]) -> Json:
    """Return a page, of 3, whose metadata stand in ``pageable`` and count from 1."""
    page = int(query["page"][0])
    pages = {"currentPage": page + 1, "totalPages": -(-len(fixtures) // 3)}
    return {"fixtures": fixtures[3 * page : 3 * (page + 1)], "pageable": pages}


def cursor(fixtures: list[Json], query: dict[str, list[str]]) -> Json:
    """Return a named array of 3 and a cursor."""
    at = int(query.get("cursor", ["c0"])[0][1:])
    behind = at + 3
    return {"fixtures": fixtures[at:behind]} | ({"nextCursor": f"c{behind}"} if behind < len(fixtures) else {})


def next_address(fixtures: list[Json], query: dict[str, list[str]]) -> Json:
    """Return a named array of 3 and the address of the next: on another host, to which nothing must go."""
    at = int(query.get("from", ["0"])[0])
    behind = at + 3
    address = f"https://elsewhere.example/soccer/fixtures?from={behind}&dateFrom=2026-11-22"
    return {"data": {"fixtures": fixtures[at:behind]}, "paging": {"next": address if behind < len(fixtures) else None}}
