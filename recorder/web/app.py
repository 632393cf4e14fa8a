"""The page as an ASGI application: which address leads where, and how what goes wrong is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from recorder.errors import RecorderError, TemporaryError, UsageError
from recorder.web import api, matches, pages
from recorder.web.asking import Asker
from recorder.web.certificates import Certificates
from recorder.web.directory import Directory
from recorder.web.live import Live
from recorder.web.rendering import render
from recorder.web.site import Site

_log = logging.getLogger(__name__)

_STATIC = Path(__file__).with_name("static")
_WORTH_PACKING = 1_024


def application(database_url: str) -> Starlette:
    """Return the page of one archive."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        asker = Asker(database_url)
        live = Live(asker)
        app.state.site = Site(asker, Directory(asker), live, Certificates(asker))
        looking = asyncio.create_task(live.run())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            asker.close()

    return Starlette(
        routes=[
            Route("/", matches.list_page, name="matches"),
            *pages.ROUTES,
            *api.ROUTES,
            Mount("/static", StaticFiles(directory=_STATIC), name="static"),
        ],
        # Events are never packed: they would wait for more of them.
        middleware=[Middleware(GZipMiddleware, minimum_size=_WORTH_PACKING, compresslevel=1)],
        exception_handlers=dict(_HANDLERS),
        lifespan=lifespan,
    )


def _page(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    html = render("error.html", status=status, sentence=sentence)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store", **(headers or {})})


def _wrong_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    unknown = error.detail == "Not Found"
    sentence = f"There is nothing at {request.url.path[:200]}." if unknown else error.detail
    return _page(error.status_code, sentence, error.headers)


def _wrong_question(_request: Request, error: Exception) -> Response:
    return _page(400, str(error))


def _later(_request: Request, error: Exception) -> Response:
    return _page(503, str(error), {"Retry-After": "1"})


def _unreadable(_request: Request, error: Exception) -> Response:
    # Its text names places on the server's disk: they are for its operator.
    _log.error("the archive cannot be read: %s", error)
    return _page(503, "The archive cannot be read now; the log of the server says why.", {"Retry-After": "10"})


_HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    HTTPException: _wrong_address,
    UsageError: _wrong_question,
    TemporaryError: _later,
    RecorderError: _unreadable,
}
