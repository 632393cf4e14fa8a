"""Many streams: one task each, one archive, one account; ends when asked, when all have ended, or when it must."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recorder import clock, signals
from recorder.account import PROBE_S, Account
from recorder.archive.load import load
from recorder.archive.writer import Writer
from recorder.capture import Capture, Vendor
from recorder.config import TokenSource, state_directory
from recorder.errors import (
    ConfigurationError,
    Doubt,
    RecorderError,
    StoppedEarly,
    Unreachable,
    worst_exit_code,
)
from recorder.feed.endpoint import DEFAULT_ENDPOINT
from recorder.feed.timing import Timing
from recorder.fixtures import Entry
from recorder.model import StoredStream
from recorder.pacing import DEFAULT_RATE, ConnectLimiter
from recorder.query.doubts import doubts

_log = logging.getLogger(__name__)

_NO_TIME_US = 1_577_836_800_000_000  # 2020-01-01: a machine that does not know the time yet
_AFTER_AN_ERROR_S = 5.0
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
        self._entries = entries
        self._progress = progress
        # A server on this machine that takes more attempts a second is not bothered by more of these either.
        self._scale = min(1.0, DEFAULT_RATE / settings.connect_rate)
        self._account = Account(keep_trying=settings.keep_trying, probe_s=PROBE_S * self._scale)
        self._stop = asyncio.Event()
        self._archive_failed = asyncio.Event()
        self._stopped_by: str | None = None
        self._ended: set[Entry] = set()

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

        with Writer(self._settings.database_url, failed) as writer:
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
                stored = self._stored(writer, self._entries)
                captures = [self._capture(entry, writer, vendor, each) for entry, each in stored]
                await self._record(captures, writer, vendor)
            finally:
                limiter.close()
            doubtful = await self._doubts(writer)
        self._conclude(doubtful)

    def _limiter(self) -> ConnectLimiter:
        rate = self._settings.connect_rate
        if rate > DEFAULT_RATE:  # this machine's own server (see `check`): no turns to share with anybody
            return ConnectLimiter(rate)
        directory = state_directory()
        try:
            return ConnectLimiter(rate, directory)
        except OSError as error:
            raise ConfigurationError(
                f"the state directory {directory} cannot be used ({error.strerror}); "
                "name another in the environment variable STATE_DIRECTORY"
            ) from None

    def _stored(self, writer: Writer, entries: Sequence[Entry]) -> Iterator[tuple[Entry, StoredStream]]:
        engine = writer.dialect.reader(writer.url)
        with engine.connect() as connection:
            for entry in entries:
                yield entry, load(connection, entry.stream.stream_id)
        engine.dispose()

    def _capture(self, entry: Entry, writer: Writer, vendor: Vendor, stored: StoredStream) -> Capture:
        return Capture(
            entry,
            stored,
            writer,
            vendor,
            overlap=self._settings.overlap,
            until="caught_up" if self._settings.once else "finished",
            timing=replace(self._settings.timing, poll=self._settings.timing.poll * self._scale),
            lead_s=self._settings.lead_s,
            progress=lambda appended: self._progress(entry, appended),
        )

    async def _record(self, captures: Sequence[Capture], writer: Writer, vendor: Vendor) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._supervise(capture, writer, vendor)) for capture in captures]
            with signals.handled(self.stop):
                await self._end(tasks)
            for task in tasks:
                task.cancel()

    async def _supervise(self, capture: Capture, writer: Writer, vendor: Vendor) -> None:
        """Keep one stream going: an error of our own in one must not stop the others.

        Its books may be ahead of what was handed to the writer: new ones are opened, from the rows alone.
        """
        while True:
            try:
                ended = await capture.run()
            except Exception:
                if writer.error is not None:
                    return  # told once, when the writer is closed
                _log.exception("%s: unexpected error, going on with this stream in 5 s", capture.entry.stream)
                await asyncio.sleep(_AFTER_AN_ERROR_S)
                try:
                    await asyncio.wrap_future(writer.flushed())
                except RecorderError:
                    return  # told once, when the writer is closed
                [(_, stored)] = self._stored(writer, [capture.entry])
                capture = self._capture(capture.entry, writer, vendor, stored)
            else:
                if ended:
                    self._ended.add(capture.entry)
                return

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait for whatever ends the run first."""
        waiting: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._stop.wait()),
            asyncio.ensure_future(self._archive_failed.wait()),
            asyncio.ensure_future(self._account.shut_out.wait()),
            asyncio.ensure_future(self._all_ended(tasks)),
        ]
        try:
            ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=self._settings.for_s)
        finally:
            for future in waiting:
                future.cancel()
        if self._settings.for_s is not None and not ended:
            self.stop("--for")

    async def _all_ended(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.wait(tasks)
        if not (self._settings.until_finished or self._settings.once):
            await asyncio.Event().wait()

    async def _doubts(self, writer: Writer) -> list[str]:
        """Return what cannot be proven; asked before the archive is closed, so that its side files go with it."""
        if writer.error is not None:
            return []  # told when it is closed
        await asyncio.wrap_future(writer.flushed())
        stream_ids = [entry.stream.stream_id for entry in self._entries]
        return doubts(self._settings.database_url, stream_ids, strict=self._settings.strict)

    def _conclude(self, doubtful: list[str]) -> None:
        """Raise what the user must hear, the gravest first (contract, exit codes)."""
        settings = self._settings
        found: list[RecorderError] = []
        if (verdict := self._account.verdict()) is not None:
            found.append(verdict)
        left = [entry for entry in self._entries if entry not in self._ended]
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
