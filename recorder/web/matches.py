"""The list of matches: live now, coming, finished."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from recorder import clock
from recorder.errors import UsageError
from recorder.web.rendering import render
from recorder.web.site import site_of
from recorder.web.wanted import GROUPS, Wanted, page, wanted

_NAMES = {"q": "q", "sport": "sport", "feed": "feed", "state": "state", "since": "from", "until": "to"}
"""The parts of a question, and what they are called in an address."""


async def list_page(request: Request) -> Response:
    """Answer with the matches that are asked for."""
    try:
        asked = wanted(request.query_params)
    except UsageError as error:
        raise HTTPException(400, str(error)) from error
    site = site_of(request)
    found = await site.directory.matches()
    # Ten thousand names take a while to be searched: nobody else is to wait for that.
    shown = await run_in_threadpool(page, found, asked)
    for match in shown.matches:
        site.certificates.wish(match.streams)
    html = render(
        "matches.html",
        asked=asked,
        page=shown,
        total=len(found),
        groups=GROUPS,
        sports=sorted({match.first.stream.sport for match in found}),
        address=lambda **changed: address(asked, changed),
        verdict=lambda match: site.certificates.verdict(match.first),
        now_us=clock.wall_us(),
    )
    return HTMLResponse(html, headers={"Cache-Control": "no-cache"})


def address(asked: Wanted, changed: Mapping[str, str | None]) -> str:
    """Return the address of the same list with something changed; without ``after`` its beginning."""
    parts = {said: getattr(asked, name) for name, said in _NAMES.items()} | dict(changed)
    kept = {name: value for name, value in parts.items() if value}
    return f"/?{urlencode(kept)}" if kept else "/"
