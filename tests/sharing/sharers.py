"""Recorders that share streams, without anything to record: what they are told is written down."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack

from recorder.sharing.lease_table import PostgresTable
from recorder.sharing.leases import Leases

_numbers = itertools.count(1)


class Sharer:
    """One recorder; it beats when the test says so."""

    def __init__(self, url: str, streams: Collection[int], ttl_s: float = 30.0, beat_s: float = 0.05) -> None:
        self.name = f"recorder {next(_numbers)}"
        self.recording: set[int] = set()
        """The streams that its daemon would record now."""
        self.took: list[int] = []
        self.lost: list[int] = []
        self.handed_over: list[int] = []
        self.table = PostgresTable(url)
        self.leases = Leases(
            self.table,
            self.name,
            "host",
            "0",
            streams,
            took=self._took,
            lost=self._lost,
            hand_over=self._hand_over,
            ttl_s=ttl_s,
            beat_s=beat_s,
        )

    def _took(self, stream_id: int) -> None:
        assert stream_id not in self.recording
        self.recording.add(stream_id)
        self.took.append(stream_id)

    def _lost(self, stream_id: int) -> None:
        self.recording.remove(stream_id)
        self.lost.append(stream_id)

    async def _hand_over(self, stream_id: int) -> None:
        await asyncio.sleep(0)
        self.recording.remove(stream_id)
        self.handed_over.append(stream_id)

    async def beat(self) -> None:
        """Beat once; what is held is what is recorded, but for what is being handed over."""
        await self.leases.beat()
        assert self.recording <= self.leases.held

    async def end(self, stream_id: int) -> None:
        """Find that a stream has ended."""
        self.recording.remove(stream_id)
        await self.leases.release(stream_id, ended=True)

    async def leave(self) -> None:
        """Stop in order."""
        self.recording.clear()
        await self.leases.leave()

    def vanish(self) -> None:
        """Be killed: never beat again, give nothing back."""
        self.table.close()


class Sharers:
    """Those of one test, with the database that they share; all of them vanish at its end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._stack = AsyncExitStack()

    def begin(self, streams: Collection[int], ttl_s: float = 30.0) -> Sharer:
        """Start one."""
        sharer = Sharer(self.url, streams, ttl_s)
        self._stack.callback(sharer.vanish)
        return sharer

    async def __aenter__(self) -> Sharers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


async def rounds(sharers: Sequence[Sharer], until: Callable[[], bool], most: int) -> int:
    """Let each beat in turn until something holds; return how many rounds that took. No stream is ever recorded twice.

    ``most`` rounds are allowed.
    """
    for number in range(1, most + 1):
        for sharer in sharers:
            await sharer.beat()
            assert_apart(sharers)
        if until():
            return number
    raise AssertionError(f"not within {most} rounds: {[len(each.leases.held) for each in sharers]}")


async def polled(sharers: Sequence[Sharer], until: Callable[[], bool], seconds: float = 30) -> None:
    """Let each beat in turn, a little apart, until something holds that time brings."""
    async with asyncio.timeout(seconds):
        while not until():
            for sharer in sharers:
                await sharer.beat()
                assert_apart(sharers)
            await asyncio.sleep(0.02)


def assert_apart(sharers: Sequence[Sharer]) -> None:
    """No stream is recorded by two of them."""
    recorded = [stream_id for sharer in sharers for stream_id in sharer.recording]
    assert len(recorded) == len(set(recorded))


def sizes(sharers: Sequence[Sharer]) -> list[int]:
    """Return how many streams each records, the most first."""
    return sorted((len(sharer.recording) for sharer in sharers), reverse=True)
