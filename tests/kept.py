"""What a file is, to see that nobody has touched it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class State(NamedTuple):
    """All of it but when it was read last, which the reading of a kernel that notes it changes."""

    inode: int
    mode: int
    size: int
    modified_ns: int
    changed_ns: int


def state(path: Path) -> State:
    """Return the state of what has this name; of a link, not of what it leads to."""
    found = os.lstat(path)
    return State(found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
