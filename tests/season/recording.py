"""One stream on one machine: the real session, ledger and back-off, driven as by ``recorder.capture``.

It decides nothing: what is stored, when a connection is closed and how long to wait is what the parts under test say.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from recorder.backoff import Backoff
from recorder.errors import ConnectionOver, WireError
from recorder.feed.decisions import Distrusted, Done, Next, NotYet, Refused, Retry
from recorder.feed.ledger import Ledger
from recorder.feed.session import Answer, Session
from recorder.feed.timing import Timing
from recorder.ids import TimeOrderedIds
from recorder.model import StoredStream, Stream
from recorder.operations import CloseSession, EndStream, OpenSession, OpenStream
from recorder.pacing.turns import Place
from tests.season.machine import Disk, Machine
from tests.season.network import Link, Network
from tests.season.server import Server
from tests.season.timeline import S

TIMING = Timing(linger=60.0, deaf=120.0, poll=20.0, give_up=3600.0)
"""As users have it, but that a match which takes ten minutes is waited for as much shorter."""

_SURVIVED_NS = 30 * S
_MISSED_NS = 1200 * S
"""So long after the end of a match whoever has not heard of it never will."""
_LEAVING_S = 0.1
_LOOKS_S = 10.0
"""The longest time between two looks at the clock."""


class Ids(TimeOrderedIds):
    """As the recorder's, from a seed."""

    def __init__(self, last: int, random: Random) -> None:
        super().__init__(last)
        self._random = random

    def next(self, now_us: int) -> int:
        """Return an id for the moment ``now_us``, greater than every id before."""
        self._last = max((now_us // 1000 << 21) | self._random.getrandbits(21), self._last + 1)
        return self._last


class Watcher(Protocol):
    """Who is told of what happens to a stream, and may let something happen to its process."""

    def dialled(self) -> None: ...
    def heard(self) -> None: ...
    def waits(self, recording: Recording, decision: Next, *, failures: tuple[int, int], stored: bool) -> None: ...


class Recording:
    """Records one stream until it has ended, or its process is gone."""

    def __init__(
        self,
        machine: Machine,
        disk: Disk,
        network: Network,
        server: Server,
        watcher: Watcher,
        stream: Stream,
        stored: StoredStream,
    ) -> None:
        self.machine = machine
        self.stream = stream
        self.server = server
        self.watcher = watcher
        self.ledger = Ledger(stream, stored, Ids(stored.last_session_id, machine.random), 3)
        self.backoff = Backoff(1.0, TIMING.poll)
        self.done: Done | None = None
        self.done_ns = 0
        self.survived = False
        """Whether the last connection lived for long."""
        self.disk = disk
        self._network = network
        self._came_ns = self.now_ns
        self._is_alive = True
        self._line: Line | None = None

    @property
    def now_ns(self) -> int:
        """Elapsed nanoseconds."""
        return self.machine.timeline.now_ns

    def start(self) -> None:
        """Begin, as a process does that was just started."""
        opening = OpenStream(self.stream, None, None, "normal", None, "vendor.example", self.machine.wall_us)
        self.disk.submit([opening])
        self.disk.submit(self.ledger.begin(self.machine.wall_us))
        self._turn()

    def stop(self) -> None:
        """Leave in order: the session is closed, and so is the connection."""
        if self._line is not None and not self._line.is_over:
            self._line.stop()
        self.vanish()

    def vanish(self) -> None:
        """The process is gone: nothing happens any more, whatever was under way."""
        self._is_alive = False
        if self._line is not None:
            self._line.drop()

    @property
    def goes_on(self) -> bool:
        """Whether anything is still to be done."""
        return self._is_alive and self.done is None

    @property
    def is_done(self) -> bool:
        """Whether it has ended, or cannot: who sends only what is new, or seems to, says once that a match is over."""
        over_ns = self.server.over_ns
        is_missed = (self.server.dialect.start == "live" or self.ledger.is_live_only) and over_ns is not None
        return self.done is not None or (is_missed and self.now_ns - (over_ns or 0) > _MISSED_NS)

    def give_up_ns(self) -> int:
        """Return when a stream of which nothing has come ends as not played."""
        return self._came_ns + int(TIMING.give_up * S)

    # -- connections -------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self.machine.turn(self._dial, lambda: self.goes_on)

    def _dial(self, place: Place) -> None:
        self._line = Line(self, place)
        start_position = self._line.open()
        self._network.dial(self.server, self._line, start_position)
        self.watcher.dialled()

    def after_connection(self, line: Line, decision: Next, *, got_on: bool) -> None:
        """Obey what the session has decided."""
        stored, before = bool(line.session.new), self.backoff.failures
        self.survived = self.now_ns - line.opened_ns >= _SURVIVED_NS
        if stored or self.survived:
            self.backoff.survived()
        if isinstance(decision, Done):
            self._end(decision)
            return
        assert isinstance(decision, Retry | NotYet | Refused | Distrusted)
        if isinstance(decision, Retry) and decision.slow_down:
            self.machine.slow_down()
        seconds = self.backoff.seconds(decision, got_on=got_on)
        self.watcher.waits(self, decision, failures=(before, self.backoff.failures), stored=stored)
        self.machine.timeline.after(seconds, self._turn)

    def _end(self, done: Done) -> None:
        if done.ended is not None:
            self.disk.submit([EndStream(self.stream.stream_id, done.ended, done.why)])
        self.done, self.done_ns = done, self.now_ns


class Line:
    """One connection as the recorder holds it, from dialling on."""

    def __init__(self, recording: Recording, place: Place) -> None:
        self.is_over = False
        self.opened_ns = recording.now_ns
        self._recording = recording
        self._machine = recording.machine
        self._place: Place | None = place
        self._link: Link | None = None
        self._why: str | None = None
        self._proven_to = recording.ledger.resume.proven_to
        self._idle_since_ns = self._last_ns = self.opened_ns
        self._tick_ns = 0
        self.session_id = 0
        self.session: Session

    def open(self) -> int | None:
        """Begin the session; return the startPosition to ask for."""
        recording, ledger, now_us = self._recording, self._recording.ledger, self._machine.wall_us
        self.session_id = ledger.ids.next(now_us)
        ask = ledger.resume.ask()
        ledger.open_session()
        recording.disk.submit(
            [
                OpenSession(
                    stream_id=recording.stream.stream_id,
                    session_id=self.session_id,
                    opened_us=now_us,
                    opened_ns=self.opened_ns,
                    url="wss://vendor.example",
                    start_position=ask.start_position,
                    overlap=ask.overlap,
                    asked_because=ask.why,
                    recorder="season",
                    host="machine",
                    version="0",
                )
            ]
        )
        self.session = Session(
            ledger,
            ask,
            session_id=self.session_id,
            opened_us=now_us,
            opened_ns=self.opened_ns,
            until="finished",
            timing=TIMING,
            give_up_ns=recording.give_up_ns(),
            is_due=bool(recording.server.items),
        )
        return ask.start_position

    # -- what the network tells --------------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """The handshake was answered."""
        if self.is_over:
            link.drop()
            return
        self._answered()
        self._link = link
        self._look_in(TIMING.settle)

    def message(self, payload: bytes) -> None:
        """A message is whole."""
        if self.is_over or not self._machine.awake(lambda: self.message(payload)):
            return
        self._last_ns = now_ns = self._recording.now_ns
        before = self.session.authorised
        answer = self.session.received(payload, "text", self._machine.wall_us, now_ns)
        if b"fixtureAction" in payload or self.session.authorised != before:
            self._idle_since_ns = now_ns
        self._obey(answer)
        self._look_in(TIMING.settle)
        self._recording.watcher.heard()

    def over(self, error: WireError) -> None:
        """The connection is over, or never was."""
        if self.is_over or not self._machine.awake(lambda: self.over(error)):
            return
        self._answered()
        self._end(None if self._why is not None else error)

    def _answered(self) -> None:
        if self._place is not None:
            self._machine.answered(self._place)
            self._place = None

    # -- time --------------------------------------------------------------------------------------------------------

    def _look_in(self, seconds: float) -> None:
        """Look at the clock so soon, if nobody does before."""
        due_ns = self._recording.now_ns + int(seconds * S)
        if self._tick_ns == 0 or self._tick_ns > due_ns:
            self._tick_ns = due_ns
            self._machine.timeline.after(seconds, lambda: self._tick(due_ns))

    def _tick(self, due_ns: int) -> None:
        if self.is_over or self._why is not None or due_ns != self._tick_ns:
            return
        if not self._machine.awake(lambda: self._tick(due_ns)):
            return
        self._obey(self.session.tick(self._recording.now_ns, self._machine.wall_us))
        self._tick_ns = 0
        self._look_in(self._until_something_is_due())

    def _until_something_is_due(self) -> float:
        """Return how long it takes until silence means something that it does not mean yet.

        The recorder looks four times a second; what it finds in between is nothing.
        """
        now_ns = self._recording.now_ns
        idle_s, silent_s = (now_ns - self._idle_since_ns) / S, (now_ns - self._last_ns) / S
        due = [limit - idle_s for limit in (TIMING.settle, TIMING.quiet, TIMING.deaf)]
        left = [seconds for seconds in (*due, TIMING.dead - silent_s, _LOOKS_S) if seconds > 0]
        return min(left) + self.session.tick_s

    # -- the end -----------------------------------------------------------------------------------------------------

    def _obey(self, answer: Answer) -> None:
        if answer.operations:
            self._recording.disk.submit(answer.operations)
        if answer.close is None or self._why is not None or self.is_over:
            return
        self._why = answer.close
        assert self._link is not None
        if answer.abort:
            self._end(None)
        else:
            self._link.close()

    def _end(self, error: WireError | None) -> None:
        recording = self._recording
        operations, decision = self.session.closed(error, recording.now_ns, self._machine.wall_us)
        recording.disk.submit([*operations, self._closing(error, self._why or decision.why)])
        got_on = recording.ledger.resume.proven_to > self._proven_to
        self.drop()
        recording.after_connection(self, decision, got_on=got_on)

    def stop(self) -> None:
        """The process is asked to leave."""
        operations = self.session.stopped(self._machine.wall_us)
        self._recording.disk.submit([*operations, self._closing(None, "stopped")])

    def _closing(self, error: WireError | None, outcome: str) -> CloseSession:
        return CloseSession(
            stream_id=self._recording.stream.stream_id,
            session_id=self.session_id,
            counts=self._recording.ledger.counts,
            closed_us=self._machine.wall_us,
            close_code=error.code if isinstance(error, ConnectionOver) else None,
            close_reason=None,
            outcome=outcome,
        )

    def drop(self) -> None:
        """Let go of the connection."""
        self.is_over = True
        if self._link is not None:
            self._link.drop()


class Process:
    """One run of the recorder over some streams; ``gone`` is called when it is no more."""

    def __init__(self, machine: Machine, committing: Callable[[], str | None], gone: Callable[[], None]) -> None:
        self.machine = machine
        self.disk = Disk(machine, committing, self.kill)
        self.recordings: list[Recording] = []
        self.is_alive = True
        self.is_gone = False
        self._gone = gone

    def kill(self) -> None:
        """End it at once: what is not committed is gone."""
        if self.is_alive:
            self.disk.lose()
            self._leave()

    def leave(self) -> None:
        """Ask it to leave: what came is stored."""
        self.is_alive = False
        self.disk.leave()
        for recording in self.recordings:
            recording.stop()
        self.machine.timeline.after(_LEAVING_S, self._left)

    def _left(self) -> None:
        self.disk.flush()
        self._leave()

    def _leave(self) -> None:
        self.is_alive = False
        self.is_gone = True
        for recording in self.recordings:
            recording.vanish()
        self._gone()

    @property
    def is_done(self) -> bool:
        """Whether all its streams have ended."""
        return self.is_alive and all(recording.is_done for recording in self.recordings)
