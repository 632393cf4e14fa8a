"""Postgres, by way of a local spool, shared with other recorders: each records the streams that it holds a lease of."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import secrets
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from recorder import __version__, clock
from recorder.archive import migrate
from recorder.archive.apply import close_dangling_sessions
from recorder.archive.chains import clear_heads_ahead
from recorder.archive.deadline import deadline
from recorder.archive.dialect import DiskErrors, parse_url
from recorder.archive.merging.copying import require_welcome, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.refusals import Purged
from recorder.archive.shipping import Shipper
from recorder.archive.spool import rewrite, spool_url, take_out
from recorder.errors import DatabaseAway, RecorderError
from recorder.home.local import Backlog, Home, Recording
from recorder.model import StoredStream
from recorder.sharing.lease_table import PostgresTable
from recorder.sharing.leases import Leases

_log = logging.getLogger(__name__)

_PATIENCE_S = 30.0
_ASK_AGAIN_S = 5.0
_FETCHES_AT_ONCE = 4
_UNASKED_AFTER_S = 5.0
"""So long nothing is recorded while Postgres cannot say who records what."""
_HAND_OVER_S = 10.0
_LOOK_S = 1.0


class SharedHome(Home):
    """``database_url`` is Postgres; the spool lies in ``directory``. Begins to ship at once what the spool holds.

    ``keep_s``: how long (seconds) a stream that is over stays in the spool after it was proven in Postgres.
    """

    def __init__(
        self,
        database_url: str,
        directory: Path,
        failed: Callable[[], None],
        *,
        keep_s: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._url, self._dialect = parse_url(database_url)
        self._there = self._dialect.reader(self._url)
        self._greet()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(spool_url(directory), failed)
        self._here = self.writer.dialect.reader(self.writer.url)
        self._loop = loop
        self._purged: asyncio.Queue[int] = asyncio.Queue()
        self._shipper = Shipper(self.writer, database_url, keep_s=keep_s, purged=self._note_purged)
        self._database_url = database_url
        self._leases: Leases | None = None
        self._fetching = asyncio.Semaphore(_FETCHES_AT_ONCE)
        self._away_until_ns = 0
        self._has_forgotten = False
        self._has_settled = False
        self._unasked = set[int]()
        """Streams that we record though nobody could say whose they are: two recordings are better than none."""
        self._added = set[int]()
        """Streams that have come into the list and are nobody's yet, as far as we know."""

    @property
    def readable_url(self) -> str:
        """As in `Home`: Postgres, where other recorders' rows are too, unless it lacks something."""
        return self._database_url if self._has_settled else self.local_url

    @property
    def sharers(self) -> int:
        """As in `Home`."""
        return self._leases.sharers if self._leases else 1

    @property
    def ended(self) -> Collection[int]:
        """As in `Home`."""
        return self._leases.ended if self._leases else ()

    def is_elsewhere(self, stream_id: int) -> bool:
        """As in `Home`: others hold its lease, and renew it."""
        return self._leases is not None and self._leases.is_alive_elsewhere(stream_id)

    def is_ours(self, stream_id: int) -> bool:
        """As in `Home`: by its lease, or because nobody could be asked."""
        return stream_id in self._unasked or (self._leases is not None and stream_id in self._leases.held)

    async def allot(self, stream_ids: Collection[int], recording: Recording) -> None:
        """As in `Home`; streams come and go with their leases, and one that is purged from Postgres goes for good."""

        async def give_up(stream_id: int) -> None:
            if stream_id in leases.held:
                return  # it came back
            await recording.halt(stream_id)
            if stream_id not in leases.held:
                self._shipper.let_go(stream_id)

        async def hand_over(stream_id: int) -> None:
            await recording.halt(stream_id)
            await self._settle(_HAND_OVER_S)
            self._shipper.let_go(stream_id)

        def lost(stream_id: int) -> None:
            group.create_task(give_up(stream_id))

        async def record_unasked() -> None:
            if not await leases.heard(_UNASKED_AFTER_S):
                self._record_unasked(leases.wanted, recording)
            while True:
                await asyncio.sleep(_LOOK_S)
                self._added -= leases.held | leases.ended
                self._added = {stream_id for stream_id in self._added if not leases.is_elsewhere(stream_id)}
                if leases.away:
                    self._record_unasked(self._added, recording)
                    self._added = set()
                self._unasked -= leases.held
                elsewhere = {stream_id for stream_id in self._unasked if leases.is_elsewhere(stream_id)}
                self._unasked -= elsewhere
                for stream_id in elsewhere:
                    lost(stream_id)

        async with asyncio.TaskGroup() as group:
            leases = self._leases = Leases(
                PostgresTable(self._database_url),
                f"{platform.node()} {os.getpid()} {secrets.token_hex(4)}",
                platform.node(),
                __version__,
                stream_ids,
                took=recording.begin,
                lost=lost,
                hand_over=hand_over,
            )
            group.create_task(leases.keep())
            group.create_task(record_unasked())
            while True:
                stream_id = await self._purged.get()
                await recording.purge(stream_id)
                with contextlib.suppress(RecorderError):  # a writer that has failed tells so itself
                    await self._forget(stream_id)

    async def want(self, added: Collection[int], removed: Collection[int], recording: Recording) -> None:
        """As in `Home`; leases are taken of what was added, and given back of what was removed."""
        leases = self._leases
        if leases is None:  # `allot` has not begun; it asks for what the list says then
            return
        self._added = (self._added | set(added)) - set(removed)
        for stream_id in added:
            await leases.reopen(stream_id)
        leases.want((leases.wanted | set(added)) - set(removed))
        self._unasked -= set(removed)
        for stream_id in removed:
            await recording.drop(stream_id)
        if removed:
            await self._settle(_HAND_OVER_S)
        for stream_id in removed:
            self._shipper.let_go(stream_id)
            await leases.release(stream_id, ended=False)

    async def reopen(self, stream_id: int) -> None:
        """As in `Home`: its lease may be taken again, by us or by others."""
        if self._leases is not None:
            await self._leases.reopen(stream_id)

    def _record_unasked(self, stream_ids: Collection[int], recording: Recording) -> None:
        self._unasked |= set(stream_ids)
        for stream_id in stream_ids:
            recording.begin(stream_id)

    async def take(self, stream_id: int) -> StoredStream | None:
        """As in `Home`; what only Postgres holds of the stream is copied into the spool first.

        With Postgres away there is only what the spool holds, and the rest is asked of the vendor again.
        """
        self._shipper.hold(stream_id)
        async with self._fetching:
            try:
                if clock.elapsed_ns() >= self._away_until_ns:
                    await _to_its_end(self._fetch, stream_id)
            except Purged as gone:
                self.gone[stream_id] = str(gone)
                if gone.to is None:  # else the spool may hold what nobody else has: the shipper looks
                    await self._forget(stream_id)
                return None
            except Exception as error:
                if self.writer.error is not None:
                    raise
                # Whatever is wrong with Postgres: nothing of it may keep us from recording.
                if isinstance(error, DatabaseAway):
                    self._away_until_ns = clock.elapsed_ns() + int(_ASK_AGAIN_S * 1e9)
                told = error if isinstance(error, RecorderError) else repr(error)
                _log.warning("%s; going on from what the spool holds", told)
        return await super().take(stream_id)

    async def done(self, stream_id: int, *, ended: bool) -> None:
        """As in `Home`: whoever else wants it may have it, unless it has ended."""
        if self._leases is not None:
            await self._leases.release(stream_id, ended=ended)

    async def leave(self, grace_s: float) -> None:
        """As in `Home`; then the streams are handed back, so that whoever takes them finds all of them in Postgres."""
        until_ns = clock.elapsed_ns() + int(grace_s * 1e9)
        self._has_settled = await self._settle(grace_s)
        if self._has_settled:
            left_s = (until_ns - clock.elapsed_ns()) / 1e9
            await asyncio.to_thread(self._shipper.proven, left_s)  # may wait for the next run
        if self._leases is not None:
            await self._leases.leave()

    def hurry(self) -> None:
        """As in `Home`; the spool keeps what is not shipped, for the next run."""
        self._shipper.hurry()

    @property
    def backlog(self) -> Backlog:
        """As in `Home`."""
        return Backlog(self._shipper.behind, self._shipper.away_s)

    def close(self) -> RecorderError | None:
        """As in `Home`: a DatabaseAway when the spool holds what Postgres lacks."""
        whole = self._shipper.close()
        try:
            if self._has_forgotten and self.writer.error is None:
                rewrite(self.writer).result()  # now that nobody waits for the disk
        finally:
            self._there.dispose()
            self._here.dispose()
            super().close()
        if whole:
            return None
        return DatabaseAway(
            f"{self._shipper.place} does not have everything yet; what it lacks is safe in the spool "
            f"{self.writer.dialect.place(self.writer.url)}, and the next run ships it"
        )

    def _greet(self) -> None:
        """Refuse a database that can never be recorded into; one that is merely away is none."""
        try:
            migrate.writable(self._url, self._dialect).dispose()
        except DatabaseAway as error:
            _log.info("%s; recording into the spool meanwhile", error)  # the shipper tells it to everybody

    def _note_purged(self, stream_id: int) -> None:  # on the shipper's thread
        self._loop.call_soon_threadsafe(self._purged.put_nowait, stream_id)

    async def _settle(self, grace_s: float) -> bool:
        if self.writer.error is not None:
            return False  # told when it is closed
        await asyncio.wrap_future(self.writer.flushed())
        return await asyncio.to_thread(self._shipper.settled, grace_s)

    async def _forget(self, stream_id: int) -> None:
        """Take a stream that must not be kept out of the spool."""
        self._has_forgotten = True
        await asyncio.wrap_future(take_out(self.writer, stream_id))

    def _fetch(self, stream_id: int) -> None:
        """Copy into the spool what Postgres knows of a stream and the spool does not."""
        with (
            DiskErrors(self._dialect, self._url),
            self._there.connect() as there,
            deadline(there, _PATIENCE_S),
            self._here.connect() as here,
        ):
            self._dialect.stand_still(there)  # another recorder may be shipping it
            require_welcome(there, stream_id)
            self._copy(there, here, stream_id)

    def _copy(self, there: Connection, here: Connection, stream_id: int) -> None:
        copy = survey(there, here, stream_id, clock.wall_us())
        while copy is not None:
            rows, marks = copy.next(there, None)
            self.writer.carry_out(partial(land, dialect=self.writer.dialect, load=rows)).result()
            if not copy.landed(marks):
                break
        # Its recorder is gone, or it would be recorded there and not here.
        self.writer.carry_out(partial(close_dangling_sessions, stream_id=stream_id)).result()
        self.writer.carry_out(partial(clear_heads_ahead, stream_id=stream_id)).result()
        self._shipper.survey_again(stream_id)


async def _to_its_end(work: Callable[[int], None], stream_id: int) -> None:
    """Do ``work`` in a thread; whoever is cancelled meanwhile waits for its end: it writes what others will read."""
    doing = asyncio.ensure_future(asyncio.to_thread(work, stream_id))
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        doing.cancelled() or doing.exception()  # nobody is interested any more
        raise
