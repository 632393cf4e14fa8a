"""The thread that ships: reach Postgres, ship and prove until it fails or all has to end, wait, reach it again."""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, select

from recorder import clock
from recorder.archive import migrate, tables
from recorder.archive.deadline import Cutter
from recorder.archive.dialect import DiskErrors, parse_url
from recorder.archive.shipping.landing import Landing, first_line
from recorder.archive.shipping.leaving import Leaving
from recorder.archive.shipping.noting import Notes
from recorder.archive.spool import note_shipped
from recorder.archive.writer import Writer
from recorder.errors import RecorderError

_log = logging.getLogger(__name__)

_LEAVE_S = 2.0
"""How long `close` waits for a thread that is only making a connection; nothing hangs on it."""
_BRIEFLY_S = 3.0
"""So long whoever waits for Postgres goes on waiting when it is away: it may have been restarted."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. ``patience_s``: what one transaction may take, since a stopped server gives no answer at all."""

    patience_s: float = 30.0
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0
    gather_s: float = 0.03
    look_s: float = 1.0
    tidy_s: float = 3600.0


class Shipper:
    """From the spool that ``writer`` writes to ``target_url``; begins at once.

    ``purged`` is called, on the shipper's thread, with the id of a stream that was purged from the target: whoever
    records it has to stop, and to take it out of the spool. ``keep_s``: how long (seconds) a stream that is over stays
    in the spool after it was proven.
    """

    def __init__(
        self, writer: Writer, target_url: str, *, keep_s: float, purged: Callable[[int], None], pace: Pace | None = None
    ) -> None:
        self._writer = writer
        self._target, self._dialect = parse_url(target_url)
        self.place = self._dialect.place(self._target)
        self._keep_s = keep_s
        self._purged = purged
        self._pace = pace or Pace()
        self._notes = Notes()
        self._leaving = threading.Event()
        self._hurrying = False
        self._cutter: Cutter | None = None
        self._away_since_ns: int | None = None
        self._proven_to = -1
        """The last ticket of which all has landed, and been proven as far as it is over."""
        self._frames_there = 0
        """How many of the frames that came were known to be in Postgres last."""
        self._seen: set[str] = set()
        self._remembered: dict[int, tuple[int, int]] = {}
        writer.committed = self._notes.note
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._thread.start()

    @property
    def away_s(self) -> float | None:
        """How long Postgres could not be used, in seconds; None: it can."""
        since_ns = self._away_since_ns
        return None if since_ns is None else (clock.elapsed_ns() - since_ns) / 1e9

    @property
    def behind(self) -> int:
        """How many of the frames that came are not known to be in Postgres."""
        return max(0, self._notes.frames - self._frames_there)

    def hurry(self) -> None:
        """Let whoever waits for Postgres in `settled` or `proven` wait no longer. Any thread."""
        with self._notes.changed:
            self._hurrying = True
            self._notes.changed.notify_all()

    def survey_again(self, stream_id: int) -> None:
        """Compare a stream anew: rows of it came into the spool otherwise than by recording. Any thread."""
        self._notes.note_unsure(stream_id)

    def hold(self, stream_id: int) -> None:
        """Learn that a stream is recorded here from now on, before its rows are read: it stays in the spool.

        To begin it (`OpenStream`) says so as well.
        """
        self._notes.hold(stream_id)

    def let_go(self, stream_id: int) -> None:
        """Learn that a stream is another recorder's: what the spool says of its end is not to be shipped any more."""
        self._notes.let_go(stream_id)

    def settled(self, grace_s: float) -> bool:
        """Wait until all that was noted before this call has landed; return whether it has.

        ``grace_s`` seconds at most; less when Postgres is away, or takes a stream not at all.
        """
        ticket, until_ns = self._notes.ticket, clock.elapsed_ns() + int(grace_s * 1e9)
        with self._notes.changed:
            while not self._notes.is_done(ticket):
                left_s = (until_ns - clock.elapsed_ns()) / 1e9
                if left_s <= 0 or self._hurrying or (self.away_s or 0.0) > _BRIEFLY_S or not self._thread.is_alive():
                    break
                self._notes.changed.wait(min(left_s, 0.5))
            return self._notes.is_settled(ticket)

    def proven(self, grace_s: float) -> None:
        """Wait until what is over has been proven too, of all that was noted before this call; ``grace_s`` at most."""
        ticket, until_ns = self._notes.ticket, clock.elapsed_ns() + int(grace_s * 1e9)
        with self._notes.changed:
            while self._proven_to < ticket and self.away_s is None and self._thread.is_alive():
                if self._hurrying or (left_s := (until_ns - clock.elapsed_ns()) / 1e9) <= 0:
                    break
                self._notes.changed.wait(min(left_s, 0.5))

    def close(self) -> bool:
        """Stop, at once, whatever Postgres does; return whether it has all that the spool holds."""
        with self._notes.changed:
            is_whole = self._notes.is_settled(self._notes.ticket)
            self._leaving.set()
            self._notes.changed.notify_all()
        if (cutter := self._cutter) is not None:
            cutter.cut()
        self._thread.join(_LEAVE_S)
        return is_whole

    # The thread

    def _run(self) -> None:
        pause_s = self._pace.first_pause_s
        while not self._leaving.is_set() and self._writer.error is None:
            was_well = self._away_since_ns is None
            try:
                self._ship()
            except Exception as error:
                was_well |= self._away_since_ns is None
                self._has_gone(error)
            pause_s = self._pace.first_pause_s if was_well else min(self._pace.longest_pause_s, 2 * pause_s)
            self._leaving.wait(pause_s)

    def _ship(self) -> None:
        """Ship until it is time to leave, or until the database fails."""
        with ExitStack() as stack:
            stack.enter_context(DiskErrors(self._dialect, self._target))
            stack.enter_context(DiskErrors(self._writer.dialect, self._writer.url))
            engine, spool = self._dialect.writer(self._target), self._writer.dialect.reader(self._writer.url)
            stack.callback(engine.dispose)
            stack.callback(spool.dispose)
            cutter = self._cutter = Cutter(engine)
            stack.callback(cutter.close)
            if self._leaving.is_set():  # before we told `close` what it has to cut
                return
            with cutter.deadline(self._pace.patience_s):
                target = stack.enter_context(engine.connect())
                with target.begin():
                    migrate.prepare(target, self._dialect, self.place)
            source = stack.enter_context(spool.connect())
            landing = Landing(
                source,
                target,
                self._dialect,
                self._notes,
                cutter=cutter,
                patience_s=self._pace.patience_s,
                place=self.place,
                purged=self._purged,
            )
            stack.callback(self._remember, landing)
            first = self._notes.listen(lambda: source.execute(select(tables.stream.c.stream_id)).scalars())
            leaving = Leaving(
                source,
                target,
                landing,
                self._notes,
                self._writer,
                cutter=cutter,
                patience_s=self._pace.patience_s,
                place=self.place,
                keep_s=self._keep_s,
                tidy_s=self._pace.tidy_s,
            )
            while not self._leaving.is_set():
                came, ticket = self._notes.frames, self._notes.ticket
                shipped = landing.ship()
                if self._away_since_ns is not None and (landing.new_rows or self._is_done(first)):
                    self._is_back()
                busy = leaving.work(idle=not shipped)
                if landing.is_behind:
                    continue
                self._frames_there = came
                if not busy and not shipped:
                    with self._notes.changed:
                        self._proven_to = ticket
                        self._notes.changed.notify_all()
                if not busy:
                    self._notes.wait(self._pace.look_s, self._leaving.is_set)
                    if cutter.has_heard():
                        self._answer(target, cutter)
                # More comes along with what came first: a transaction costs the same for a few rows and for many.
                self._leaving.wait(self._pace.gather_s)

    def _answer(self, target: Connection, cutter: Cutter) -> None:
        """Find out what the server said: most often that it is gone, which nobody would notice until the next frame."""
        with cutter.deadline(self._pace.patience_s), target.begin():
            target.execute(select(1))

    def _is_done(self, ticket: int) -> bool:
        with self._notes.changed:
            return self._notes.is_done(ticket)

    def _has_gone(self, error: Exception) -> None:
        """Forget where the copies stand: what Postgres holds when it is back may be older than what it held."""
        self._notes.stop_listening()
        if self._leaving.is_set() or self._writer.error is not None:
            return
        if not isinstance(error, RecorderError):
            where = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {where.filename}:{where.lineno}"
            if kind not in self._seen:
                self._seen.add(kind)
                _log.error("%s: unexpected error while shipping; trying again", self.place, exc_info=error)
        if self._away_since_ns is None:
            self._away_since_ns = clock.elapsed_ns()
            _log.warning("%s cannot be used: %s; recording goes on into the spool", self.place, self._reason(error))
        else:
            _log.debug("%s still cannot be used: %s", self.place, self._reason(error))

    def _reason(self, error: Exception) -> str:
        """Say what happened in the server's or driver's own words, which hold no password."""
        if self._cutter is not None and self._cutter.late_s is not None:
            return f"no answer for {self._cutter.late_s:.0f} s"
        return first_line(error.__cause__ or error).removeprefix(f"{self.place}: ")

    def _is_back(self) -> None:
        _log.warning(
            "%s is back after %.0f s; %d frames that came meanwhile are shipped now, and whatever else it lacks",
            self.place,
            self.away_s or 0.0,
            self._notes.frames - self._frames_there,
        )
        self._away_since_ns = None

    def _remember(self, landing: Landing) -> None:
        """Write down how much is known to be there: for `status`, while Postgres is away."""
        known = {
            stream_id: (copied.frames, copied.actions)
            for stream_id, copied in landing.copied.items()
            if self._remembered.get(stream_id) != (copied.frames, copied.actions)
        }
        if known:
            with contextlib.suppress(RecorderError):  # a writer that has failed tells so itself
                self._writer.carry_out(partial(note_shipped, known=known, at_us=clock.wall_us()))
                self._remembered |= known
