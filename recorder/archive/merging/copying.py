"""One stream on its way from one archive into another: what is there already, and what comes next.

Nothing is remembered between two connections: where a copy stands is computed from the rows on both sides (`survey`),
so an archive that lost what it had acknowledged (a fail-over to an older state) simply lacks rows, and gets them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, bindparam, select, tuple_

from recorder.archive import tables
from recorder.archive.merging.comparing import START, last_frame_there, missing_position
from recorder.archive.merging.load import Load, place
from recorder.archive.merging.load import Row as Values
from recorder.archive.merging.matching import Match, match_epochs
from recorder.archive.merging.refusals import Conflict, Purged
from recorder.errors import DamagedArchive, IdentityClash
from recorder.model import digest

_EPOCH_OF_ACTION = place(tables.action.c.epoch)
_POSITION = place(tables.action.c.position)
_ACTION_SESSION = place(tables.action.c.session_id)
_ACTION_FRAME = place(tables.action.c.frame_number)
_FRAME_SESSION = place(tables.frame.c.session_id)
_FRAME_NUMBER = place(tables.frame.c.frame_number)
_DIGEST = place(tables.frame.c.digest)
_PAYLOAD = place(tables.frame.c.payload)
_EPOCH_OF_GAP = place(tables.gap.c.epoch)
_EPOCH_OF_AUDIT = place(tables.audit.c.epoch)

BYTES_AT_ONCE = 8 * 1024 * 1024
FRAMES_AT_ONCE = 2_000
ACTIONS_AT_ONCE = 4_000
_KEYS_AT_ONCE = 500
"""In one statement, which holds only so many parameters."""
_STREAMED = {"yield_per": 100}


def _behind(table: Table, *key: str) -> Select[Any]:
    """Built once: putting a statement together costs ten times what it takes to execute it, for each stream anew."""
    columns = [table.c[name] for name in key]
    mark = tuple_(*(bindparam(name, type_=table.c[name].type) for name in key))
    wanted = select(table).where(table.c.stream_id == bindparam("stream_id"), tuple_(*columns) > mark)
    return wanted.order_by(*columns).limit(bindparam("at_once"))


_FRAMES_BEHIND = _behind(tables.frame, "session_id", "frame_number")
_ACTIONS_BEHIND = _behind(tables.action, "epoch", "position")


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a copy has come: the last (session, frame) and the last (epoch, position) that are there."""

    frame: tuple[int, int] = START
    action: tuple[int, int] = START


@dataclass(slots=True)
class Changes:
    """What a recorder has changed among the rows that change at all; without it, all of them may have changed."""

    stream: bool = False
    epochs: bool = False
    gaps: bool = False
    audits: bool = False
    sessions: set[int] = field(default_factory=set)
    placed: set[tuple[int, int]] = field(default_factory=set)
    """(session, frame) of frames whose position was found."""

    def take(self, other: Changes) -> None:
        """Add what another one tells."""
        self.stream |= other.stream
        self.epochs |= other.epochs
        self.gaps |= other.gaps
        self.audits |= other.audits
        self.sessions |= other.sessions
        self.placed |= other.placed


class StreamCopy:
    """Made by `survey`: which of their epochs each of ours is, and how far their rows go."""

    def __init__(self, stream_id: int, match: Match, marks: Marks) -> None:
        self.stream_id = stream_id
        self.marks = marks
        self._match = match
        self._is_same = all(ours == theirs for ours, theirs in match.epochs.items())
        self._begun = False

    @property
    def clashes(self) -> int:
        """How many lists differ from theirs, and have to be epochs of their own there."""
        return 0 if self._begun else len(self._match.clashes)

    @property
    def has_begun(self) -> bool:
        """Whether anything of it has landed."""
        return self._begun

    @property
    def new_epochs(self) -> int:
        """How many lists are new to an archive that has others of this stream."""
        return 0 if self._begun or not self._match.theirs else len(self._match.fresh)

    def next(self, source: Connection, changes: Changes | None) -> tuple[Load, Marks]:
        """Return what comes next, bounded in size, and where the copy stands once it has landed (see `landed`).

        ``changes`` tells which rows of those that change have; None, and the first time: all may have. Raises Conflict
        when an epoch has begun since the survey, DamagedArchive when a frame's bytes are not what was received.
        """
        load, told = Load(), changes if self._begun else None
        self._add_changed(load, source, told)
        if not self._begun:
            load.add(tables.gap, self._match.clashes)
            load.fresh = {(self.stream_id, epoch) for epoch in self._match.fresh}
        frames = self._frames(source)
        frame = (frames[-1][_FRAME_SESSION], frames[-1][_FRAME_NUMBER]) if frames else self.marks.frame
        load.add(tables.frame, frames)
        if changes is not None and changes.placed:
            load.add(tables.frame, self._placed(source, changes.placed))
        actions = self._actions(source, frame)
        action = (actions[-1][_EPOCH_OF_ACTION], actions[-1][_POSITION]) if actions else self.marks.action
        load.add(tables.action, self._in_their_epochs(actions, _EPOCH_OF_ACTION))
        # With every portion: whose heads they are, and, once nothing is left, whether the stream has ended.
        if told is not None and not told.epochs:
            load.add(tables.epoch, self._epoch_rows(self._all(source, tables.epoch)))
        rows = self._all(source, tables.stream)
        load.rows[tables.stream] = (
            [_unended(row) for row in rows] if is_full(frames, actions) else list(map(tuple, rows))
        )
        return load, Marks(frame, action)

    def go_on(
        self, source: Connection, changes: Changes, frames: Sequence[Values], actions: Sequence[Values]
    ) -> tuple[Load, Marks]:
        """As `next`, of a copy that has landed, given all that was added since it was last read, in that order.

        Reading it would take many times longer than having kept it, where few rows of many streams come all the time.
        """
        load = Load()
        self._add_changed(load, source, changes)
        frames = [row for row in frames if (row[_FRAME_SESSION], row[_FRAME_NUMBER]) > self.marks.frame]
        actions = [row for row in actions if (row[_EPOCH_OF_ACTION], row[_POSITION]) > self.marks.action]
        load.add(tables.frame, frames)
        load.add(tables.action, self._in_their_epochs(actions, _EPOCH_OF_ACTION))
        frame = (frames[-1][_FRAME_SESSION], frames[-1][_FRAME_NUMBER]) if frames else self.marks.frame
        action = (actions[-1][_EPOCH_OF_ACTION], actions[-1][_POSITION]) if actions else self.marks.action
        return load, Marks(frame, action)

    def landed(self, marks: Marks) -> bool:
        """Note that what `next` returned has been committed there; return whether the copy has got on."""
        got_on = marks != self.marks
        self.marks, self._begun = marks, True
        return got_on

    # Rows that change

    def _add_changed(self, load: Load, source: Connection, changes: Changes | None) -> None:
        if changes is None or changes.stream:
            load.add(tables.stream, self._all(source, tables.stream))
        if changes is None or changes.epochs:
            load.add(tables.epoch, self._epoch_rows(self._all(source, tables.epoch)))
        if changes is None:
            load.add(tables.session, self._all(source, tables.session))
        else:
            for some in _portions(changes.sessions):
                session = tables.session
                wanted = select(session).where(session.c.stream_id == self.stream_id, session.c.session_id.in_(some))
                load.add(session, source.execute(wanted).all())
        # Behind the sessions, which name gaps: a recorder may be writing both.
        if changes is None or changes.gaps:
            load.add(tables.gap, self._in_their_epochs(self._all(source, tables.gap), _EPOCH_OF_GAP))
        if changes is None or changes.audits:
            load.add(tables.audit, self._in_their_epochs(self._all(source, tables.audit), _EPOCH_OF_AUDIT))

    def _all(self, source: Connection, table: Table) -> Sequence[Row[Any]]:
        return source.execute(select(table).where(table.c.stream_id == self.stream_id)).all()

    def _epoch_rows(self, rows: Sequence[Row[Any]]) -> Iterator[Values]:
        newest = max((row.epoch for row in rows if row.current_us is not None), default=-1)
        for row in rows:
            said = dict(row._mapping)
            said["epoch"] = self._theirs(row.epoch)
            said["parent"] = self._match.epochs.get(row.parent)
            if row.current_us is not None and not self._match.may_show(row.epoch, row.current_us, newest):
                said["current_us"] = None
            yield tuple(said.values())

    def _in_their_epochs(self, rows: Sequence[Values], at: int) -> Sequence[Values]:
        if self._is_same and all(row[at] in self._match.epochs for row in rows):
            return rows
        return [(*row[:at], self._theirs(row[at]), *row[at + 1 :]) for row in rows]

    def _theirs(self, epoch: int) -> int:
        if epoch not in self._match.epochs:
            raise Conflict([self.stream_id])
        return self._match.epochs[epoch]

    # Rows that are only added

    def _frames(self, source: Connection) -> list[Values]:
        session_id, frame_number = self.marks.frame
        behind = {"stream_id": self.stream_id, "session_id": session_id, "frame_number": frame_number}
        behind["at_once"] = FRAMES_AT_ONCE
        found, size = list[Values](), 0
        with source.execute(_FRAMES_BEHIND, behind, execution_options=_STREAMED) as rows:
            for row in rows:
                found.append(self._proven(row))
                size += len(row[_PAYLOAD])
                if size >= BYTES_AT_ONCE:
                    break
        return found

    def _placed(self, source: Connection, placed: set[tuple[int, int]]) -> Iterator[Values]:
        """Frames behind the mark are sent, as they are now, when it is their turn."""
        frame = tables.frame
        key = tuple_(frame.c.session_id, frame.c.frame_number)
        for some in _portions(key_ for key_ in placed if key_ <= self.marks.frame):
            wanted = select(frame).where(frame.c.stream_id == self.stream_id, key.in_(some))
            with source.execute(wanted, execution_options=_STREAMED) as rows:
                yield from map(self._proven, rows)

    def _proven(self, row: Row[Any]) -> Values:
        """A damaged frame must not go to where another archive may have it whole."""
        if digest(row[_PAYLOAD]) != row[_DIGEST]:
            raise DamagedArchive(
                f"frame {row[_FRAME_NUMBER]} of session {row[_FRAME_SESSION]}, stream {self.stream_id}, is not what "
                "was received: the archive that it is copied from is damaged; keep it and restore a backup beside it"
            )
        return tuple(row)

    def _actions(self, source: Connection, frame: tuple[int, int]) -> Sequence[Values]:
        """Return the next actions, as long as the frames that bear them are there."""
        epoch, position = self.marks.action
        behind = {"stream_id": self.stream_id, "epoch": epoch, "position": position, "at_once": ACTIONS_AT_ONCE}
        found = list[Values]()
        with source.execute(_ACTIONS_BEHIND, behind, execution_options=_STREAMED) as rows:
            for row in rows:
                if (row[_ACTION_SESSION], row[_ACTION_FRAME]) > frame:
                    break
                expected = position + 1 if row[_EPOCH_OF_ACTION] == epoch else 0
                epoch, position = row[_EPOCH_OF_ACTION], row[_POSITION]
                if position != expected:
                    raise missing_position(self.stream_id, epoch, expected, position)
                found.append(tuple(row))
        return found


def is_full(frames: Sequence[Values], actions: Sequence[Values]) -> bool:
    """Whether these are as many rows as one portion holds, so that others may stand behind them."""
    size = sum(len(row[_PAYLOAD]) for row in frames)
    return len(frames) >= FRAMES_AT_ONCE or size >= BYTES_AT_ONCE or len(actions) >= ACTIONS_AT_ONCE


def _unended(row: Row[Any]) -> Values:
    """Return a stream's row as it is while rows of it are still to come."""
    return tuple((dict(row._mapping) | {"ended": None, "ended_why": None}).values())


def _portions(keys: Any) -> Iterator[list[Any]]:
    ordered = iter(sorted(keys))
    while some := list(islice(ordered, _KEYS_AT_ONCE)):
        yield some


def survey(source: Connection, target: Connection, stream_id: int, now_us: int) -> StreamCopy | None:
    """Compare what both archives hold of a stream and return the copy that brings over what is missing.

    None: the source does not know the stream.

    Raises Purged when the target must not have it, IdentityClash when the id stands for another stream there,
    DamagedArchive when one of them has lost what nobody can bring back.
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
    match = match_epochs(source, target, stream_id, now_us)
    return StreamCopy(stream_id, match, Marks(last_frame_there(source, target, stream_id), match.last))


def require_welcome(target: Connection, stream_id: int) -> None:
    """Raise Purged when the stream was purged from the archive, or pruned, and must not come back."""
    tombstone = tables.tombstone.c
    found = target.execute(select(tombstone.why).where(tombstone.stream_id == stream_id)).first()
    if found is not None:
        raise Purged(stream_id, found.why)
