"""New files that appear under their name only when they are whole, readable by their owner alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from recorder.errors import ArchiveHeld, DiskError, UsageError

PART = ".part"
"""Behind the name of a file that is not whole yet."""

_SIDE_FILES = ("-wal", "-shm", "-journal", ".lock")
_MAGIC = b"SQLite format 3\0"


@contextmanager
def part_of(final: Path) -> Iterator[Path]:
    """Give an empty file beside ``final`` to fill; what is left of it when the block ends is removed.

    One that a killed process has left there is removed first. Raises UsageError when ``final`` is there, or something
    else has the part's name; ArchiveHeld while another process fills it; DiskError when it cannot be made.
    """
    part = final.with_name(f"{final.name}{PART}")
    if final.exists() or final.is_symlink():
        raise UsageError(f"{final} is there already, and nothing is overwritten; name another file")
    try:
        claim = _claim(part)
    except OSError as error:
        raise DiskError(f"{part} cannot be written ({error.strerror}); mend that or name another place") from None
    try:
        yield part
    finally:
        _remove(part)
        os.close(claim)


def clear(part: Path) -> None:
    """Remove a part that a killed process has left; one that is being filled, and whatever is no part, stays."""
    with contextlib.suppress(OSError, UsageError, ArchiveHeld):
        _give_up(part)


def _claim(part: Path) -> int:
    """Make an empty file; nobody else takes it for a left one as long as what is returned is open."""
    while True:
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            _give_up(part)
            continue
        if _lock(handle) and _is_at(handle, part):
            return handle
        os.close(handle)  # whoever came between took it for a left one


def _give_up(part: Path) -> None:
    """Remove what a killed process has left of a file. Its lock has ended with it, however it ended."""
    try:
        handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError:
        raise _not_ours(part) from None
    try:
        if not _is_ours(handle):
            raise _not_ours(part)
        if not _lock(handle):
            raise ArchiveHeld(f"{part} is being written by another process; wait for its end, or name another file")
        if _is_at(handle, part):
            _remove(part)
    finally:
        os.close(handle)


def _not_ours(part: Path) -> UsageError:
    return UsageError(f"{part} is there, and not what an interrupted run leaves; take it away or name another file")


def _is_ours(handle: int) -> bool:
    """Whether a file is of our user, for him alone, and a database or the beginning of one."""
    found = os.fstat(handle)
    is_private = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600 and found.st_uid == os.geteuid()
    return is_private and os.pread(handle, len(_MAGIC), 0) in (b"", bytes(len(_MAGIC)), _MAGIC)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def _remove(part: Path) -> None:
    for path in (*(part.with_name(part.name + suffix) for suffix in _SIDE_FILES), part):
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
