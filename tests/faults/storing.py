"""A process that stores frames and says what was acknowledged, and what must hold of the file that it leaves."""

from __future__ import annotations

import shutil
from pathlib import Path

from recorder.archive.writer import Writer
from recorder.operations import AddFrame, Operation
from tests.archive.filling import Filled, payloads, recorded
from tests.faults.injecting import Traced, python, traced
from tests.faults.made import make
from tests.rig.stage import Left, shared
from tests.rig.tracing import SYNCS as SYNC_CALLS
from tests.rig.tracing import WRITES as WRITE_CALLS
from tests.rig.tracing import Fault

ACTIONS = 60
OPERATIONS = recorded(make("on a bad disk", ACTIONS))
WRITES = "pwrite64,pwritev"
SYNCS = "fdatasync,fsync"

SCRIPT = """
import sys
from recorder.archive.writer import Writer
from recorder.errors import RecorderError
from tests.faults.storing import OPERATIONS, kept

try:
    first = kept(sys.argv[1])
    with Writer(sys.argv[1]) as writer:
        for start in range(first, len(OPERATIONS), 2):
            writer.submit(OPERATIONS[start : start + 2])
            writer.flushed().result()
            print("stored", start + 2, flush=True)
except RecorderError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def kept(url: str) -> int:
    """Return how many of the operations an archive holds: the next run goes on behind them, in the same session."""
    file = Filled(Path(url.removeprefix("sqlite:///")))
    if not file.path.exists() or not file.value("SELECT count(*) FROM sqlite_master WHERE name = 'session'"):
        return 0
    if not file.value("SELECT count(*) FROM session"):
        return 0
    frames = file.value("SELECT count(*) FROM frame")
    return next(
        (at for at, operation in enumerate(OPERATIONS) if _is_new(operation, frames)),
        len(OPERATIONS) - 1,
    )


def _is_new(operation: Operation, frames: int) -> bool:
    return isinstance(operation, AddFrame) and operation.frame.frame_number >= frames


def files_of(path: Path) -> tuple[Path, ...]:
    """Return where SQLite keeps an archive: the file, its log, and its journal while it is being made."""
    return (path, *(path.with_name(path.name + end) for end in ("-wal", "-journal")))


def stored_under(directory: Path, inject: str) -> tuple[Traced, Filled]:
    """Store frames with a fault; assert that what was acknowledged is there and that the rest can follow."""
    file = Filled(directory / "archive.db")
    left = traced(python(SCRIPT, file.url), directory, inject, only=files_of(file.path))
    assert_kept(file, acknowledged(left.out))
    return left, file


def struck(directory: Path, fault: Fault | None) -> Left:
    """Store frames in a new directory, with a fault at one write or sync of all that the process makes.

    Asserts that what was acknowledged is there, that the next run stores the rest, and that all is there then.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    file = Filled(directory / "archive.db")
    command = ["-c", SCRIPT, file.url]
    left = shared().run(command, directory, trace=WRITE_CALLS | SYNC_CALLS, fault=fault)
    assert_kept(file, acknowledged(left.out))
    after = shared().run(command, directory)
    assert (after.code, after.err) == (0, ""), (fault, after)
    assert acknowledged(after.out) >= len(OPERATIONS), (fault, after)
    assert_kept(file, len(OPERATIONS))
    return left


def acknowledged(out: str) -> int:
    """Return how many operations the process said were stored."""
    whole_lines = out.rpartition("\n")[0].split()
    return int(whole_lines[-1]) if whole_lines else 0


def assert_kept(file: Filled, operations: int) -> None:
    """Assert that the file is whole and holds the beginning of the frames, those of ``operations`` at least.

    Their positions are dense, and nothing is there twice.
    """
    with Writer(file.url):
        pass  # as the next run does: recovers, makes what is missing
    assert file.value("PRAGMA integrity_check") == "ok"
    frames = [row[0] for row in file.select("SELECT payload FROM frame ORDER BY frame_number")]
    wanted = list(payloads(OPERATIONS))
    assert frames == wanted[: len(frames)]
    assert len(frames) >= len(list(payloads(OPERATIONS[:operations])))
    positions = [row[0] for row in file.select("SELECT position FROM action ORDER BY position")]
    assert positions == list(range(len(frames)))
