"""Answers with an ETag, so that who asks again is told in one line that nothing has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from recorder.query.paging import is_stream
from recorder.query.reading import Reader
from recorder.web.api.parameters import in_path
from recorder.web.api.questions import STREAM
from recorder.web.api.refusing import Refused
from recorder.web.site import site_of

T = TypeVar("T")

JSON = "application/json"
COMMON = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
"""Headers of every answer: kept by whoever likes, but never used without asking whether it still holds."""


def answered(request: Request, body: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``body``, or 304 without it when the request says that it has it.

    The ETag is a digest of the body. What is cheaper (the newest position, the epoch) would not tell when `recorder
    reparse` has derived the same rows anew.
    """
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    said = {**COMMON, "ETag": etag, **(headers or {})}
    if _is_known(request, etag):
        return Response(status_code=304, headers=said)
    return Response(body, headers=said, media_type=media_type)


def _is_known(request: Request, etag: str) -> bool:
    known = [each.strip() for line in request.headers.getlist("if-none-match") for each in line.split(",")]
    return any(each in ("*", etag, f"W/{etag}") for each in known)


async def ask(request: Request, question: Callable[[Reader], T]) -> T:
    """Return what ``question`` finds in the archive; it may raise Refused."""

    def asked(reader: Reader) -> T | Refused:
        try:
            return question(reader)
        except Refused as refused:  # nothing is wrong with the connection: the asker is to keep it
            return refused

    found = await site_of(request).asker.ask(asked)
    if isinstance(found, Refused):
        raise found
    return found


async def ask_stream(request: Request, question: Callable[[Reader, int], T]) -> T:
    """Return what ``question`` finds of the stream in the path; Refused (404) when there is no such stream."""
    stream_id = in_path(request, STREAM)

    def asked(reader: Reader) -> T:
        if not is_stream(reader, stream_id):
            raise Refused(404, f"there is no stream {stream_id}; /api/v1/streams lists those that there are")
        return question(reader, stream_id)

    return await ask(request, asked)
