"""`recorder verify`: what it prints, what it says, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.model import Gap
from recorder.operations import OpenGap
from tests.archive.filling import START_US, Filled, recorded, stream_of
from tests.cli.conftest import Call
from tests.vendor import load

SNOOKER, LEGANES = load("snooker-1"), load("soccer-leganes-valencia")


@pytest.fixture
def archive(tmp_path: Path) -> Filled:
    """Two matches, of which some rows may be damaged."""
    filled = Filled(tmp_path / "recorder.db")
    filled.write(*(operation for match in (SNOOKER, LEGANES) for operation in recorded(match, first=40)))
    return filled


def harm(place: Filled, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(place.path)) as connection, connection:
        connection.execute(statement, values)


def a_gap(cause: str, *, ours: bool) -> OpenGap:
    return OpenGap(Gap(stream_of(SNOOKER).stream_id, 1, 0, cause, ours, "why", 3, 5, START_US, None))


def test_a_whole_archive(call: Call, archive: Filled) -> None:
    """A row for each stream, and one sentence that claims what was checked and no more: 0."""
    ended = call("verify", database=archive)
    assert ended.code == 0
    assert ended.out.count("complete") == ended.out.count("agrees") == 2
    so_far = "not ended yet: 2, of which this holds for what is stored so far"
    assert ended.err == f"recorder: 2 streams: every row is what its stored bytes say; {so_far}\n"


def test_damage(call: Call, archive: Filled) -> None:
    """Each finding is named with its place on stderr, the stream's verdict stands in the table: 65."""
    harm(
        archive, "UPDATE action SET home_score = 7 WHERE stream_id = ? AND position = 12", stream_of(LEGANES).stream_id
    )
    ended = call("verify", database=archive)
    assert ended.code == 65
    assert "damaged" in ended.out
    assert f"{stream_of(LEGANES).name}: position 12, frame 12 of session" in ended.err
    assert "home_score is 7, its frame gives 0" in ended.err
    assert "`recorder reparse` reads the columns from them again" in ended.err


def test_damage_of_a_frame(call: Call, archive: Filled) -> None:
    """What no frame can mend is told with the ways out: 65."""
    harm(archive, "UPDATE frame SET received_us = 7 WHERE stream_id = ?", stream_of(LEGANES).stream_id)
    ended = call("verify", database=archive)
    assert ended.code == 65
    assert "of 2 streams damaged: 1, as told above" in ended.err
    assert "recorder recover" in ended.err


def test_one_fixture(call: Call, archive: Filled) -> None:
    """Who asks for one match hears nothing of another's damage."""
    harm(archive, "DELETE FROM action WHERE stream_id = ? AND position = 12", stream_of(LEGANES).stream_id)
    assert call("verify", SNOOKER.fixture_id[:8], database=archive).code == 0
    assert call("verify", "leganes-valencia", database=archive).code == 65


def test_json(call: Call, archive: Filled) -> None:
    """Findings with their places as values, ids as text."""
    harm(archive, "DELETE FROM frame WHERE stream_id = ? AND frame_number = 12", stream_of(LEGANES).stream_id)
    rows = {row["stream"]: row for row in json.loads(call("verify", "--format", "json", database=archive).out)}
    told = rows[stream_of(LEGANES).name]
    assert (told["verdict"], told["damage"], told["stream_id"]) == ("damaged", 1, str(stream_of(LEGANES).stream_id))
    [finding] = told["findings"]
    assert told["doubts"] == [f"session {told['sessions'][0]['session_id']}, end: 39 of the 40 frames that its head "
                              "covers are there: the rest is on its way here, or lost"]  # fmt: skip
    assert (finding["what"], finding["epoch"], finding["position"], finding["frame_number"]) == ("frame", 0, 12, 12)
    assert isinstance(finding["session_id"], str)
    assert (told["score"], told["score_rules"]) == ("unchecked", [])  # of what is damaged


def test_csv(call: Call, archive: Filled) -> None:
    """Counts, one row a stream."""
    rows = list(csv.DictReader(io.StringIO(call("verify", "--format", "csv", database=archive).out)))
    assert [(row["verdict"], row["damage"], row["doubts"]) for row in rows] == [("complete", "0", "0")] * 2


@pytest.mark.parametrize(
    ("ours", "strict", "code"), [(True, False, 4), (False, False, 0), (False, True, 4), (True, True, 4)]
)
def test_open_gaps(call: Call, file: Filled, ours: bool, strict: bool, code: int) -> None:
    """Ours end with 4; the vendor's are noted, and 4 only with --strict."""
    file.write(*recorded(SNOOKER, first=9), a_gap("network" if ours else "vendor_suspended", ours=ours))
    ended = call("verify", *["--strict"] * strict, database=file)
    assert ended.code == code
    assert "open gap" in ended.err
    assert ("note: " in ended.err) == (not ours)


def test_quiet(call: Call, file: Filled) -> None:
    """Notes and doubts are not said; damage is."""
    file.write(*recorded(SNOOKER, first=9), a_gap("vendor_suspended", ours=False))
    assert call("verify", "--quiet", database=file).err == ""
    harm(file, "DELETE FROM epoch")
    assert "no version of its list is the current one" in call("verify", "--quiet", database=file).err


def test_a_score_that_disagrees(call: Call, file: Filled) -> None:
    """The vendor's own contradiction is told with its positions, and is no doubt of ours: 0."""
    wrong = [packet.replace(b'"homeTeamScore":0', b'"homeTeamScore":3') for packet in LEGANES.packets[:20]]
    file.write(*recorded(replace(LEGANES, packets=wrong)))
    ended = call("verify", database=file)
    assert ended.code == 0
    assert "the summary's home score is 3 and should be 0 by the actions, from position 0 and still at 19" in ended.err


def test_an_unknown_sport_is_not_said_to_agree(call: Call, file: Filled) -> None:
    """Its score is unchecked."""
    file.write(*recorded(replace(SNOOKER, sport="curling"), first=20))
    ended = call("verify", database=file)
    assert "unchecked" in ended.out
    assert "agrees" not in ended.out


def test_nothing_there(call: Call, file: Filled) -> None:
    """No archive is a usage error with its place; an empty one is whole."""
    assert call("verify", database=file).code == 2
    file.write()
    ended = call("verify", database=file)
    assert (ended.code, ended.err) == (0, "recorder: the archive holds no streams\n")


def test_hostile_text(call: Call, archive: Filled) -> None:
    """What somebody has put into a column cannot move the cursor of who reads the finding."""
    harm(archive, "UPDATE action SET player = ? WHERE stream_id = ? AND position = 12", "\x1b[2Jgone",
         stream_of(LEGANES).stream_id)  # fmt: skip
    ended = call("verify", database=archive)
    assert "\x1b" not in ended.out + ended.err
    assert "gone" in ended.err
