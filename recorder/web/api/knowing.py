"""The lists of a match that have a moment: the timeline, every revision, the states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from recorder import clock
from recorder.query import timelines
from recorder.query.moments import known_at
from recorder.query.paging import end_of
from recorder.query.reading import Reader
from recorder.query.rows import Action, State, TimelineAction, View
from recorder.query.timelines import Question
from recorder.web.api import cursors, encoding
from recorder.web.api.answering import JSON, answered, ask_stream
from recorder.web.api.cursors import Place
from recorder.web.api.parameters import Asked
from recorder.web.api.refusing import Refused


def question_of(reader: Reader, stream_id: int, asked: Asked, newest: int | None = None) -> Question:
    """Return the question that the parameters ask; ``newest``: nothing behind this position is to be known."""
    moment = known_at(reader, stream_id, asked["as_of"], asked["as_of_position"], asked["as_of_clock"])
    positions = [position for position in (moment.as_of_position, newest) if position is not None]
    return Question(
        stream_id,
        moment.as_of_us,
        min(positions, default=None),
        revisions=asked.get("revisions", False),
        types=asked.get("type", ()),
        team=asked.get("team"),
        period=asked.get("period"),
    )


async def timeline(request: Request, asked: Asked) -> Response:
    """Answer with the match in match order, each action once; or with every revision."""
    if asked["revisions"]:
        return await actions(request, asked)
    return await _part(request, asked, TimelineAction, timelines.timeline, "ordinal")


async def actions(request: Request, asked: Asked) -> Response:
    """Answer with every action as it was sent, by position."""
    return await _part(request, {**asked, "revisions": True}, Action, timelines.timeline, "position")


async def states(request: Request, asked: Asked) -> Response:
    """Answer with score, period, clock, possession and status as intervals of what was known."""
    return await _part(request, asked, State, timelines.states, "position")


async def _part(
    request: Request,
    asked: Asked,
    view: type[View],
    ask: Callable[[Reader, Question], Sequence[Any]],
    key: str,
) -> Response:
    def question(reader: Reader, stream_id: int) -> bytes:
        of = f"{view.__name__}/{stream_id}"
        here = _place(reader, stream_id, of, asked)
        rows = ask(reader, question_of(reader, stream_id, asked, here.newest))
        # A match is some thousand rows, of which most of the time goes into the fold: it is the same for every part.
        found = list(islice((row for row in rows if getattr(row, key) > here.after), asked["limit"] + 1))
        shown = found[: asked["limit"]]
        more = len(found) > len(shown)
        there = Place(of, getattr(shown[-1], key), here.epoch, here.newest) if more else None
        return encoding.page(view, shown, None if there is None else cursors.written(there))

    return answered(request, await ask_stream(request, question), JSON)


def _place(reader: Reader, stream_id: int, of: str, asked: Asked) -> Place:
    """Return where to begin; Refused (410) when the vendor has changed its list since the first part."""
    moment_us = known_at(reader, stream_id, asked["as_of"]).as_of_us
    given = cursors.place(asked["after"], of)
    if given is None:
        if moment_us is not None and moment_us < clock.wall_us():
            return Place(of, -1)
        end = end_of(reader, stream_id)
        return Place(of, -1, end.epoch, end.newest)
    if given.epoch is not None and given.epoch != end_of(reader, stream_id).epoch:
        raise Refused(410, "after: the vendor has changed its list since that cursor was given; begin without it")
    return given
