"""What is done beside the recording, every second or so: look how things stand, and tell whoever wants to know."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from recorder import clock
from recorder.capture import Vendor
from recorder.daemon.settings import Settings
from recorder.disk import LOOK_S as DISK_LOOK_S
from recorder.disk import DiskWatch
from recorder.errors import DiskError, RecorderError
from recorder.events import Event, Needs, Scene
from recorder.home.local import Home
from recorder.metrics.address import address
from recorder.metrics.health import Facts
from recorder.metrics.pulse import Pulse
from recorder.model import StoredStream
from recorder.roster import Roster
from recorder.tally import StreamTally, Tally
from recorder.tally.causes import gap_cause
from recorder.tally.values import State

if TYPE_CHECKING:
    from recorder.metrics.endpoint import Endpoint

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
_COLLECT_S = 600.0
"""A connection that is over is a ring of objects. Left to itself Python looks for such rings when a quarter of all
objects are new, here after many hours; a look takes some hundredths of a second."""
_STATES: tuple[tuple[State, str], ...] = (
    ("connected", "connected"),
    ("between", "between connections"),
    ("waiting", "waiting"),
    ("over", "over"),
)


class Attendant:
    """Counts what is stored in ``home``, and looks after the run while it goes on.

    ``tell`` is given what needs a hand, ``fail`` what must end the run; ``stalled`` says what does not get on. Nothing
    that goes wrong here ends the run otherwise.
    """

    def __init__(
        self,
        settings: Settings,
        home: Home,
        vendor: Vendor,
        *,
        tell: Callable[[Event], None],
        fail: Callable[[RecorderError], None],
        stalled: Callable[[], str | None],
    ) -> None:
        self.tally = Tally()
        self._pulse = Pulse()
        self._settings = settings
        self._home = home
        self._vendor = vendor
        self._tell = tell
        self._fail = fail
        self._stalled = stalled
        self._needs = Needs()
        self._disk = DiskWatch(Path(str(home.writer.url.database)), settings.disk)
        self._disk_due_ns = 0
        self._collect_due_ns = clock.elapsed_ns() + int(_COLLECT_S * 1e9)
        self._is_ending = False
        self._open = ExitStack()
        home.writer.listeners.append(self.tally.committed)

    def __enter__(self) -> Self:
        beating = asyncio.create_task(self._pulse.run())
        self._open.callback(beating.cancel)
        if self._settings.metrics is not None:
            self._open.enter_context(self._endpoint(self._settings.metrics))
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self._open.close()

    def resumed(self, stream_id: int, stored: StoredStream) -> None:
        """Learn what is stored of a stream that is recorded from now on."""
        self.tally.resumed(stream_id, stored)
        self._needs.resumed(stream_id, frozenset(gap_cause(cause) for cause in stored.open_causes))

    def _endpoint(self, where: str) -> Endpoint:
        from recorder.metrics.endpoint import Endpoint  # brings prometheus_client

        return Endpoint(address(where), self.tally, self._pulse, self.facts, self._novelties)

    def _novelties(self) -> Mapping[str, int]:
        return {str(kind): count for kind, count in self._vendor.novelties.counts.items()}

    def facts(self) -> Facts:
        """Return how the run does; any thread."""
        backlog, account, room = self._home.backlog, self._vendor.account, self._disk.room
        return Facts(
            archive_failed=self._home.writer.error is not None,
            is_leaving=self._is_ending,
            tried=account.tried,
            reached=account.reached,
            limited=account.limited,
            backlog_frames=backlog.frames,
            away_s=backlog.seconds,
            pending_bytes=self._home.writer.pending_bytes,
            disk_free_bytes=None if room is None else room.free_bytes,
            disk_level=self._disk.level,
            stalled=self._stalled(),
        )

    def sentence(self) -> str:
        """Say in one line how it goes (`systemctl status`)."""
        if self._is_ending:
            return "leaving: what was received is stored"
        found = Counter(tally.state for tally in self.tally.streams().values())
        return ", ".join(f"{found[state]} {word}" for state, word in _STATES if found[state]) or "no streams yet"

    def ends(self) -> None:
        """Learn that the run is about to end: what is not there any more is no trouble."""
        self._is_ending = True

    async def attend(self, roster: Roster) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self._look(roster)
            except Exception:
                _log.exception("unexpected error while looking after the run; the recording goes on")
            await asyncio.sleep(_LOOK_S)

    async def _look(self, roster: Roster) -> None:
        streams, recorded = self.tally.streams(), roster.recorded
        for stream_id, tally in streams.items():
            if not tally.is_over and stream_id not in recorded:
                self.tally.left(stream_id)
        self._look_at_needs(streams)
        if clock.elapsed_ns() >= self._collect_due_ns:
            self._collect_due_ns = clock.elapsed_ns() + int(_COLLECT_S * 1e9)
            gc.collect()
        if clock.elapsed_ns() >= self._disk_due_ns:
            self._disk_due_ns = clock.elapsed_ns() + int(DISK_LOOK_S * 1e9)
            await self.look_at_disk()

    def _look_at_needs(self, streams: Mapping[int, StreamTally]) -> None:
        backlog, account = self._home.backlog, self._vendor.account
        scene = Scene(
            now_us=clock.wall_us(),
            now_ns=clock.elapsed_ns(),
            streams=streams,
            refused=account.last_failure if account.limited else None,
            backlog=backlog.frames,
            backlog_s=backlog.seconds,
        )
        for event in self._needs.look(scene):
            self._tell(event)

    async def look_at_disk(self) -> None:
        """Warn of little room; end the run where there is none."""
        try:
            # In a thread: a network file system may not answer for long.
            sentence = await asyncio.to_thread(self._disk.check)
        except DiskError as error:
            self._tell(Event("disk", str(error), clock.wall_us()))
            self._fail(error)
        else:
            if sentence is not None:
                _log.warning("%s", sentence, extra={"kind": "disk"})
                self._tell(Event("disk", sentence, clock.wall_us()))
