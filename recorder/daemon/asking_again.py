"""One run that asks the vendor again for streams of an archive, and leaves: `recorder audit`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from recorder import signals
from recorder.account import PROBE_S, Account
from recorder.archive.audits import ended_since
from recorder.capture import Vendor
from recorder.config import TokenSource
from recorder.daemon.asking import Asker, rest_audit_of
from recorder.daemon.leaving import Leaving
from recorder.daemon.parts import home_of, limiter_of
from recorder.daemon.settings import Settings
from recorder.errors import Doubt, RecorderError, TemporaryError, Unreachable, worst_exit_code
from recorder.fixtures import Entry
from recorder.home.local import Home
from recorder.model import ACTIONS, Audit, Stream
from recorder.pacing import DEFAULT_RATE, ConnectLimiter
from recorder.query.reading import Reader, reading
from recorder.query.selecting import check_feed, select_streams

_AT_ONCE = 8


def chosen(reader: Reader, fixtures: Sequence[str], feed: str | None, since_us: int) -> list[Entry]:
    """Return the streams of actions that are named; without names those that have ended since then (`ended_since`).

    Raises UsageError for what names nothing.
    """
    check_feed(feed)
    if fixtures:
        found = [row.stream_id for row in select_streams(reader, fixtures, feed)]
    else:
        with reader.connection.begin():
            found = ended_since(reader.connection, since_us)
    entries = (_entry(reader, stream_id) for stream_id in found)
    return [entry for entry in entries if entry.stream.channel == ACTIONS and feed in (None, entry.stream.feed)]


def _entry(reader: Reader, stream_id: int) -> Entry:
    """Return a stored stream as a list would name it."""
    [row] = reader.rows(
        "SELECT feed, sport, fixture_id, channel, label, competition, starts_us, speed FROM stream "
        "WHERE stream_id = :id",
        {"id": stream_id},
    )
    stream = Stream(row.feed, row.sport, row.fixture_id, row.channel)
    return Entry(stream, 0, row.label, row.competition, row.starts_us, row.speed)


@dataclass(frozen=True, slots=True)
class Answered:
    """``audits``: each with its stream, in the order in which they were done; ``error``: what has to be said of all."""

    audits: Sequence[tuple[Entry, Audit]]
    error: RecorderError | None


class AskingAgain:
    """One run over ``entries``. ``settings.describe``: the REST is asked for its lists too."""

    def __init__(self, settings: Settings, entries: Sequence[Entry]) -> None:
        self._settings = settings
        self._entries = entries
        self._leaving = Leaving()
        self._archive_failed = asyncio.Event()
        self._audits: list[tuple[Entry, Audit]] = []
        self._failures: list[RecorderError] = []
        # As in the daemon: a server on this machine that takes more attempts a second is not bothered by these either.
        self._scale = min(1.0, DEFAULT_RATE / settings.connect_rate)
        self._account = Account(probe_s=PROBE_S * self._scale)

    def stop(self, why: str) -> None:
        """End the run in order: what was received is stored."""
        self._leaving.stop(why)

    async def run(self) -> Answered:
        """Ask for all; raises what keeps it from beginning (no token, the archive is held by another)."""
        with signals.handled(self.stop, self._leaving.hurry):
            token = TokenSource(self._settings.token_file)
            token.read()
            loop = asyncio.get_running_loop()

            def failed() -> None:  # on the writer's thread
                loop.call_soon_threadsafe(self._archive_failed.set)

            home = await asyncio.to_thread(home_of, self._settings, failed, loop)
            behind: RecorderError | None = None
            gaps = 0
            try:
                await self._with(home, token)
                gaps = await self._open_gaps(home)
            finally:
                behind = await asyncio.to_thread(home.close)
        return Answered(self._audits, self._verdict(behind, gaps))

    async def _with(self, home: Home, token: TokenSource) -> None:
        limiter = limiter_of(self._settings)
        try:
            vendor = self._vendor(token, limiter)
            async with rest_audit_of(self._settings, home, vendor) as rest:
                asker = Asker(self._settings, home, vendor, rest)
                asking = asyncio.ensure_future(self._ask_all(asker))
                await self._until_over(asking)
            self._leaving.cut_short_by(home.hurry)
            await home.leave(0.0 if self._leaving.is_hurried else self._settings.grace_s)
        finally:
            limiter.close()

    def _vendor(self, token: TokenSource, limiter: ConnectLimiter) -> Vendor:
        settings = self._settings
        backoff_s = DEFAULT_RATE / settings.connect_rate
        return Vendor(settings.endpoint, token, limiter, self._account, backoff_s=backoff_s, proxy=settings.proxy)

    async def _ask_all(self, asker: Asker) -> None:
        room = asyncio.Semaphore(_AT_ONCE)

        async def ask(entry: Entry) -> None:
            async with room:
                try:
                    asked = await asker.ask(entry)
                except RecorderError as error:
                    self._failures.append(error)  # the others are asked for all the same
                else:
                    self._audits += [(entry, audit) for audit in asked.audits]

        async with asyncio.TaskGroup() as group:
            for entry in self._entries:
                group.create_task(ask(entry))

    async def _until_over(self, asking: asyncio.Future[None]) -> None:
        """Wait until all are asked for, or it is time to leave; whatever was received is stored."""
        events = (self._leaving.asked, self._archive_failed, self._account.shut_out)
        waiting: list[asyncio.Future[Any]] = [asking, *(asyncio.ensure_future(event.wait()) for event in events)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()
            await asyncio.wait(waiting)
        if not asking.cancelled() and not self._archive_failed.is_set():
            asking.result()

    async def _open_gaps(self, home: Home) -> int:
        if home.writer.error is not None:
            return 0
        await asyncio.wrap_future(home.writer.flushed())
        return await asyncio.to_thread(self._count_gaps, home.local_url)

    def _count_gaps(self, database_url: str) -> int:
        with reading(database_url) as reader:
            return sum(
                reader.rows(
                    "SELECT count(*) AS open FROM gap WHERE stream_id = :id AND (ours OR :strict) "
                    "AND resolved_us IS NULL",
                    {"id": entry.stream.stream_id, "strict": self._settings.strict},
                )[0].open
                for entry in self._entries
            )

    def _verdict(self, behind: RecorderError | None, gaps: int) -> RecorderError | None:
        """Return the gravest of what has to be said."""
        found = [error for error in (*self._failures, self._account.verdict(), behind) if error is not None]
        by_id = {entry.stream.stream_id: entry for entry in self._entries}
        answered = {audit.stream_id for _, audit in self._audits if _is_read(audit)}
        if unasked := by_id.keys() - answered:
            found.append(self._unasked(len(unasked)))
        if doubts := _doubts([audit for _, audit in self._audits], gaps):
            found.append(Doubt(f"{'; '.join(doubts)}; see `recorder status`"))
        worst = worst_exit_code(error.exit_code for error in found)
        return next((error for error in found if error.exit_code == worst), None)

    def _unasked(self, count: int) -> RecorderError:
        of = f"{count} of {len(self._entries)} streams"
        if self._account.tried and not self._account.reached:
            return Unreachable(f"{self._settings.endpoint} could not be reached for {of}; try again later")
        stopped = f" before {self._leaving.why} stopped it" if self._leaving.why else ""
        return TemporaryError(f"the lists of {of} could not be read to their end{stopped}; try again later")


def _is_read(audit: Audit) -> bool:
    return audit.asked == "websocket" and audit.verdict != "unanswered"


def _doubts(audits: Sequence[Audit], gaps: int) -> list[str]:
    """Return a clause for each kind of doubt that asking has brought, and for the gaps that are open after it."""
    read = [audit for audit in audits if audit.asked == "websocket"]
    counts = {
        "list with late actions": sum(audit.verdict == "late" for audit in read),
        "changed list": sum(audit.verdict == "changed" for audit in read),
        "open gap": gaps,
    }
    return [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items() if count]


def ask_again(settings: Settings, entries: Sequence[Entry], tell: Callable[[str], None]) -> Answered:
    """Ask for ``entries`` as ``settings`` say; ``tell`` is given what a person would want to know beside the rows."""
    settings.check()
    if not entries:
        tell("no stream to ask for")
        return Answered((), None)
    return asyncio.run(AskingAgain(settings, entries).run())
