"""One connection, as the alignment sees it: how it reads the vendor's list, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from recorder.feed.alignment.effects import Item


class Mode(Enum):
    """Which part of the vendor's list a connection asked for."""

    READ = auto()
    """All of it: a read from 0."""
    RESUME = auto()
    """What is near the end, and new."""
    PIECE = auto()
    """The next piece of a proof whose read from 0 was cut."""


@dataclass(slots=True)
class Connection:
    """The state that a connection begins with and takes with it when it ends."""

    mode: Mode = Mode.READ
    asked: int = 0
    """The position that was asked for."""
    expected: int = 0
    """The stored index that should come first."""
    length_before: int = 0
    """How many items were stored when it began."""
    asked_past_all: bool = False
    """Whether everything that comes should be new: nothing stored was asked for, or the vendor sends nothing else."""
    is_open: bool = True
    """Whether anything still counts: until it ends, or we close it."""

    began: int | None = None
    """The stored index of the first item; None until something aligned, or when that was new."""
    place: int | None = None
    """The stored index of the item that should come next; None until something aligned."""
    held: Item | None = None
    """The unknown item that a read from 0 began with."""
    anchor: int | None = None
    """Where a resume seems to begin, if the second item says so too."""
    seam: int = 0
    """The stored index at which a read from 0 went on because it seemed to show nothing but what is new."""
    late: int = 0
    """The stored index that a read from 0 began with, when that is not 0."""
    shown: list[Item] = field(default_factory=list)
    """What such a read has shown, all of it."""

    items: int = 0
    unreadable: int = 0
    """Frames since the last item that may have been actions (rule 6)."""
    was_quiet: bool = False
    disorder_told: bool = False
