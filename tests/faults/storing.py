"""A process that stores frames and says what was acknowledged, and what must hold of the file that it leaves."""

from __future__ import annotations

from pathlib import Path

from recorder.archive.writer import Writer
from tests.archive.filling import Filled, payloads, recorded
from tests.faults.injecting import Traced, python, traced
from tests.faults.made import make

ACTIONS = 60
OPERATIONS = recorded(make("on a bad disk", ACTIONS))
WRITES = "pwrite64,pwritev"
SYNCS = "fdatasync,fsync"

SCRIPT = """
import sys
from recorder.archive.writer import Writer
from recorder.errors import RecorderError
from tests.faults.storing import OPERATIONS

try:
    with Writer(sys.argv[1]) as writer:
        for start in range(0, len(OPERATIONS), 2):
            writer.submit(OPERATIONS[start : start + 2])
            writer.flushed().result()
            print("stored", start + 2, flush=True)
except RecorderError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def files_of(path: Path) -> tuple[Path, ...]:
    """Return where SQLite keeps an archive: the file, its log, and its journal while it is being made."""
    return (path, *(path.with_name(path.name + end) for end in ("-wal", "-journal")))


def stored_under(directory: Path, inject: str) -> tuple[Traced, Filled]:
    """Store frames with a fault; assert that what was acknowledged is there and that the rest can follow."""
    file = Filled(directory / "archive.db")
    left = traced(python(SCRIPT, file.url), directory, inject, only=files_of(file.path))
    assert_kept(file, acknowledged(left.out))
    return left, file


def acknowledged(out: str) -> int:
    """Return how many operations the process said were stored."""
    whole_lines = out.rpartition("\n")[0].split()
    return int(whole_lines[-1]) if whole_lines else 0


def assert_kept(file: Filled, operations: int) -> None:
    """Assert that the file is whole and holds the beginning of the frames, those of ``operations`` at least."""
    with Writer(file.url):
        pass  # as the next run does: recovers, makes what is missing
    assert file.value("PRAGMA integrity_check") == "ok"
    frames = [row[0] for row in file.select("SELECT payload FROM frame ORDER BY frame_number")]
    wanted = list(payloads(OPERATIONS))
    assert frames == wanted[: len(frames)]
    assert len(frames) >= len(list(payloads(OPERATIONS[:operations])))
    assert file.value("SELECT count(*) FROM action") == len(frames)
