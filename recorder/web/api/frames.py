"""The message that bore an action, exactly as it came."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recorder.query.bearing import frame_at
from recorder.query.paging import end_of, stream_row
from recorder.query.reading import Reader
from recorder.query.rows import RawFrame
from recorder.web.api.answering import JSON, answered, ask_stream
from recorder.web.api.attaching import attachment, file_name
from recorder.web.api.encoding import plain
from recorder.web.api.parameters import Asked, in_path
from recorder.web.api.questions import POSITION
from recorder.web.api.refusing import Refused

BYTES = "application/octet-stream"


async def frame(request: Request, asked: Asked) -> Response:
    """Answer with the frame of the action at a position: as JSON, or its bytes and nothing else."""
    position = in_path(request, POSITION)

    def question(reader: Reader, stream_id: int) -> tuple[Any, str]:
        epoch = end_of(reader, stream_id).epoch if asked["epoch"] is None else asked["epoch"]
        found = frame_at(reader, stream_id, epoch, position)
        if found is None:
            raise Refused(404, f"there is no action at position {position} of epoch {epoch} of this stream")
        return found, file_name(stream_row(reader, stream_id), f"{epoch}-{position}.bin")

    found, name = await ask_stream(request, question)
    # What the vendor sent is never a page of ours, whatever it looks like.
    vary = {"Vary": "Accept"}
    if asked["raw"] or _wants_bytes(request):
        return answered(request, found.payload, BYTES, {**attachment(name), **vary})
    return answered(request, msgspec.json.encode(_described(found)), JSON, vary)


def _described(found: Any) -> dict[str, Any]:
    """Return a frame as JSON can hold it: its bytes as base64, and as ``text`` where they are UTF-8."""
    return {
        "epoch": found.epoch,
        "position": found.position,
        "part": found.part,
        **plain(RawFrame, found),
        "text": _text(found.payload),
    }


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _wants_bytes(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return any(each.partition(";")[0].strip().lower() == BYTES for each in accepted.split(","))
