"""What happens to a fleet, by a seed: each fault is counted when it is planned, and when it has really struck."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random

from tests.fleet.fleet import Fleet
from tests.fleet.recorders import Recorder

_FEW_S = (5.0, 60.0)

WEIGHTS = {"kill": 20, "hang": 12, "sleep": 8, "cut": 10, "away": 10, "clock": 10, "storm": 8, "wave": 20, "start": 5}
RARE = ("rolling", "half")
"""Each of these moves a large part of all streams: they happen in one of so many places of the plan."""
_RARE_EVERY = 40


def planned(random: Random, number: int) -> list[str]:
    """Return so many kinds, each of them at least once."""
    kinds = [*WEIGHTS, *RARE * max(1, number // _RARE_EVERY // len(RARE))][:number]
    kinds += random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=max(0, number - len(kinds)))
    random.shuffle(kinds)
    return kinds


class Trouble:
    """``fired``: how many of each kind have struck."""

    def __init__(self, fleet: Fleet, random: Random) -> None:
        self.fired: Counter[str] = Counter()
        self._fleet = fleet
        self._random = random
        self._kinds: dict[str, Callable[[], Coroutine[object, object, bool]]] = {
            "kill": self._kill,
            "hang": self._hang,
            "sleep": self._sleep,
            "cut": self._cut,
            "away": self._away,
            "clock": self._clock,
            "storm": self._storm,
            "wave": self._wave,
            "start": self._start,
            "rolling": self._rolling,
            "half": self._half,
        }

    async def strike(self, kind: str) -> None:
        """Let it happen; returns when what was taken away is there again."""
        has_struck = await self._kinds[kind]()
        self.fired[kind] += has_struck

    async def _some(self, most: int) -> list[Recorder]:
        """Choose recorders that run, as soon as there are enough: a third of the fleet always does."""
        while True:
            up = [each for each in self._fleet.recorders.values() if each.is_up and each.leases.held]
            number = min(most, len(up) - self._fleet.size.recorders // 3)
            if number > 0:
                return self._random.sample(up, number)
            await self._pause(1, 5)

    async def _pause(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self._random.uniform(least_s, most_s))

    async def _kill(self) -> bool:
        """Up to four die within three seconds, and come back under other names."""
        victims = await self._some(self._random.randint(1, 4))
        for each in victims:
            await self._pause(0, 1)
            if each.name in self._fleet.recorders:
                self._fleet.kill(each)
        await self._pause(*_FEW_S)
        for _ in victims:
            self._fleet.begin()
        return bool(victims)

    async def _hang(self) -> bool:
        """One stands still for a while, mostly too short for others to notice."""
        return await self._still(self._random.choice((1.0, 6.0, 12.0, 40.0)), drops=False)

    async def _sleep(self) -> bool:
        """A virtual machine sleeps; when it wakes up, its connections are gone, and it believes in its leases."""
        return await self._still(self._random.uniform(20, 120), drops=True)

    async def _still(self, seconds: float, *, drops: bool) -> bool:
        victims = await self._some(1)
        for each in victims:
            self._fleet.stop(each)
        await asyncio.sleep(seconds)
        for each in victims:
            if not each.is_dead:
                self._fleet.wake(each, drops=drops)
        return bool(victims)

    async def _cut(self) -> bool:
        """One does not reach the database, and records on; others take its streams meanwhile."""
        (victim,) = await self._some(1)
        told, victim.is_cut = self._fleet.database.away_told, True
        await self._pause(5, 60)
        self._fleet.is_apart()
        victim.is_cut, victim.back_at_s = False, self._fleet.loop.time()
        return self._fleet.database.away_told > told

    async def _away(self) -> bool:
        """The database cannot be used by anybody."""
        database, told = self._fleet.database, self._fleet.database.away_told
        if database.is_away:
            await asyncio.sleep(1)
            return True  # two outages are one
        database.is_away = True
        await asyncio.sleep(self._random.choice((3.0, 15.0, 60.0, 200.0)))
        self._fleet.is_apart()
        database.restarted()
        self._fleet.judge.counted_from_s = self._fleet.loop.time()
        return database.away_told > told

    async def _clock(self) -> bool:
        """The database's clock is set."""
        by_s = self._random.choice((-1, 1)) * self._random.choice((0.5, 4.0, 30.0, 500.0, 7200.0))
        self._fleet.database.set_by_s += by_s
        self._fleet.is_apart()
        self._fleet.judge.clock_was_set(by_s)
        await asyncio.sleep(1)
        return True

    async def _storm(self) -> bool:
        """The vendor drops connections of an account, and refuses new ones."""
        account = self._random.choice(self._fleet.accounts)
        refused, account.storm = account.refused, self._random.choice((503, 503, 429))
        for recorder in self._fleet.recorders.values():
            if recorder.account is account and recorder.is_up:
                recorder.drop(max(2, len(recorder.connected) // 20))
        await self._pause(*_FEW_S)
        account.storm = 0
        return account.refused > refused

    async def _wave(self) -> bool:
        """Matches end, and as many begin."""
        number = max(1, self._fleet.size.streams // 100)
        await self._fleet.end(number)
        self._fleet.add(number)
        return True

    async def _start(self) -> bool:
        """A tenth more recorders begin at the same moment, and are killed later."""
        new = [self._fleet.begin() for _ in range(max(1, self._fleet.size.recorders // 10))]
        await self._pause(30, 120)
        for each in new:
            if each.name in self._fleet.recorders:
                self._fleet.kill(each)
        return True

    async def _rolling(self) -> bool:
        """A tenth of the recorders is restarted in order, one after the other."""
        victims = await self._some(max(2, self._fleet.size.recorders // 10))
        for each in victims:
            if each.is_up:
                await self._fleet.leave(each)
                await self._pause(1, 10)
                self._fleet.begin()
                await self._pause(5, 20)
        return bool(victims)

    async def _half(self) -> bool:
        """Half of the fleet loses its power at once, and all of it is started again at once."""
        victims = await self._some(self._fleet.size.recorders // 2)
        for each in victims:
            self._fleet.kill(each)
        await self._pause(*_FEW_S)
        for _ in victims:
            self._fleet.begin()
        return bool(victims)
