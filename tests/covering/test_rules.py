"""The measured run is judged by what has to be reached, and says what was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.covering.__main__ import main as judge
from tests.covering.rules import LATER, MEASURED, NOT_MEASURED, WHOLE, is_measured, lacking, ranges, reached, room

ROOT = Path(__file__).parents[2]
EVERYTHING = {path if path.endswith(".py") else f"{path}all.py": 100 for path in WHOLE}
"""A report's files in which all is reached that has to be, wholly."""


def report(files: dict[str, int], **missing: Any) -> dict[str, Any]:
    """Return what coverage says of files of 80 lines and 20 branches, so many percent of which ran."""
    said: dict[str, Any] = {}
    for path, ran in files.items():
        summary = {
            "covered_lines": min(ran, 80), "num_statements": 80,
            "covered_branches": max(0, ran - 80), "num_branches": 20,
        }  # fmt: skip
        said[path] = {"summary": summary, "missing_lines": [], "missing_branches": [], **missing}
    return {"files": said}


def test_all_is_reached() -> None:
    """Nothing is lacking where every line and branch that has to ran, and nine tenths of the others."""
    assert lacking(reached(report(EVERYTHING | {"recorder/cli/app.py": 100, "recorder/cli/table.py": 80}))) == []


def test_a_branch_that_was_never_taken() -> None:
    """In a file that has to be reached wholly, one branch is too many, and it is named."""
    found = reached(
        report(EVERYTHING | {WHOLE[0]: 99}, missing_lines=[3, 4, 5, 9], missing_branches=[[7, 12], [20, -18]])
    )
    assert lacking(found) == [f"{WHOLE[0]}: 99.0 %, has to be 100: 3-5, 9, 7 → 12, 20 → out"]


def test_a_room_is_judged_as_one() -> None:
    """Files of a room make up for each other; what a module that is no package's lacks, nobody makes up for."""
    rest = {"recorder/feed/values.py": 100, "recorder/feed/actions.py": 79, "recorder/capture.py": 89}
    said = lacking(reached(report(EVERYTHING | rest)))
    assert said[0] == "recorder/capture.py: 89.0 %, has to be 90"
    assert said[2] == "recorder/feed: 89.5 %, has to be 90"
    assert [line.partition(":")[0] for line in (said[1], said[3])] == [
        "  recorder/capture.py",
        "  recorder/feed/actions.py",
    ]
    assert len(said) == 4


def test_rooms_that_wait_until_all_is_measured() -> None:
    """Those that are named; a new room is judged at once."""
    poor = reached(report(EVERYTHING | {f"{LATER[0]}/any.py": 50, "recorder/new.py": 50}))
    assert lacking(poor, every_room=False)[0] == "recorder/new.py: 50.0 %, has to be 90"
    assert [line for line in lacking(poor, every_room=False) if LATER[0] in line] == []
    assert f"{LATER[0]}: 50.0 %, has to be 90" in lacking(poor)


def test_a_file_that_is_gone() -> None:
    """What has to be reached and is not in the report, is told."""
    files = dict(EVERYTHING)
    del files[WHOLE[-1]]
    assert lacking(reached(report(files))) == [f"{WHOLE[-1]}: has to be 100 %, and is not in the report"]


@pytest.mark.parametrize(("lines", "shown"), [([], []), ([4], ["4"]), ([1, 2, 3, 7, 9, 10], ["1-3", "7", "9-10"])])
def test_ranges(lines: list[int], shown: list[str]) -> None:
    """Lines that follow each other are one range."""
    assert list(ranges(lines)) == shown


def test_rooms() -> None:
    """A room is a package of recorder's, with all below it, or a module that is in none."""
    assert room("recorder/archive/shipping/marks.py") == "recorder/archive"
    assert room("recorder/capture.py") == "recorder/capture.py"


def test_what_has_to_be_reached_is_there() -> None:
    """No file was renamed without the rules."""
    assert [path for path in (*WHOLE, *LATER) if not (ROOT / path).exists()] == []
    for test in (*MEASURED, *NOT_MEASURED):
        path, _, name = test.partition("::")
        found = [file for file in ROOT.glob(f"{path}*") if file.is_dir() or f"def {name}" in file.read_text("utf-8")]
        assert found, test


@pytest.mark.parametrize(
    ("test", "measured"),
    [
        (f"{MEASURED[0]}::test_any[sqlite]", True),
        (f"{MEASURED[0]}::test_any[postgres-3]", False),
        (NOT_MEASURED[0], False),
        ("tests/test_rooms.py::test_any", False),
    ],
)
def test_what_is_measured(test: str, measured: bool) -> None:
    """Tests of some files, on one kind of database, but for those that take long."""
    assert is_measured(test) is measured


def test_the_verdict_is_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 when all is reached; 1 otherwise, with what is lacking on stderr; every room is judged when all was."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report(EVERYTHING)))
    assert judge([str(path), "--all"]) == 0
    path.write_text(json.dumps(report(EVERYTHING | {f"{LATER[0]}/any.py": 50})))
    assert judge([str(path)]) == 0
    assert capsys.readouterr().err == ""
    assert judge([str(path), "--all"]) == 1
    said = capsys.readouterr()
    assert f"{LATER[0]}: 50.0 %, has to be 90" in said.err
    assert f" 50.0 %  {LATER[0]}" in said.out
