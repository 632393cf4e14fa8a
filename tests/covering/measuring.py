"""Which lines of recorder's ran, and which branches were taken: noted by each process, put together in the end.

Slipcover notes a line by a probe inside of it, which costs little, where a trace function would make Python
several times slower: so every test is measured in each run.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from slipcover import FileMatcher, ImportManager, Slipcover

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "recorder"
LEFT_OUT = "*/recorder/__main__.py"
"""Which only a process of its own runs, in whatever directory."""
EXCLUDED = (
    "if TYPE_CHECKING:",  # for mypy only
    'if sys.platform != "linux":',  # of other systems
    r"^ +\.\.\.$",  # the body of what a Protocol asks for
    "@overload",
    r"assert_never\(",
)
_NEVER = 2**31 - 1
"""Probes stay where they are: to take them out costs a walk through all that there is, in thousands of processes."""


def begin(directory: Path) -> None:
    """Measure what this process imports from now on, and leave there what of it ran when the process ends."""
    measuring = Slipcover(branch=True, d_miss_threshold=_NEVER)
    ImportManager(measuring, FileMatcher(sources=[MEASURED], omit=[LEFT_OUT])).__enter__()
    atexit.register(_leave, measuring, directory.resolve())
    # In a process that is forked: only what runs there.
    os.register_at_fork(after_in_child=measuring.signal_child_process)


def beginning(directory: str | None) -> str:
    """Return how a program begins that is executed by a test, to be measured too; nothing where nothing is."""
    if directory is None:
        return ""
    found = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path"
    return f"{found}; from tests.covering.measuring import begin; begin(Path({directory!r})); "


def _leave(measuring: Slipcover, directory: Path) -> None:
    """Write down what ran; not at all where a test lets nothing be written."""
    seen = {path: list(lines_and_branches) for path, lines_and_branches in measuring.newly_seen.items()}
    path = directory / f"{uuid4().hex}.json"
    part = path.with_suffix(".part")
    with suppress(OSError):
        part.write_text(json.dumps(seen))
        part.rename(path)


def report(directory: Path) -> Mapping[str, Any]:
    """Return what slipcover says of each file of recorder's: what ran in any process, and what in none."""
    together = Slipcover(branch=True, source=[str(MEASURED)], omit=[LEFT_OUT], exclude_also=list(EXCLUDED))
    for left in directory.glob("*.json"):
        for path, seen in json.loads(left.read_text()).items():
            together.all_seen[path].update(tuple(one) if isinstance(one, list) else one for one in seen)
    found: Mapping[str, Any] = together.get_coverage()
    return found
