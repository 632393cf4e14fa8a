"""The rows of the views as typed values: what the Python API gives. One class a view, one field a column, in its order.

A field's annotation is the one place that says what kind of value a column holds: the conversion from what a reading
connection gives (`typed`), the columns of Arrow (`arrow`) and how JSON and csv are printed all follow from it. None
means what NULL means in the view: nothing readable was said. Times are aware, UTC, to the microsecond.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

Json = Any
"""A JSON column, parsed: an object, an array, or None."""


class View(msgspec.Struct, frozen=True):
    """A row of a view."""


V = TypeVar("V", bound=View)


class Match(View, frozen=True):
    """A row of `matches`."""

    fixture_id: str
    sport: str
    feeds: str
    label: str | None
    competition: str | None
    home_team_id: str | None
    home_team: str | None
    away_team_id: str | None
    away_team: str | None
    home_score: int | None
    away_score: int | None
    status: str | None
    state: str
    finished: bool
    actions: int
    gaps: int
    first_received_at: datetime | None
    last_received_at: datetime | None


class StreamRow(View, frozen=True):
    """A row of `streams`; `recorder.model.Stream` is the name alone."""

    stream_id: int
    feed: str
    sport: str
    fixture_id: str
    channel: str
    label: str | None
    competition: str | None
    home_team_id: str | None
    home_team: str | None
    away_team_id: str | None
    away_team: str | None
    home_score: int | None
    away_score: int | None
    status: str | None
    collection_status: str | None
    current_period: int | None
    finished: bool
    state: str
    actions: int
    epoch: int
    gaps: int
    recorded_from_start: bool | None
    first_received_at: datetime | None
    last_received_at: datetime | None
    origin_host: str | None
    ended_why: str | None
    scheduled_at: datetime | None
    season: str | None
    venue: str | None
    coverage_level: str | None
    described_at: datetime | None


class Action(View, frozen=True):
    """A row of `actions`: one revision of a thing that happened."""

    stream_id: int
    feed: str
    sport: str
    fixture_id: str
    epoch: int
    position: int
    action_id: str | None
    fixture_seq_num: int | None
    timeline_sequence: Decimal | None
    send_type: str | None
    send_type_id: int | None
    type: str | None
    type_id: int | None
    sub_type: str | None
    sub_type_id: int | None
    period: int | None
    clock: str | None
    clock_seconds: int | None
    occurred_at: datetime | None
    received_at: datetime
    arrival: str
    known_until: datetime | None
    latency_ms: float | None
    team_id: str | None
    team: str | None
    side: str | None
    player_id: str | None
    player: str | None
    related_action_ids: Json
    delay_status: str | None
    metadata: Json
    home_score: int | None
    away_score: int | None
    current_period: int | None
    current_clock_seconds: int | None
    clock_state: str | None
    possession: str | None
    status: str | None
    collection_status: str | None
    finished: bool | None
    trace_id: str | None
    extra: Json
    parse_error: str | None
    session_id: int
    frame_number: int
    part: int


class TimelineAction(Action, frozen=True):
    """A row of `timeline`: the newest revision of an action that stands."""

    first_received_at: datetime
    first_confirmed_at: datetime | None
    confirmed: bool
    revisions: int
    ordinal: int


class State(View, frozen=True):
    """A row of `states`: the match as it was known from one action to the next."""

    stream_id: int
    fixture_id: str
    known_from: datetime
    known_until: datetime | None
    position: int
    home_score: int | None
    away_score: int | None
    period: int | None
    clock_seconds: int | None
    clock_state: str | None
    possession: str | None
    status: str | None
    collection_status: str | None
    finished: bool | None


class Period(View, frozen=True):
    """A row of `periods`."""

    stream_id: int
    fixture_id: str
    period: int | None
    label: str | None
    type: str | None
    started_at: datetime | None
    ended_at: datetime | None
    home_score: int | None
    away_score: int | None


class RawFrame(View, frozen=True):
    """A row of `raw_frames`: a message as it came."""

    stream_id: int
    fixture_id: str
    session_id: int
    frame_number: int
    received_at: datetime
    kind: str
    opcode: str
    payload: bytes
    reason: str | None


class Session(View, frozen=True):
    """A row of `sessions`: one connection."""

    session_id: int
    stream_id: int
    opened_at: datetime
    closed_at: datetime | None
    url: str
    start_position: int | None
    close_code: int | None
    close_reason: str | None
    outcome: str | None
    frames: int
    actions: int
    overlap_checked: int
    heartbeats: int
    last_heartbeat_at: datetime | None
    recorder: str
    host: str
    version: str
    overlap: int
    asked_because: str
    resent: int
    envelope_differences: int
    calibration: str | None
    proven: int | None


class Gap(View, frozen=True):
    """A row of `gaps`: a doubt or an outage."""

    stream_id: int
    fixture_id: str
    gap_id: int
    epoch: int
    from_position: int | None
    to_position: int | None
    from_time: datetime
    to_time: datetime | None
    cause: str
    ours: bool
    detail: str
    resolved_at: datetime | None


class Name(View, frozen=True):
    """A row of `names`."""

    kind: str
    id: str
    name: str | None
    first_seen_at: datetime
    last_seen_at: datetime


class ActionType(View, frozen=True):
    """A row of `action_types`."""

    sport: str
    type_id: int | None
    type: str | None
    sub_type_id: int | None
    sub_type: str | None
    actions: int
    first_seen_at: datetime
    last_seen_at: datetime


class ScoreFinding(View, frozen=True):
    """A row of `score_findings`: packets in a row whose summary tells another score than the match."""

    stream_id: int
    fixture_id: str
    epoch: int
    rule: str
    side: str
    from_position: int
    to_position: int
    told: int
    low: int | None
    high: int | None
    packets: int
    resolved: bool


VIEWS: dict[str, type[View]] = {
    "matches": Match,
    "streams": StreamRow,
    "actions": Action,
    "actions_all": Action,
    "timeline": TimelineAction,
    "states": State,
    "periods": Period,
    "raw_frames": RawFrame,
    "sessions": Session,
    "gaps": Gap,
    "names": Name,
    "action_types": ActionType,
    "score_findings": ScoreFinding,
}
"""The class of each view's rows."""


@cache
def kinds(view: type[View]) -> dict[str, Any]:
    """Return the columns of a view with the kind of each: int, float, str, bool, bytes, datetime, Decimal or Json."""
    hints = get_type_hints(view)
    return {name: _kind(hints[name]) for name in view.__struct_fields__}


def _kind(hint: Any) -> Any:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    return next(part for part in get_args(hint) if part is not types.NoneType)


@cache
def known_columns() -> dict[str, Any]:
    """Return the kind of every column that any view has; a name means the same in all of them (a test sees to it)."""
    return {name: kind for view in VIEWS.values() for name, kind in kinds(view).items()}


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)  # several times as fast
    except msgspec.DecodeError:  # half a surrogate pair, a number beyond any float
        return json.loads(text)


# A time is text in the views' form, an exact number fixed-point text, a flag an integer or a bool (`Dialect.reader`).
_READ: dict[Any, Callable[[Any], Any]] = {
    datetime: datetime.fromisoformat,
    Decimal: Decimal,
    bool: bool,
    Json: _parsed,
}


@cache
def _reading(view: type[View]) -> list[tuple[int, Callable[[Any], Any]]]:
    return [(at, _READ[kind]) for at, kind in enumerate(kinds(view).values()) if kind in _READ]


def read(kind: Any, value: Any) -> Any:
    """Return a value of a reading connection as what its kind says."""
    return _READ[kind](value) if value is not None and kind in _READ else value


def typed(view: type[V], rows: Iterable[Sequence[Any]]) -> list[V]:
    """Return rows of a view, its columns in its order, as values."""
    reading = _reading(view)
    found = []
    for row in rows:
        values = list(row)
        for at, convert in reading:
            if values[at] is not None:
                values[at] = convert(values[at])
        found.append(view(*values))
    return found
