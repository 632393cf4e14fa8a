"""Moments, changes, orders: `recorder timeline` beyond the match as it stands."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from recorder.archive.writer import Writer
from recorder.model import Gap, microseconds
from recorder.operations import OpenGap
from tests.archive.filling import START_US, Filled, History, close_session
from tests.cli.conftest import Call
from tests.vendor import load

SOCCER = load("soccer-france-romania")


def rows(call: Call, library: Filled, *arguments: str) -> list[dict[str, Any]]:
    left = call("timeline", "france-romania", *arguments, "--format", "json", database=library)
    assert left.code == 0, left.err
    found: list[dict[str, Any]] = json.loads(left.out)
    return found


def received_at(library: Filled, position: int) -> str:
    statement = "SELECT received_at FROM actions WHERE fixture_id = ? AND position = ?"
    return str(library.value(statement, SOCCER.fixture_id, position))


def test_what_changed_between_two_times(call: Call, library: Filled) -> None:
    """A goal that was known at the first moment and is gone at the second: how long it stood, and why it went."""
    left = call(
        "timeline", "france-romania", "--diff", received_at(library, 10), received_at(library, 30),
        "--type", "Goal", database=library,
    )  # fmt: skip
    assert left.code == 0
    assert "Goal 1' B. Matuidi (France) stood 01:35, deleted after video check" in left.out
    assert "added" not in left.out


def test_the_same_by_clock_and_by_position(call: Call, library: Filled) -> None:
    """The two moments can be said in any of the three ways."""
    by_position = rows(call, library, "--diff", "10", "30")
    assert by_position == rows(call, library, "--diff", received_at(library, 10), received_at(library, 30))
    by_clock = rows(call, library, "--diff", "1/00:33", "1/02:10", "--type", "Goal")
    assert [(row["what"], row["stood_s"], row["detail"]) for row in by_clock] == [
        ("taken back", 95.0, "deleted after video check")
    ]


def test_the_filters_choose_among_the_changes(call: Call, library: Filled) -> None:
    """By type, team and period, as they choose among actions."""
    every = rows(call, library, "--diff", "0", "400")
    away = rows(call, library, "--diff", "0", "400", "--team", "away", "--period", "2")
    assert away == [row for row in every if row["team"] == "Romania" and row["period"] == 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--diff", "30", "10"), "the earlier moment comes first"),
        (("--diff", "30", "soon"), "'soon' is no time"),
        (("--diff", "30", "40", "--as-of-position", "3"), "leave --as-of"),
        (("--diff", "30", "40", "--revisions"), "leave --as-of"),
        (("--as-of", "2016-06-10T19:02:00"), "2016-06-10T19:02:00Z if it is UTC"),
        (("--as-of", "2016-06-10T19:02:00", "--tz", "Europe/Paris"), "2016-06-10T19:02:00+02:00 if it is the time in"),
        (("--as-of-clock", "67:30"), "expected PERIOD/MM:SS"),
        (("--diff", "²", "40"), "'²' is no time"),
        (("--tz", "Europe"), "there is no time zone 'Europe'"),
        (("--feed", "foo"), "betting or media"),
        (("--chart", "nowhere/match.svg"), "there is no directory"),
        (("--chart", "match.gif"), "name a file that ends so"),
    ],
)
def test_moments_that_cannot_be_meant(call: Call, library: Filled, arguments: tuple[str, ...], said: str) -> None:
    """2, with a sentence that says what to write instead."""
    left = call("timeline", "france-romania", *arguments, database=library)
    assert (left.code, left.out) == (2, "")
    assert said in left.err


def test_as_the_clock_stood(call: Call, library: Filled) -> None:
    """At 67:30 it was 1-1, and that is said."""
    left = call("timeline", "france-romania", "--as-of-clock", "2/67:30", "--type", "Goal", database=library)
    assert left.code == 0
    assert "France - Romania 1-1, as known when the clock stood at 2/67:30: 366 actions of the 525" in left.err
    assert rows(call, library, "--as-of-clock", "2/67:30") == rows(call, library, "--as-of-position", "365")


def test_order(call: Call, library: Filled) -> None:
    """The same rows: in the match's order, or in the one in which the vendor sent what is shown."""
    match, arrival = rows(call, library), rows(call, library, "--order", "arrival")
    assert [row["ordinal"] for row in match] == list(range(1, len(match) + 1))
    assert [row["position"] for row in arrival] == sorted(row["position"] for row in match)
    assert match != arrival


def test_delayed_packets_are_flagged(call: Call, library: Filled) -> None:
    """What was collected while the scorer was cut off is marked in the table."""
    left = call("timeline", "france-romania", database=library)
    delayed = [row for row in rows(call, library) if row["delay_status"]]
    assert delayed
    assert sum("delayed" in line for line in left.out.splitlines()) == len(delayed)


def test_a_moment_without_a_connection(call: Call, library: Filled) -> None:
    """Nothing could come then: what is known of that moment may have come later, and that is said."""
    before = received_at(library, 0)
    moment = datetime.fromisoformat(before).replace(year=2022).isoformat()
    quiet = call("timeline", "france-romania", "--as-of", before, database=library)
    assert "no connection was open" not in quiet.err
    assert "nothing had been received" in call("timeline", "france-romania", "--as-of", moment, database=library).err


def test_between_two_connections(call: Call, file: Filled) -> None:
    """A match that is not over, seen at a moment when nobody listened."""
    history = History()
    history.add(START_US, type="Goal", send_type="Pending")
    history.operations.append(close_session(history.stream, closed_us=START_US + 5))
    file.write(*history.operations)
    left = call("timeline", history.stream.fixture_id, "--as-of", "2023-11-14T23:00:00Z", database=file)
    assert "no connection was open at that moment" in left.err
    assert "nothing is confirmed yet" in left.err


def test_nothing_confirmed(call: Call, file: Filled) -> None:
    """A match of which everything is still pending says so; the table marks each."""
    history = History()
    history.add(type="Goal", send_type="Pending")
    file.write(*history.operations)
    left = call("timeline", history.stream.fixture_id, database=file)
    assert left.code == 0
    assert "pending" in left.out
    assert "recorder: nothing is confirmed yet" in left.err


def test_a_position_beyond_any_list(call: Call, library: Filled) -> None:
    """However large it is, it is behind everything."""
    assert rows(call, library, "--as-of-position", "9" * 25) == rows(call, library)


def test_a_gap_that_was_not_known_yet(call: Call, file: Filled) -> None:
    """After an action, by position or by clock, nothing is told of what went wrong later."""
    history = History()
    for at in range(3):
        history.add(START_US + at, current_period=1, current_clock_seconds=60 * at)
    late = Gap(history.stream.stream_id, 1, 0, "dropped", True, "why", 3, None, START_US + 2, None)
    file.write(*history.operations, OpenGap(late))
    asked = ("timeline", history.stream.fixture_id)
    assert "open gap dropped" in call(*asked, database=file).err
    assert "open gap dropped" not in call(*asked, "--as-of-position", "1", database=file).err
    assert "open gap dropped" not in call(*asked, "--as-of-clock", "1/01:30", database=file).err


def test_the_first_and_the_last_day(call: Call, file: Filled) -> None:
    """A time that no zone can move is shown as it is."""
    history = History()
    for day in ("0001-01-01T00", "9999-12-31T23"):
        history.add(type="Goal", occurred_us=microseconds(f"{day}:30:00Z"))
    file.write(*history.operations)
    for zone in ("Asia/Tokyo", "America/New_York"):
        left = call("timeline", history.stream.fixture_id, "--tz", zone, database=file)
        assert (left.code, left.out.count("Goal")) == (0, 2)


def test_half_a_score(call: Call, file: Filled) -> None:
    """Of a side of which nothing was told, nothing is made up."""
    history = History()
    history.add(type="Goal", home_score=1)
    file.write(*history.operations)
    left = call("timeline", history.stream.fixture_id, database=file)
    assert "1-?" in left.out
    assert "None" not in left.out + left.err


@pytest.mark.parametrize("command", [("timeline", "france-romania"), ("fixtures",)])
def test_an_empty_csv_has_the_same_header(call: Call, library: Filled, command: tuple[str, ...]) -> None:
    """Whoever reads it by name finds its columns, also where there is no row."""
    none = ("--type", "Nothing") if command[0] == "timeline" else ("--sport", "chess")
    full, empty = (call(*command, *more, "--format", "csv", database=library).out for more in ((), none))
    assert empty.splitlines() == full.splitlines()[:1]


def test_an_archive_that_is_being_written(call: Call, file: Filled) -> None:
    """What is durable is there, while a recorder goes on."""
    history = History()
    with Writer(file.spool_url) as writer:
        for count in (1, 2):
            history.add(type="Goal", send_type="Confirmed")
            writer.submit(history.taken())
            writer.flushed().result()
            left = call("timeline", history.stream.fixture_id, "--format", "jsonl", database=file)
            assert (left.code, len(left.out.splitlines())) == (0, count)
    assert "recording; 2 actions stored" in call("timeline", history.stream.fixture_id, database=file).err


def test_an_empty_archive(call: Call, file: Filled) -> None:
    """Nothing recorded yet: an empty list and a sentence; asking for a match says the same."""
    file.write()
    left = call("fixtures", database=file)
    assert (left.code, left.err) == (0, "recorder: nothing is recorded yet\n")
    left = call("timeline", "france-romania", database=file)
    assert left.code == 2
    assert "record one first" in left.err


def test_what_is_near(call: Call, library: Filled) -> None:
    """A slip of the finger: the sentence names the match that may have been meant."""
    left = call("timeline", "frnce-romania", database=library)
    assert left.code == 2
    assert f"near: {SOCCER.fixture_id} france-romania 2016-06-10" in left.err
