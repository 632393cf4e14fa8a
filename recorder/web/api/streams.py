"""The streams of the archive, and one of them."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from recorder.query.listing import Standing
from recorder.query.paging import stream_row
from recorder.query.reading import Reader
from recorder.query.rows import StreamRow
from recorder.web.api import cursors, encoding
from recorder.web.api.answering import JSON, answered, ask_stream
from recorder.web.api.cursors import Name
from recorder.web.api.parameters import Asked, chosen, day, text
from recorder.web.site import site_of
from recorder.web.wanted import GROUPS, Listed, Wanted

FILTERS = (
    text("q", "A part of a team's name, of the label or the competition; or the beginning of the fixture's id."),
    text("sport", "The vendor's name of the sport, without regard to case."),
    chosen("feed", "Which feed.", "betting", "media"),
    chosen("state", "Live: something came, and more is expected; coming: nothing came yet; finished: over.", *GROUPS),
    day("from", "Played on this UTC date, or to be played, or later."),
    day("to", "The same, or earlier."),
)


async def streams(request: Request, asked: Asked) -> Response:
    """Answer with the streams of actions, by name."""
    entries = await site_of(request).directory.entries()
    # Ten thousand names take a while to be searched: nobody else is to wait for that.
    return answered(request, await run_in_threadpool(_part, entries, asked), JSON)


async def stream(request: Request, _asked: Asked) -> Response:
    """Answer with how one stream stands."""

    def question(reader: Reader, stream_id: int) -> bytes:
        return msgspec.json.encode(encoding.plain(StreamRow, stream_row(reader, stream_id)))

    return answered(request, await ask_stream(request, question), JSON)


def _part(entries: Iterable[Standing], asked: Asked) -> bytes:
    after = None if asked["after"] is None else _key(cursors.read(Name, asked["after"]))
    left = [each.stream for each in entries if (after is None or _key(each.stream) > after) and _meets(each, asked)]
    found = nsmallest(asked["limit"] + 1, left, key=_key)
    shown = found[: asked["limit"]]
    following = cursors.written(Name(*_key(shown[-1]))) if len(found) > len(shown) else None
    return encoding.page(StreamRow, shown, following)


def _meets(standing: Standing, asked: Asked) -> bool:
    """Say whether a stream is asked for: as the page would be asked for a match that has no other stream."""
    alone = Listed([standing])
    filters = {"since": "from", "until": "to", "q": "q", "sport": "sport", "feed": "feed"}
    wanted = Wanted(**{field: asked[name] or "" for field, name in filters.items()})
    return wanted.meets(alone) and asked["state"] in (None, alone.group)


def _key(stream: Any) -> tuple[str, str, str, str]:
    """Return the name of a row of `streams`, or the one in a cursor: the order of the list."""
    return stream.sport, stream.fixture_id, stream.feed, stream.channel
