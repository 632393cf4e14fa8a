"""`recorder reparse`: what it prints, what it says, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from recorder.archive.writer import Writer
from tests.archive.filling import Filled, recorded, stream_of
from tests.cli.conftest import Call
from tests.reparse.conftest import actions, spoil
from tests.vendor import load

SNOOKER, LEGANES = load("snooker-1"), load("soccer-leganes-valencia")
ID = stream_of(LEGANES).stream_id


@pytest.fixture
def archive(tmp_path: Path) -> Filled:
    """Two matches; of one of them the score of an action was changed by hand."""
    filled = Filled(tmp_path / "recorder.db")
    filled.write(*(operation for match in (SNOOKER, LEGANES) for operation in recorded(match, first=40)))
    spoil(filled.url, "UPDATE action SET home_score = 7, type = NULL WHERE stream_id = :id AND position = 12", id=ID)
    return filled


def test_diff(call: Call, archive: Filled) -> None:
    """Each column that would change, old and new; one sentence sums up, nothing is written: 0."""
    before = actions(archive)
    ended = call("reparse", "--diff", database=archive)
    assert ended.code == 0
    lines = [line.split() for line in ended.out.splitlines()[2:]]
    name = stream_of(LEGANES).name
    assert sorted(line[:7] for line in lines) == [
        [name, "archive", "0", "12", "home_score", "7", "0"],
        [name, "archive", "0", "12", "type", "None", lines[0][6]],
    ]
    said = r"recorder: 80 rows read, 1 would be changed; parser \d+, digest of all rows [0-9a-f]{64}\n"
    assert re.fullmatch(said, ended.err)
    assert actions(archive) == before


def test_mending(call: Call, archive: Filled) -> None:
    """A row for each stream and one for all, whose digest is the one that was foretold; then nothing differs."""
    foretold = call("reparse", "--diff", database=archive).err.split()[-1]
    ended = call("reparse", "--format", "json", database=archive)
    rows = {row["stream"]: row for row in json.loads(ended.out)}
    assert (ended.code, list(rows)[-1]) == (0, "all")
    assert [(row["rows"], row["changed"]) for row in rows.values()][-1] == (80, 1)
    assert rows[stream_of(LEGANES).name]["stream_id"] == str(ID)
    assert rows["all"]["digest"] == foretold
    assert ended.err.startswith("recorder: 80 rows read, 1 changed; parser ")
    assert call("reparse", "--diff", "--format", "json", database=archive).out == "[]\n"


def test_diff_as_values(call: Call, archive: Filled) -> None:
    """json and jsonl have the values as they are, with the frame; csv has a header also when nothing differs."""
    rows = json.loads(call("reparse", "--diff", "--format", "json", database=archive).out)
    assert [(row["column"], row["old"]) for row in rows] == [("type", None), ("home_score", 7)]
    assert (rows[1]["new"], rows[1]["frame_number"], isinstance(rows[1]["session_id"], str)) == (0, 12, True)
    lines = call("reparse", "--diff", "--format", "jsonl", database=archive).out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    said = csv.DictReader(io.StringIO(call("reparse", "--diff", "--format", "csv", database=archive).out))
    assert [(row["column"], row["old"], row["position"]) for row in said] == [
        ("type", "", "12"),
        ("home_score", "7", "12"),
    ]
    nothing = call("reparse", SNOOKER.fixture_id, "--diff", "--format", "csv", database=archive).out
    assert nothing.split(",") == [*list(rows[0])[:-1], "new\n"]


def test_damage(call: Call, archive: Filled) -> None:
    """A row that does not fit its frame is told and left: 65. The rest is done."""
    spoil(archive.url, "UPDATE frame SET payload = digest WHERE stream_id = :id AND frame_number = 3", id=ID)
    ended = call("reparse", database=archive)
    assert ended.code == 65
    assert f"{stream_of(LEGANES).name}: position 3, frame 3 of session" in ended.err
    assert "rows that do not fit their frames: 1, as told above" in ended.err
    assert archive.value("SELECT home_score FROM action WHERE stream_id = ? AND position = 12", ID) == 0


def test_newer_rows(call: Call, archive: Filled) -> None:
    """What a newer version has derived is not for this one: 78, with the way out."""
    spoil(archive.url, "UPDATE action SET parser = 999 WHERE stream_id = :id AND position = 3", id=ID)
    ended = call("reparse", "--quiet", database=archive)
    assert ended.code == 78
    assert ended.err.count("\n") == 1
    assert "rows that the parser of a newer recorder has derived: 1;" in ended.err


def test_in_use(call: Call, archive: Filled) -> None:
    """Beside a recorder only looking is allowed: 75 and its name."""
    with Writer(archive.url):
        assert call("reparse", "--diff", database=archive).code == 0
        ended = call("reparse", database=archive)
    assert (ended.code, "is being written by recorder pid" in ended.err) == (75, True)


def test_no_archive(call: Call, tmp_path: Path) -> None:
    """It never makes one: 2."""
    ended = call("reparse", database=Filled(tmp_path / "none.db"))
    assert (ended.code, list(tmp_path.glob("none*"))) == (2, [])
