"""A fleet of recorders that share one list, in virtual time; and that time which is left out, for nothing happens.

A fleet at rest stays as it is, whatever the clocks say (`test_fleet.py` looks at one beat by beat). So of the time
between two faults only that part is played in which something moves, and the rest is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random

from recorder.pacing import HOLD_S
from tests.fleet.database import Database
from tests.fleet.judge import Judge
from tests.fleet.looping import FleetLoop
from tests.fleet.recorders import Recorder
from tests.fleet.vendor import Account

_REST_S = 15.0
"""Without a change for so long, longer than a lease lasts, nothing is under way any more."""

_LOOK_S = 5.0
_SHORT_S = 1e-3
_TOLD_S = 30.0
"""Recorders learn of a change of the list at different moments, so much apart at most."""

_ATTEMPT_S = HOLD_S + 2.0

_DRIFT = 0.003


@dataclass(frozen=True, slots=True)
class Size:
    """Of a fleet, and of the time that it is looked at."""

    recorders: int
    streams: int
    minutes: int
    accounts: int
    faults: int = 0


class Fleet:
    """``streams``: what all are to record, by the newest list."""

    def __init__(self, seed: int, size: Size, loop: FleetLoop) -> None:
        self.size = size
        self.loop = loop
        self.random = Random(f"{seed} fleet")
        self.recorders: dict[str, Recorder] = {}
        self.judge = Judge(self.recorders)
        self.database = Database(Random(f"{seed} database"), self._changed)
        self.accounts = [
            Account(f"account {n}", Random(f"{seed} account {n}"), self.is_together) for n in range(size.accounts)
        ]
        self.streams: frozenset[int] = frozenset()
        self.over: set[int] = set()
        """Streams that have ended, or are about to."""
        self.tasks: set[asyncio.Task[None]] = set()
        """What is under way from outside: faults, and lists on their way to recorders."""
        self.apart_until_s = 0.0
        self.failed: BaseException | None = None
        """What went wrong beside the rest."""
        self._begun = 0
        self._listed = 0
        self._began_s = loop.time()
        self._left_out_s = 0.0

    # -- time

    @property
    def virtual_s(self) -> float:
        """The seconds since the beginning, with what was left out."""
        return self.loop.time() - self._began_s + self._left_out_s

    @property
    def moving_s(self) -> float:
        """The seconds that were played."""
        return self.loop.time() - self._began_s

    async def until(self, virtual_s: float) -> None:
        """Let the time pass; leave it out as soon as the fleet is at rest."""
        while (left_s := virtual_s - self.virtual_s) > _SHORT_S:
            if self.is_at_rest():
                self.judge.at_rest(self.streams)
                self._left_out_s += left_s
                return
            await asyncio.sleep(min(_LOOK_S, left_s))

    async def settle(self, within_s: float) -> None:
        """Let the fleet come to rest."""
        before_s = self.loop.time()
        while not self.is_at_rest():
            assert self.loop.time() - before_s < within_s, f"no rest: {self._unrest()}"
            await asyncio.sleep(_LOOK_S)
        self.judge.at_rest(self.streams)

    def is_together(self) -> bool:
        """Whether all know of each other's attempts, and have for as long as an attempt may last."""
        if self.database.is_away or any(each.is_cut for each in self.recorders.values()):
            self.apart_until_s = self.loop.time() + _ATTEMPT_S
        return self.loop.time() >= self.apart_until_s

    def is_apart(self) -> None:
        """Their clock, the database's, was set: what is under way counts as over, or was never heard of."""
        self.apart_until_s = self.loop.time() + _ATTEMPT_S

    def is_at_rest(self) -> bool:
        """Whether nothing moves, and nothing will by itself."""
        if self.failed is not None:
            raise self.failed
        if self.tasks or self.database.is_away or self.loop.time() - self.judge.changed_at_s < _REST_S:
            return False
        if any(not each.is_up or each.wants for each in self.recorders.values()):
            return False
        numbers = [len(each.leases.held) for each in self.recorders.values()]
        now_ns = self.database.now_us() * 1000
        return (
            sum(numbers) == len(self.streams)
            and max(numbers) - min(numbers) <= 1
            and all(turns.slower_now(now_ns) == 1 for turns in self.database.turns.values())
        )

    def _unrest(self) -> str:
        numbers = sorted(len(each.leases.held) for each in self.recorders.values())
        wants = sum(len(each.wants) for each in self.recorders.values())
        return f"{numbers[0]} to {numbers[-1]} streams a recorder, {sum(numbers)} held, {wants} not connected"

    # -- recorders

    def begin(self) -> Recorder:
        """Start a recorder."""
        self._begun += 1
        account = self.accounts[self._begun % len(self.accounts)]
        rate = self.random.uniform(1 - _DRIFT, 1 + _DRIFT)
        recorder = Recorder(self, f"recorder {self._begun}", account, rate)
        self.recorders[recorder.name] = recorder
        return recorder

    def kill(self, recorder: Recorder) -> None:
        """End a recorder by SIGKILL."""
        del self.recorders[recorder.name]
        recorder.kill()
        self._lose(recorder)

    async def leave(self, recorder: Recorder) -> None:
        """End a recorder in order."""
        del self.recorders[recorder.name]
        await recorder.leave()
        self._lose(recorder)

    def stop(self, recorder: Recorder) -> None:
        """Let a recorder stand still."""
        recorder.stop()
        self._lose(recorder)

    def wake(self, recorder: Recorder, *, drops: bool) -> None:
        """Let it go on."""
        recorder.wake(drops=drops)
        self.judge.is_back(self.database.register.owned[recorder.name])

    def _lose(self, recorder: Recorder) -> None:
        self.judge.is_free(self.database.register.owned[recorder.name] & self.streams - self.over)

    def _changed(self, stream_id: int, before: str | None, after: str | None) -> None:
        if after is None and stream_id in self.streams and stream_id not in self.over:
            self.judge.is_free(frozenset([stream_id]))
        self.judge.changed(stream_id, before, after)

    # -- the list

    def add(self, number: int) -> None:
        """Put new streams on the list."""
        new = frozenset(range(self._listed, self._listed + number))
        self._listed += number
        self.judge.is_free(new)
        self._tell((self.streams | new) - self.over)

    async def end(self, number: int) -> None:
        """Let streams end, and take them off the list when all have."""
        ended = self.random.sample(sorted(self.streams - self.over), number)
        self.over |= set(ended)
        for stream_id in ended:
            self.judge.is_over(stream_id)
        left = set(ended)
        while left:
            await asyncio.gather(*(self._end(each, each.leases.held & left) for each in list(self.recorders.values())))
            left -= {each for each in left if self.database.register.owner(each) is None}
            await asyncio.sleep(1.0)
        self._tell(self.streams - self.over)

    async def _end(self, recorder: Recorder, stream_ids: frozenset[int]) -> None:
        for stream_id in sorted(stream_ids):
            if recorder.is_up and stream_id in recorder.leases.held:
                await recorder.end(stream_id)

    def _tell(self, streams: frozenset[int]) -> None:
        self.streams = streams
        for recorder in self.recorders.values():
            self.do(self._told(recorder, self.random.uniform(0, _TOLD_S)))

    async def _told(self, recorder: Recorder, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await recorder.awake()
        if not recorder.is_dead:
            await recorder.want(self.streams)

    def do(self, work: Coroutine[object, object, None]) -> None:
        """Do something beside the rest; the fleet is not at rest before it is done."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self.failed is None:
            self.failed = task.exception()
