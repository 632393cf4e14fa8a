"""A file's bytes, for reading only: as large as it likes, and on a disk that cannot read all of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class File:
    """Cut like bytes. What the disk refuses to read is zeros; ``refused`` counts how often that was.

    Not mapped into memory: there, a sector that cannot be read kills the process.
    """

    def __init__(self, handle: int, size: int) -> None:
        self.refused = 0
        self._handle = handle
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, where: slice) -> bytes:
        first, end, _ = where.indices(self._size)
        try:
            return os.pread(self._handle, max(0, end - first), first)
        except OSError:
            self.refused += 1
            return bytes(max(0, end - first))


Raw = File | bytes
"""What can be cut like bytes."""


@contextmanager
def opened(path: Path) -> Iterator[Raw]:
    """Give a file's bytes; none where there is no file."""
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        yield b""
        return
    with file:
        yield File(file.fileno(), file.seek(0, os.SEEK_END))
