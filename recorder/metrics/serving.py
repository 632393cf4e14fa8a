"""A small HTTP server that nobody can hold up: HTTP/1.0, one answer per connection, a few at once.

Whoever sends slowly, much or nothing is cut off; nothing is written to the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

_log = logging.getLogger(__name__)

_MOST_AT_ONCE = 8
_PATIENCE_S = 5.0
"""For the whole request, and again for the whole answer."""
_LONGEST_HEAD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """``kind`` is the body's Content-Type."""

    status: HTTPStatus
    kind: str
    body: bytes


def plain(status: HTTPStatus, text: str) -> Answer:
    """Return one line of text as an answer."""
    return Answer(status, "text/plain; charset=utf-8", text.encode() + b"\n")


class Server(ThreadingMixIn, TCPServer):
    """Listens at ``where``; ``answer`` gets the path and the Accept header of each request, on its own thread."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, family: int, where: tuple[str, int], answer: Callable[[str, str], Answer]) -> None:
        self.address_family = family
        self.answer = answer
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(where, _Handler)

    def verify_request(self, _request: Any, _client: Any) -> bool:
        """Say whether one more is answered now; else it is closed at once."""
        return self._free.acquire(blocking=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin to answer."""
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread for it
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, on a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, _request: Any, _client: Any) -> None:
        """Keep it to the debug log: most often the peer has gone."""
        _log.debug("a request to the metrics endpoint failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "recorder"
    sys_version = ""
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def handle(self) -> None:
        """Answer one request."""
        head = self._head()
        if head is None:
            return
        self.rfile = BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        self.request_version, self.requestline, self.command = "HTTP/1.0", "", ""
        self.connection.settimeout(_PATIENCE_S)
        if len(head) >= _LONGEST_HEAD:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self.parse_request():
            self._send(self._answer())

    def _head(self) -> bytes | None:
        """Return what was sent up to the empty line; None when it did not come in time."""
        head, until = b"", time.monotonic() + _PATIENCE_S
        while len(head) < _LONGEST_HEAD and b"\r\n\r\n" not in head and b"\n\n" not in head:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return None
            self.connection.settimeout(left_s)
            try:
                more = self.connection.recv(_LONGEST_HEAD - len(head))
            except TimeoutError:
                return None
            if not more:
                return None
            head += more
        return head

    def _answer(self) -> Answer:
        if self.command not in ("GET", "HEAD"):
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, "GET and HEAD only")
        try:
            return self.server.answer(self.path, self.headers.get("Accept", ""))
        except Exception:
            _log.debug("a request to the metrics endpoint failed", exc_info=True)
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR, "an unexpected error; the debug log has it")

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a line for each scrape is no help to anybody."""
