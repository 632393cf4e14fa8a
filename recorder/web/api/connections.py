"""How a stream was recorded: its gaps and its connections."""

from __future__ import annotations

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from recorder.query.paging import behind
from recorder.query.reading import Reader
from recorder.query.rows import Gap, Session, View
from recorder.web.api import cursors, encoding
from recorder.web.api.answering import JSON, answered, ask_stream
from recorder.web.api.cursors import Place
from recorder.web.api.parameters import Asked


async def gaps(request: Request, asked: Asked) -> Response:
    """Answer with every doubt and outage, open or resolved, in the order in which they were noticed."""
    return await _part(request, asked, Gap, "gaps", "gap_id")


async def sessions(request: Request, asked: Asked) -> Response:
    """Answer with every connection, in the order in which they were dialled."""
    return await _part(request, asked, Session, "sessions", "session_id")


async def _part(
    request: Request, asked: Asked, view: type[View], name: Literal["gaps", "sessions"], key: str
) -> Response:
    def question(reader: Reader, stream_id: int) -> bytes:
        of = f"{view.__name__}/{stream_id}"
        place = cursors.place(asked["after"], of) or Place(of, -1)
        found = behind(reader, name, stream_id, place.after, asked["limit"] + 1)
        shown = found[: asked["limit"]]
        more = len(found) > len(shown)
        following = cursors.written(Place(of, getattr(shown[-1], key))) if more else None
        return encoding.page(view, shown, following)

    return answered(request, await ask_stream(request, question), JSON)
