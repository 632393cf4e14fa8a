"""The list of streams."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.query.archive import Archive
from recorder.query.rows import StreamRow
from tests.archive.filling import Filled, History
from tests.web.api.conftest import MATCH, ODD, Served, serving


def streams(served: Served, **asked: Any) -> list[Any]:
    items: list[Any] = served.get("/streams", **asked).json()["items"]
    return items


def test_streams_are_those_of_python(served: Served, archive_api: Archive) -> None:
    """By sport, fixture and feed; and each by itself."""
    items = streams(served)
    assert msgspec.convert(items, list[StreamRow], strict=False) == archive_api.streams()
    for item in items:
        assert served.get(f"/streams/{item['stream_id']}").json() == item


@settings(max_examples=4, deadline=None)
@given(limit=st.integers(1, 5))
def test_parts_of_any_size_make_the_whole(served: Served, limit: int) -> None:
    found, asked = list[Any](), dict[str, Any](limit=limit)
    while True:
        answer = served.get("/streams", **asked).json()
        found += answer["items"]
        if answer["next"] is None:
            break
        asked["after"] = answer["next"]
    assert found == streams(served)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"sport": "Soccer"}, {MATCH.stream_id, ODD.stream.stream_id}),
        ({"sport": "soccer", "feed": "media"}, {MATCH.stream_id}),
        ({"q": "romAN"}, {MATCH.stream_id}),
        ({"q": MATCH.fixture_id[:8]}, {MATCH.stream_id}),
        ({"state": "live"}, {ODD.stream.stream_id}),
        ({"state": "coming"}, set()),
        ({"from": "2016-06-10", "to": "2016-06-10"}, {MATCH.stream_id}),
        ({"to": "2016-06-09"}, set()),
        ({"q": "no such team"}, set()),
    ],
)
def test_filters(served: Served, asked: dict[str, str], expected: set[int]) -> None:
    assert {int(item["stream_id"]) for item in streams(served, **asked)} == expected


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"feed": "radio"}, "feed: 'radio' was given; expected betting or media"),
        ({"state": "recording"}, "state: 'recording' was given; expected live or coming or finished"),
        ({"from": "10.6.2016"}, "from: '10.6.2016' was given; expected a date, e.g. 2016-06-10"),
        ({"to": "2016-02-30"}, "to: '2016-02-30' was given; expected a date, e.g. 2016-06-10"),
        ({"after": "x"}, "after: this is no cursor of this list; expected the `next` of the answer before it"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(served: Served, asked: dict[str, str], sentence: str) -> None:
    answer = served.get("/streams", **asked)
    assert (answer.status_code, answer.json()) == (400, {"error": sentence})


def test_a_stream_that_comes_between_two_parts_moves_nothing(archive: Filled) -> None:
    """What is behind the cursor is told, what is before it was asked for too early."""
    one, other, third = sorted((History() for _ in range(3)), key=lambda history: history.stream.fixture_id)
    archive.write(*one.operations, *third.operations)
    with serving(archive) as served:
        following = served.get("/streams", limit=1).json()["next"]
        archive.write(*other.operations)
        items = streams(served, after=following)
    assert [item["fixture_id"] for item in items][-1] == third.stream.fixture_id
    assert one.stream.fixture_id not in [item["fixture_id"] for item in items]
