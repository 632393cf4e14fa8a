"""What has to be reached by the tests, and what of it was not. Pure: told from coverage's report (JSON), by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

MEASURED = (
    "tests/archive/test_chains.py",
    "tests/archive/test_epochs.py",
    "tests/archive/test_purging.py",
    "tests/archive/test_writer.py",
    "tests/archive/test_writer_asked.py",
    "tests/archive/test_writer_rare.py",
    "tests/audit/test_asking.py",
    "tests/audit/test_command.py",
    "tests/audit/test_daemon_audits.py",
    "tests/charts/",
    "tests/cli/test_config_show.py",
    "tests/cli/test_distribute.py",
    "tests/cli/test_merge.py",
    "tests/cli/test_reading.py",
    "tests/cli/test_terminal.py",
    "tests/cli/test_verify.py",
    "tests/cli/test_watch.py",
    "tests/doctor/",
    "tests/export/test_commands.py",
    "tests/export/test_readers.py",
    "tests/faults/test_disk.py",
    "tests/feed/",
    "tests/lake/test_engines.py",
    "tests/lake/test_publish.py",
    "tests/lake/test_reading.py",
    "tests/merging/test_heads.py",
    "tests/merging/test_landing.py",
    "tests/merging/test_merging.py",
    "tests/merging/test_rare.py",
    "tests/metrics/test_endpoint.py",
    "tests/pruning/test_asking.py",
    "tests/pruning/test_places.py",
    "tests/pruning/test_prune.py",
    "tests/pruning/test_staying_away.py",
    "tests/query/test_following.py",
    "tests/query/test_verifying.py",
    "tests/query/test_verifying_rare.py",
    "tests/reparse/",
    "tests/replay/test_loop.py",
    "tests/rot/test_findings.py",
    "tests/shared/test_live_list.py",
    "tests/shared/test_upgrades.py",
    "tests/sharing/test_board.py",
    "tests/sharing/test_leases.py",
    "tests/shipping/test_shipper.py",
    "tests/test_account.py",
    "tests/test_backoff.py",
    "tests/test_boards.py",
    "tests/test_clock.py",
    "tests/test_config.py",
    "tests/test_events.py",
    "tests/test_fixtures.py",
    "tests/test_hardening.py",
    "tests/test_live_list.py",
    "tests/test_liveness.py",
    "tests/test_log_repeats.py",
    "tests/test_logs.py",
    "tests/test_notify.py",
    "tests/test_pacing.py",
    "tests/test_roster.py",
    "tests/test_roster_errors.py",
    "tests/test_schedule.py",
    "tests/test_settings.py",
    "tests/test_signals.py",
    "tests/test_tally.py",
    "tests/test_turns_given_up.py",
    "tests/test_wire",
)
"""Tests, or how their names begin, that reach all of `WHOLE`, and nine tenths of every room but `LATER`: what a run
measures that has no time for everything. The commands that they run are measured with them."""

NOT_MEASURED = (
    "tests/faults/test_disk.py::test_asked_to_leave_with_a_disk_that_takes_nothing",
    "tests/feed/test_session.py::test_no_false_alarm_in_a_day",
    "tests/merging/test_merging.py::test_merges_into_one_server_at_the_same_moment",
)
"""Of those the ones that take long and reach nothing more, or whose commands cannot write down what they reached."""

OTHER_DATABASE = "postgres"
"""In the name of a test that runs on each kind of database: what is to be reached is the same code for both."""

LEAST_PERCENT = 90.0
"""Of the lines and branches of each other room: all files of a package, or a module that is one by itself."""

LATER = (
    "recorder/archive", "recorder/cli", "recorder/discover", "recorder/home", "recorder/probing", "recorder/query",
    "recorder/replay", "recorder/roster.py", "recorder/salvage", "recorder/web",
)  # fmt: skip
"""Rooms whose tests take so long that they are measured, and these rooms judged, only where everything is. A room that
is not named is judged in each run: add the fast ones of its tests to `MEASURED`."""


@dataclass(frozen=True)
class Reached:
    """What of one file ran. A branch is ``(from line, to line)``; out of the function, to a line below 0."""

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
        jumps = [f"{one} → {other if other > 0 else 'out'}" for one, other in self.branches]
        return ", ".join([*ranges(self.lines), *jumps])


def reached(report: Mapping[str, Any]) -> list[Reached]:
    """Return what coverage's report says of each file."""
    return [_file(path, file) for path, file in sorted(report["files"].items())]


def _file(path: str, file: Mapping[str, Any]) -> Reached:
    summary = file["summary"]
    return Reached(
        path,
        summary["covered_lines"] + summary["covered_branches"],
        summary["num_statements"] + summary["num_branches"],
        file["missing_lines"],
        [(one, other) for one, other in file["missing_branches"]],
    )


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


def is_measured(test: str) -> bool:
    """Whether a test is measured in every run; ``test`` is what pytest calls it: ``file::name[parameters]``."""
    _, _, parameters = test.partition("[")
    return test.startswith(MEASURED) and not test.startswith(NOT_MEASURED) and OTHER_DATABASE not in parameters


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


def lacking(files: Sequence[Reached], *, every_room: bool = True) -> list[str]:
    """Return a sentence for each file and each room that the tests reach too little of, with the lines.

    ``every_room``: whether all tests were measured, so that the rooms of `LATER` can be judged too.
    """
    return [*_holes(files), *_unknown(files), *_poor_rooms(files, () if every_room else LATER)]


def _holes(files: Iterable[Reached]) -> Iterator[str]:
    for file in files:
        if is_whole(file.path) and file.reached < file.all:
            yield f"{file.path}: {file.percent:.1f} %, has to be 100: {file.missing}"


def _poor_rooms(files: Iterable[Reached], later: Collection[str]) -> Iterator[str]:
    for name, inside in rooms(files).items():
        if name in later or percent(inside) >= LEAST_PERCENT:
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
