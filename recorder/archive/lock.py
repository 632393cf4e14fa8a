"""One process writes an archive; a second one leaves and names the holder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from recorder.errors import ArchiveHeld


class WriterLock:
    """An exclusive lock beside the database file, held by an open file and so gone with its process.

    The file stays when the lock is released: deleting it would let two processes lock two different files.
    """

    def __init__(self, database: Path, since: str) -> None:
        # Two names of one file must not be two locks.
        real = database.resolve()
        self.path = real.with_name(real.name + ".lock")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 200).decode(errors="replace").strip() or "another process"
            os.close(self._file)
            raise ArchiveHeld(
                f"{database} is being written by {holder}; stop that recorder or give this one another database"
            ) from None
        try:
            os.ftruncate(self._file, 0)
            os.write(self._file, f"recorder pid {os.getpid()} since {since}\n".encode())
        except OSError:  # no room: whoever tries again in this process must not meet himself
            os.close(self._file)
            raise

    def release(self) -> None:
        """Let another process write."""
        os.close(self._file)
