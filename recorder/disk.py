"""How much room the archive's disk has, when that is worth a warning, and when reading has to stop.

A rule over `statvfs`, and a look at whether the file is still the one that is being written. Nothing is deleted here
and nothing is waited for: who polls decides how often.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from recorder.errors import DiskError

LOOK_S = 5.0
"""Seconds between two looks: long enough to cost nothing, short enough for a disk that fills by 50 MB a second."""

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_SLACK = 1.25
"""So much more than a level's threshold must be free before the level is left: else it would flap at the edge."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a file system has, as a user without privileges may use it: root's reserve is not for archives.

    ``inodes`` is 0 on file systems that count none; ``free_inodes`` then means nothing.
    """

    free_bytes: int
    size_bytes: int
    free_inodes: int = 0
    inodes: int = 0
    is_read_only: bool = False


class Level(IntEnum):
    """How full a disk is; the greater, the worse."""

    plenty = 0
    low = 1
    very_low = 2
    full = 3


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold: less free than ``free_bytes``, or than ``part`` of the disk where that is less; inodes likewise.

    The absolute number speaks for disks of today, the part for small ones: on a tmpfs of 64 MiB it is what counts.
    """

    free_bytes: int
    free_inodes: int
    part: float

    def is_passed(self, room: Room, slack: float = 1.0) -> bool:
        """Say whether ``room`` is less than the threshold times ``slack``."""
        if room.free_bytes < slack * self.bytes_of(room):
            return True
        return room.inodes > 0 and room.free_inodes < slack * min(self.free_inodes, self.part * room.inodes)

    def bytes_of(self, room: Room) -> int:
        """Return the threshold in bytes for a disk of that size."""
        return int(min(self.free_bytes, self.part * room.size_bytes))


@dataclass(frozen=True, slots=True)
class Limits:
    """When to warn, to warn again, and to stop.

    ``full`` leaves what the last of the reading may still need: 64 MiB of payload may wait for the disk, which is
    written twice, into the log and from there into the file, where 64 MiB that the log holds already have to go as
    well; the rest is for others who write meanwhile.
    """

    low: Limit = field(default=Limit(4 * _GIB, 10_000, 0.20))
    very_low: Limit = field(default=Limit(_GIB, 1_000, 0.10))
    full: Limit = field(default=Limit(256 * _MIB, 100, 0.04))


def look(directory: Path) -> Room:
    """Return what the file system of ``directory`` has; OSError when it cannot be asked."""
    found = os.statvfs(directory)
    return Room(
        free_bytes=found.f_bavail * found.f_frsize,
        size_bytes=found.f_blocks * found.f_frsize,
        free_inodes=found.f_favail,
        inodes=found.f_files,
        is_read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def level(room: Room, limits: Limits | None = None, before: Level = Level.plenty) -> Level:
    """Return how full a disk is; a level that it had ``before`` is left only once there is clearly more room."""
    limits = limits or Limits()
    ranked = ((Level.full, limits.full), (Level.very_low, limits.very_low), (Level.low, limits.low))
    for name, limit in ranked:
        if limit.is_passed(room, _SLACK if name <= before else 1.0):
            return name
    return Level.plenty


class DiskWatch:
    """Watches the disk below one archive's ``file``, which is there and is being written by this process."""

    def __init__(self, file: Path, limits: Limits | None = None) -> None:
        self.file = file.resolve()
        self.level = Level.plenty
        """As of the last `check`."""
        self.room: Room | None = None
        """What the last `check` found."""
        self._limits = limits or Limits()
        self._identity = _identity(self.file)

    def check(self) -> str | None:
        """Look; return a sentence when the disk is fuller than before, or has room again; else None.

        Raises DiskError, with the sentence for the user, when recording must stop: no room, a disk that has become
        read-only, or a file that is no longer there under its name.
        """
        if _identity(self.file) != self._identity:
            raise DiskError(
                f"{self.file} was deleted, moved or replaced while it was being written; put it back if you moved it, "
                "and run again: what is not in the archive will be asked of the vendor again"
            )
        try:
            room = look(self.file.parent)
        except OSError as error:
            raise DiskError(f"{self.file.parent} cannot be looked at ({error.strerror}); mend the disk") from None
        if room.is_read_only:
            raise DiskError(
                f"the disk of {self.file} has become read-only, so reading was stopped; what was acknowledged is "
                "stored: mend the disk and run again, it goes on where it stopped"
            )
        before, self.level, self.room = self.level, level(room, self._limits, self.level), room
        if self.level is Level.full:
            raise DiskError(self._full(room))
        return self._told(before, room)

    def _full(self, room: Room) -> str:
        return (
            f"the disk of {self.file.parent} is full ({_free(room)} left), so reading was stopped; everything received "
            "is stored: make room and run again, it goes on where it stopped"
        )

    def _told(self, before: Level, room: Room) -> str | None:
        if self.level > before:
            much = "little" if self.level is Level.low else "very little"
            stop = _size(self._limits.full.bytes_of(room))
            return f"{much} room on the disk of {self.file.parent}: {_free(room)} left; below {stop} recording stops"
        if self.level is Level.plenty and before is not Level.plenty:
            return f"room again on the disk of {self.file.parent}: {_free(room)} left"
        return None


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what the file is, whatever its name; None when there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _free(room: Room) -> str:
    # Seldom the reason: told only when they are.
    inodes = f", {room.free_inodes} inodes" if room.free_inodes < room.inodes / 5 else ""
    return f"{_size(room.free_bytes)} of {_size(room.size_bytes)}{inodes}"


def _size(count: int) -> str:
    for unit, size in (("GiB", _GIB), ("MiB", _MIB)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1024:.0f} KiB"
