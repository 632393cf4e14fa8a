"""What becomes durable, told as it does: server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from recorder.web.api.answering import ask_stream
from recorder.web.api.parameters import Asked, Parameter, matching
from recorder.web.api.refusing import Refused
from recorder.web.live import Live
from recorder.web.patience import ENDLESS
from recorder.web.site import site_of

EVENTS = "text/event-stream"
MOST_READERS = 1_000
"""How many may listen at the same time."""
_PING_S = 15
_ID = r"[0-9]{1,9}/(?:-1|[0-9]{1,18})"

Place = tuple[int, int]
"""An epoch and a position."""


def _place(said: str) -> Place:
    epoch, _, position = matching(_ID)(said).partition("/")
    return int(epoch), int(position)


AFTER = Parameter(
    "after",
    "`EPOCH/POSITION` of the last action that is known already (`0/-1`: none): begin with the one behind it. The "
    "header `Last-Event-ID`, which a browser sends when it connects again, goes before it. Without: from now on.",
    {"type": "string", "pattern": f"^{_ID}$"},
    "EPOCH/POSITION, e.g. 0/323",
    _place,
    example="0/323",
)
_LAST_EVENT_ID = Parameter("Last-Event-ID", "", AFTER.schema, AFTER.expected, _place)


async def of_stream(request: Request, asked: Asked) -> Response:
    """Answer with the events of one stream, without an end."""
    after: Place | None = asked["after"]
    if "last-event-id" in request.headers:
        after = _LAST_EVENT_ID.value([request.headers["last-event-id"]])
    stream_id = await ask_stream(request, lambda _reader, stream_id: stream_id)
    return _told(_events(_live(request), stream_id, after))


async def of_all(request: Request, _asked: Asked) -> Response:
    """Answer with the events of all streams, without an end."""
    return _told(_events(_live(request), None, None))


def _live(request: Request) -> Live:
    """Return whom to listen to; Refused (503) when too many do already."""
    request.scope[ENDLESS] = True
    live = site_of(request).live
    if live.listeners >= MOST_READERS:
        raise Refused(503, f"{live.listeners:,} readers listen already; ask again later", {"Retry-After": "30"})
    return live


async def _events(live: Live, stream_id: int | None, after: Place | None) -> AsyncIterator[ServerSentEvent]:
    async for event in live.listen(stream_id, after):
        # A place is one of one stream: over all of them none says where to go on.
        place = None if stream_id is None else event.id
        yield ServerSentEvent(event.data, event=event.name, id=place)


def _told(events: AsyncIterator[ServerSentEvent]) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return EventSourceResponse(events, ping=_PING_S, headers=headers)
