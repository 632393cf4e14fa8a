"""What has to be reached by the tests, and what of it was not. Pure: told from slipcover's report, by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WHOLE = (
    "recorder/archive/apply.py",
    "recorder/archive/chains.py",
    "recorder/archive/merging/",
    "recorder/archive/writer.py",
    "recorder/feed/alignment/",
    "recorder/feed/ledger.py",
    "recorder/feed/rows.py",
    "recorder/feed/session.py",
    "recorder/pacing/",
    "recorder/query/evidence.py",
    "recorder/query/proving/",
    "recorder/query/verifying.py",
)
"""Files, and directories with all that is in them, of which every line runs, and every branch is taken both ways."""

LEAST_PERCENT = 90.0
"""Of the lines and branches of each other room: all files of a package, or a module that is one by itself."""


@dataclass(frozen=True)
class Reached:
    """What of one file ran. A branch is ``(from line, to line)``; out of the function, to line 0."""

    path: str
    reached: int
    """Lines and branches."""
    all: int
    lines: Sequence[int]
    """Those that never ran."""
    branches: Sequence[tuple[int, int]]
    """Those that were never taken."""

    @property
    def percent(self) -> float:
        return percent([self])

    @property
    def missing(self) -> str:
        """Return what did not run, as an editor counts lines."""
        jumps = [f"{one} → {other or 'out'}" for one, other in self.branches]
        return ", ".join([*ranges(self.lines), *jumps])


def reached(report: Mapping[str, Any]) -> list[Reached]:
    """Return what slipcover's report says of each file."""
    return [_file(path, file) for path, file in sorted(report["files"].items())]


def _file(path: str, file: Mapping[str, Any]) -> Reached:
    ran = len(file["executed_lines"]) + len(file["executed_branches"])
    lines, branches = file["missing_lines"], [(one, other) for one, other in file["missing_branches"]]
    return Reached(path, ran, ran + len(lines) + len(branches), lines, branches)


def percent(files: Iterable[Reached]) -> float:
    """Return what ran of these files together; 100 where there is nothing to run."""
    known = list(files)
    whole = sum(file.all for file in known)
    return 100.0 * sum(file.reached for file in known) / whole if whole else 100.0


def ranges(lines: Sequence[int]) -> Iterator[str]:
    """Yield ``3`` or ``3-5`` for each run of numbers that follow each other."""
    first = last = None
    for line in sorted(lines):
        if last is not None and line == last + 1:
            last = line
            continue
        if first is not None:
            yield _range(first, last)
        first = last = line
    if first is not None:
        yield _range(first, last)


def _range(first: int, last: int | None) -> str:
    return str(first) if first == last else f"{first}-{last}"


def is_whole(path: str) -> bool:
    """Whether a file is one of which all must be reached."""
    return path.startswith(WHOLE)


def room(path: str) -> str:
    """Return the room of a file: the package in `recorder/`, or the module that is none's."""
    return "/".join(path.split("/")[:2])


def rooms(files: Iterable[Reached]) -> dict[str, list[Reached]]:
    """Return the files that have to be reached as a room, by room."""
    found: dict[str, list[Reached]] = defaultdict(list)
    for file in files:
        if not is_whole(file.path):
            found[room(file.path)].append(file)
    return found


def lacking(files: Sequence[Reached]) -> list[str]:
    """Return a sentence for each file and each room that the tests reach too little of, with the lines."""
    return [*_holes(files), *_unknown(files), *_poor_rooms(files)]


def _holes(files: Iterable[Reached]) -> Iterator[str]:
    for file in files:
        if is_whole(file.path) and file.reached < file.all:
            yield f"{file.path}: {file.percent:.1f} %, has to be 100: {file.missing}"


def _poor_rooms(files: Iterable[Reached]) -> Iterator[str]:
    for name, inside in rooms(files).items():
        if percent(inside) >= LEAST_PERCENT:
            continue
        yield f"{name}: {percent(inside):.1f} %, has to be {LEAST_PERCENT:.0f}"
        for file in inside:
            if file.reached < file.all:
                yield f"  {file.path}: {file.percent:.1f} %: {file.missing}"


def _unknown(files: Iterable[Reached]) -> Iterator[str]:
    """Yield what was renamed here and not there: it would be asked of nobody."""
    paths = [file.path for file in files]
    for wanted in WHOLE:
        if not any(path.startswith(wanted) for path in paths):
            yield f"{wanted}: has to be 100 %, and is not in the report"
