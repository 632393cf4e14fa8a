"""Many streams: one task each, one archive, one account; ends when asked, when all have ended, or when it must."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recorder import clock, signals
from recorder.account import PROBE_S, Account
from recorder.archive.dialect import parse_url
from recorder.archive.spool import SPOOL_KEEP_S, spool_directory
from recorder.capture import Capture, Vendor
from recorder.config import TokenSource, state_directory
from recorder.errors import (
    ConfigurationError,
    DatabaseAway,
    Doubt,
    RecorderError,
    StoppedEarly,
    Unreachable,
    worst_exit_code,
)
from recorder.feed.endpoint import DEFAULT_ENDPOINT
from recorder.feed.timing import Timing
from recorder.fixtures import Entry
from recorder.home.local import Home
from recorder.model import StoredStream
from recorder.pacing import DEFAULT_RATE, Board, ConnectLimiter, FileBoard
from recorder.query.doubts import doubts
from recorder.roster import Roster

_log = logging.getLogger(__name__)

_NO_TIME_US = 1_577_836_800_000_000  # 2020-01-01: a machine that does not know the time yet
_LOOK_S = 1.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked to do. Durations in seconds."""

    database_url: str
    endpoint: str = DEFAULT_ENDPOINT
    token_file: Path | None = None
    until_finished: bool = False
    once: bool = False
    for_s: float | None = None
    connect_rate: float = DEFAULT_RATE
    overlap: int = 3
    lead_s: float = 900.0
    keep_trying: bool = False
    strict: bool = False
    proxy: str | None = None
    spool: Path | None = None
    """Directory of the spool when the database is Postgres; None: in the state directory."""
    spool_keep_s: float = SPOOL_KEEP_S
    grace_s: float = 20.0
    """How long a run that ends waits for Postgres to take what it lacks."""
    timing: Timing = field(default_factory=Timing)

    def check(self) -> None:
        """Raise a ConfigurationError for settings that are unsafe."""
        address = urlsplit(self.endpoint)
        if address.scheme not in ("ws", "wss") or not address.hostname:
            raise ConfigurationError(f"the endpoint {self.endpoint} is no websocket address; expected wss://host")
        local = address.hostname in _LOOPBACK
        if address.scheme == "ws" and not local:
            raise ConfigurationError(
                f"{self.endpoint} would carry the token unencrypted; use wss:// (ws:// is for this machine only)"
            )
        if self.connect_rate > DEFAULT_RATE and not local:
            raise ConfigurationError(
                f"--connect-rate {self.connect_rate:g}: the vendor asks for at most {DEFAULT_RATE:g} connections "
                "a second; more is for a server on this machine only"
            )


class Daemon:
    """One run over a fixture list."""

    def __init__(self, settings: Settings, entries: Sequence[Entry], progress: Callable[[Entry, int], None]) -> None:
        self._settings = settings
        self._is_shared = parse_url(settings.database_url)[1].is_server
        self._entries = {entry.stream.stream_id: entry for entry in entries}
        self._progress = progress
        # A server on this machine that takes more attempts a second is not bothered by more of these either.
        self._scale = min(1.0, DEFAULT_RATE / settings.connect_rate)
        self._account = Account(keep_trying=settings.keep_trying, probe_s=PROBE_S * self._scale)
        self._stop = asyncio.Event()
        self._archive_failed = asyncio.Event()
        self._stopped_by: str | None = None
        self._left = set(self._entries)
        """Streams that are not known to have ended."""
        self._begun: Collection[int] = ()
        """Streams that were recorded here."""

    def stop(self, why: str) -> None:
        """End the run: store what was received and leave."""
        self._stopped_by = self._stopped_by or why
        self._stop.set()

    async def run(self) -> None:
        """Record until the end; returns when all is well, else raises what has to be said (and its exit code)."""
        token = TokenSource(self._settings.token_file)
        token.read()
        if clock.wall_us() < _NO_TIME_US:
            _log.warning("the machine's clock says that it is before 2020: times of receipt will be as wrong")
        loop = asyncio.get_running_loop()

        def failed() -> None:  # on the writer's thread
            loop.call_soon_threadsafe(self._archive_failed.set)

        with signals.handled(self.stop):
            # In a thread: a database may take its time, and a signal must not.
            home = await asyncio.to_thread(self._home, failed, loop)
            doubtful, behind = await self._run(home, token)
        self._conclude(doubtful, behind)

    async def _run(self, home: Home, token: TokenSource) -> tuple[list[str], RecorderError | None]:
        """Record; return what cannot be proven, and what has to be said of rows left behind."""
        doubtful: list[str] = []
        try:
            limiter = self._limiter()
            try:
                vendor = Vendor(
                    self._settings.endpoint,
                    token,
                    limiter,
                    self._account,
                    backoff_s=DEFAULT_RATE / self._settings.connect_rate,
                    proxy=self._settings.proxy,
                )
                await self._record(home, vendor)
            finally:
                limiter.close()
            doubtful = await self._doubts(home)
        finally:
            behind = await asyncio.to_thread(home.close)
        return doubtful, behind

    def _home(self, failed: Callable[[], None], loop: asyncio.AbstractEventLoop) -> Home:
        settings = self._settings
        directory = spool_directory(settings.database_url, settings.spool)
        if directory is None:
            return Home(settings.database_url, failed)
        from recorder.home.shared import SharedHome

        return SharedHome(settings.database_url, directory, failed, keep_s=settings.spool_keep_s, loop=loop)

    def _limiter(self) -> ConnectLimiter:
        settings = self._settings
        if settings.connect_rate > DEFAULT_RATE:  # this machine's own server (see `check`): no turns to share
            return ConnectLimiter(settings.connect_rate)
        boards: list[Board] = [self._file_board()]
        if self._is_shared:
            from recorder.sharing.board import PostgresBoard

            boards.append(PostgresBoard(settings.database_url, self._account_name()))
        return ConnectLimiter(settings.connect_rate, boards=boards)

    def _account_name(self) -> str:
        """Return what all who share the vendor's account have in common; the token is nobody's business."""
        address = urlsplit(self._settings.endpoint)
        return f"{address.hostname}:{address.port or (443 if address.scheme == 'wss' else 80)}"

    def _file_board(self) -> FileBoard:
        directory = state_directory()
        try:
            return FileBoard(directory / "connect-turns")
        except OSError as error:
            raise ConfigurationError(
                f"the state directory {directory} cannot be used ({error.strerror}); "
                "name another in the environment variable STATE_DIRECTORY"
            ) from None

    def _capture(self, home: Home, vendor: Vendor, entry: Entry, stored: StoredStream) -> Capture:
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
        )

    async def _record(self, home: Home, vendor: Vendor) -> None:
        async with asyncio.TaskGroup() as group:
            roster = Roster(self._entries, home, partial(self._capture, home, vendor), group)
            allotting = group.create_task(home.allot(self._entries, roster))
            await self._end(roster, home, vendor.limiter)
            allotting.cancel()
            await asyncio.wait([allotting])
            await roster.halt_all()
            await home.leave(self._settings.grace_s)
            self._begun = roster.begun
            self._left = {number for number in self._entries if not self._is_over(number, roster, home)}

    async def _end(self, roster: Roster, home: Home, limiter: ConnectLimiter) -> None:
        """Wait for whatever ends the run first."""
        waiting: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._stop.wait()),
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
        if home.writer.error is not None:
            return []  # told when it is closed
        await asyncio.wrap_future(home.writer.flushed())
        try:
            return await asyncio.to_thread(doubts, home.readable_url, self._begun, strict=self._settings.strict)
        except DatabaseAway:  # it went at the last moment, and has everything
            return await asyncio.to_thread(doubts, home.local_url, self._begun, strict=self._settings.strict)

    def _conclude(self, doubtful: list[str], behind: RecorderError | None) -> None:
        """Raise what the user must hear, the gravest first (contract, exit codes)."""
        settings = self._settings
        found: list[RecorderError] = []
        if (verdict := self._account.verdict()) is not None:
            found.append(verdict)
        if behind is not None:
            found.append(behind)
        left = self._left
        if left and self._account.tried and not self._account.reached:
            found.append(
                Unreachable(f"{settings.endpoint} could not be reached for any of {len(left)} streams; try again later")
            )
        if left and (settings.until_finished or settings.once):
            found.append(
                StoppedEarly(
                    f"stopped by {self._stopped_by or 'failed attempts'} before {len(left)} of {len(self._entries)} "
                    "streams had finished; everything received is stored, run it again to go on"
                )
            )
        if doubtful:
            found.append(Doubt("; ".join(doubtful) + "; see `recorder status`"))
        if found:
            worst = worst_exit_code(error.exit_code for error in found)
            raise next(error for error in found if error.exit_code == worst)


def run(settings: Settings, entries: Sequence[Entry], progress: Callable[[Entry, int], None] | None = None) -> None:
    """Record ``entries`` as ``settings`` say; returns when all is well, else raises a RecorderError."""
    settings.check()
    if entries:
        asyncio.run(Daemon(settings, entries, progress or (lambda _entry, _appended: None)).run())
