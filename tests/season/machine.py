"""What a recorder's process lives on: clocks, the disk, the turns that all processes share; and what happens to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from recorder.model import StoredStream
from recorder.operations import Operation
from recorder.pacing.turns import Pace, Place, Turns, Wait
from tests.season.faults import Faults
from tests.season.playing import BEGIN
from tests.season.timeline import S, Timeline

_BEGIN_US = int(BEGIN.timestamp()) * 1_000_000
_RATE = 5.0


class Archive(Protocol):
    """Keeps what was committed."""

    def apply(self, operations: Sequence[Operation]) -> None: ...
    def close_dangling_sessions(self) -> None: ...
    def load(self, stream_id: int) -> StoredStream: ...


class Machine:
    """Outlives its processes."""

    def __init__(self, timeline: Timeline, random: Random, faults: Faults, archive: Archive) -> None:
        self.timeline = timeline
        self.random = random
        self.faults = faults
        self.archive = archive
        self.asleep_until_ns = 0
        self.steps = 0
        """How often its wall clock was set."""
        self._wall_error_us = 0
        self.turns = Turns()
        self._pace = Pace.of(_RATE)

    @property
    def wall_us(self) -> int:
        """What its wall clock says."""
        return self.wall_us_at(self.timeline.now_ns)

    def wall_us_at(self, now_ns: int) -> int:
        """Return what the wall clock, as it is set now, says at an elapsed time."""
        return _BEGIN_US + now_ns // 1000 + self._wall_error_us

    def set_wall_clock(self, seconds: float) -> None:
        """Set it ahead, or back."""
        self._wall_error_us += int(seconds * 1_000_000)
        self.steps += 1

    @property
    def is_asleep(self) -> bool:
        """Whether nothing of it runs."""
        return self.timeline.now_ns < self.asleep_until_ns

    def awake(self, call: Callable[[], None]) -> bool:
        """Say whether the machine runs; if it sleeps, ``call`` is called when it wakes up."""
        if not self.is_asleep:
            return True
        self.timeline.at(self.asleep_until_ns, call)
        return False

    # -- whose turn it is to dial ------------------------------------------------------------------------------------

    def turn(self, dial: Callable[[Place], None], is_wanted: Callable[[], bool]) -> None:
        """Call ``dial`` as soon as there is a place."""
        if not is_wanted() or not self.awake(lambda: self.turn(dial, is_wanted)):
            return
        self.turns, found = self.turns.claim(self.timeline.now_ns, self._pace)
        if isinstance(found, Wait):
            chance_ns = self.random.uniform(0, 0.04) * self._pace.spacing_ns
            self.timeline.after((found.ns + chance_ns) / S, lambda: self.turn(dial, is_wanted))
        else:
            dial(found)

    def answered(self, place: Place) -> None:
        """The dial has its answer."""
        self.turns = self.turns.answered(self.timeline.now_ns, place.departed_ns)

    def slow_down(self) -> None:
        """The vendor has had too many requests."""
        self.turns = self.turns.slowed(self.timeline.now_ns)


class Disk:
    """Commits what has gathered, one transaction after the other, as `archive.writer` does. What it holds is lost."""

    def __init__(self, machine: Machine, committing: Callable[[], str | None], kill: Callable[[], None]) -> None:
        self._machine = machine
        self._committing = committing
        self._kill = kill
        self._is_leaving = False
        self._pending: list[Operation] = []
        self._batch: list[Operation] = []
        self.slow_s = 0.0
        """How long the next commit takes beyond what is usual."""

    def submit(self, operations: Sequence[Operation]) -> None:
        """Queue what belongs into one transaction."""
        self._pending.extend(operations)
        if not self._batch and self._pending:
            self._begin()

    def _begin(self) -> None:
        self._batch, self._pending = self._pending, []
        fault = self._committing()
        seconds = self.slow_s + self._machine.random.uniform(0.001, 0.02)
        self.slow_s = 0.0
        self._machine.timeline.after(seconds, lambda: self._end(fault))

    def _end(self, fault: str | None) -> None:
        if not self._batch:
            return  # the process is gone
        if fault == "killed before a commit" and not self._is_leaving:
            self._batch = []
            self._fire(fault)
            return
        self._machine.archive.apply(self._batch)
        self._batch = []
        if fault == "killed after a commit" and not self._is_leaving:
            self._fire(fault)
        elif self._pending:
            self._begin()

    def _fire(self, fault: str) -> None:
        self._machine.faults.fire(fault)
        self._kill()

    def lose(self) -> None:
        """The process is killed: the commit that runs has come through, or has not."""
        if self._batch and self._machine.random.random() < 0.5:
            self._machine.archive.apply(self._batch)
        self._batch, self._pending = [], []

    def leave(self) -> None:
        """The process is about to leave in order: it is not killed any more."""
        self._is_leaving = True

    def flush(self) -> None:
        """The process leaves in order: all is stored."""
        self._machine.archive.apply([*self._batch, *self._pending])
        self._batch, self._pending = [], []
