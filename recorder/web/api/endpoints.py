"""Every address of the API."""

from __future__ import annotations

from collections.abc import Iterator

from recorder.web.api import connections, downloads, events, frames, knowing, streams
from recorder.web.api.answering import JSON
from recorder.web.api.endpoint import Endpoint
from recorder.web.api.parameters import flag, whole
from recorder.web.api.questions import FILTERS, MOMENT, PART
from recorder.web.api.schemas import part_of, ref
from recorder.web.api.tables import FORMATS

_CHANGED = {410: "The vendor has changed its list since the cursor was given: begin again without it."}
_MISSING = {501: "The server lacks what writes this format; the sentence says how to install it."}
_MANY = {503: "Too many readers listen already, or the archive cannot be read now; ask again after `Retry-After` s."}


def _lists() -> Iterator[Endpoint]:
    yield Endpoint(
        "/streams",
        "streams",
        "The recorded streams.",
        "One channel of one feed of one match each, by sport, fixture, feed and channel. All filters have to hold.",
        streams.streams,
        {JSON: part_of(ref("Stream"))},
        (*streams.FILTERS, *PART),
    )
    yield Endpoint(
        "/streams/{id}",
        "stream",
        "One stream.",
        "How it stands now: teams, score, state, how much is stored, how many gaps are open.",
        streams.stream,
        {JSON: ref("Stream")},
    )
    yield Endpoint(
        "/streams/{id}/timeline",
        "timeline",
        "The match: each action once.",
        "What stands, in match order: of each action the newest revision, without the deleted and cancelled ones; or, "
        "with a moment, what stood then as far as we knew. All parts of a list are of the moment of the first.",
        knowing.timeline,
        {JSON: part_of({"anyOf": [ref("TimelineAction"), ref("Action")]})},
        (*MOMENT, *FILTERS, flag("revisions", "1: every revision as it was sent, as `/actions` has it."), *PART),
        _CHANGED,
    )
    yield Endpoint(
        "/streams/{id}/actions",
        "actions",
        "Every revision of every action.",
        "As the vendor sent them, by position; with a moment, those that had been received by then.",
        knowing.actions,
        {JSON: part_of(ref("Action"))},
        (*MOMENT, *FILTERS, *PART),
        _CHANGED,
    )
    yield Endpoint(
        "/streams/{id}/states",
        "states",
        "The state of the match, as intervals.",
        "Score, period, clock, possession and status as they were known, one interval for each action received.",
        knowing.states,
        {JSON: part_of(ref("State"))},
        (*MOMENT, *PART),
        _CHANGED,
    )
    yield Endpoint(
        "/streams/{id}/gaps",
        "gaps",
        "Doubts and outages.",
        "Open or resolved, in the order in which they were noticed.",
        connections.gaps,
        {JSON: part_of(ref("Gap"))},
        PART,
    )
    yield Endpoint(
        "/streams/{id}/sessions",
        "sessions",
        "The connections that recorded it.",
        "In the order in which they were dialled, also those that never came about.",
        connections.sessions,
        {JSON: part_of(ref("Session"))},
        PART,
    )


def _frames() -> Iterator[Endpoint]:
    yield Endpoint(
        "/streams/{id}/frames/{position}",
        "frame",
        "The message that bore an action.",
        "As JSON, with its bytes as base64; or, with `Accept: application/octet-stream` or `raw=1`, the bytes exactly "
        "as they came and nothing else, as a file.",
        frames.frame,
        {JSON: ref("Frame"), frames.BYTES: {}},
        (
            whole("epoch", "Of this version of the vendor's list instead of the current one.", most=2**31 - 1),
            flag("raw", "1: the bytes and nothing else."),
        ),
    )
    yield Endpoint(
        "/streams/{id}/frames.jsonl",
        "frames_jsonl",
        "The messages of a match, as lines of JSON.",
        "Those that bear the actions that the filters let pass, each once, by the position of the first such action.",
        downloads.frames,
        {downloads.LINES: {"type": "string"}},
        (*MOMENT, *FILTERS),
        is_tagged=False,
    )


def _tables() -> Iterator[Endpoint]:
    for name, what in (("timeline", "the match, each action once"), ("actions", "every revision of every action")):
        for suffix, (media_type, _) in FORMATS.items():
            yield Endpoint(
                f"/streams/{{id}}/{name}.{suffix}",
                f"{name}_{suffix}",
                f"A {suffix} file: {what}.",
                f"All rows of `/{name}` with the same filters, in its order. In CSV a text that a spreadsheet would "
                "take for a formula begins with an apostrophe.",
                downloads.table(name, suffix),
                {media_type: {"type": "string"} if suffix == "csv" else {}},
                (*MOMENT, *FILTERS),
                _MISSING if suffix == "parquet" else {},
            )


def _events() -> Iterator[Endpoint]:
    yield Endpoint(
        "/streams/{id}/events",
        "stream_events",
        "What becomes durable of one stream, as it does.",
        "Server-sent events. The `id` of each is `EPOCH/POSITION`: a browser that was cut off sends it as "
        "`Last-Event-ID`, and nothing is left out. Comments keep the connection open.",
        events.of_stream,
        {events.EVENTS: {"type": "string"}},
        (events.AFTER,),
        _MANY,
        is_tagged=False,
    )
    yield Endpoint(
        "/events",
        "events",
        "What becomes durable of any stream, as it does.",
        "Server-sent events, from now on: who was cut off asks the streams for what came meanwhile.",
        events.of_all,
        {events.EVENTS: {"type": "string"}},
        statuses=_MANY,
        is_tagged=False,
    )


ENDPOINTS: tuple[Endpoint, ...] = (*_lists(), *_frames(), *_tables(), *_events())
"""All but the OpenAPI document, which is made from these."""
