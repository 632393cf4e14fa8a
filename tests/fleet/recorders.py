"""A recorder of the fleet: its leases, its limiter and its back-offs are the real ones; it stores nothing."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING

from recorder.backoff import Backoff
from recorder.feed.decisions import Done, Retry, after_failure
from recorder.pacing import ConnectLimiter, LocalBoard
from recorder.sharing.leases import Leases
from tests.fleet.database import ReachedBoard, ReachedTable

if TYPE_CHECKING:
    from tests.fleet.fleet import Fleet
    from tests.fleet.vendor import Account

RATE: ContextVar[float] = ContextVar("RATE", default=1.0)
"""How fast the clock of the machine runs whose code runs now."""

BEAT_S, TTL_S = 2.0, 10.0
_BACKOFF_S, _POLL_S = 1.0, 60.0


class Recorder:
    """``wants``: when each stream that is not connected began to want it. It begins at once."""

    def __init__(self, fleet: Fleet, name: str, account: Account, rate: float) -> None:
        self.name = name
        self.is_dead = self.is_cut = False
        self.back_at_s = 0.0
        """When it was last stopped or cut off no more."""
        self.stopped_at_s: float | None = None
        self.connected: set[int] = set()
        self.wants: dict[int, float] = {}
        self._fleet = fleet
        self.account = account
        self._awake = asyncio.Event()
        self._awake.set()
        self._dials: dict[int, asyncio.Task[None]] = {}
        board = ReachedBoard(fleet.database, self, account.name)
        self._limiter = ConnectLimiter(boards=[LocalBoard(), board])
        self.leases = Leases(
            ReachedTable(fleet.database, self),
            name,
            "host",
            "0",
            fleet.streams,
            took=self._took,
            lost=self._lost,
            hand_over=self._hand_over,
            ttl_s=TTL_S,
            beat_s=BEAT_S,
        )
        self._context = copy_context()
        self._context.run(RATE.set, rate)
        self._keeping = self._fleet.loop.create_task(self.leases.keep(), context=self._context)

    @property
    def is_up(self) -> bool:
        """Whether it runs and reaches the database."""
        return not self.is_dead and not self.is_cut and self.stopped_at_s is None

    async def awake(self) -> float:
        """Wait while the machine stands still; return for how long it did."""
        if self.stopped_at_s is None:
            return 0.0
        began_s = self._fleet.loop.time()
        await self._awake.wait()
        return self._fleet.loop.time() - began_s

    # -- what happens to it

    def kill(self) -> None:
        """End at once: give nothing back, answer nothing."""
        self.is_dead = True
        self._keeping.cancel()
        for stream_id in list(self._dials):
            self._halt(stream_id)

    async def leave(self) -> None:
        """End in order."""
        self._keeping.cancel()
        for stream_id in [*self._dials, *self.connected]:
            self._halt(stream_id)
        leaving = self._fleet.loop.create_task(self.leases.leave(), context=self._context)
        await leaving
        self.is_dead = True

    def stop(self) -> None:
        """Stand still, as a process that hangs, or a machine that sleeps."""
        self.stopped_at_s = self._fleet.loop.time()
        self._awake.clear()

    def wake(self, *, drops: bool) -> None:
        """Go on; ``drops``: the vendor has given up the connections meanwhile."""
        self.stopped_at_s, self.back_at_s = None, self._fleet.loop.time()
        self._awake.set()
        if drops:
            self.drop(len(self.connected))

    def drop(self, most: int) -> None:
        """Lose so many connections."""
        for stream_id in sorted(self.connected)[:most]:
            self.connected.discard(stream_id)
            self._want(stream_id)

    async def end(self, stream_id: int) -> None:
        """Find that a stream has ended."""
        self._halt(stream_id)
        await self._fleet.loop.create_task(self.leases.release(stream_id, ended=True), context=self._context)

    async def want(self, streams: frozenset[int]) -> None:
        """Go by another list."""
        self.leases.want(streams)
        for stream_id in sorted(self.leases.held - streams):
            self._halt(stream_id)
            await self._fleet.loop.create_task(self.leases.release(stream_id, ended=False), context=self._context)

    # -- what its leases tell it

    def _took(self, stream_id: int) -> None:
        self._fleet.judge.took(self, stream_id)
        self._want(stream_id)

    def _lost(self, stream_id: int) -> None:
        self._fleet.judge.lost(self, stream_id)
        self._halt(stream_id)

    async def _hand_over(self, stream_id: int) -> None:
        self._halt(stream_id)
        await asyncio.sleep(self._fleet.random.uniform(0.05, 1.0))  # what it has is shipped

    # -- its connections

    def _want(self, stream_id: int) -> None:
        self.wants[stream_id] = self._fleet.loop.time()
        work = self._connect(stream_id)
        self._dials[stream_id] = self._fleet.loop.create_task(work, context=self._context)

    def _halt(self, stream_id: int) -> None:
        self.connected.discard(stream_id)
        self.wants.pop(stream_id, None)
        dial = self._dials.pop(stream_id, None)
        if dial is not None:
            dial.cancel()

    async def _connect(self, stream_id: int) -> None:
        backoff = Backoff(_BACKOFF_S, _POLL_S)
        while True:
            self._limiter.sharers = self.leases.sharers
            attempt = await self._limiter.turn(stream_id % 2)  # half of the matches are in play
            error = await self.account.dial()
            attempt.answered()  # not when it is cancelled: what was sent is on its way (as in `capture`)
            await self.awake()
            if error is None:
                break
            decision = after_failure(error, None, frames=0, authorised=False, is_due=True, now_us=0)
            assert not isinstance(decision, Done)
            if isinstance(decision, Retry) and decision.slow_down:
                self._limiter.slow_down()
            await asyncio.sleep(backoff.seconds(decision, got_on=False))
        self.connected.add(stream_id)
        self._fleet.judge.connected(self._fleet.loop.time() - self.wants.pop(stream_id))
        del self._dials[stream_id]
