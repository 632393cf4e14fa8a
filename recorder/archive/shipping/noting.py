"""What has come into the spool and is not known to be in Postgres: by stream, in the order in which it came.

A note only says where to look; what is shipped is read from the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from recorder.archive.merging.copying import Changes
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    CloseSession,
    CopyAction,
    DescribeStream,
    EndStream,
    MakeEpochCurrent,
    NoteAudit,
    OpenGap,
    OpenSession,
    OpenStream,
    Operation,
    PlaceFrame,
    ResolveGaps,
    UpdateSession,
    stream_of,
)

KEPT = 8_000
"""Frames and actions that are kept beside the notes, of all streams, so that they need not be read again at once."""
_KEPT_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class Noted:
    """``since`` is the ticket of the oldest thing that was noted of a stream."""

    since: int
    changes: Changes = field(default_factory=Changes)
    rows: list[AddFrame | AddAction] | None = None
    """All that was added, in order; None: it has to be read from the spool."""

    def take(self, later: Noted) -> None:
        """Add what was noted later."""
        self.changes.take(later.changes)
        if self.rows is not None:
            self.rows = None if later.rows is None else self.rows + later.rows

    @property
    def bytes(self) -> int:
        """Of the frames that are kept."""
        return sum(len(row.frame.payload) for row in self.rows or () if isinstance(row, AddFrame))


class Notes:
    """Written by the writer's thread, read by the shipper's, asked by others.

    Nothing is kept while nobody listens: whoever begins to listen looks through the whole spool first.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Notified when anything was noted, landed or given up. Its lock guards all that is here."""
        self.frames = 0
        """How many came into the spool."""
        self.set_aside: dict[int, str] = {}
        """Streams that Postgres does not take, and why: nothing of them is shipped until they are tried again."""
        self._waiting: dict[int, Noted] = {}
        self._taken: dict[int, Noted] = {}
        self._resting: set[int] = set()
        self._unsure: set[int] = set()
        self._dropped: set[int] = set()
        self._held: set[int] = set()
        self._ended: set[int] = set()
        self._kept = self._kept_bytes = 0
        self._ticket = 0
        self._listening = False
        self._whole = False

    # Of any thread

    def note(self, operations: Iterable[Operation]) -> None:
        """Take note of what was committed to the spool. On the writer's thread; never waits for the database."""
        with self.changed:
            self._ticket += 1
            for operation in operations:
                stream_id = stream_of(operation)
                if isinstance(operation, OpenStream):
                    self._dropped.discard(stream_id)
                    self._held.add(stream_id)
                    self._ended.discard(stream_id)
                elif isinstance(operation, EndStream):
                    self._held.discard(stream_id)
                    self._ended.add(stream_id)
                elif isinstance(operation, AddFrame):
                    self.frames += 1
                if self._listening:
                    self._note(self._of(stream_id, []), operation)
            self.changed.notify_all()

    def note_unsure(self, stream_id: int) -> None:
        """Note that rows of a stream came into the spool otherwise than by recording: it has to be compared anew."""
        with self.changed:
            self._ticket += 1
            if self._listening:
                self._unsure.add(stream_id)
                self._of(stream_id).rows = None
            self.changed.notify_all()

    def hold(self, stream_id: int) -> None:
        """Note that the stream is recorded here from now on: what the spool says of it goes, and it stays there."""
        with self.changed:
            self._held.add(stream_id)
            self._dropped.discard(stream_id)

    def let_go(self, stream_id: int) -> None:
        """Note that another recorder records the stream from now on: whether it has ended is for that one to say."""
        with self.changed:
            self._held.discard(stream_id)

    def is_held(self, stream_id: int) -> bool:
        """Whether the stream is recorded here, as far as the writer has come."""
        with self.changed:
            return stream_id in self._held

    def spoken_for(self, stream_ids: Iterable[int]) -> set[int]:
        """Return those of which nobody else may say whether they have ended."""
        with self.changed:
            return (self._held | self._ended) & set(stream_ids)

    @property
    def ticket(self) -> int:
        """What `is_settled` is to be asked for: it stands for all that was noted so far."""
        with self.changed:
            return self._ticket

    def is_done(self, ticket: int) -> bool:
        """Whether all that was noted by then has landed or was set aside. Call it with the lock of `changed`."""
        return self._whole and all(
            noted.since > ticket for notes in (self._waiting, self._taken) for noted in notes.values()
        )

    def is_settled(self, ticket: int) -> bool:
        """Whether all that was noted by then has landed. Call it with the lock of `changed`."""
        return self.is_done(ticket) and not self.set_aside

    # Of the shipper's thread

    def listen(self, all_streams: Callable[[], Iterable[int]]) -> int:
        """Keep notes from now on, and note every stream of the spool; return the ticket for all of that."""
        with self.changed:
            self._listening = True  # before the streams are read: what is committed from now on is noted
        stream_ids = list(all_streams())
        with self.changed:
            for stream_id in stream_ids:
                self._of(stream_id)
            self._whole = True
            return self._ticket

    def stop_listening(self) -> None:
        """Forget all of it; what was set aside stays known, so that it is told once."""
        with self.changed:
            self._listening = self._whole = False
            for notes in (self._waiting, self._taken, self._unsure, self._resting):
                notes.clear()
            self._count_kept()
            self.changed.notify_all()

    def take(self, known: Container[int], most: int, most_others: int) -> tuple[dict[int, Noted], bool]:
        """Take the streams that have waited longest, and fewer of those that are not ``known``: they take longer.

        Of the latter, those first that are recorded now. Return as well whether others have to wait.
        """
        with self.changed:
            chosen = [stream_id for stream_id in self._waiting if stream_id in known][:most]
            others = [stream_id for stream_id in self._waiting if stream_id not in known]
            others.sort(key=lambda stream_id: stream_id not in self._held)
            chosen += others[:most_others]
            for stream_id in chosen:
                self._taken[stream_id] = self._waiting.pop(stream_id)
            return {stream_id: self._taken[stream_id] for stream_id in chosen}, bool(self._waiting)

    def take_unsure(self) -> set[int]:
        """Return the streams that have to be compared anew."""
        with self.changed:
            unsure, self._unsure = self._unsure, set()
            return unsure

    def landed(self, stream_ids: Iterable[int], unfinished: Container[int] = ()) -> None:
        """Note that what was taken of these has landed; of the ``unfinished``, that rows behind it are still to go."""
        with self.changed:
            for stream_id in stream_ids:
                noted, later = self._taken.pop(stream_id), self._waiting.get(stream_id)
                self.set_aside.pop(stream_id, None)
                if noted.changes.stream and not (later and later.changes.stream):
                    self._ended.discard(stream_id)
                if stream_id in unfinished:
                    rest = Noted(noted.since)
                    if later is not None:
                        rest.take(self._waiting.pop(stream_id))
                    self._waiting[stream_id] = rest
            self._count_kept()
            self.changed.notify_all()

    def put_back(self, stream_ids: Iterable[int]) -> None:
        """Note that nothing of what was taken of these has landed. They come first again, unless set aside."""
        with self.changed:
            back = {number: self._taken.pop(number) for number in stream_ids if number in self._taken}
            for stream_id, noted in back.items():
                if (later := self._waiting.pop(stream_id, None)) is not None:
                    noted.take(later)
            self._waiting = back | self._waiting

    def set_apart(self, stream_id: int, why: str) -> bool:
        """Ship nothing of a stream until all that was set aside is tried again; return whether that is new."""
        with self.changed:
            is_new = stream_id not in self.set_aside
            self.set_aside[stream_id] = why
            self._resting.add(stream_id)
            self._remove(stream_id)
            return is_new

    def try_again(self) -> None:
        """Ship what was set aside; it stays known as such until it has landed."""
        with self.changed:
            self._resting.clear()
            for stream_id in self.set_aside:
                self._of(stream_id)

    def drop(self, stream_id: int) -> bool:
        """Ship nothing of a stream any more, until it is recorded again; return whether that is new."""
        with self.changed:
            is_new = stream_id not in self._dropped
            self._dropped.add(stream_id)
            self._held.discard(stream_id)
            self.set_aside.pop(stream_id, None)
            self._remove(stream_id)
            return is_new

    def is_waiting(self, stream_id: int) -> bool:
        """Whether anything of a stream has not landed, so that there is nothing to prove yet."""
        with self.changed:
            return stream_id in self._waiting or stream_id in self._taken or stream_id in self._resting

    def wait(self, seconds: float, leaving: Callable[[], bool]) -> None:
        """Wait until there is something to take or it is time to leave, ``seconds`` at most."""
        with self.changed:
            self.changed.wait_for(lambda: self._waiting or leaving(), seconds)

    def _remove(self, stream_id: int) -> None:
        for notes in (self._taken, self._waiting):
            notes.pop(stream_id, None)
        self._unsure.discard(stream_id)
        self.changed.notify_all()

    def _of(self, stream_id: int, rows: list[AddFrame | AddAction] | None = None) -> Noted:
        noted = Noted(self._ticket, rows=rows)
        if stream_id in self._resting or stream_id in self._dropped:
            return noted  # which nobody keeps
        return self._waiting.setdefault(stream_id, noted)

    def _note(self, noted: Noted, operation: Operation) -> None:
        if isinstance(operation, AddFrame | AddAction):
            self._keep(noted, operation)
        else:
            _note(noted.changes, operation)
            if isinstance(operation, BeginEpoch | CopyAction | PlaceFrame):  # they add or change rows by themselves
                noted.rows = None

    def _keep(self, noted: Noted, row: AddFrame | AddAction) -> None:
        if noted.rows is None:
            return
        self._kept += 1
        self._kept_bytes += len(row.frame.payload) if isinstance(row, AddFrame) else 0
        if self._kept > KEPT or self._kept_bytes > _KEPT_BYTES:
            # Postgres cannot follow. Let go of all that waits: what is under way goes of itself.
            for other in self._waiting.values():
                other.rows = None
            self._count_kept()
        else:
            noted.rows.append(row)

    def _count_kept(self) -> None:
        noted = [*self._waiting.values(), *self._taken.values()]
        self._kept = sum(len(each.rows or ()) for each in noted)
        self._kept_bytes = sum(each.bytes for each in noted)


def _note(changes: Changes, operation: Operation) -> None:
    """Say which of the rows that change have changed; what is only added is found behind the marks."""
    match operation:
        case OpenStream() | EndStream():
            changes.stream = changes.epochs = True
        case DescribeStream():
            changes.stream = True
        case BeginEpoch() | MakeEpochCurrent():
            changes.epochs = True
        case OpenGap() | ResolveGaps():
            changes.gaps = True
        case OpenSession():
            changes.sessions.add(operation.session_id)
        case UpdateSession() | CloseSession():
            changes.sessions.add(operation.session_id)
            changes.epochs = changes.gaps = True  # the heads of their chains, and the gap that it names
        case NoteAudit():
            changes.audits = True
        case PlaceFrame():
            changes.placed.add((operation.session_id, operation.frame_number))
