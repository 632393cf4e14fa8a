"""What a user means by a moment."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from recorder.errors import UsageError
from recorder.query.moments import LAST_POSITION, Moment, at, at_clock, at_time, known_at, last_before, was_connected
from recorder.query.reading import Reader
from tests.archive.filling import START_US, stream_of
from tests.vendor import load

ROMANIA = load("soccer-france-romania")
STREAM = stream_of(ROMANIA).stream_id


def test_a_time_with_an_offset() -> None:
    """The same instant, however it is written."""
    instant = datetime(2016, 6, 10, 19, 2, tzinfo=UTC)
    written = ("2016-06-10T19:02:00Z", "2016-06-10T21:02:00+02:00", "2016-06-10 19:02:00.000000+00:00", instant)
    assert {at_time(said).as_of_us for said in written} == {1_465_585_320_000_000}


@pytest.mark.parametrize("said", ["2016-06-10T19:02:00", "2016-06-10 19:02", "2016-06-10", datetime(2016, 6, 10)])
def test_a_time_without_one_is_refused_with_both_readings(said: str | datetime) -> None:
    """What it would be in UTC, and what it would be in the zone that was asked for."""
    with pytest.raises(
        UsageError, match=r"has no offset: write 2016-06-10T\S+Z if it is UTC, 2016-\S+\+02:00 if"
    ) as told:
        at_time(said, ZoneInfo("Europe/Paris"))
    assert "Europe/Paris" in str(told.value)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Pago_Pago", "Pacific/Kiritimati"])
@pytest.mark.parametrize("said", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_time_that_no_year_holds_in_utc_is_none_in_any_zone(said: str, zone: str) -> None:
    """It could be compared, and never be told."""
    with pytest.raises(UsageError, match="is no time"):
        at_time(said, ZoneInfo(zone))


def test_one_reading_where_there_is_one() -> None:
    """Where the zone is UTC as well there are not two, and that is said."""
    with pytest.raises(UsageError, match="which is also the time in UTC"):
        at_time("2016-06-10T19:02:00", ZoneInfo("UTC"))


@pytest.mark.parametrize(
    "said",
    [
        "soon",
        "",
        "19:02",
        "2016-13-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00",
        date(2016, 6, 10),
        5,
    ],
)
def test_no_time(said: Any) -> None:
    """What is none is told with an example."""
    with pytest.raises(UsageError, match=r"expected e\.g\. 2016-06-10T19:02:00Z"):
        at_time(said)


@pytest.mark.parametrize(
    ("period", "seconds", "wanted"),
    [(1, 0, 1), (1, 59, 2), (1, 60, 3), (1, 2700, 5), (2, 2699, 5), (2, 2700, 6), (9, 0, 7), (0, 0, 0)],
)
def test_the_last_action_before_a_clock(period: int, seconds: int, wanted: int) -> None:
    """Stoppage time of the first half does not reach into the second, and status updates between them do not end it."""
    steps = [(0, 0, None), (1, 1, 0), (2, 1, 30), (3, 1, 60), (4, 1, 2650), (5, 1, 2699), (6, 2, 2700), (7, 2, 2801)]
    assert last_before(steps, period, seconds) == wanted


def test_a_clock_that_counts_down() -> None:
    """A period of a count-down sport begins at its length."""
    steps = [(0, 1, 600), (1, 1, 590), (2, 1, 300), (3, 1, 0), (4, 2, 600), (5, 2, 10)]
    assert [last_before(steps, 1, seconds) for seconds in (600, 595, 300, 299, 0)] == [0, 0, 2, 2, 3]
    assert last_before(steps, 2, 600) == 4


def test_packets_without_a_clock() -> None:
    """What tells no period has passed nothing: it is known as long as what comes next is not later."""
    steps = [(0, None, None), (1, 1, 0), (2, 1, 60), (3, None, None), (4, None, 5), (5, 1, 120), (6, None, None)]
    assert [last_before(steps, 1, seconds) for seconds in (0, 59, 60, 119, 120)] == [1, 1, 4, 4, 6]


def test_before_everything() -> None:
    """A clock that had always passed: nothing is known."""
    assert last_before([(0, 1, 60)], 1, 10) == -1


def test_the_clock_of_a_real_match(reader: Reader) -> None:
    """Half-way through the second half of a real match: the packet before the first one whose summary is later."""
    position = at_clock(reader, STREAM, "2/67:30").as_of_position
    clocks = []
    for packet in ROMANIA.packets:
        summary = json.loads(packet)["fixtureSummary"]
        minutes, seconds = summary["currentClockTime"].split(":")
        clocks.append((summary["currentPeriod"], int(minutes) * 60 + int(seconds)))
    assert position == next(place for place, clock in enumerate(clocks) if clock > (2, 67 * 60 + 30)) - 1


@pytest.mark.parametrize("said", ["67:30", "2/67", "2/67:60", "x/1:00", "2/-1:00"])
def test_no_clock(reader: Reader, said: str) -> None:
    """What is none is told with an example."""
    with pytest.raises(UsageError, match=r"expected PERIOD/MM:SS, e\.g\. 2/67:30"):
        at_clock(reader, STREAM, said)


def test_any_way_to_say_it(reader: Reader) -> None:
    """A whole number is a position, what has a slash is a clock, all else is a time."""
    assert at(reader, STREAM, "40") == Moment(as_of_position=40)
    assert at(reader, STREAM, "9" * 30) == Moment(as_of_position=LAST_POSITION)
    assert at(reader, STREAM, "2/67:30") == at_clock(reader, STREAM, "2/67:30")
    assert at(reader, STREAM, "2016-06-10T19:02:00Z") == at_time("2016-06-10T19:02:00Z")


def test_all_that_is_said_holds(reader: Reader) -> None:
    """A position and a clock: the earlier one; a time beside them."""
    moment = known_at(reader, STREAM, "2016-06-10T19:02:00Z", 9, "2/67:30")
    assert moment == Moment(1_465_585_320_000_000, 9)
    assert known_at(reader, STREAM) == Moment()


def test_whether_anything_could_come(reader: Reader) -> None:
    """Only while a session was open."""
    assert was_connected(reader, STREAM, START_US)
    assert was_connected(reader, STREAM, START_US + 60_000_000)
    assert not was_connected(reader, STREAM, START_US - 1)
    assert not was_connected(reader, STREAM, START_US + 10**12)
