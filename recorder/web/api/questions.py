"""The parameters that several addresses have in common."""

from __future__ import annotations

from recorder.query.moments import at_time
from recorder.web.api.parameters import Parameter, matching, text, whole, whole_between


def _time(said: str) -> str:
    at_time(said)
    return said


def _stream_id(said: str) -> int:
    return whole_between(0, 2**63 - 1)(matching("0|[1-9][0-9]{0,18}")(said))


AS_OF = Parameter(
    "as_of",
    "The match as we knew it at that moment, by our receive time: RFC 3339 with an offset. In a URL a `+` is `%2B`.",
    {"type": "string", "format": "date-time"},
    "a time with an offset, e.g. 2016-06-10T19:02:00Z (in a URL a + is written %2B)",
    _time,
    example="2023-11-14T23:30:00Z",
)
AS_OF_POSITION = whole("as_of_position", "As known after the action at this position of the vendor's list.")
AS_OF_CLOCK = Parameter(
    "as_of_clock",
    "As known when the match's clock stood there: `PERIOD/MM:SS`.",
    {"type": "string", "pattern": "^[0-9]{1,3}/[0-9]{1,4}:[0-5][0-9]$"},
    "PERIOD/MM:SS, e.g. 2/67:30",
    matching("[0-9]{1,3}/[0-9]{1,4}:[0-5][0-9]"),
    example="2/67:30",
)
MOMENT = (AS_OF, AS_OF_POSITION, AS_OF_CLOCK)
"""As known when; given several, all have to hold."""

TYPE = Parameter(
    "type",
    "Only actions of this type (the vendor's name, without regard to case); may be given several times.",
    {"type": "string"},
    is_repeated=True,
    example=["Goal"],
)
FILTERS = (
    TYPE,
    text("team", "Only actions of this team: `home`, `away`, or its name, without regard to case."),
    whole("period", "Only actions of this period, by the vendor's number.", most=2**31 - 1),
)

STREAM = Parameter(
    "id",
    "The stream's `stream_id`, as `/streams` lists it.",
    {"type": "string", "pattern": "^(0|[1-9][0-9]{0,18})$"},
    "the id of a stream, as /api/v1/streams lists it",
    _stream_id,
    example="8356247909268436318",
)
POSITION = whole("position", "The action's position in the vendor's list, from 0.", example=323)
"""Both stand in the path."""

LIMIT = whole("limit", "How many items at most.", 1, 1_000, 100)
AFTER = text("after", "The `next` of the answer before this one: begin behind its last item.")
PART = (LIMIT, AFTER)
"""Which part of a list."""
