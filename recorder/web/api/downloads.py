"""A match as a file: the timeline or every revision as a table, the messages as lines of JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from recorder.query import timelines
from recorder.query.bearing import Key, frames_of
from recorder.query.paging import stream_row
from recorder.query.reading import Reader
from recorder.query.rows import Action, RawFrame, TimelineAction, View
from recorder.web.api.answering import COMMON, answered, ask, ask_stream
from recorder.web.api.attaching import attachment, file_name
from recorder.web.api.encoding import plain
from recorder.web.api.knowing import question_of
from recorder.web.api.parameters import Asked, in_path
from recorder.web.api.questions import STREAM
from recorder.web.api.tables import FORMATS

LINES = "application/jsonl"
_AT_ONCE = 200
"""Frames that are read by one question: some 300 kB."""


_VIEWS: Mapping[str, type[View]] = {"timeline": TimelineAction, "actions": Action}


def table(name: str, suffix: str) -> Callable[[Request, Asked], Awaitable[Response]]:
    """Return what answers with ``timeline`` or ``actions`` as a file with this suffix."""
    view = _VIEWS[name]
    media_type, written = FORMATS[suffix]

    async def answer(request: Request, asked: Asked) -> Response:
        def question(reader: Reader, stream_id: int) -> tuple[bytes, str]:
            asks = {**asked, "revisions": view is Action}
            rows = timelines.timeline(reader, question_of(reader, stream_id, asks))
            return written(view, rows), file_name(stream_row(reader, stream_id), f"{name}.{suffix}")

        body, file = await ask_stream(request, question)
        return answered(request, body, media_type, attachment(file))

    return answer


async def frames(request: Request, asked: Asked) -> Response:
    """Answer with the messages of the actions that are asked for, one JSON object a line, by position."""

    def question(reader: Reader, stream_id: int) -> tuple[dict[Key, int], str]:
        rows = timelines.timeline(reader, question_of(reader, stream_id, {**asked, "revisions": True}))
        return _places(rows), file_name(stream_row(reader, stream_id), "frames.jsonl")

    places, file = await ask_stream(request, question)
    lines = _lines(request, in_path(request, STREAM), places)
    return StreamingResponse(lines, media_type=LINES, headers={**COMMON, **attachment(file)})


def _places(rows: Sequence[Any]) -> dict[Key, int]:
    """Return the frames that bear these actions, each once, with the position of the first that it bears."""
    places: dict[Key, int] = {}
    for row in rows:
        places.setdefault((row.session_id, row.frame_number), row.position)
    return places


async def _lines(request: Request, stream_id: int, places: dict[Key, int]) -> AsyncIterator[bytes]:
    keys = list(places)
    for first in range(0, len(keys), _AT_ONCE):
        yield await ask(
            request, partial(_some, stream_id, {key: places[key] for key in keys[first : first + _AT_ONCE]})
        )


def _some(stream_id: int, places: dict[Key, int], reader: Reader) -> bytes:
    found = frames_of(reader, stream_id, list(places))
    # One that was purged meanwhile is an error, and cuts the answer off: no line may be missing without a word.
    return b"".join(_line(position, found[key]) for key, position in places.items())


def _line(position: int, row: Any) -> bytes:
    return msgspec.json.encode({"position": position, **plain(RawFrame, row)}) + b"\n"
