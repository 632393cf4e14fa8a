"""Where the turns are written down, for one process or for many."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from recorder import clock
from recorder.pacing.turns import Turns

T = TypeVar("T")

Change = Callable[[Turns, int], tuple[Turns, T]]
"""From what stands on a board, and its clock's nanoseconds, to what shall stand there and a result."""

_MOST_BYTES = 1 << 20

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class BoardAway(Exception):
    """The board cannot be reached now: do without it, and more slowly."""


class Board(Protocol):
    """Holds one `Turns` for all who share it."""

    async def exchange(self, change: Change[T]) -> T:
        """Replace what stands here by what ``change`` makes of it, as one step for all who share it.

        Whatever ``change`` returned beside it is returned. Raises BoardAway. A board on a network must not take longer
        than a second or so: the place that a caller holds on another board meanwhile does not wait for ever.
        """

    def close(self) -> None:
        """Let go of what is held open; from then on it is away."""


class LocalBoard:
    """For one process alone."""

    def __init__(self) -> None:
        self._turns = Turns()

    async def exchange(self, change: Change[T]) -> T:
        """Replace what stands here; never away."""
        self._turns, found = change(self._turns, clock.elapsed_ns())
        return found

    def close(self) -> None:
        """Do nothing."""


class FileBoard:
    """For all processes of one machine that name the same file. Raises OSError when it cannot be opened.

    The file's lock is held for looking and stamping only, never while waiting: whoever waits longest would otherwise
    not be served, but whoever has just been.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._boot = boot()

    async def exchange(self, change: Change[T]) -> T:
        """Replace what stands in the file; away once it is closed, OSError where the disk fails."""
        file = self._file
        if file is None:
            raise BoardAway("closed")
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            before = Turns.parse(os.pread(file, _MOST_BYTES, 0).decode(errors="replace"), self._boot)
            after, found = change(before, clock.elapsed_ns())
            if after != before:
                # One write, and cut afterwards: what a crash in between leaves behind it are places long over.
                os.ftruncate(file, os.pwrite(file, after.text(self._boot).encode(), 0))
            return found
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def boot(told_by: Path = _BOOT_ID) -> str:
    """Return what names this boot of the machine: monotonic clocks of two boots cannot be compared."""
    try:
        return told_by.read_text(encoding="ascii").strip()
    except OSError:
        return "one-boot"
