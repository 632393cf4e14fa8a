"""What has happened by now: a clock, and the list of each stream that grows with it. No sockets here."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice

from recorder.errors import UsageError
from recorder.replay.clock import ReplayClock
from recorder.replay.history import Happening
from recorder.replay.pace import Schedule, happened
from recorder.replay.recordings import Recording

_NEVER = float("inf")


class Track:
    """One recording while it is played. ``head``: how many of its messages there are by now."""

    def __init__(self, recording: Recording, dues: Sequence[float]) -> None:
        self.recording = recording
        self.dues = dues
        self.head = 0
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._messages: Sequence[bytes] | None = None
        self._loading = asyncio.Lock()
        self._users = 0

    @property
    def length(self) -> int:
        """How many messages it has in all."""
        return len(self.recording.firsts)

    def index(self, position: int) -> int:
        """Return the index of the message that bears the packet at a position; behind the end: `length`."""
        recording = self.recording
        return self.length if position >= recording.packets else bisect_right(recording.firsts, position) - 1

    @property
    def loaded(self) -> Sequence[bytes] | None:
        """The messages while there are clients, None while there are none."""
        return self._messages

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
            self.wake()

    def wake(self) -> None:
        """Wake whoever waits in `moves`."""
        waiting, self._waiting = self._waiting, {}
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def moves(self) -> None:
        """Wait until `head` is another, or somebody has to look for another reason."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        try:
            await future
        finally:
            self._waiting.pop(future, None)  # clients come and go also while nothing moves


class Playing:
    """All tracks on one clock; `run` lets them grow."""

    def __init__(self, recordings: Sequence[Recording], due: Schedule, clock: ReplayClock) -> None:
        self.clock = clock
        self.schedule = due
        self.tracks = {
            recording.path: Track(recording, dues) for recording, dues in zip(recordings, due.dues, strict=True)
        }
        if len(self.tracks) < len(recordings):
            [twice, _] = Counter(recording.path for recording in recordings).most_common(1)[0]
            raise UsageError(f"two recordings are to be served at {twice}; leave one out")
        self._changed = asyncio.Event()
        clock.on_change(self._changed.set)

    @property
    def kickoff_s(self) -> float | None:
        """When the first match begins, None when no packet tells."""
        kickoffs = (
            track.dues[track.recording.kickoff] for track in self.tracks.values() if track.recording.kickoff is not None
        )
        return min(kickoffs, default=None)

    async def run(self, happenings: Sequence[Happening], carry_out: Callable[[Happening], None]) -> None:
        """Until cancelled: release messages when they are due, and have ``happenings`` (by time) carried out.

        When the clock is set on, what lies between happens too, at once; when it is set back, it is still to come.
        """
        reached = _NEVER
        later: deque[Happening] = deque()
        while True:
            self._changed.clear()
            here = self.clock.read()
            if here < reached:
                later = deque(each for each in happenings if each.at_s > here)
                for track in self.tracks.values():
                    track.set_head(happened(track.dues, here))
            reached = await self._go_on(later, carry_out)

    async def _go_on(self, later: deque[Happening], carry_out: Callable[[Happening], None]) -> float:
        """Go on until somebody changes the clock; return where it stood when it was last looked at."""
        tracks = list(self.tracks.values())
        left = [(track.dues[track.head], number) for number, track in enumerate(tracks) if track.head < track.length]
        heapq.heapify(left)
        here = self.clock.read()
        while not self._changed.is_set():
            while later and later[0].at_s <= here:
                # In its place among the messages, however much is due at once.
                track = self.tracks[later[0].path]
                track.set_head(max(track.head, bisect_left(track.dues, later[0].at_s)))
                carry_out(later.popleft())
            while left and left[0][0] <= here:
                track = tracks[left[0][1]]
                track.set_head(happened(track.dues, here))
                if track.head < track.length:
                    heapq.heapreplace(left, (track.dues[track.head], left[0][1]))
                else:
                    heapq.heappop(left)
            upcoming = [each[0] for each in left[:1]] + [each.at_s for each in islice(later, 1)]
            seconds = self.clock.seconds_until(min(upcoming)) if upcoming else _NEVER
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if seconds == _NEVER else seconds):
                    await self._changed.wait()
            if not self._changed.is_set():
                here = self.clock.read()
        return here
