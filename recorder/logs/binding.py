"""Which stream a line is about: bound once by the task that records it, so that no line has to say so itself."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recorder.model import Stream

_bound: ContextVar[Stream | None] = ContextVar("recorder_stream", default=None)


def bind_stream(stream: Stream) -> None:
    """Have every line that this task logs from now on say which stream it is about; its children inherit it.

    A line from elsewhere says so with ``extra={"stream": stream}``.
    """
    _bound.set(stream)


def stream_of(record: logging.LogRecord) -> Stream | str | None:
    """Return the stream that a line is about; None: no one in particular. Call it where the line is logged."""
    told: Stream | str | None = getattr(record, "stream", _bound.get())
    return told


def without_stream(said: str, stream: Stream | str | None) -> str:
    """Return a sentence without the stream's name in front: the line says it elsewhere."""
    return said if stream is None else said.removeprefix(f"{stream}: ")
