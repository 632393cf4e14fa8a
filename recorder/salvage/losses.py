"""What a recovery could not save, or had to change, as values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from recorder.salvage.scanning import DamagedPage

What = Literal["lost", "unplaced", "stand-in", "cleared", "damaged page", "put back", "mended", "purged"]
"""``lost``: it is not there.
``unplaced``: a frame is there, and its place in the list is not known.
``stand-in``: a row that others need was made anew, and does not say all that the lost one said.
``cleared``: what a row says was taken away, or brought in agreement, since it is not what was saved.
``damaged page``: it may have held rows that nothing else tells of.
``put back``: a row was lost, and made again from its frame.
``mended``: a row was not what its frame says, and is now.
``purged``: rows of a stream that had been purged stay away.
"""

COSTS = frozenset({"lost", "unplaced", "stand-in", "cleared", "damaged page"})
"""What of these means that not everything is saved."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows of one table, of a stream, an epoch or a session: ``count`` of them.

    ``first``, ``last``: positions of actions, as they were in the damaged file (of what was put back or mended: as they
    are now); numbers of frames; a page's number. None where they are not known. ``stream``: its name, or its id where
    that is all there is.
    """

    what: What
    table: str
    stream: str = ""
    epoch: int | None = None
    session_id: int | None = None
    first: int | None = None
    last: int | None = None
    count: int = 1
    detail: str = ""
    is_made_good: bool = False
    """Whether it is proven that nothing is lost by it."""


@dataclass(slots=True)
class Outcome:
    """What came of a recovery: how many rows each table holds now, and everything that is not as it was."""

    saved: dict[str, int] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    revision: str | None = None
    """The schema's that the damaged file tells of."""

    def add(self, *losses: Loss) -> None:
        """Write losses down."""
        self.losses += losses

    def count(self, what: What, table: str) -> int:
        """Return of how many rows of a table that is so."""
        return sum(loss.count for loss in self.losses if (loss.what, loss.table) == (what, table))

    def count_of(self, stream: str, what: What) -> int:
        """Return of how many rows of a stream that is so."""
        return sum(loss.count for loss in self.losses if (loss.stream, loss.what) == (stream, what))

    @property
    def is_whole(self) -> bool:
        """Whether everything was saved."""
        return not any(loss.what in COSTS and not loss.is_made_good for loss in self.losses)

    def make_good(self, table: str, why: str) -> None:
        """Note that damaged pages of a table, and rows in it of which nothing could be read, are no loss."""
        before, self.losses = self.losses, []
        for loss in before:
            if (loss.table, loss.what) == (table, "damaged page"):
                self.losses.append(replace(loss, is_made_good=True, detail=f"{loss.detail}; {why}"))
            elif (loss.table, loss.what, loss.first) != (table, "lost", None):
                self.losses.append(loss)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was saved, and not because the archive held nothing."""
        return not any(self.saved.values()) and (self.revision is None or not self.is_whole)


def ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of numbers that follow each other."""
    first = last = None
    for number in sorted(set(numbers)):
        if first is None or last is None or number != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def of_page(damaged: DamagedPage) -> Loss:
    """Return what a damaged page comes to."""
    table = "" if damaged.table is None else damaged.table.name
    behind = f"; the last row before it has the key {damaged.behind}" if damaged.behind else ""
    number = damaged.number or None
    where = "a page" if number is None else f"page {number}"
    return Loss("damaged page", table, first=number, last=number, detail=f"{where} {damaged.what}{behind}")
