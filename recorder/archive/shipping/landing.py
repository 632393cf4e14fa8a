"""The next rows of some streams, from the spool into Postgres, in one transaction of bounded size and time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, literal, select, tuple_

from recorder import clock
from recorder.archive import tables
from recorder.archive.apply import action_row, frame_row
from recorder.archive.deadline import Cutter
from recorder.archive.dialect import Dialect, driver_error
from recorder.archive.merging import copying
from recorder.archive.merging.copying import Marks, StreamCopy, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.load import Load, place
from recorder.archive.merging.refusals import Conflict, Purged
from recorder.archive.shipping.noting import Noted, Notes
from recorder.archive.spool import may_hold_more
from recorder.errors import DamagedArchive, IdentityClash
from recorder.operations import AddAction, AddFrame

_log = logging.getLogger(__name__)

_OF_ROWS = {"DataError", "IntegrityError"}
"""What every driver calls errors that are about the values in rows (PEP 249)."""

_STREAMS_AT_ONCE = 200
_FRAMES_AT_ONCE = 2_000
_SURVEYS_AT_ONCE = 20
_SURVEY_S = 0.1
"""Comparing takes longer than shipping: what is being recorded must not wait for many matches of last week."""
_CONFLICTS = 20
"""How often in a row other recorders may have been faster; more of them are a defect."""

_PAYLOAD = place(tables.frame.c.payload)
_SESSION, _NUMBER = place(tables.frame.c.session_id), place(tables.frame.c.frame_number)
_FRAME_KEY = tuple_(tables.frame.c.session_id, tables.frame.c.frame_number)
_ACTION_KEY = tuple_(tables.action.c.epoch, tables.action.c.position)


@dataclass(slots=True)
class Copied:
    """A stream's copy, and how many of the spool's frames and actions are known to be in Postgres."""

    copy: StreamCopy
    frames: int
    actions: int


@dataclass(slots=True)
class _Batch:
    load: Load = field(default_factory=Load)
    marks: dict[int, Marks] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    unfinished: set[int] = field(default_factory=set)
    bytes: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.load.rows[tables.frame]) >= _FRAMES_AT_ONCE or self.bytes >= copying.BYTES_AT_ONCE

    def add(self, copy: StreamCopy, rows: Load, marks: Marks) -> None:
        frames, actions = rows.rows[tables.frame], rows.rows[tables.action]
        new = [row for row in frames if (row[_SESSION], row[_NUMBER]) > copy.marks.frame]
        if copying.is_full(new, actions):
            self.unfinished.add(copy.stream_id)
        self.marks[copy.stream_id] = marks
        self.sizes[copy.stream_id] = (len(new), len(actions))
        self.bytes += sum(len(row[_PAYLOAD]) for row in frames)
        self.load.take(rows)


def is_of_one_stream(error: Exception) -> bool:
    """Whether something is wrong with one stream's rows, and not with the database."""
    kinds = {kind.__name__ for kind in type(driver_error(error)).__mro__}
    return isinstance(error, DamagedArchive | IdentityClash) or bool(kinds & _OF_ROWS)


def first_line(error: BaseException) -> str:
    """Return what the driver itself said, without what it says about our statement."""
    said = driver_error(error)
    return (str(said).strip().splitlines() or [type(said).__name__])[0].strip()


class Landing:
    """Ships over one pair of connections; ends with them.

    ``purged`` is called with the id of a stream that must not come back.
    """

    def __init__(
        self,
        source: Connection,
        target: Connection,
        dialect: Dialect,
        notes: Notes,
        *,
        cutter: Cutter,
        patience_s: float,
        place: str,
        purged: Callable[[int], None],
    ) -> None:
        self.copied: dict[int, Copied] = {}
        """By stream id, of the streams that were compared since Postgres was reached."""
        self.got_on: set[int] = set()
        """Streams of which more has landed; whoever acts on it takes them out."""
        self.is_behind = False
        """Whether more was waiting than could be shipped at once."""
        self.new_rows = 0
        """Frames and actions that were not there before."""
        self.dialect = dialect
        self._source, self._target = source, target
        self._notes = notes
        self._cutter = cutter
        self._patience_s = patience_s
        self._place = place
        self._purged = purged
        self._conflicts: dict[int, int] = {}

    def ship(self) -> bool:
        """Ship what has waited longest; return whether there was anything."""
        for stream_id in self._notes.take_unsure():
            self.copied.pop(stream_id, None)
        taken, self.is_behind = self._notes.take(self.copied, _STREAMS_AT_ONCE, _SURVEYS_AT_ONCE)
        if taken:
            self._ship(taken)
        return bool(taken)

    def set_aside(self, stream_id: int, why: str) -> None:
        """Ship no more of a stream for some time; all of it stays in the spool."""
        self.copied.pop(stream_id, None)
        if self._notes.set_apart(stream_id, why):
            _log.error("%s does not take stream %d, which stays in the spool: %s", self._place, stream_id, why)

    def drop(self, gone: Purged) -> None:
        """Learn that a stream was purged: nothing of it may come back, nor stay in the spool.

        What was only pruned, moved into a lake, stays there while it was not found whole in Postgres before.
        """
        stream_id = gone.stream_id
        if gone.to is not None and may_hold_more(self._source, stream_id):
            lift = "`recorder purge --lift` and its name let it in"
            self.set_aside(stream_id, f"its rows were {gone}, and here may be more; {lift}")
            return
        self.copied.pop(stream_id, None)
        if self._notes.drop(stream_id):
            said = "stream %d was %s from %s: no longer recorded, it leaves the spool"
            _log.warning(said, stream_id, "purged" if gone.to is None else "pruned", self._place)
            self._purged(stream_id)

    def _ship(self, taken: dict[int, Noted]) -> None:
        try:
            self._land(taken)
        except Conflict as conflict:
            for stream_id in conflict.stream_ids:
                self.copied.pop(stream_id, None)
                self._conflicts[stream_id] = self._conflicts.get(stream_id, 0) + 1
                if self._conflicts[stream_id] > _CONFLICTS:
                    self.set_aside(stream_id, "it changes there each time that it was compared")
            self._put_back(taken)
        except Purged as purged:
            self.drop(purged)
            self._put_back(taken)
        except Exception as error:
            if not is_of_one_stream(error):
                raise
            if len(taken) == 1:
                self.set_aside(next(iter(taken)), first_line(error))
                return
            for stream_id, noted in taken.items():  # one of them: the others must not wait for it
                self.copied.pop(stream_id, None)
                self._ship({stream_id: noted})

    def _land(self, taken: dict[int, Noted]) -> None:
        batch, gone, until_ns = _Batch(), set[int](), clock.elapsed_ns() + int(_SURVEY_S * 1e9)
        with self._cutter.deadline(self._patience_s), self._target.begin():
            for stream_id, noted in taken.items():
                if batch.is_full or (stream_id not in self.copied and batch.marks and clock.elapsed_ns() > until_ns):
                    continue
                copied = self._copied(stream_id)
                if copied is None:
                    gone.add(stream_id)
                else:
                    batch.add(copied.copy, *self._next(copied.copy, noted))
            batch.load.spoken_for = self._notes.spoken_for(batch.marks)
            new = land(self._target, self.dialect, batch.load)
        self.new_rows += new
        for stream_id, marks in batch.marks.items():
            copied = self.copied[stream_id]
            if copied.copy.landed(marks) or taken[stream_id].changes.stream:
                self.got_on.add(stream_id)
            frames, actions = batch.sizes[stream_id]
            copied.frames += frames
            copied.actions += actions
            self._conflicts.pop(stream_id, None)
        self._notes.landed(gone | batch.marks.keys(), batch.unfinished)
        self._put_back(stream_id for stream_id in taken if stream_id not in gone and stream_id not in batch.marks)
        self.is_behind |= bool(batch.unfinished)

    def _put_back(self, stream_ids: Iterable[int]) -> None:
        waiting = list(stream_ids)
        self._notes.put_back(waiting)
        self.is_behind |= bool(waiting)

    def _next(self, copy: StreamCopy, noted: Noted) -> tuple[Load, Marks]:
        if noted.rows is None or not copy.has_begun:
            return copy.next(self._source, noted.changes)
        frames = [frame_row(row.frame) for row in noted.rows if isinstance(row, AddFrame)]
        actions = [action_row(row.action) for row in noted.rows if isinstance(row, AddAction)]
        return copy.go_on(self._source, noted.changes, frames, actions)

    def _copied(self, stream_id: int) -> Copied | None:
        """Return the copy that is under way, or a new one; None when the stream has left the spool."""
        if stream_id not in self.copied:
            copy = survey(self._source, self._target, stream_id, clock.wall_us())
            if copy is None:
                return None
            self.copied[stream_id] = Copied(copy, *_upto(self._source, stream_id, copy.marks))
        return self.copied[stream_id]


def _upto(source: Connection, stream_id: int, marks: Marks) -> tuple[int, int]:
    """Return how many frames and actions the spool holds up to the marks."""
    frame, action = tables.frame.c, tables.action.c
    frames = select(func.count()).where(frame.stream_id == stream_id, tuple_(*map(literal, marks.frame)) >= _FRAME_KEY)
    actions = select(func.count()).where(
        action.stream_id == stream_id, tuple_(*map(literal, marks.action)) >= _ACTION_KEY
    )
    return source.execute(frames).scalar_one(), source.execute(actions).scalar_one()
