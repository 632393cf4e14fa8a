"""What the spool holds, brought on to Postgres: in order, from the rows, all the time, by a thread of its own.

The capture never waits for it. Postgres away means that the spool grows; what is missing there is found from the rows
of both (`merging.copying.survey`) as soon as it is back, whatever it has kept or lost meanwhile. Nothing leaves the
spool that was not proven in Postgres, and a finished stream stays in it for some days after: a fail-over may undo what
Postgres had acknowledged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, IntegrityError

from recorder import clock
from recorder.archive import migrate, tables
from recorder.archive.deadline import deadline
from recorder.archive.dialect import DiskErrors, parse_url
from recorder.archive.merging.copying import Changes, Marks, StreamCopy, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.load import Load
from recorder.archive.merging.proving import prove
from recorder.archive.merging.refusals import Conflict, Purged
from recorder.archive.spool import note_proof, proven_before, take_out, unproven
from recorder.archive.writer import Writer
from recorder.errors import DamagedArchive, IdentityClash, RecorderError
from recorder.operations import (
    BeginEpoch,
    CloseSession,
    EndStream,
    MakeEpochCurrent,
    OpenGap,
    OpenSession,
    OpenStream,
    Operation,
    PlaceFrame,
    ResolveGaps,
    UpdateSession,
    stream_of,
)

_log = logging.getLogger(__name__)

_PATIENCE_S = 30.0
"""How long one transaction may take; a stopped server gives no answer at all."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_FRAMES_AT_ONCE = 4_000
_STREAMS_AT_ONCE = 200
_SURVEYS_AT_ONCE = 5
"""Comparing takes longer than shipping: what is being recorded must not wait for many matches of last week."""
_LOOK_S = 1.0
_TIDY_S = 3600.0
_HEED_S = 60.0


class Shipper:
    """From the spool that ``writer`` writes to ``target_url``; begins at once.

    ``purged`` is called, on the shipper's thread, with the id of a stream that was purged from the target: whoever
    records it has to stop, and to take it out of the spool. ``keep_s``: how long (seconds) a stream that is over stays
    in the spool after it was proven.
    """

    def __init__(self, writer: Writer, target_url: str, *, keep_s: float, purged: Callable[[int], None]) -> None:
        self._writer = writer
        self._target, self._dialect = parse_url(target_url)
        self.place = self._dialect.place(self._target)
        self._keep_s = keep_s
        self._purged = purged
        self._condition = threading.Condition()
        self._noted: dict[int, Changes] = {}
        self._spoken_for: set[int] = set()
        self._unsure: set[int] = set()
        """Streams of which rows came into the spool otherwise than by recording."""
        self._copies: dict[int, StreamCopy] = {}
        self._to_prove: set[int] = set()
        self._stuck: dict[int, str] = {}
        self._surveyed = False
        """Whether all that the spool holds has been compared since Postgres was last reached."""
        self._away_since_ns: int | None = None
        self._busy = False
        self._was_away = False
        self._leaving = False
        self._tidied_ns: int | None = None
        self._heeded_ns = clock.elapsed_ns()
        writer.committed = self.note
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._thread.start()

    @property
    def away_s(self) -> float | None:
        """How long Postgres could not be used, in seconds; None: it can."""
        since_ns = self._away_since_ns
        return None if since_ns is None else (clock.elapsed_ns() - since_ns) / 1e9

    def note(self, operations: Iterable[Operation]) -> None:
        """Take note of what was committed to the spool. On the writer's thread; never waits for the database."""
        with self._condition:
            for operation in operations:
                _note(self._noted.setdefault(stream_of(operation), Changes()), operation)
                if isinstance(operation, OpenStream):
                    self._spoken_for.add(operation.stream.stream_id)
            self._condition.notify_all()

    def survey_again(self, stream_id: int) -> None:
        """Compare a stream anew: rows of it came into the spool otherwise than by recording."""
        with self._condition:
            self._unsure.add(stream_id)
            self._noted.setdefault(stream_id, Changes())
            self._condition.notify_all()

    def settled(self, grace_s: float) -> bool:
        """Wait until all that was noted so far has landed, ``grace_s`` seconds at most; return whether it has."""
        with self._condition:
            return self._condition.wait_for(lambda: self._is_settled, grace_s) if self.away_s is None else False

    @property
    def _is_settled(self) -> bool:
        return self._surveyed and not (self._noted or self._busy or self._stuck)

    def close(self) -> bool:
        """Stop; return whether Postgres has all that the spool holds."""
        with self._condition:
            self._leaving = True
            self._condition.notify_all()
        self._thread.join(2 * _PATIENCE_S)
        return self._is_settled

    # The thread

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._leaving:
            try:
                self._ship()
            except RecorderError as error:
                self._has_gone(error)
            except Exception:
                _log.exception("%s: unexpected error while shipping; going on in %.0f s", self.place, _LONGEST_PAUSE_S)
                self._has_gone(None)
            # Begun anew when it was reached in between.
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s) if self._was_away else _FIRST_PAUSE_S
            self._was_away = True
            with self._condition:
                self._condition.wait_for(lambda: self._leaving, pause_s)

    def _has_gone(self, error: RecorderError | None) -> None:
        with self._condition:
            self._copies.clear()
            self._noted.clear()
            self._surveyed = self._busy = False
        if self._away_since_ns is None:
            self._away_since_ns = clock.elapsed_ns()
            if error is not None:
                _log.warning("%s; recording goes on into the spool", error)

    def _is_back(self) -> None:
        if (away_s := self.away_s) is not None:
            _log.warning("%s is back after %.0f s; shipping what it lacks", self.place, away_s)
        self._away_since_ns, self._was_away = None, False

    def _ship(self) -> None:
        """Ship until it is time to leave, or until the database fails."""
        with ExitStack() as stack:
            stack.enter_context(DiskErrors(self._dialect, self._target))
            stack.enter_context(DiskErrors(self._writer.dialect, self._writer.url))
            engine, spool = self._dialect.writer(self._target), self._writer.dialect.reader(self._writer.url)
            stack.callback(engine.dispose)
            stack.callback(spool.dispose)
            target = stack.enter_context(engine.connect())
            with deadline(target, _PATIENCE_S), target.begin():
                migrate.prepare(target, self._dialect, self.place)
            self._is_back()
            source = stack.enter_context(spool.connect())
            self._to_prove = unproven(source)
            with self._condition:
                for stream_id in _recorded_now_first(source):
                    self._noted.setdefault(stream_id, Changes())
            while not self._leaving:
                if taken := self._take():
                    self._ship_some(source, target, taken)
                elif not self._prove_one(source, target):
                    self._tidy(source, target)
                    self._heed_tombstones(source, target)
                    self._wait()

    def _wait(self) -> None:
        with self._condition:
            self._surveyed, self._busy = True, False
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._noted or self._leaving, _LOOK_S)

    def _take(self) -> dict[int, Changes]:
        """Take the streams that have waited longest, and few of those that have to be compared first."""
        with self._condition:
            for stream_id in self._unsure:
                self._copies.pop(stream_id, None)
            self._unsure.clear()
            known = [stream_id for stream_id in self._noted if stream_id in self._copies]
            others = [stream_id for stream_id in self._noted if stream_id not in self._copies]
            self._busy = bool(known or others)
            chosen = known[:_STREAMS_AT_ONCE] + others[:_SURVEYS_AT_ONCE]
            return {stream_id: self._noted.pop(stream_id) for stream_id in chosen}

    def _ship_some(self, source: Connection, target: Connection, taken: dict[int, Changes]) -> None:
        try:
            left = self._land(source, target, taken)
        except (DamagedArchive, IdentityClash, DataError, IntegrityError) as error:
            if len(taken) > 1:  # one of them: the others must not wait for it
                for stream_id, changes in taken.items():
                    self._copies.pop(stream_id, None)
                    self._ship_some(source, target, {stream_id: changes})
                return
            for stream_id in taken:
                self._set_aside(stream_id, error)
            return
        with self._condition:
            for stream_id in left:
                self._noted.setdefault(stream_id, Changes())
        for stream_id in taken:
            self._stuck.pop(stream_id, None)

    def _set_aside(self, stream_id: int, error: Exception) -> None:
        """Nothing more of this stream until the next time Postgres is reached; it stays in the spool."""
        self._copies.pop(stream_id, None)
        if stream_id not in self._stuck:
            _log.error("%s does not take stream %d, which stays in the spool: %s", self.place, stream_id, error)
        self._stuck[stream_id] = str(error)

    def _land(self, source: Connection, target: Connection, taken: dict[int, Changes]) -> set[int]:
        """Ship the next rows of some streams in one transaction; return those that may have more."""
        load, marks, waiting = Load(), dict[int, Marks](), dict[int, Changes]()
        try:
            with deadline(target, _PATIENCE_S), target.begin():
                for stream_id, changes in taken.items():
                    if len(load.rows[tables.frame]) >= _FRAMES_AT_ONCE:
                        waiting[stream_id] = changes
                    elif (copy := self._copy(source, target, stream_id)) is not None:
                        more, marks[stream_id] = copy.next(source, changes)
                        load.take(more)
                load.spoken_for = self._spoken_for & marks.keys()
                land(target, self._dialect, load)
        except Conflict as conflict:
            for stream_id in conflict.stream_ids:
                self._copies.pop(stream_id, None)
            self._take_back(taken)
            return set()
        except Purged as purged:
            self._drop(purged.stream_id)
            self._take_back({number: changes for number, changes in taken.items() if number != purged.stream_id})
            return set()
        self._take_back(waiting)
        got_on = {stream_id for stream_id, mark in marks.items() if self._copies[stream_id].landed(mark)}
        self._to_prove |= {number for number in marks if taken[number].stream or number in got_on}
        return got_on

    def _copy(self, source: Connection, target: Connection, stream_id: int) -> StreamCopy | None:
        """Return the copy that is under way, or a new one; None when the stream has left the spool."""
        if stream_id not in self._copies:
            made = survey(source, target, stream_id, clock.wall_us())
            if made is None:
                return None
            self._copies[stream_id] = made
        return self._copies[stream_id]

    def _take_back(self, taken: dict[int, Changes]) -> None:
        """Nothing of these has landed: what was noted of them still has to be shipped."""
        with self._condition:
            for stream_id, changes in taken.items():
                changes.take(self._noted.get(stream_id, Changes()))
                self._noted[stream_id] = changes

    def _drop(self, stream_id: int) -> None:
        """The stream was purged: nothing of it may come back, nor stay in the spool."""
        _log.warning(
            "stream %d was purged from %s: no longer recorded, it leaves the spool", stream_id, self.place
        )
        self._copies.pop(stream_id, None)
        self._purged(stream_id)

    # What has arrived

    def _prove_one(self, source: Connection, target: Connection) -> bool:
        """Prove one stream that is over and shipped; return whether there was one."""
        while self._to_prove:
            stream_id = self._to_prove.pop()
            if _is_over(source, stream_id) and stream_id not in self._stuck:
                if self._is_proven(source, target, stream_id):
                    _log.debug("stream %d is proven in %s", stream_id, self.place)
                return True
        return False

    def _is_proven(self, source: Connection, target: Connection, stream_id: int) -> bool:
        """Compare a stream whole; ship it again when anything is missing."""
        with deadline(target, 10 * _PATIENCE_S), target.begin():
            proof = prove(source, target, self._dialect, stream_id)
        if proof.missing is None:
            self._writer.carry_out(lambda connection: note_proof(connection, stream_id, proof, clock.wall_us()))
            return True
        _log.warning("stream %d: %s is not in %s; shipping it again", stream_id, proof.missing, self.place)
        self.survey_again(stream_id)
        self._to_prove.add(stream_id)
        return False

    def _tidy(self, source: Connection, target: Connection) -> None:
        """Take out of the spool what was proven long ago and is, once more, proven now."""
        if self._tidied_ns is not None and clock.elapsed_ns() - self._tidied_ns < _TIDY_S * 1e9:
            return
        self._tidied_ns = clock.elapsed_ns()
        with self._condition:
            for stream_id in self._stuck:
                self._noted.setdefault(stream_id, Changes())
        for stream_id in proven_before(source, clock.wall_us() - int(self._keep_s * 1e6)):
            if stream_id not in self._spoken_for and self._is_proven(source, target, stream_id):
                take_out(self._writer, stream_id)
                self._copies.pop(stream_id, None)

    def _heed_tombstones(self, source: Connection, target: Connection) -> None:
        """Drop what was purged of that of which nothing is being shipped: what is over, or silent."""
        if clock.elapsed_ns() - self._heeded_ns < _HEED_S * 1e9:
            return
        self._heeded_ns = clock.elapsed_ns()
        tombstone = tables.tombstone.c.stream_id
        with deadline(target, _PATIENCE_S), target.begin():
            held = tombstone.in_(_recorded_now_first(source))
            purged = target.execute(select(tombstone).where(held)).scalars().all()
        for stream_id in purged:
            self._drop(stream_id)


def _recorded_now_first(source: Connection) -> list[int]:
    stream = tables.stream.c
    return list(source.execute(select(stream.stream_id).order_by(stream.ended.is_not(None))).scalars())


def _is_over(source: Connection, stream_id: int) -> bool:
    stream = tables.stream.c
    return source.execute(select(stream.ended).where(stream.stream_id == stream_id)).scalar() is not None


def _note(changes: Changes, operation: Operation) -> None:
    """Say which of the rows that change have changed; what is only added is found behind the marks."""
    match operation:
        case OpenStream() | EndStream():
            changes.stream = changes.epochs = True
        case BeginEpoch() | MakeEpochCurrent():
            changes.epochs = True
        case OpenGap() | ResolveGaps():
            changes.gaps = True
        case OpenSession() | UpdateSession() | CloseSession():
            changes.sessions.add(operation.session_id)
        case PlaceFrame():
            changes.placed.add((operation.session_id, operation.frame_number))
