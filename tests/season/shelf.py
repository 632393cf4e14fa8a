"""An archive in memory: what each operation means for the tables, and what a restart finds there.

Written from the operations' own words, without looking at the SQL; some matches are stored in real tables as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs

from recorder.model import Action, Audit, Frame, Gap, Kind, StoredStream
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    CloseSession,
    CopyAction,
    Counts,
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


@dataclass
class StoredEpoch:
    """One version of the list."""

    parent: int | None
    is_current: bool
    actions: list[Action] = field(default_factory=list)


@dataclass
class StoredSession:
    """One connection; ``closed_us`` None: it is open, or its recorder was killed."""

    opened_us: int
    start_position: int | None = None
    counts: Counts = field(default_factory=Counts)
    closed_us: int | None = None
    outcome: str | None = None


@dataclass
class Rows:
    """All that is stored of one stream."""

    epochs: dict[int, StoredEpoch] = field(default_factory=dict)
    sessions: dict[int, StoredSession] = field(default_factory=dict)
    frames: dict[tuple[int, int], Frame] = field(default_factory=dict)
    gaps: dict[int, Gap] = field(default_factory=dict)
    audits: list[Audit] = field(default_factory=list)
    ended: str | None = None

    @property
    def current(self) -> StoredEpoch:
        """The list that users see."""
        return next(epoch for _, epoch in sorted(self.epochs.items(), reverse=True) if epoch.is_current)

    @property
    def working(self) -> int:
        """The number of the list that is being written."""
        return max(self.epochs)


class Shelf:
    """Holds the rows of some streams."""

    def __init__(self) -> None:
        self.rows: dict[int, Rows] = {}

    def apply(self, operations: Iterable[Operation]) -> None:
        """Carry out operations in order."""
        for operation in operations:
            _apply(self.rows.setdefault(stream_of(operation), Rows()), operation)

    def close_dangling_sessions(self) -> None:
        """Close what a killed recorder left open."""
        for rows in self.rows.values():
            for session_id, session in rows.sessions.items():
                if session.closed_us is None:
                    received = [frame.received_us for key, frame in rows.frames.items() if key[0] == session_id]
                    session.closed_us = max(received, default=session.opened_us)
                    session.outcome = "recorder_died"

    def load(self, stream_id: int) -> StoredStream:
        """Return what a recorder has to know of a stream."""
        rows = self.rows.get(stream_id)
        return StoredStream() if rows is None else _load(rows)


def _apply(rows: Rows, operation: Operation) -> None:
    match operation:
        case OpenStream():
            rows.epochs = rows.epochs or {0: StoredEpoch(None, True)}
            rows.ended = None
        case OpenSession():
            assert operation.session_id > max(rows.sessions, default=0)
            rows.sessions[operation.session_id] = StoredSession(operation.opened_us, operation.start_position)
        case UpdateSession():
            rows.sessions[operation.session_id].counts = operation.counts
        case CloseSession():
            session = rows.sessions[operation.session_id]
            session.counts, session.closed_us, session.outcome = (
                operation.counts,
                operation.closed_us,
                operation.outcome,
            )
        case EndStream():
            rows.ended = operation.ended
        case AddFrame(frame=frame):
            key = (frame.session_id, frame.frame_number)
            assert key not in rows.frames
            rows.frames[key] = frame
        case OpenGap(gap=gap):
            assert gap.gap_id not in rows.gaps
            rows.gaps[gap.gap_id] = gap
        case NoteAudit(audit=audit):
            rows.audits.append(audit)
        case ResolveGaps():
            _resolve(rows, operation)
        case PlaceFrame():
            at = (operation.session_id, operation.frame_number)
            rows.frames[at] = structs.replace(rows.frames[at], kind=Kind.ACTION)
        case _:
            _apply_to_list(rows, operation)


def _apply_to_list(rows: Rows, operation: Operation) -> None:
    match operation:
        case AddAction(action=action):
            actions = rows.epochs[action.epoch].actions
            assert action.position == len(actions), "positions are dense"
            assert (action.session_id, action.frame_number) in rows.frames, "an action rests on a stored frame"
            actions.append(action)
        case CopyAction():
            copied = rows.epochs[operation.from_epoch].actions[operation.from_position]
            actions = rows.epochs[operation.epoch].actions
            assert operation.position == len(actions), "positions are dense"
            actions.append(structs.replace(copied, epoch=operation.epoch, position=operation.position))
        case BeginEpoch():
            before = rows.epochs[operation.parent].actions[: operation.fork_position]
            assert len(before) == operation.fork_position
            copies = [structs.replace(action, epoch=operation.epoch) for action in before]
            rows.epochs[operation.epoch] = StoredEpoch(operation.parent, False, copies)
        case MakeEpochCurrent():
            rows.epochs[operation.epoch].is_current = True
        case _:
            raise TypeError(f"nothing is known of {operation}")


def _resolve(rows: Rows, operation: ResolveGaps) -> None:
    for gap_id, gap in rows.gaps.items():
        if gap.cause in operation.causes and gap.resolved_us is None:
            to_us = operation.at_us if gap.to_us is None else gap.to_us
            to_position = operation.to_position if gap.to_position is None else gap.to_position
            rows.gaps[gap_id] = replace(gap, resolved_us=operation.at_us, to_us=to_us, to_position=to_position)


def _load(rows: Rows) -> StoredStream:
    number = rows.working
    epoch = rows.epochs[number]
    frames = [frame for _, frame in sorted(rows.frames.items())]
    controls = [frame for frame in frames if frame.kind in (Kind.UNKNOWN, Kind.QUARANTINED)]
    calibrations = [s.counts.calibration for _, s in sorted(rows.sessions.items()) if s.counts.calibration is not None]
    heard = [
        session.closed_us or session.opened_us
        for session_id, session in rows.sessions.items()
        if session.counts.frames or any(key[0] == session_id for key in rows.frames)
    ]
    return StoredStream(
        epoch=number,
        parent=epoch.parent,
        last_epoch=number,
        contents=tuple((action.content_digest, action.fields.fixture_seq_num) for action in epoch.actions),
        frame_digests=tuple(action.frame_digest for action in epoch.actions),
        current_length=None if epoch.is_current else len(rows.current.actions),
        unplaced=tuple(frame for frame in frames if frame.kind is Kind.UNPLACED),
        control_digests=frozenset(frame.digest for frame in controls),
        unknown_digests=tuple(frame.digest for frame in controls if frame.kind is Kind.UNKNOWN),
        unreadable=len({frame.digest for frame in controls if frame.kind is Kind.QUARANTINED}),
        open_causes=frozenset(gap.cause for gap in rows.gaps.values() if gap.resolved_us is None),
        calibration=calibrations[-1] if calibrations else None,
        finished=bool(_newest(epoch.actions, "finished")),
        status=_newest(epoch.actions, "status"),
        read_whole=_was_read_whole(rows, epoch.actions),
        last_received_us=max((action.received_us for action in epoch.actions), default=None),
        last_closed_us=max(heard, default=None),
        last_session_id=max(*rows.sessions, *rows.gaps, 0, 0),
    )


def _newest(actions: list[Action], name: str) -> Any:
    """Return what the newest action that speaks of it says."""
    said = (getattr(action.fields, name) for action in reversed(actions))
    return next((value for value in said if value is not None), None)


def _was_read_whole(rows: Rows, actions: list[Action]) -> bool:
    last = max((action.session_id for action in actions), default=0)
    proven = (s.counts.proven for session_id, s in rows.sessions.items() if session_id >= last)
    return bool(actions) and len(actions) in proven
