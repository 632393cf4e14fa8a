"""The pages of one match, at the addresses below /matches/{fixture}."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from sqlalchemy import Row
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from recorder.errors import UsageError
from recorder.query.listing import Standing, status
from recorder.query.pruned import require_here
from recorder.query.reading import Reader
from recorder.query.selecting import select_stream
from recorder.web import about
from recorder.web.chart_data import chart_data
from recorder.web.gathered import gather, streams_of
from recorder.web.match_page import Asked, asked, facts_html, match_html
from recorder.web.site import site_of

T = TypeVar("T")

Question = Callable[[Reader, Row[Any], Sequence[str], Asked], T]
"""What is asked of one stream: its row of `streams`, the feeds that were recorded, and what the address asks."""
_WHOLE = re.compile("[0-9]{1,18}")  # what databases can compare
_HEADERS = {"Cache-Control": "no-cache"}


class _Elsewhere(Exception):
    """The match is known under another name: its id."""

    def __init__(self, fixture_id: str) -> None:
        self.fixture_id = fixture_id
        super().__init__(fixture_id)


async def match_page(request: Request) -> Response:
    """Answer with the match."""

    site = site_of(request)

    def question(reader: Reader, stream: Row[Any], feeds: Sequence[str], wanted: Asked) -> str:
        verdicts = [site.certificates.verdict(standing) for standing in status(reader, [stream.stream_id])]
        return match_html(gather(reader, stream, feeds, wanted.as_of_us), wanted, next(iter(verdicts), None))

    return await _html(request, question)


async def facts(request: Request) -> Response:
    """Answer with what stands beside the match now, made for everybody who looks at it."""

    def question(reader: Reader, stream: Row[Any], feeds: Sequence[str], wanted: Asked) -> str:
        return facts_html(gather(reader, stream, feeds, None), Asked(feed=wanted.feed))

    key = f"{request.path_params['fixture']} {request.query_params.get('feed', '')}"

    async def made() -> str:
        found = await _asked(request, question)
        if isinstance(found, Response):
            raise HTTPException(404, "what stands beside a match is asked for by its id")
        return found

    return HTMLResponse(await site_of(request).facts.get(key, made), headers=_HEADERS)


async def chart(request: Request) -> Response:
    """Answer with what the chart of the match draws."""

    def question(reader: Reader, stream: Row[Any], feeds: Sequence[str], wanted: Asked) -> bytes:
        return msgspec.json.encode(chart_data(gather(reader, stream, feeds, wanted.as_of_us)))

    found = await _asked(request, question)
    return found if isinstance(found, Response) else Response(found, 200, _HEADERS, media_type="application/json")


async def action_page(request: Request) -> Response:
    """Answer with one action: its revisions and its message."""
    said, epoch = request.path_params["position"], request.query_params.get("epoch", "").strip()
    if not _WHOLE.fullmatch(said):
        raise HTTPException(404, f"there is no action at position {said[:40]}; expected a whole number, e.g. 323")
    if epoch and not _WHOLE.fullmatch(epoch):
        raise HTTPException(400, f"{epoch[:40]!r} is no epoch; expected a whole number, e.g. 0")

    def question(reader: Reader, stream: Row[Any], feeds: Sequence[str], wanted: Asked) -> str:
        return about.action_html(reader, stream, wanted, int(said), int(epoch) if epoch else stream.epoch)

    return await _html(request, question)


async def certificate_page(request: Request) -> Response:
    """Answer with what the match's stored bytes prove, read anew."""

    def question(
        reader: Reader, stream: Row[Any], feeds: Sequence[str], wanted: Asked
    ) -> tuple[Row[Any], Asked, Sequence[Standing]]:
        return stream, wanted, status(reader, [row.stream_id for row in streams_of(reader, stream.fixture_id)])

    found = await _asked(request, question)
    if isinstance(found, Response):
        return found
    stream, wanted, standings = found
    certificates = await site_of(request).certificates.certify(standings)
    certificate = next(each for each in certificates if each.stream.stream_id == stream.stream_id)
    return HTMLResponse(about.certificate_html(stream, wanted, certificate), headers=_HEADERS)


async def feeds_page(request: Request) -> Response:
    """Answer with who knew first, and how late each feed was."""

    def question(reader: Reader, stream: Row[Any], feeds: Sequence[str], wanted: Asked) -> str:
        return about.feeds_html(reader, stream, wanted)

    return await _html(request, question)


async def _html(request: Request, question: Question[str]) -> Response:
    found = await _asked(request, question)
    return found if isinstance(found, Response) else HTMLResponse(found, headers=_HEADERS)


async def _asked(request: Request, question: Question[T]) -> T | Response:
    """Return what a question finds of the stream in the address, or where that is to be found.

    HTTPException says what is wrong with the address. Everything is asked and rendered on one thread, at one go.
    """
    try:
        wanted = asked(request.query_params.multi_items())
    except UsageError as error:
        raise HTTPException(400, str(error)) from error
    fixture = request.path_params["fixture"]

    def whole(reader: Reader) -> T | UsageError | _Elsewhere:
        try:
            stream, feeds = _stream(reader, fixture, wanted.feed)
            return question(reader, stream, feeds, wanted)
        except (UsageError, _Elsewhere) as refused:  # nothing is wrong with the connection: it is kept
            return refused

    found = await site_of(request).asker.ask(whole)
    if isinstance(found, UsageError):
        raise HTTPException(404, str(found))
    if isinstance(found, _Elsewhere):
        return RedirectResponse(_moved(request, fixture, found.fixture_id), 307)
    return found


def _stream(reader: Reader, fixture: str, feed: str | None) -> tuple[Row[Any], Sequence[str]]:
    found = streams_of(reader, fixture)
    if not found:
        row, _ = select_stream(reader, fixture, feed)
        raise _Elsewhere(row.fixture_id)
    feeds = [row.feed for row in found]
    of_feed = [row for row in found if feed in (None, row.feed)]
    if not of_feed:
        raise UsageError(f"{fixture} was not recorded from the {feed} feed")
    require_here(reader, of_feed[0])
    return of_feed[0], feeds


def _moved(request: Request, fixture: str, fixture_id: str) -> str:
    path: str = request.scope["path"]
    behind = quote(path.removeprefix("/matches/").partition("/")[2])
    query = urlencode(request.query_params.multi_items())
    return f"/matches/{quote(fixture_id, safe='')}" + (f"/{behind}" if behind else "") + (f"?{query}" if query else "")


ROUTES = [
    Route("/matches/{fixture}", match_page, name="match"),
    Route("/matches/{fixture}/facts", facts, name="match:facts"),
    Route("/matches/{fixture}/chart.json", chart, name="match:chart"),
    Route("/matches/{fixture}/actions/{position}", action_page, name="match:action"),
    Route("/matches/{fixture}/certificate", certificate_page, name="match:certificate"),
    Route("/matches/{fixture}/feeds", feeds_page, name="match:feeds"),
]
"""What an application routes."""
