"""The directories that a recorder writes into: whether they can be written, on what they are, how much room is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from recorder import disk
from recorder.disk import Level, Room
from recorder.doctor.findings import Finding, bad, note, ok, warning
from recorder.doctor.installation import Installation
from recorder.doctor.mounts import LAYERED, MEMORY, NETWORK, Mount, look_up
from recorder.errors import DiskError

_MADE = ("state", "spool")
"""Directories that `run` makes itself."""
_LOOSE = 0o022


def directories(installation: Installation) -> Iterator[Finding]:
    """Look at each directory by itself."""
    for name, directory in installation.directories.items():
        yield from directory_findings(name, directory)


def room(installation: Installation) -> Iterator[Finding]:
    """Look at each file system once."""
    seen: set[int] = set()
    for directory in installation.directories.values():
        there = nearest(directory)
        device = there.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield room_finding(there, disk.look(there))


def directory_findings(name: str, directory: Path) -> Iterator[Finding]:
    """Look at one directory, of the ``name`` by which a recorder knows it."""
    check, there = f"{name} directory", nearest(directory)
    if there != directory and name not in _MADE:
        yield bad(check, f"{directory} is not there", f"mkdir -p {directory}", DiskError)
        return
    if not os.access(there, os.W_OK | os.X_OK):
        remedy = f"let user {os.geteuid()} write there, or name another place"
        yield bad(check, f"{there} cannot be written by this user", remedy, DiskError)
        return
    if there == directory and directory.stat().st_mode & _LOOSE and not directory.stat().st_mode & 0o1000:
        yield warning(
            check, f"{directory} can be written by other users: they may replace files", f"chmod go-w {directory}"
        )
    mount = look_up(there)
    yield from _mount_findings(check, directory, mount)
    made = "" if there == directory else " (made at the first run)"
    yield ok(check, f"{directory}{made}" + (f", on {mount.kind}" if mount is not None else ""))


def room_finding(directory: Path, found: Room) -> Finding:
    """Judge what a file system has left by the levels at which `run` warns and stops."""
    left = f"{found.free_bytes / 2**30:.1f} GiB" + (f" and {found.free_inodes} inodes" if found.inodes else "")
    if found.is_read_only:
        return bad("disk", f"{directory} is on a disk that is mounted read-only", "mount it for writing", DiskError)
    match disk.level(found):
        case Level.full:
            return bad("disk", f"{directory}: {left} left, too little to record", "make room", DiskError)
        case Level.very_low | Level.low:
            return warning("disk", f"{directory}: only {left} left", "make room: `run` stops when there is none")
        case _:
            return ok("disk", f"{directory}: {left} left")


def nearest(directory: Path) -> Path:
    """Return the directory, or the nearest one above it that is there."""
    return next(path for path in (directory, *directory.parents) if path.is_dir())


def _mount_findings(check: str, directory: Path, mount: Mount | None) -> Iterator[Finding]:
    kind = "" if mount is None else mount.kind
    if kind in NETWORK:
        yield bad(
            check,
            f"{directory} is on a network file system ({kind}), where a write-ahead log cannot be trusted",
            "use a local disk; to have the archive elsewhere, record into Postgres",
        )
    elif kind in MEMORY:
        yield warning(check, f"{directory} is in memory ({kind}): gone when the machine stops", "use a disk")
    elif kind in LAYERED:
        yield note(check, f"{directory} is in a container's own layer: gone with it", "mount a volume there")
