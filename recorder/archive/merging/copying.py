"""One stream on its way from one archive into another: what is there already, and what comes next.

Nothing is remembered between two connections: where a copy stands is computed from the rows on both sides (`survey`),
so an archive that lost what it had acknowledged (a fail-over to an older state) simply lacks rows, and gets them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, func, literal, select, tuple_

from recorder.archive import tables
from recorder.archive.merging.comparing import compare, nearest_first
from recorder.archive.merging.load import Load, place
from recorder.archive.merging.load import Row as Values
from recorder.archive.merging.refusals import Conflict, Purged
from recorder.errors import IdentityClash
from recorder.ids import TimeOrderedIds

_EPOCH_OF_ACTION = place(tables.action.c.epoch)
_POSITION = place(tables.action.c.position)
_ACTION_SESSION = place(tables.action.c.session_id)
_ACTION_FRAME = place(tables.action.c.frame_number)
_FRAME_SESSION = place(tables.frame.c.session_id)
_FRAME_NUMBER = place(tables.frame.c.frame_number)
_PAYLOAD = place(tables.frame.c.payload)
_EPOCH_OF_GAP = place(tables.gap.c.epoch)

_START = (-1, -1)
BYTES_AT_ONCE = 8 * 1024 * 1024
FRAMES_AT_ONCE = 2_000
ACTIONS_AT_ONCE = 4_000


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a copy has come: the last (session, frame) and the last (epoch, position) that are there."""

    frame: tuple[int, int] = _START
    action: tuple[int, int] = _START


@dataclass(slots=True)
class Match:
    """Which of their epochs each of ours is; gaps that tell where none was; those of ours that theirs is newer than."""

    epochs: dict[int, int] = field(default_factory=dict)
    clashes: list[Values] = field(default_factory=list)
    older: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Changes:
    """What a recorder has changed among the rows that change at all; without it, all of them may have changed."""

    stream: bool = False
    epochs: bool = False
    gaps: bool = False
    sessions: set[int] = field(default_factory=set)
    placed: set[tuple[int, int]] = field(default_factory=set)
    """(session, frame) of frames whose position was found."""

    def take(self, other: Changes) -> None:
        """Add what another one tells."""
        self.stream |= other.stream
        self.epochs |= other.epochs
        self.gaps |= other.gaps
        self.sessions |= other.sessions
        self.placed |= other.placed


class StreamCopy:
    """Made by `survey`: which of their epochs each of ours is, and how far their rows go."""

    def __init__(self, stream_id: int, match: Match, marks: Marks) -> None:
        self.stream_id = stream_id
        self.marks = marks
        self._match = match
        self._clashes = match.clashes
        self._begun = False

    @property
    def clashes(self) -> int:
        """How many lists differ from theirs, and have to be epochs of their own there."""
        return len(self._clashes)

    def next(self, source: Connection, changes: Changes | None) -> tuple[Load, Marks]:
        """Return what comes next, bounded in size, and where the copy stands once it has landed (see `landed`).

        ``changes`` tells which rows of those that change have; None, and the first time: all may have. Raises Conflict
        when an epoch has begun since the survey.
        """
        load = Load()
        everything = changes is None or not self._begun
        for table in (tables.stream, tables.epoch, tables.session, tables.gap):
            load.add(table, self._changed(source, table, None if everything else changes))
        load.add(tables.gap, self._clashes)
        frames = self._frames(source, self.marks.frame)
        frame = (frames[-1][_FRAME_SESSION], frames[-1][_FRAME_NUMBER]) if frames else self.marks.frame
        load.add(tables.frame, frames)
        if changes is not None and changes.placed:
            load.add(tables.frame, self._placed(source, changes.placed, frame))
        actions = self._actions(source, self.marks.action, frame)
        action = (actions[-1][_EPOCH_OF_ACTION], actions[-1][_POSITION]) if actions else self.marks.action
        load.add(tables.action, [self._in_their_epoch(row, _EPOCH_OF_ACTION) for row in actions])
        return load, Marks(frame, action)

    def landed(self, marks: Marks) -> bool:
        """Note that what `next` returned has been committed there; return whether the copy has got on."""
        got_on = marks != self.marks
        self.marks, self._begun, self._clashes = marks, True, []
        return got_on

    def _in_their_epoch(self, row: Row[Any], at: int) -> Values:
        return (*row[:at], self._theirs(row[at]), *row[at + 1 :])

    def _theirs(self, epoch: int) -> int:
        if epoch not in self._match.epochs:
            raise Conflict([self.stream_id])
        return self._match.epochs[epoch]

    def _changed(self, source: Connection, table: Table, changes: Changes | None) -> list[Values]:
        wanted = select(table).where(table.c.stream_id == self.stream_id)
        if changes is not None:
            if table is tables.session:
                if not changes.sessions:
                    return []
                wanted = wanted.where(table.c.session_id.in_(changes.sessions))
            elif not {tables.stream: changes.stream, tables.epoch: changes.epochs, tables.gap: changes.gaps}[table]:
                return []
        rows = source.execute(wanted).all()
        if table is tables.epoch:
            return [self._epoch_row(row) for row in rows]
        if table is tables.gap:
            return [self._in_their_epoch(row, _EPOCH_OF_GAP) for row in rows]
        return [tuple(row) for row in rows]

    def _epoch_row(self, row: Row[Any]) -> Values:
        said = dict(row._mapping)
        said["epoch"] = self._theirs(row.epoch)
        said["parent"] = None if row.parent is None else self._theirs(row.parent)
        if row.epoch in self._match.older:
            said["current_us"] = None
        return tuple(said.values())

    def _frames(self, source: Connection, behind: tuple[int, int]) -> list[Row[Any]]:
        frame = tables.frame
        key = tuple_(frame.c.session_id, frame.c.frame_number)
        rows = source.execution_options(yield_per=100).execute(
            select(frame)
            .where(frame.c.stream_id == self.stream_id, key > tuple_(*map(literal, behind)))
            .order_by(frame.c.session_id, frame.c.frame_number)
            .limit(FRAMES_AT_ONCE)
        )
        found, size = [], 0
        for row in rows:
            found.append(row)
            size += len(row[_PAYLOAD])
            if size >= BYTES_AT_ONCE:
                break
        rows.close()
        return found

    def _placed(self, source: Connection, placed: set[tuple[int, int]], upto: tuple[int, int]) -> list[Values]:
        frame = tables.frame
        key = tuple_(frame.c.session_id, frame.c.frame_number)
        wanted = select(frame).where(frame.c.stream_id == self.stream_id, key.in_(sorted(placed)))
        # Those behind the mark are sent, as they are now, when it is their turn.
        return [tuple(row) for row in source.execute(wanted) if (row.session_id, row.frame_number) <= upto]

    def _actions(self, source: Connection, behind: tuple[int, int], frame: tuple[int, int]) -> list[Row[Any]]:
        """Return the next actions, as long as the frames that bear them are there."""
        action = tables.action
        key = tuple_(action.c.epoch, action.c.position)
        rows = source.execute(
            select(action)
            .where(action.c.stream_id == self.stream_id, key > tuple_(*map(literal, behind)))
            .order_by(action.c.epoch, action.c.position)
            .limit(ACTIONS_AT_ONCE)
        ).all()
        for number, row in enumerate(rows):
            if (row[_ACTION_SESSION], row[_ACTION_FRAME]) > frame:
                return list(rows[:number])
        return list(rows)


def survey(source: Connection, target: Connection, stream_id: int, now_us: int) -> StreamCopy | None:
    """Compare what both archives hold of a stream and return the copy that brings over what is missing.

    None: the source does not know the stream.

    Raises Purged when the target must not have it, IdentityClash when the id stands for another stream there.
    """
    require_welcome(target, stream_id)
    ours = source.execute(select(tables.stream).where(tables.stream.c.stream_id == stream_id)).first()
    if ours is None:
        return None
    theirs = target.execute(select(tables.stream).where(tables.stream.c.stream_id == stream_id)).first()
    name = ("feed", "sport", "fixture_id", "channel")
    if theirs is not None and any(getattr(ours, part) != getattr(theirs, part) for part in name):
        raise IdentityClash(
            f"{ours.feed}/{ours.sport}/{ours.fixture_id} has the same id as the stored stream "
            f"{theirs.feed}/{theirs.sport}/{theirs.fixture_id}; keep it in another archive"
        )
    match, action = _match_epochs(source, target, stream_id, now_us)
    return StreamCopy(stream_id, match, Marks(_frames_there(source, target, stream_id), action))


def require_welcome(target: Connection, stream_id: int) -> None:
    """Raise Purged when the stream was purged from the archive, and must not come back."""
    tombstone = tables.tombstone.c
    found = target.execute(select(tombstone.purged_us).where(tombstone.stream_id == stream_id)).first()
    if found is not None:
        raise Purged(stream_id)


def _match_epochs(source: Connection, target: Connection, stream_id: int, now_us: int) -> tuple[Match, tuple[int, int]]:
    """Return which of their epochs each of ours is, and the last (epoch, position) behind which actions are wanted.

    An epoch is another's when one list is the beginning of the other. Where none of theirs is, ours is added to them;
    when theirs has one of that number, two recordings of one match differ, and a gap says so.
    """
    theirs = {row.epoch: row.current_us for row in target.execute(_epochs(stream_id))}
    newest_us = max((us for us in theirs.values() if us is not None), default=None)
    match, last, wanted = Match(), _START, False
    for row in source.execute(_epochs(stream_id)).all():
        free = theirs.keys() - set(match.epochs.values())
        differs_at: int | None = None
        for candidate in nearest_first(free, row.epoch):
            found = compare(source, target, stream_id, row.epoch, candidate)
            if found.differs_at is None:
                match.epochs[row.epoch] = candidate
                if not wanted:
                    wanted = found.wanted_from is not None
                    last = (row.epoch, (found.common if found.wanted_from is None else found.wanted_from) - 1)
                break
            differs_at = found.differs_at if differs_at is None else differs_at
        else:
            taken = theirs.keys() | set(match.epochs.values())
            match.epochs[row.epoch] = row.epoch if row.epoch not in taken else max(taken) + 1
            last, wanted = (last, True) if wanted else ((row.epoch, -1), True)
            if row.epoch in taken and differs_at is not None:
                match.clashes.append(_clash(stream_id, match.epochs[row.epoch], differs_at, now_us))
                if newest_us is not None and (row.current_us or 0) <= newest_us:
                    match.older.add(row.epoch)
    return match, last


def _epochs(stream_id: int) -> Any:
    epoch = tables.epoch.c
    return select(epoch.epoch, epoch.current_us).where(epoch.stream_id == stream_id).order_by(epoch.epoch)


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
    }
    return tuple(said[column.name] for column in tables.gap.columns)


def _frames_there(source: Connection, target: Connection, stream_id: int) -> tuple[int, int]:
    """Return the last frame of which all that come before it, in order, are in the target."""
    theirs = {row.session_id: row for row in target.execute(_frame_counts(stream_id))}
    last = _START
    for ours in source.execute(_frame_counts(stream_id).order_by(tables.frame.c.session_id)):
        there = theirs.get(ours.session_id)
        if there is None or (there.frames, there.unplaced) != (ours.frames, ours.unplaced):
            return _last_of_its_beginning(source, ours.session_id, stream_id, there) or last
        last = (ours.session_id, ours.last)
    return last


def _frame_counts(stream_id: int) -> Any:
    frame = tables.frame.c
    unplaced = func.count().filter(frame.kind == "unplaced").label("unplaced")
    return (
        select(frame.session_id, func.count().label("frames"), func.max(frame.frame_number).label("last"), unplaced)
        .where(frame.stream_id == stream_id)
        .group_by(frame.session_id)
    )


def _last_of_its_beginning(
    source: Connection, session_id: int, stream_id: int, there: Row[Any] | None
) -> tuple[int, int] | None:
    """Return the last frame that is there of a session that is there in part; None: send all of it again."""
    if there is None or there.unplaced:
        return None
    frame = tables.frame.c
    ours = source.execute(
        select(func.count()).where(
            frame.stream_id == stream_id, frame.session_id == session_id, frame.frame_number <= there.last
        )
    ).scalar_one()
    return (session_id, there.last) if ours == there.frames else None
