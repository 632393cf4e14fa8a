"""The page as an ASGI application: which address leads where, and how what goes wrong is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from recorder.web.asking import Asker
from recorder.web.directory import Directory
from recorder.web.live import Live
from recorder.web.site import Site

_STATIC = Path(__file__).with_name("static")


def application(database_url: str) -> Starlette:
    """Return the page of one archive."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        asker = Asker(database_url)
        live = Live(asker)
        app.state.site = Site(asker, Directory(asker), live)
        looking = asyncio.create_task(live.run())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            asker.close()

    return Starlette(routes=_routes(), lifespan=lifespan)


def _routes() -> list[BaseRoute]:
    return [Mount("/static", StaticFiles(directory=_STATIC), name="static")]
