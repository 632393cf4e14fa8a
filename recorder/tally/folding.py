"""The fold: each operation of a commit into the counts of its stream and of all."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from recorder import clock
from recorder.model import FIXTURE, Action, Frame, StoredStream
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    CloseSession,
    Counts,
    EndStream,
    OpenGap,
    OpenSession,
    OpenStream,
    Operation,
    ResolveGaps,
    UpdateSession,
)
from recorder.tally.causes import AWAY, closing_cause, gap_cause
from recorder.tally.values import Distribution, Overview, State, StreamTally, Totals

COMMIT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LATENCY_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0)

KEPT_OVER = 2_000
"""Streams that are over and still told of one by one; of more, the first to end are forgotten, never their counts."""

_LEAVING = ("stopped", "ended")
"""Who closes a connection for that dials no other one, unless the stream begins anew."""

_NO_DATA = frozenset({"heartbeat", "auth", "error"})


class _Sizes:
    """A `Distribution` that grows."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def now(self) -> Distribution:
        return Distribution(self._bounds, tuple(self._counts), self._total)


class Tally:
    """Counts what was committed; all methods may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: dict[int, StreamTally] = {}
        # Of what has not changed since somebody asked: thousands that wait are asked for every second.
        self._copies: dict[int, StreamTally] = {}
        self._over: dict[int, None] = {}
        self._frames: Counter[str] = Counter()
        self._actions: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()
        self._closed: Counter[str] = Counter()
        self._reconnects: Counter[str] = Counter()
        self._gaps: Counter[str] = Counter()
        self._commits = _Sizes(COMMIT_BOUNDS_S)
        self._latency = _Sizes(LATENCY_BOUNDS_S)
        self._last_received_us: int | None = None
        self._last_commit_ns: int | None = None
        self._last_doubt_us: int | None = None

    # Written

    def committed(self, operations: Sequence[Operation], seconds: float) -> None:
        """Count the operations of one durable commit, which took so long. On the writer's thread."""
        now_ns = clock.elapsed_ns()
        with self._lock:
            self._commits.add(seconds)
            self._last_commit_ns = now_ns
            for operation in operations:
                if isinstance(operation, AddFrame):
                    self._add_frame(operation.frame, now_ns)
                elif isinstance(operation, AddAction):
                    self._add_action(operation.action)
                else:
                    self._note(operation, now_ns)

    def resumed(self, stream_id: int, stored: StoredStream) -> None:
        """Learn what is stored of a stream that is recorded from now on."""
        with self._lock:
            tally = self._of(stream_id)
            tally.last_data_us = tally.last_data_us or stored.last_received_us
            # What is stored holds: another recorder may have closed meanwhile what we knew.
            tally.open_gaps = {cause: tally.open_gaps.get(cause, 1) for cause in map(gap_cause, stored.open_causes)}

    def left(self, stream_id: int) -> None:
        """Learn that a stream is not recorded here any more, for whatever reason."""
        with self._lock:
            if (tally := self._streams.get(stream_id)) is not None:
                self._leave(stream_id, tally)

    # Read

    def totals(self) -> Totals:
        """Return what all streams come to."""
        with self._lock:
            return Totals(
                frames=dict(self._frames),
                bytes=self._sums["bytes"],
                actions=dict(self._actions),
                received=self._sums["received"],
                heartbeats=self._sums["heartbeats"],
                epochs=self._sums["epochs"],
                early=self._sums["early"],
                commits=self._commits.now(),
                latency=self._latency.now(),
                sessions=self._sums["sessions"],
                closed=dict(self._closed),
                reconnects=dict(self._reconnects),
                gaps=dict(self._gaps),
                last_received_us=self._last_received_us,
                last_commit_ns=self._last_commit_ns,
                last_doubt_us=self._last_doubt_us,
            )

    def overview(self, now_us: int, now_ns: int, overdue_s: float) -> Overview:
        """Return how the streams stand; ``overdue_s``: how long after its start a stream is missed."""
        states: Counter[State] = Counter()
        gaps: Counter[str] = Counter()
        silence_s, overdue = 0.0, 0
        with self._lock:
            for tally in self._streams.values():
                if not tally.is_snapshot:
                    states[tally.state] += 1
                    silence_s = max(silence_s, tally.silence_s(now_ns) or 0.0)
                    overdue += tally.is_overdue(now_us, overdue_s)
                    gaps.update(tally.gaps)
        return Overview(states, gaps, silence_s, overdue)

    def stream(self, stream_id: int) -> StreamTally | None:
        """Return a copy of what is known of a stream, not to be changed; None: nothing, or no longer."""
        with self._lock:
            return self._copied(stream_id) if stream_id in self._streams else None

    def streams(self) -> dict[int, StreamTally]:
        """Return copies of all that is known, by stream id; not to be changed."""
        with self._lock:
            return {stream_id: self._copied(stream_id) for stream_id in self._streams}

    def _copied(self, stream_id: int) -> StreamTally:
        copied = self._copies.get(stream_id)
        if copied is None:
            tally = self._streams[stream_id]
            copied = self._copies[stream_id] = StreamTally(*_values(tally))
            copied.open_gaps = dict(tally.open_gaps)
        return copied

    # One operation

    def _of(self, stream_id: int) -> StreamTally:
        """Return what is known of a stream, to be changed."""
        self._copies.pop(stream_id, None)
        found = self._streams.get(stream_id)
        if found is None:
            found = self._streams[stream_id] = StreamTally()
        return found

    def _add_frame(self, frame: Frame, now_ns: int) -> None:
        tally, size, kind = self._of(frame.stream_id), len(frame.payload), str(frame.kind)
        tally.frames += 1
        tally.bytes += size
        tally.last_received_us = self._last_received_us = frame.received_us
        tally.heard_ns = now_ns
        tally.said_error = kind == "error"
        self._frames[kind] += 1
        self._sums["bytes"] += size
        if kind not in _NO_DATA:
            tally.last_data_us = frame.received_us
            if kind == "quarantined":
                tally.quarantined += 1
                self._last_doubt_us = frame.received_us

    def _add_action(self, action: Action) -> None:
        self._of(action.stream_id).actions += 1
        self._actions[action.arrival] += 1
        occurred_us = action.fields.occurred_us
        if action.arrival == "live" and occurred_us is not None:
            late_us = action.received_us - occurred_us
            self._sums["early"] += late_us < 0
            self._latency.add(max(0, late_us) / 1e6)

    def _note(self, operation: Operation, now_ns: int) -> None:
        match operation:
            case OpenStream():
                self._open_stream(operation)
            case OpenSession():
                self._open_session(operation)
            case UpdateSession():
                self._count(self._of(operation.stream_id), operation.counts, now_ns)
            case CloseSession():
                self._close_session(operation, now_ns)
            case EndStream():
                tally = self._of(operation.stream_id)
                tally.ended = operation.ended
                self._leave(operation.stream_id, tally)
            case BeginEpoch():
                self._of(operation.stream_id).epochs += 1
                self._sums["epochs"] += 1
                self._last_doubt_us = operation.at_us
            case OpenGap():
                self._open_gap(operation)
            case ResolveGaps():
                gaps = self._of(operation.stream_id).open_gaps
                for cause in operation.causes:
                    gaps.pop(gap_cause(cause), None)

    def _open_stream(self, operation: OpenStream) -> None:
        tally = self._of(operation.stream.stream_id)
        tally.stream, tally.label = operation.stream, operation.label
        tally.starts_us = operation.starts_us
        if tally.is_over:  # else it is recorded already, and what the list says of it has changed
            tally.ended, tally.has_left, tally.heard_ns, tally.closed_because = None, False, None, None
            tally.came_us = None
            self._over.pop(operation.stream.stream_id, None)
        tally.came_us = tally.came_us or operation.at_us
        if operation.stream.channel == FIXTURE:
            self._leave(operation.stream.stream_id, tally)

    def _open_session(self, operation: OpenSession) -> None:
        tally = self._of(operation.stream_id)
        if tally.is_snapshot:
            return
        if tally.closed_because is not None:
            self._reconnects[tally.closed_because] += 1
        tally.session_id, tally.counted, tally.said_error = operation.session_id, (0, 0), False
        tally.sessions += 1
        self._sums["sessions"] += 1

    def _count(self, tally: StreamTally, counts: Counts, now_ns: int) -> None:
        frames, heartbeats = counts.frames - tally.counted[0], counts.heartbeats - tally.counted[1]
        tally.counted = counts.frames, counts.heartbeats
        tally.received += frames
        tally.heartbeats += heartbeats
        self._sums["received"] += frames
        self._sums["heartbeats"] += heartbeats
        tally.last_heartbeat_us = counts.last_heartbeat_us or tally.last_heartbeat_us
        if frames:
            tally.heard_ns = now_ns

    def _close_session(self, operation: CloseSession, now_ns: int) -> None:
        tally, counts = self._of(operation.stream_id), operation.counts
        if tally.is_snapshot:
            return
        heard_ns = tally.heard_ns
        self._count(tally, counts, now_ns)
        cause = closing_cause(operation.outcome, frames=counts.frames, said_error=tally.said_error)
        if cause == "silence":
            tally.heard_ns = heard_ns  # what it counts came before the silence that ended it
        tally.session_id, tally.closed_because = None, cause
        self._closed[cause] += 1
        if cause in _LEAVING:
            self._leave(operation.stream_id, tally)

    def _open_gap(self, operation: OpenGap) -> None:
        gap = operation.gap
        cause = gap_cause(gap.cause)
        self._gaps[cause] += 1
        if gap.resolved_us is None:
            gaps = self._of(gap.stream_id).open_gaps
            gaps[cause] = gaps.get(cause, 0) + 1
            if gap.ours and cause not in AWAY:
                self._last_doubt_us = clock.wall_us()

    def _leave(self, stream_id: int, tally: StreamTally) -> None:
        self._copies.pop(stream_id, None)
        tally.has_left = True
        self._over[stream_id] = None
        if len(self._over) > KEPT_OVER:
            oldest = next(iter(self._over))
            del self._over[oldest], self._streams[oldest]
            self._copies.pop(oldest, None)


# `copy.copy` takes five times as long, and the writer may wait for it.
_values = attrgetter(*(each.name for each in fields(StreamTally)))
