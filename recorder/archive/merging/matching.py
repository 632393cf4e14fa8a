"""Which versions of the vendor's list are the same in two archives: by content, whatever number they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from recorder.archive import tables
from recorder.archive.merging.comparing import START, Comparison, compare
from recorder.archive.merging.load import Row as Values
from recorder.errors import DamagedArchive
from recorder.ids import TimeOrderedIds


class Epoch(NamedTuple):
    """One of a stream's lists. ``current_us``: None for one that is not shown; ``length`` in actions.

    ``created_us`` comes along with a list that is brought over; None: its row has been lost.
    """

    number: int
    current_us: int | None
    created_us: int | None
    length: int


@dataclass(slots=True)
class Match:
    """Which of their epochs each of ours is.

    ``fresh`` are the numbers there of those that are new there; ``clashes`` the gaps that tell of recordings that
    differ; ``last`` is the (epoch, position) of ours behind which actions are wanted. ``theirs`` is the list that is
    shown there, ``is_ours`` which of ours that is; None: none.
    """

    epochs: dict[int, int] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    clashes: list[Values] = field(default_factory=list)
    last: tuple[int, int] = START
    theirs: Epoch | None = None
    is_ours: int | None = None

    def may_show(self, number: int, current_us: int, newest: int) -> bool:
        """Say whether one of our lists that is, or was, shown here is to be so there; ``newest`` is the last of them.

        What is shown there stays so, unless our archive knows that list and a later one, or ours was made the current
        one later. The numbers decide what users see, so a list that went before can only be one of the past.
        """
        if self.theirs is None:
            return True
        if self.epochs[number] <= self.theirs.number:
            return False
        if self.is_ours is not None and number > self.is_ours:
            return True
        return number == newest and current_us > (self.theirs.current_us or 0)


def match_epochs(source: Connection, target: Connection, stream_id: int, now_us: int) -> Match:
    """Find each of the source's epochs in the target.

    An epoch is another's when one list is the beginning of the other; the longest beginnings are matched first, so that
    what was once brought over is always found again. What cannot be matched is new there; and when there is a list
    there that we do not have, two recordings of one match differ, and a gap says so.
    """
    ours, theirs = epochs_of(source, stream_id), epochs_of(target, stream_id, lost_some=True)
    found = _comparisons(source, target, stream_id, ours, theirs)
    match = Match(epochs=_pairs(found, ours, theirs))
    match.theirs = next((epoch for epoch in reversed(theirs) if epoch.current_us is not None), None)
    match.is_ours = next(
        (our for our, their in match.epochs.items() if match.theirs and their == match.theirs[0]), None
    )
    match.last = _last(found, match.epochs, ours)
    unknown = [epoch.number for epoch in theirs if epoch.length and epoch.number not in match.epochs.values()]
    taken = max((epoch.number for epoch in theirs), default=-1)
    for epoch in ours:
        if epoch.number not in match.epochs:
            match.epochs[epoch.number] = taken = max(epoch.number, taken + 1)
            match.fresh.add(taken)
            if unknown and epoch.length:
                at = max(found[epoch.number, other].differs_at or 0 for other in unknown)
                match.clashes.append(_clash(stream_id, taken, at, now_us))
    return match


def epochs_of(connection: Connection, stream_id: int, *, lost_some: bool = False) -> list[Epoch]:
    """Return a stream's epochs in their order; DamagedArchive when there are actions of none of them.

    ``lost_some``: the archive may have lost an epoch's row, which then stands for itself without a time.
    """
    action, epoch = tables.action.c, tables.epoch.c
    # Asked first: a new epoch may begin between the two statements.
    newest = connection.execute(select(func.max(action.epoch)).where(action.stream_id == stream_id)).scalar()
    length = select(func.coalesce(func.max(action.position) + 1, 0)).where(action.stream_id == stream_id)
    rows = connection.execute(
        select(
            epoch.epoch, epoch.current_us, epoch.created_us, length.where(action.epoch == epoch.epoch).scalar_subquery()
        )
        .where(epoch.stream_id == stream_id)
        .order_by(epoch.epoch)
    )
    found = [Epoch(*row) for row in rows]
    for number in range(0 if newest is None else newest + 1):
        if number not in [one.number for one in found]:
            left = connection.execute(length.where(action.epoch == number)).scalar_one()
            if left and not lost_some:
                raise DamagedArchive(
                    f"stream {stream_id} has actions of epoch {number}, which is not there; "
                    "keep the archive as it is and restore a backup beside it"
                )
            found += [Epoch(number, None, None, left)] if left else []
    return sorted(found, key=lambda one: one.number)


def _comparisons(
    source: Connection, target: Connection, stream_id: int, ours: Sequence[Epoch], theirs: Sequence[Epoch]
) -> dict[tuple[int, int], Comparison]:
    found: dict[tuple[int, int], Comparison] = {}
    left, others = {epoch.number: epoch for epoch in ours}, {epoch.number: epoch for epoch in theirs}
    # Most often they are the same lists: then that is all there is to compare.
    for number in sorted(left.keys() & others.keys()):
        found[number, number] = same = compare(source, target, stream_id, number, number)
        # Lists of equal content may have each other's numbers: when they began tells which is which.
        if same.differs_at is None and left[number][2:] == others[number][2:]:
            del left[number], others[number]
    for one in left:
        for other in others:
            if (one, other) not in found:
                found[one, other] = compare(source, target, stream_id, one, other)
    return found


def _pairs(found: dict[tuple[int, int], Comparison], ours: Sequence[Epoch], theirs: Sequence[Epoch]) -> dict[int, int]:
    here, there = {epoch.number: epoch for epoch in ours}, {epoch.number: epoch for epoch in theirs}

    def order(pair: tuple[int, int]) -> tuple[Any, ...]:
        one, other = pair
        common, is_copy = found[pair].common, here[one].created_us == there[other].created_us
        # The older list there: one that was added since must not attract what was brought to another before.
        return (-common, not is_copy, other, one)

    pairs: dict[int, int] = {}
    for one, other in sorted((pair for pair, found_ in found.items() if found_.differs_at is None), key=order):
        if one not in pairs and other not in pairs.values():
            pairs[one] = other
    return pairs


def _last(found: dict[tuple[int, int], Comparison], pairs: dict[int, int], ours: Sequence[Epoch]) -> tuple[int, int]:
    """Return the (epoch, position) of ours up to which all actions are there as early as they are here."""
    last = START
    for epoch in ours:
        if epoch.number not in pairs:
            return last
        wanted_from = found[epoch.number, pairs[epoch.number]].wanted_from
        if wanted_from is not None:
            return (epoch.number, wanted_from - 1)
        last = (epoch.number, epoch.length - 1)
    return last


def _clash(stream_id: int, epoch: int, position: int, now_us: int) -> Values:
    said = {
        "stream_id": stream_id,
        "gap_id": TimeOrderedIds().next(now_us),
        "epoch": epoch,
        "cause": "recordings_differ",
        "ours": True,
        "detail": f"two recordings of this stream differ from position {position} on; both are kept",
        "from_position": position,
        "to_position": None,
        "from_us": now_us,
        "to_us": None,
        "resolved_us": None,
        "previous_id": None,
    }
    return tuple(said[column.name] for column in tables.gap.columns)
