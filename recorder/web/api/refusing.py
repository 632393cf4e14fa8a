"""What goes wrong, as JSON: ``{"error": "one sentence"}`` and the status that says whose turn it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from recorder.errors import ConfigurationError, NewerArchive, RecorderError, TemporaryError

log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is not answered; ``status`` is HTTP's, the text one sentence for whoever asked."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})
        super().__init__(sentence)


def _told(refused: Refused) -> Response:
    body = msgspec.json.encode({"error": refused.sentence})
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **refused.headers}
    return Response(body, refused.status, headers, media_type="application/json")


def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _told(error)


def _wrong_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentences = {
        404: f"there is nothing at {request.scope['path'][:200]}; /api/v1/openapi.json lists what there is",
        405: f"{request.method[:20]} is not answered here; this API only reads: use GET",
    }
    return _told(Refused(error.status_code, sentences.get(error.status_code, error.detail), error.headers))


def _later(_request: Request, error: Exception) -> Response:
    return _told(Refused(503, str(error), {"Retry-After": "1"}))


def _not_installed(_request: Request, error: Exception) -> Response:
    return _told(Refused(501, str(error)))


def _unreadable(_request: Request, error: Exception) -> Response:
    # Its text names places on the server's disk: they are for its operator.
    log.error("the archive cannot be read: %s", error)
    return _told(Refused(503, "the archive cannot be read now; the log of the server says why", {"Retry-After": "10"}))


HANDLERS: dict[type[Exception], Callable[[Request, Exception], Response]] = {
    Refused: _refuse,
    HTTPException: _wrong_address,
    TemporaryError: _later,
    ConfigurationError: _not_installed,
    NewerArchive: _unreadable,
    RecorderError: _unreadable,
}
"""What is answered to each kind of error."""
