"""A run from its beginning to its end: when asked, when all have ended, or when it must."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recorder import clock, logs, signals
from recorder.account import PROBE_S, Account
from recorder.capture import Capture, Vendor
from recorder.config import TokenSource
from recorder.daemon.asking import Asker, rest_audit_of
from recorder.daemon.attending import Attendant
from recorder.daemon.auditing import Auditor
from recorder.daemon.concluding import Outcome
from recorder.daemon.following import Follower
from recorder.daemon.leaving import Leaving
from recorder.daemon.parts import describer_of, home_of, limiter_of
from recorder.daemon.settings import Settings
from recorder.errors import (
    ArchiveHeld,
    DatabaseAway,
    DiskError,
    Doubt,
    RecorderError,
    StoppedEarly,
    TokenError,
)
from recorder.events import Event, Kind, Teller
from recorder.fixtures import Entry
from recorder.home.local import Home
from recorder.liveness import Liveness, Progress, Promises
from recorder.model import StoredStream
from recorder.notify import Notifier, stacks_when_killed
from recorder.pacing import DEFAULT_RATE, ConnectLimiter
from recorder.query.doubts import doubts
from recorder.roster import Roster

if TYPE_CHECKING:
    pass

_log = logging.getLogger(__name__)

_NO_TIME_US = 1_577_836_800_000_000  # 2020-01-01: a machine that does not know the time yet
_LOOK_S = 1.0
_LAST_EVENTS_S = 10.0
_LOGGED = frozenset({"expected_silent", "doubt", "backlog"})
"""Events that are logged where they are told; the others are where they are found."""


class Daemon:
    """One run over a fixture list. ``source``: the list's file or directory, which is watched for edits."""

    def __init__(
        self,
        settings: Settings,
        entries: Sequence[Entry],
        progress: Callable[[Entry, int], None] = lambda _entry, _appended: None,
        source: Path | None = None,
    ) -> None:
        self._settings = settings
        self._entries = {entry.stream.stream_id: entry for entry in entries}
        self._follower = None if source is None else Follower(source, self._entries, self._tell)
        self._progress = progress
        # A server on this machine that takes more attempts a second is not bothered by more of these either.
        self._scale = min(1.0, DEFAULT_RATE / settings.connect_rate)
        self._account = Account(keep_trying=settings.keep_trying, probe_s=PROBE_S * self._scale)
        self._leaving = Leaving()
        self._archive_failed = asyncio.Event()
        self._left = set(self._entries)
        """Streams that are not known to have ended."""
        self._begun: Collection[int] = ()
        """Streams that were recorded here."""
        self._teller: Teller | None = None
        self._notifier = Notifier()  # now: no child may inherit what is meant for us
        self._promises = Promises()
        self._attendant: Attendant | None = None

    def stop(self, why: str) -> None:
        """End the run in order."""
        self._leaving.stop(why)

    def read_again(self) -> None:
        """Have the list read again, which is said even if nothing has changed."""
        if self._follower is not None:
            if self._attendant is not None:  # else systemd would take the start for over
                self._notifier.reloading()
                self._notifier.ready()  # a list that is refused is told of otherwise
            self._follower.read_again()
        else:
            _log.warning("SIGHUP: the list did not come from a file, there is nothing to read again")

    async def run(self) -> None:
        """Record until the end; returns when all is well, else raises what has to be said (and its exit code)."""
        if self._notifier.watchdog_s is not None:
            stacks_when_killed()
        with closing(self._notifier), ExitStack() as handling:
            handling.enter_context(signals.handled(self._leaving.stop, self._leaving.hurry))
            handling.enter_context(signals.on_hangup(self.read_again, gone=lambda: self.stop("SIGHUP")))
            if self._settings.on_event is None:
                await self._run()
            else:
                await self._told(Teller(self._settings.on_event))

    async def _told(self, teller: Teller) -> None:
        """Run, and have events told; whoever asks a second time to leave does not wait for that either."""
        self._teller = teller
        telling = asyncio.create_task(teller.work())
        try:
            await self._run()
        except Exception as error:
            self._tell_end(error)
            raise
        finally:
            finishing = asyncio.create_task(teller.finish(_LAST_EVENTS_S))
            self._leaving.cut_short_by(partial(_cancel, finishing))
            await asyncio.wait([finishing])
            telling.cancel()
            await asyncio.wait([telling])

    def _tell_end(self, error: Exception) -> None:
        # Who stopped it knows; that another one is at work is well; a doubt was told when it came, and so was the disk.
        was_told = isinstance(error, DiskError) and error is self._leaving.failure
        if was_told or isinstance(error, StoppedEarly | ArchiveHeld | Doubt):
            return
        kind: Kind = "stopped"
        if isinstance(error, TokenError):
            kind = "token_refused"
        elif isinstance(error, DiskError):
            kind = "disk"
        self._tell(Event(kind, f"the run ended: {error}", clock.wall_us()))

    async def _run(self) -> None:
        token = TokenSource(self._settings.token_file)
        token.read()
        if clock.wall_us() < _NO_TIME_US:
            _log.warning(
                "by the machine's clock it is before 2020, and times of receipt will be as wrong: set it (NTP)"
            )
        loop = asyncio.get_running_loop()

        def failed() -> None:  # on the writer's thread
            loop.call_soon_threadsafe(self._archive_failed.set)

        # In a thread: a database may take its time, and a signal must not.
        home = await asyncio.to_thread(home_of, self._settings, failed, loop)
        doubtful, behind = await self._with(home, token)
        if (error := self._outcome(doubtful, behind).error()) is not None:
            raise error

    def _tell(self, event: Event) -> None:
        if event.kind in _LOGGED:
            _log.warning("%s", event.sentence, extra={"kind": event.kind, "stream": event.stream})
        if self._teller is not None:
            self._teller.tell(event)

    async def _with(self, home: Home, token: TokenSource) -> tuple[list[str], RecorderError | None]:
        """Record; return what cannot be proven, and what has to be said of rows left behind."""
        doubtful: list[str] = []
        liveness = Liveness(self._notifier, partial(self._look_at, home), self._sentence)
        # Until the end: what is left to be stored and shipped may take its time.
        watching = asyncio.create_task(liveness.watch())
        try:
            limiter = limiter_of(self._settings)
            try:
                vendor = Vendor(
                    self._settings.endpoint,
                    token,
                    limiter,
                    self._account,
                    backoff_s=DEFAULT_RATE / self._settings.connect_rate,
                    proxy=self._settings.proxy,
                )
                with Attendant(
                    self._settings,
                    home,
                    vendor,
                    tell=self._tell,
                    fail=self._leaving.fail,
                    stalled=lambda: liveness.stalled,
                ) as attendant:
                    await attendant.look_at_disk()  # before anything is dialled
                    if self._leaving.failure is None:
                        await self._record(home, vendor, attendant)
            finally:
                limiter.close()
            doubtful = await self._doubts(home)
        finally:
            behind = await asyncio.to_thread(home.close)
            watching.cancel()
            await asyncio.wait([watching])
        return doubtful, behind

    def _look_at(self, home: Home) -> Progress:
        return Progress(home.writer.given, home.writer.done, self._promises.broken(clock.elapsed_ns()))

    def _sentence(self) -> str:
        return "opening the archive" if self._attendant is None else self._attendant.sentence()

    def _capture(self, home: Home, vendor: Vendor, attendant: Attendant, entry: Entry, stored: StoredStream) -> Capture:
        attendant.resumed(entry.stream.stream_id, stored)
        return Capture(
            entry,
            stored,
            home.writer,
            vendor,
            overlap=self._settings.overlap,
            until="caught_up" if self._settings.once else "finished",
            timing=replace(self._settings.timing, poll=self._settings.timing.poll * self._scale),
            lead_s=self._settings.lead_s,
            progress=lambda appended: self._progress(entry, appended),
            expect=partial(self._promises.heard, str(entry.stream)),
        )

    async def _record(self, home: Home, vendor: Vendor, attendant: Attendant) -> None:
        async with (
            describer_of(self._settings, home, vendor) as describer,
            rest_audit_of(self._settings, home, vendor) as rest_audit,
            asyncio.TaskGroup() as group,
        ):
            make = partial(self._capture, home, vendor, attendant)
            roster = Roster(
                self._entries, home, make, group, describer.around if describer else None, fail=self._leaving.fail
            )
            beside = [
                group.create_task(home.allot(self._entries, roster)),
                group.create_task(attendant.attend(roster)),
                group.create_task(_load_log()),
            ]
            if self._settings.audit_after_s and not self._settings.once:
                asker = Asker(self._settings, home, vendor, rest_audit)
                auditor = Auditor(self._settings.audit_after_s, self._entries, home, asker)
                beside.append(group.create_task(auditor.attend(roster)))
            if self._follower is not None:
                beside.append(group.create_task(self._follower.follow(home, roster)))
            self._attendant = attendant
            self._notifier.ready(self._sentence())
            await self._end(roster, home, vendor.limiter)
            self._notifier.stopping()
            attendant.ends()
            self._leaving.cut_short_by(roster.hurry, home.hurry)
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
            await roster.halt_all()
            await home.leave(0.0 if self._leaving.is_hurried else self._settings.grace_s)
            self._begun = roster.begun
            self._left = {number for number in self._entries if not self._is_over(number, roster, home)}

    async def _end(self, roster: Roster, home: Home, limiter: ConnectLimiter) -> None:
        """Wait for whatever ends the run first."""
        waiting: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._leaving.asked.wait()),
            asyncio.ensure_future(self._archive_failed.wait()),
            asyncio.ensure_future(self._account.shut_out.wait()),
            asyncio.ensure_future(self._all_over(roster, home, limiter)),
        ]
        try:
            ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=self._settings.for_s)
        finally:
            for future in waiting:
                future.cancel()
        if self._settings.for_s is not None and not ended:
            self.stop("--for")

    async def _all_over(self, roster: Roster, home: Home, limiter: ConnectLimiter) -> None:
        """Wait until nothing is left to record, by us or by others; without being asked to, never."""
        asked = self._settings.until_finished or self._settings.once
        while not asked or any(
            number not in roster.passed and not self._is_over(number, roster, home) for number in self._entries
        ):
            await roster.changed(_LOOK_S)
            limiter.sharers = home.sharers

    def _is_over(self, stream_id: int, roster: Roster, home: Home) -> bool:
        """Whether nothing more of a stream is expected of this run."""
        return (
            stream_id in roster.done
            or stream_id in roster.purged
            or stream_id in home.ended
            or (self._settings.once and home.is_elsewhere(stream_id))
        )

    async def _doubts(self, home: Home) -> list[str]:
        """Return what cannot be proven; asked before the archive is closed, so that its side files go with it."""
        if home.writer.error is not None or self._leaving.failure is not None:
            return []  # told when it is closed
        await asyncio.wrap_future(home.writer.flushed())
        try:
            return await asyncio.to_thread(doubts, home.readable_url, self._begun, strict=self._settings.strict)
        except DatabaseAway:  # it went at the last moment, and has everything
            return await asyncio.to_thread(doubts, home.local_url, self._begun, strict=self._settings.strict)

    def _outcome(self, doubtful: list[str], behind: RecorderError | None) -> Outcome:
        settings, account = self._settings, self._account
        return Outcome(
            endpoint=settings.endpoint,
            streams=len(self._entries),
            left=len(self._left),
            wanted_all=settings.until_finished or settings.once,
            was_reached=account.reached or not account.tried,
            why=self._leaving.why,
            failures=(self._leaving.failure, account.verdict(), behind),
            doubtful=doubtful,
        )


async def _load_log() -> None:
    """Load what the first line of the log needs: not before the first frames, and in a thread, so that none waits."""
    await asyncio.sleep(_LOOK_S)
    with suppress(Exception):  # the log is no reason to stop recording; who writes a line has it told
        await asyncio.to_thread(logs.make_ready)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def run(
    settings: Settings,
    entries: Sequence[Entry],
    progress: Callable[[Entry, int], None] = lambda _entry, _appended: None,
    source: Path | None = None,
) -> None:
    """Record ``entries`` as ``settings`` say; returns when all is well, else raises a RecorderError.

    ``source``, the list's file or directory, is followed while it is edited.
    """
    settings.check()
    if not entries:
        Notifier().ready("no fixtures in the list")  # else systemd takes it for a failed start
    else:
        asyncio.run(Daemon(settings, entries, progress, source).run())
