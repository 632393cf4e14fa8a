"""What `timeline` says beside the rows, and how a fixture that is not found is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.query.reading import reading
from tests.archive.filling import Filled
from tests.cli.conftest import Call
from tests.vendor import load

SOCCER = load("soccer-france-romania")
GOAL = 375
"""A position that the tests below look at; any but the ends would do."""


def received_at(library: Filled, position: int) -> str:
    statement = "SELECT received_at FROM actions WHERE fixture_id = ? AND position = ?"
    return str(library.value(statement, SOCCER.fixture_id, position))


def told(call: Call, library: Filled, *arguments: str) -> str:
    """Return the line that the table of France - Romania ends with, on stderr."""
    left = call("timeline", "france-romania", *arguments, database=library)
    assert left.code == 0
    return left.err.splitlines()[-1]


def test_the_match_as_it_stands(call: Call, library: Filled) -> None:
    """The table ends with the score, the state and what is stored."""
    expected = "recorder: France - Romania 2-1, finished; 525 actions stored, 0 open gaps"
    assert told(call, library) == expected


def test_what_was_missing_for_a_while(call: Call, library: Filled) -> None:
    """Gaps that are closed are summed up by their causes."""
    count = library.value("SELECT count(*) FROM gaps WHERE fixture_id = ?", SOCCER.fixture_id)
    assert count
    summary = call("timeline", "france-romania", database=library).err.splitlines()[-2]
    assert summary == f"recorder: gaps closed since: vendor_delayed {count}; when and why: the view `gaps`"


def test_what_is_missing(call: Call, library: Filled) -> None:
    """A gap that is open is told with its cause, its beginning and its place; as of a moment in it, it is open too."""
    place, begin = library.select(
        "SELECT from_position, from_time FROM gaps WHERE fixture_id = ? ORDER BY gap_id LIMIT 1", SOCCER.fixture_id
    )[0]
    lines = call("timeline", "france-romania", "--as-of", begin, database=library).err.splitlines()
    assert any(f"open gap of the vendor's vendor_delayed, from {begin} behind position {place - 1}" in x for x in lines)


def test_as_of_a_position(call: Call, library: Filled) -> None:
    """The score is the one of then, and the number of actions too."""
    score = library.select(
        "SELECT home_score, away_score FROM actions WHERE fixture_id = ? AND position = ?", SOCCER.fixture_id, GOAL
    )[0]
    assert score != (2, 1)
    expected = (
        f"recorder: France - Romania {score[0]}-{score[1]}, as known after the action at position {GOAL}: "
        f"{GOAL + 1} actions of the 525 stored now"
    )
    assert told(call, library, "--as-of-position", str(GOAL)) == expected


def test_as_of_the_first_position(call: Call, library: Filled) -> None:
    """One action is one action."""
    assert "position 0: 1 action of the 525 stored now" in told(call, library, "--as-of-position", "0")


def test_as_of_a_time(call: Call, library: Filled) -> None:
    """A moment is told as it was typed."""
    moment = received_at(library, GOAL)
    line = told(call, library, "--as-of", moment)
    count = library.value(
        "SELECT count(*) FROM actions WHERE fixture_id = ? AND received_at <= ?", SOCCER.fixture_id, moment
    )
    assert f"as known at {moment}: {count} actions of the 525" in line


def test_as_of_both(call: Call, library: Filled) -> None:
    """With a time and a position both hold, and both are told."""
    moment = received_at(library, GOAL)
    line = told(call, library, "--as-of", moment, "--as-of-position", "3")
    assert f"as known at {moment} and after the action at position 3: 4 actions" in line


def test_a_filter_does_not_change_what_was_known(call: Call, library: Filled) -> None:
    """The closing line is about the match, not about the rows that are shown."""
    line = told(call, library, "--as-of-position", str(GOAL), "--type", "Corner")
    assert line == told(call, library, "--as-of-position", str(GOAL))


def test_nothing_known_yet(call: Call, library: Filled) -> None:
    """Before the first message there is nothing, and it is told when the archive begins."""
    line = told(call, library, "--as-of", "2016-06-10T19:02:00Z")
    first = received_at(library, 0)
    assert line == (
        "recorder: France - Romania: nothing had been received by 2016-06-10T19:02:00Z; "
        f"the archive's first message is of {first}"
    )


@pytest.mark.parametrize("arguments", [(), ("--as-of-position", "3")])
def test_quiet(call: Call, library: Filled, arguments: tuple[str, ...]) -> None:
    """-q leaves the closing line out, and the rows as they are."""
    left = call("timeline", "france-romania", "-q", *arguments, database=library)
    assert (left.code, left.err) == (0, "")
    assert left.out == call("timeline", "france-romania", *arguments, database=library).out


def test_no_closing_line_beside_data(call: Call, library: Filled) -> None:
    """The other formats are for programs: nothing is said."""
    assert call("timeline", "france-romania", "--format", "jsonl", database=library).err == ""


@pytest.mark.parametrize("typed", ["39e", "a", "media/soccer/39e"])
def test_a_short_id(call: Call, library: Filled, typed: str) -> None:
    """The beginning of an id is too short below four characters, and that is told."""
    left = call("timeline", typed, database=library)
    assert (left.code, left.out) == (2, "")
    assert "needs at least 4 characters" in left.err


def test_an_id_that_is_long_enough(call: Call, library: Filled) -> None:
    """Four characters are enough; a wrong one is not told to be too short."""
    assert call("timeline", "39e7", database=library).code == 0
    assert "at least 4" not in call("timeline", "ffff", database=library).err


def test_the_library_is_what_it_was(call: Call, library: Filled) -> None:
    """None of this changes the archive."""
    before = library.path.read_bytes()
    call("timeline", "france-romania", "--as-of-position", "5", database=library)
    with reading(library.url):
        pass
    assert Path(library.path).read_bytes() == before
