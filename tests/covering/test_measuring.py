"""What ran is noted in every process, and put together; the verdict is the exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.covering.__main__ import main as judge
from tests.covering.measuring import MEASURED, ROOT, beginning, report
from tests.covering.rules import WHOLE

CLOCK = "recorder/clock.py"
BACKOFF = "recorder/backoff.py"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "measured"
    found.mkdir()
    return found


def measure(directory: Path, program: str) -> None:
    """Run a program in a process that is measured, from whatever directory."""
    command = [sys.executable, "-c", beginning(str(directory)) + program]
    subprocess.run(command, env={"PATH": os.environ["PATH"]}, cwd=directory.parent, check=True)


def missing(directory: Path, path: str) -> tuple[list[int], list[list[int]]]:
    file: dict[str, Any] = report(directory)["files"][path]
    return file["missing_lines"], file["missing_branches"]


def test_processes_make_up_for_each_other(directory: Path) -> None:
    """What one has not run, another may have; a file that none has imported is in the report with nothing."""
    measure(directory, "import recorder.clock")
    lines, _ = missing(directory, CLOCK)
    nothing, _ = missing(directory, BACKOFF)
    assert lines
    assert len(nothing) > 20
    measure(directory, "import recorder.backoff")
    assert missing(directory, CLOCK)[0] == lines
    assert 0 < len(missing(directory, BACKOFF)[0]) < len(nothing)


def test_a_process_that_is_forked(directory: Path) -> None:
    """It leaves what ran in it beside what its parent left, whose lines it does not repeat."""
    measure(
        directory,
        "import os, sys\n"
        "from recorder import clock\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0)\n"
        "else: clock.wall_us()\n",
    )
    one, other = (json.loads(path.read_text()) for path in directory.glob("*.json"))
    path = str(ROOT / CLOCK)
    assert not {*map(str, one[path])} & {*map(str, other[path])}


def test_a_process_that_may_write_nothing(directory: Path) -> None:
    """It ends as it would have; what is half written is not read."""
    measure(
        directory,
        "import resource, signal, recorder.clock\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n",
    )
    assert [path.suffix for path in directory.iterdir()] == [".part"]
    assert missing(directory, CLOCK)[0]


def test_the_verdict_is_the_exit_code(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 when all is reached; 1 otherwise, with what is lacking on stderr."""
    assert judge([str(directory)]) == 1
    said = capsys.readouterr()
    assert f"{WHOLE[0]}: 0.0 %, has to be 100: " in said.err
    assert f"{BACKOFF}: 0.0 %, has to be 90" in said.err
    assert "   0.0 %  recorder/archive\n" in said.out
    everything = {str(path): [*range(1, 2000)] for path in MEASURED.rglob("*.py")}
    branches = report(directory)["files"]
    for path, file in branches.items():
        everything[str(ROOT / path)] += file["missing_branches"]
    (directory / "all.json").write_text(json.dumps(everything))
    assert judge([str(directory)]) == 0
    assert capsys.readouterr().err == ""
