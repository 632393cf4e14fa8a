"""What has happened by now: a clock, and the list of each stream that grows with it. No sockets here."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Callable, Sequence

from recorder.replay.clock import ReplayClock
from recorder.replay.history import Happening
from recorder.replay.pace import Schedule, happened
from recorder.replay.recordings import Recording


class Track:
    """One recording while it is played. ``head``: how many of its messages there are by now."""

    def __init__(self, recording: Recording, dues: Sequence[float]) -> None:
        self.recording = recording
        self.dues = dues
        self.head = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._messages: Sequence[bytes] | None = None
        self._loading = asyncio.Lock()
        self._users = 0

    @property
    def length(self) -> int:
        """How many messages it has in all."""
        return len(self.recording.firsts)

    @contextlib.asynccontextmanager
    async def messages(self) -> AsyncIterator[Sequence[bytes]]:
        """Give the messages; they are read when the first client comes and forgotten when the last one has left."""
        self._users += 1
        try:
            async with self._loading:
                if self._messages is None:
                    self._messages = await asyncio.to_thread(self.recording.load)
            yield self._messages
        finally:
            self._users -= 1
            if not self._users:
                self._messages = None

    def set_head(self, head: int) -> None:
        """Let there be so many messages, more or fewer, and wake whoever waits."""
        if head != self.head:
            self.head = head
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    async def moves(self) -> None:
        """Wait until `head` is another."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


class Playing:
    """All tracks on one clock; `run` lets them grow."""

    def __init__(self, recordings: Sequence[Recording], due: Schedule, clock: ReplayClock) -> None:
        self.clock = clock
        self.schedule = due
        self.tracks = {
            recording.path: Track(recording, dues) for recording, dues in zip(recordings, due.dues, strict=True)
        }
        self._changed = asyncio.Event()
        clock.on_change(self._changed.set)

    async def run(self, happenings: Sequence[Happening], carry_out: Callable[[Happening], None]) -> None:
        """Until cancelled: release messages when they are due, and have ``happenings`` (by time) carried out."""
        tracks = list(self.tracks.values())
        while True:
            self._changed.clear()
            here = self.clock.read()
            for track in tracks:
                track.set_head(happened(track.dues, here))
            await self._go_on(tracks, happenings, carry_out)

    async def _go_on(
        self, tracks: Sequence[Track], happenings: Sequence[Happening], carry_out: Callable[[Happening], None]
    ) -> None:
        """Go on from where the clock stands until somebody changes it."""
        here = self.clock.read()
        left = [(track.dues[track.head], number) for number, track in enumerate(tracks) if track.head < track.length]
        heapq.heapify(left)
        later = [each for each in happenings if each.at_s > here]
        while not self._changed.is_set():
            here = self.clock.read()
            # What happened before a message did is carried out before it comes to be.
            while later and later[0].at_s <= here:
                carry_out(later.pop(0))
            while left and left[0][0] <= here:
                track = tracks[left[0][1]]
                track.set_head(happened(track.dues, here))
                if track.head < track.length:
                    heapq.heapreplace(left, (track.dues[track.head], left[0][1]))
                else:
                    heapq.heappop(left)
            upcoming = [each[0] for each in left[:1]] + [each.at_s for each in later[:1]]
            seconds = self.clock.seconds_until(min(upcoming, default=float("inf")))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if seconds == float("inf") else seconds):
                    await self._changed.wait()
