"""The database that a fleet shares, as each recorder reaches it: with delays, cuts, and answers that never come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import partial
from random import Random
from typing import Protocol, TypeVar

from recorder.pacing import BoardAway, Turns
from recorder.pacing.boards import Change
from recorder.sharing.table import Away, Return, Seen, Sharer
from tests.fleet.register import Changed, Register

T = TypeVar("T")

_EPOCH_US = 1_700_000_000_000_000
_PATIENCE_S = 5.0
"""As that of `PostgresTable`."""
_BOARD_PATIENCE_S = 2.0
"""As that of `PostgresBoard`."""


class Process(Protocol):
    """Who asks."""

    is_dead: bool
    is_cut: bool

    async def awake(self) -> float:
        """Wait while it is stopped; return for how many seconds it was."""


class Database:
    """``set_by_s``: by how much its wall clock is off; ``back_at_s``: when it could be used again last."""

    def __init__(self, random: Random, changed: Changed) -> None:
        self.register = Register(changed)
        self.turns: dict[str, Turns] = {}
        self.set_by_s = 0.0
        self.is_away = False
        self.away_told = 0
        self.random = random
        self._started_us = self.now_us()

    def now_us(self) -> int:
        """Return its wall clock's microseconds."""
        return _EPOCH_US + int((asyncio.get_running_loop().time() + self.set_by_s) * 1e6)

    def restarted(self) -> None:
        """Be back after a restart."""
        self.is_away = False
        self._started_us = self.now_us()

    @property
    def started_us(self) -> int:
        return self._started_us


class ReachedTable:
    """The register, as one recorder reaches it."""

    place = "the fleet's database"

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process

    async def beat(
        self, sharer: Sharer, held: Mapping[int, int], returned: Mapping[int, Return], stream_ids: Collection[int]
    ) -> Seen:
        assert isinstance(stream_ids, frozenset)
        there, register = self._database, self._database.register
        return await self._exchange(
            lambda: register.beat(there.now_us(), there.started_us, sharer, held, returned, stream_ids)
        )

    async def take(
        self, sharer: Sharer, wanted: Collection[int], most: int, began_us: int, *, inherit: bool
    ) -> Mapping[int, int]:
        there, register = self._database, self._database.register
        return await self._exchange(
            lambda: register.take(there.now_us(), sharer, wanted, most, began_us, inherit=inherit)
        )

    async def give_back(self, sharer: Sharer, returned: Mapping[int, Return]) -> None:
        there, register = self._database, self._database.register
        await self._exchange(lambda: register.give_back(there.now_us(), sharer.name, returned))

    async def reopen(self, stream_id: int) -> None:
        await self._exchange(partial(self._database.register.reopen, stream_id))

    async def leave(self, sharer: Sharer, returned: Mapping[int, Return]) -> None:
        there, register = self._database, self._database.register
        await self._exchange(lambda: register.leave(there.now_us(), sharer.name, returned))

    async def tidy(self, now_us: int) -> None:
        """Do nothing: what is a day old disturbs nobody here."""

    def close(self) -> None:
        """Do nothing."""

    async def _exchange(self, work: Callable[[], T]) -> T:
        there, process = self._database, self._process
        await process.awake()
        await asyncio.sleep(there.random.uniform(0.001, 0.05))
        _require(process)
        if there.is_away or process.is_cut:
            there.away_told += 1
            await asyncio.sleep(there.random.choice((0.0, _PATIENCE_S)))  # refused at once, or never answered
            raise Away(self.place)
        found = work()
        # What is stopped meanwhile finds its patience at an end before it finds the answer.
        if await process.awake() > _PATIENCE_S or there.is_away:
            raise Away(self.place)
        return found


class ReachedBoard:
    """The turns of one account in the database, as one recorder reaches them; by the database's clock."""

    def __init__(self, database: Database, process: Process, account: str) -> None:
        self._database = database
        self._process = process
        self._account = account

    async def exchange(self, change: Change[T]) -> T:
        """As in `Board`."""
        there, process = self._database, self._process
        await process.awake()
        await asyncio.sleep(there.random.uniform(0.001, 0.01))
        _require(process)
        if there.is_away or process.is_cut:
            there.away_told += 1
            await asyncio.sleep(there.random.choice((0.0, _BOARD_PATIENCE_S)))
            raise BoardAway(self._account)
        before = there.turns.get(self._account, Turns())
        there.turns[self._account], found = change(before, there.now_us() * 1000)
        if await process.awake() > _BOARD_PATIENCE_S:
            raise BoardAway(self._account)
        return found

    def close(self) -> None:
        """Do nothing."""


def _require(process: Process) -> None:
    """Let nothing come from one that is dead."""
    if process.is_dead:
        raise asyncio.CancelledError
