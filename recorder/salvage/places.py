"""New files that appear under their name only when they are whole, readable by their owner alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from recorder.errors import ArchiveHeld, DiskError, UsageError

_SIDE_FILES = ("-wal", "-shm", "-journal", ".lock")


@contextmanager
def part_of(final: Path) -> Iterator[Path]:
    """Give an empty file beside ``final`` to fill; what is left of it when the block ends is removed.

    Raises UsageError when one of the two is there, DiskError when it cannot be made.
    """
    part = final.with_name(f"{final.name}.part")
    if final.exists() or final.is_symlink():
        raise UsageError(f"{final} is there already, and nothing is overwritten; name another file")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise UsageError(
            f"{part} is left of one that was interrupted, or still runs; remove it and run again"
        ) from None
    except OSError as error:
        raise DiskError(f"{part} cannot be written ({error.strerror}); mend that or name another place") from None
    try:
        yield part
    finally:
        for path in (part, *(part.with_name(part.name + suffix) for suffix in _SIDE_FILES)):
            path.unlink(missing_ok=True)


def keep(part: Path, final: Path) -> None:
    """Give a part its name, durably. Raises UsageError when the name has been taken meanwhile."""
    _sync(part)
    try:
        os.link(part, final)  # unlike a rename it never replaces what is there
    except FileExistsError:
        raise UsageError(f"{final} was made by somebody else meanwhile; run again with another name") from None
    except OSError:  # a file system without hard links
        part.rename(final)
    part.unlink(missing_ok=True)
    _sync(final.parent)


def close_log(part: Path) -> None:
    """Bring a database's log into its file and do without one: a copy is one file, and needs no other."""
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()


@contextmanager
def left_alone(archive: Path) -> Iterator[None]:
    """Make sure that no recorder writes a file while it is read page by page, without changing anything about it."""
    real = archive.resolve()
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(real.with_name(real.name + ".lock").open("rb"))
        except OSError:
            yield
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveHeld(f"{archive} is being written by a recorder; stop it and run again") from None
        yield


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
