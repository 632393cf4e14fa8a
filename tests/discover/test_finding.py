"""What comes is read in every form that the vendor's pages leave open; what cannot be read is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from recorder.discover.envelopes import Unlike, decode, error_in, one_fixture, read_page
from recorder.discover.finding import Found, find, look_up
from recorder.discover.fixtures import Fixture, Odd, read_fixture
from recorder.discover.rest import NotThere
from recorder.errors import TemporaryError
from recorder.model import microseconds
from tests.discover.conftest import rest_of
from tests.discover.server import (
    Reply,
    RestServer,
    bare,
    bare_pages,
    cursor,
    fixture,
    next_address,
    pageable,
    pageable_only,
)


def found_at(server: RestServer) -> Found:
    async def work() -> Found:
        async with rest_of(server.endpoint) as rest:
            return await find(rest, "soccer", [("dateFrom", "2026-11-22"), ("type", "official")])

    return asyncio.run(work())


# -- pages -------------------------------------------------------------------------------------------------------------

SHAPES = [(bare, 2), (bare_pages, 4), (pageable, 5), (pageable_only, 5), (cursor, 5), (next_address, 5)]
"""With the number of requests that it takes to have 14 fixtures, and to know that these are all."""


@pytest.mark.parametrize(("shape", "requests"), SHAPES, ids=[shape.__name__ for shape, _ in SHAPES])
def test_every_page_is_read(rest_server: RestServer, shape: Any, requests: int) -> None:
    """Each fixture once, whatever wraps it; the filters go with every request; nobody else is asked."""
    rest_server.fixtures = [fixture(number) for number in range(14)]
    rest_server.shape = shape
    found = found_at(rest_server)
    assert [each.fixture_id for each in found.fixtures] == [each["id"] for each in rest_server.fixtures]
    assert found.notes == []
    assert len(rest_server.asked) == requests
    assert all(asked.query["type"] == ["official"] for asked in rest_server.asked)
    assert all(len(values) == 1 for asked in rest_server.asked for values in asked.query.values())


@pytest.mark.parametrize("shape", [bare, bare_pages, pageable, pageable_only, cursor, next_address])
def test_no_fixtures(rest_server: RestServer, shape: Any) -> None:
    """Is an answer as well."""
    rest_server.fixtures, rest_server.shape = [], shape
    assert found_at(rest_server) == Found()
    assert len(rest_server.asked) == 1


def test_a_vendor_that_goes_round_in_circles(rest_server: RestServer) -> None:
    """Says that there is more, and sends the same: it is asked once more and left."""
    rest_server.shape = lambda fixtures, _query: {"fixtures": fixtures, "nextCursor": "again", "last": False}
    assert len(found_at(rest_server).fixtures) == 8
    assert len(rest_server.asked) == 2


def test_odd_ones_are_left_out_and_told(rest_server: RestServer) -> None:
    """Without an id, or none at all: said, and the others are there."""
    rest_server.fixtures[2:2] = [{"name": "Nameless"}, 7, fixture(9, startDateUTC="soon"), fixture(10, teams="two")]
    found = found_at(rest_server)
    assert len(found.fixtures) == 10
    assert [note.partition(": ")[0] for note in found.notes] == [
        "left out, since it has no id",
        "left out, since it is no object",
        fixture(9)["id"],
        fixture(10)["id"],
    ]
    assert "startDateUTC 'soon' is no time" in found.notes[2]


@pytest.mark.parametrize("body", [b'[{"id": "1"', b"", b'{"count": 3}', b"[" * 100_000, b'"no"'])
def test_what_cannot_be_read(rest_server: RestServer, body: bytes) -> None:
    """Cut off, or of another kind: told as what may pass, with the address."""
    rest_server.replies = [Reply(200, body)] * 3
    with pytest.raises(Exception, match=r"/soccer/fixtures") as unread:
        found_at(rest_server)
    assert getattr(unread.value, "exit_code", None) in {1, 75}


def test_one_fixture_is_looked_up(rest_server: RestServer) -> None:
    """By its id; one that is not there says so."""

    async def work(number: int) -> Fixture:
        async with rest_of(rest_server.endpoint) as rest:
            return await look_up(rest, "soccer", fixture(number)["id"])

    assert asyncio.run(work(3)).home == "Home 3"
    with pytest.raises(NotThere):
        asyncio.run(work(99))
    rest_server.replies = [Reply(200, b"[1, 2]")]
    with pytest.raises(TemporaryError, match="cannot be read"):
        asyncio.run(work(3))


# -- one answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "is_last", "query"),
    [
        ([1], None, ()),
        ({"content": [1], "last": True}, True, ()),
        ({"content": [1], "page": {"totalPages": 2}}, False, ()),
        ({"content": [1], "page": {"totalPages": 1}}, True, ()),
        ({"whatever": [1]}, None, ()),
        ({"_embedded": {"fixtureList": [1]}, "pagination": {"hasNext": False}}, True, ()),
        ({"items": [1], "cursor": "abc"}, None, (("cursor", "abc"),)),
        ({"items": [1], "cursor": {"next": "abc"}}, None, (("cursor", "abc"),)),
        ({"items": [1], "links": {"next": {"href": "/x?page=2&size=5"}}}, None, (("page", "2"), ("size", "5"))),
    ],
)
def test_pages(value: Any, is_last: bool | None, query: tuple[tuple[str, str], ...]) -> None:
    """The array, whether it is the last, how to ask on."""
    page = read_page(value, 0)
    assert (page.items, page.is_last, page.next_query) == ([1], is_last, query)


@pytest.mark.parametrize("value", [None, 1, "x", {}, {"a": [], "b": []}, {"data": {"deep": 1}}])
def test_no_page(value: Any) -> None:
    """Which of two arrays is meant is not guessed."""
    with pytest.raises(Unlike):
        read_page(value, 0)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errorMessage":"a"}', "a"),
        (b'{"error":"b","status":500}', "b"),
        (b'{"message":"c","level":"WARN"}', "c"),
        (b"{ d }", "{ d }"),
        (b"e", "e"),
        (b'{"id":"x","message":"no error","level":"high"}', None),
        (b'{"message":"no error"}', None),
        (b"[]", None),
        (b'[{"cut', None),
    ],
)
def test_errors(body: bytes, said: str | None) -> None:
    """In the vendor's forms, and no data taken for one."""
    assert error_in(body) == said


@pytest.mark.parametrize("wrapped", [lambda one: one, lambda one: [one], lambda one: {"fixture": one, "took": 1}])
def test_one_fixture_in_any_wrapping(wrapped: Any) -> None:
    """Bare, in an array of one, under a name."""
    assert one_fixture(wrapped({"id": "a"})) == {"id": "a"}


def test_broken_json() -> None:
    """Too deep, or no UTF-8: no JSON, and no crash."""
    for body in (b"[" * 100_000, b'"\xff"', b"NaN"):
        with pytest.raises(Unlike):
            decode(body)


# -- one fixture -------------------------------------------------------------------------------------------------------


def test_a_whole_fixture() -> None:
    """As the vendor's page describes it; its time has no zone and is UTC."""
    assert read_fixture(fixture(1)) == Fixture(
        fixture_id="00000001-0000-4000-8000-000000000000",
        name="Home 1 v Away 1",
        starts_us=microseconds("2026-11-23T13:00:00Z"),
        status="Scheduled",
        competition="Premier League",
        season="2026/27",
        venue="The Ground",
        coverage_level="In Venue",
        home_id="h1",
        home="Home 1",
        away_id="a1",
        away="Away 1",
    )


@pytest.mark.parametrize(
    ("said", "field", "expected"),
    [
        ({"status": 3}, "status", "Postponed"),
        ({"status": {"id": 5, "name": "Cancelled"}}, "status", "Cancelled"),
        ({"coverageLevel": 1}, "coverage_level", "In Venue"),
        ({"coverageLevel": 77}, "coverage_level", "77"),
        ({"venue": "A name"}, "venue", "A name"),
        ({"venue": ["odd"]}, "venue", None),
        ({"stage": None}, "competition", None),
        ({"stage": None, "competition": {"name": "Cup"}}, "competition", "Cup"),
        ({"teams": []}, "label", "Home 1 v Away 1"),
        ({"teams": [{"id": 1, "name": "A"}, {"id": 2, "name": "H", "homeTeam": True}]}, "label", "A - H"),
        ({"teams": [{"name": "A", "homeTeam": False}, {"name": "H", "homeTeam": True}]}, "label", "H - A"),
        ({"homeTeam": {"name": "H"}, "awayTeam": {"name": "A"}}, "label", "H - A"),
        ({"name": "Two\nlines\x00\x1b[2J", "teams": None}, "label", "Two lines [2J"),
        ({"startDateUTC": "2026-11-23T14:00:00+01:00"}, "starts_us", microseconds("2026-11-23T13:00:00Z")),
        ({"startDateUTC": 5}, "starts_us", None),
        ({"fixtureDeleted": True}, "is_called_off", True),
        ({"status": "POSTPONED"}, "is_called_off", True),
    ],
)
def test_odd_members(said: dict[str, Any], field: str, expected: Any) -> None:
    """Read where it can be, None where it cannot; the rest of the fixture is there."""
    found = read_fixture(fixture(1, **said))
    assert getattr(found, field) == expected
    assert found.fixture_id == fixture(1)["id"]


@pytest.mark.parametrize("item", [None, [], {}, {"id": None}, {"id": ""}, {"id": True}, {"name": "x"}])
def test_no_fixture(item: Any) -> None:
    """Without an id there is nothing to record."""
    with pytest.raises(Odd):
        read_fixture(item)
