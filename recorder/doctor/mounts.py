"""Which file system a path is on. Pure, but for reading the kernel's list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs"),
        *("davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs", "fuse.juicefs"),
    }
)
"""File systems on which SQLite's write-ahead log cannot be trusted: its index is memory that processes share."""
MEMORY = frozenset(["tmpfs", "ramfs"])
"""File systems that are gone when the machine stops."""
LAYERED = frozenset(["overlay", "aufs"])
"""A container's own layer, which goes with the container."""

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a file system is mounted, and of which kind it is."""

    point: Path
    kind: str


def mount_of(path: Path, mountinfo: str) -> Mount | None:
    """Return what an absolute ``path`` is on, by the text of `/proc/self/mountinfo`; None when that tells nothing.

    Of several mounted at one place the last one is in force.
    """
    found: Mount | None = None
    for line in mountinfo.splitlines():
        head, dash, tail = line.partition(" - ")
        fields = head.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = Path(_ESCAPE.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        if path.is_relative_to(point) and (found is None or len(point.parts) >= len(found.point.parts)):
            found = Mount(point, tail.split(" ")[0])
    return found


def look_up(path: Path) -> Mount | None:
    """Return what ``path`` (links followed) is on; None where the kernel has no such list."""
    try:
        told = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return mount_of(path.resolve(), told)
