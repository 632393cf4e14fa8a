"""What has happened by now: a task that waits for the clock, and for nothing else."""

from __future__ import annotations

import asyncio

import pytest

from recorder.replay.clock import ReplayClock
from recorder.replay.pace import Pace, schedule
from recorder.replay.playing import Playing
from tests.replay.making import recording


class Counted(ReplayClock):
    """A clock that counts how often it is read."""

    reads = 0

    def read(self) -> float:
        """Return where it stands."""
        self.reads += 1
        return super().read()


@pytest.mark.parametrize("scale", [None, 1e6])
def test_at_its_end_it_rests(scale: float | None) -> None:
    """A replay that has nothing left to do looks at its clock no more."""

    async def main() -> None:
        recordings = [recording([0.0, 1.0, 2.0])]
        clock = Counted(asyncio.get_running_loop().time, scale=scale)
        playing = Playing(recordings, schedule(recordings, Pace()), clock)
        clock.start()
        run = asyncio.create_task(playing.run([], lambda _: None))
        [track] = playing.tracks.values()
        while track.head < 3:
            await track.moves()
        for _ in range(10):
            await asyncio.sleep(0)
        before = clock.reads
        for _ in range(1000):
            await asyncio.sleep(0)
        assert clock.reads == before
        run.cancel()

    asyncio.run(main())
