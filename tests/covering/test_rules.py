"""The measured run is judged by what has to be reached, and says what was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.covering.rules import WHOLE, lacking, ranges, reached, room

ROOT = Path(__file__).parents[2]
EVERYTHING = {path if path.endswith(".py") else f"{path}all.py": 100 for path in WHOLE}
"""A report's files in which all is reached that has to be, wholly."""


def report(files: dict[str, int], lines: tuple[int, ...] = (), branches: tuple[list[int], ...] = ()) -> dict[str, Any]:
    """Return what slipcover says of files of which so much ran, out of 100 lines and branches.

    What did not run are the ``lines`` and ``branches``, and lines from 1000 on.
    """
    said: dict[str, Any] = {}
    for path, ran in files.items():
        others = 100 - ran - len(lines) - len(branches) if ran < 100 else 0
        said[path] = {
            "executed_lines": [*range(200, 200 + min(ran, 80))],
            "executed_branches": [[line, 0] for line in range(200, 200 + max(0, ran - 80))],
            "missing_lines": [*lines, *range(1000, 1000 + others)] if ran < 100 else [],
            "missing_branches": [*branches] if ran < 100 else [],
        }
    return {"files": said}


def test_all_is_reached() -> None:
    """Nothing is lacking where every line and branch that has to ran, and nine tenths of the others."""
    assert lacking(reached(report(EVERYTHING | {"recorder/cli/app.py": 100, "recorder/cli/table.py": 80}))) == []


def test_a_branch_that_was_never_taken() -> None:
    """In a file that has to be reached wholly, one branch is too many, and it is named."""
    found = reached(report(EVERYTHING | {WHOLE[0]: 94}, (3, 4, 5, 9), ([7, 12], [20, 0])))
    assert lacking(found) == [f"{WHOLE[0]}: 94.0 %, has to be 100: 3-5, 9, 7 → 12, 20 → out"]


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
    assert [path for path in WHOLE if not (ROOT / path).exists()] == []
