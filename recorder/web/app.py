"""The page as an ASGI application: which address leads where, and how what goes wrong is told."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from recorder.errors import RecorderError, TemporaryError
from recorder.web import api, matches, pages
from recorder.web.asking import Asker
from recorder.web.certificates import Certificates
from recorder.web.directory import Directory
from recorder.web.live import Live
from recorder.web.rendering import render
from recorder.web.site import Site

_log = logging.getLogger(__name__)

_STATIC = Path(__file__).with_name("static")


def application(database_url: str) -> Starlette:
    """Return the page of one archive."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        asker = Asker(database_url)
        site = Site(asker, Directory(asker), Live(asker), Certificates(asker))
        app.state.site = site
        try:
            async with _going_on(site.live.run(), site.certificates.run()):
                yield
        finally:
            asker.close()

    app = Starlette(
        routes=[
            Route("/", matches.list_page, name="matches"),
            *pages.ROUTES,
            *api.ROUTES,
            Mount("/static", _Static(directory=_STATIC), name="static"),
        ],
        exception_handlers=dict(_HANDLERS),
        lifespan=lifespan,
    )
    # It would lead to the name in the Host header, which behind a proxy is not the one that was dialled.
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def _going_on(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this beside what is inside, until that is over."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


class _Static(StaticFiles):
    """Scripts and styles: a browser asks each time whether its copy is still the newest, by its ETag."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _page(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    html = render("error.html", status=status, sentence=sentence)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store", **(headers or {})})


def _wrong_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    unknown = error.detail == "Not Found"
    sentence = f"There is nothing at {request.scope['path'][:200]}." if unknown else error.detail
    return _page(error.status_code, sentence, error.headers)


def _later(_request: Request, error: Exception) -> Response:
    return _page(503, str(error), {"Retry-After": "1"})


def _unreadable(_request: Request, error: Exception) -> Response:
    # Its text names places on the server's disk: they are for its operator.
    _log.error("the archive cannot be read: %s", error)
    return _page(503, "The archive cannot be read now; the log of the server says why.", {"Retry-After": "10"})


def _broken(request: Request, _error: Exception) -> Response:
    # The server logs it, with where it happened.
    sentence = "This cannot be answered: the log of the server says why."
    if request.scope["path"].startswith("/api/"):
        return JSONResponse({"error": sentence}, 500, {"Cache-Control": "no-store"})
    return _page(500, sentence)


_HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    HTTPException: _wrong_address,
    TemporaryError: _later,
    RecorderError: _unreadable,
    Exception: _broken,
}
