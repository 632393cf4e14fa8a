"""One fleet from its seed: it is filled, troubled, and comes to rest; and the verdict, in one line."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from random import Random
from unittest.mock import patch

from recorder import clock
from tests.fleet.fleet import Fleet, Size
from tests.fleet.looping import FleetLoop
from tests.fleet.recorders import RATE
from tests.fleet.trouble import Trouble, planned

SHORT = Size(recorders=20, streams=2_000, minutes=60, accounts=2, faults=12)
LARGE = Size(recorders=80, streams=20_000, minutes=10_000, accounts=8, faults=20)
FULL = Size(recorders=200, streams=100_000, minutes=10_000, accounts=10, faults=40)

_SETTLED_S = 6 * 3600.0
_STEPS = 20
"""In which the list grows to its full length."""
_TOGETHER = 0.4
"""Part of the faults that strike before the one before is over."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``moving_s`` of the ``size.minutes`` were played, the others left out, for the fleet was at rest."""

    seed: int
    size: Size
    planned: Counter[str]
    fired: Counter[str]
    fleet: Fleet

    def require(self) -> None:
        """Raise AssertionError unless all faults struck, and the vendor's limit held; the rest was looked at before."""
        assert self.fired == self.planned
        assert max(each.busiest for each in self.fleet.accounts) <= 5

    def line(self) -> str:
        """Return what a campaign ends with."""
        size, judge, accounts = self.size, self.fleet.judge, self.fleet.accounts
        busiest, apart = max(each.busiest for each in accounts), max(each.busiest_apart for each in accounts)
        return (
            f"fleet, seed {self.seed}: {size.recorders} recorders, {size.streams:,} streams, {size.accounts} accounts, "
            f"{size.minutes:,} minutes ({self.fleet.moving_s / 60:,.0f} of them moved): "
            f"{self.planned.total()} faults planned, {self.fired.total()} fired; "
            f"{sum(each.attempts for each in accounts):,} attempts, at most {busiest} in a second "
            f"({apart} while apart); "
            f"{judge.losses:,} losses, owned again within {judge.longest_free_s:.1f} s; "
            f"{judge.both:,} believed by two, for {judge.longest_both_s:.1f} s at most; "
            f"connected within {judge.longest_wait_s / 60:,.1f} minutes"
        )


def simulate(seed: int, size: Size) -> Verdict:
    """Play it; raise AssertionError when something does not hold."""
    loop = FleetLoop()
    state = random.getstate()
    random.seed(f"{seed} chance")
    try:
        with patch.object(clock, "elapsed_ns", lambda: int(loop.time() * RATE.get() * 1e9)):
            return loop.run_until_complete(_play(seed, size, loop))
    finally:
        random.setstate(state)
        _end(loop)


async def _play(seed: int, size: Size, loop: FleetLoop) -> Verdict:
    fleet, dice = Fleet(seed, size, loop), Random(f"{seed} trouble")
    trouble, kinds = Trouble(fleet, Random(f"{seed} faults")), planned(dice, size.faults)
    for _ in range(size.recorders):
        fleet.begin()
        await asyncio.sleep(dice.uniform(0, 0.1))
    for _ in range(_STEPS):
        fleet.add(size.streams // _STEPS)
        await asyncio.sleep(60)
    await fleet.settle(_SETTLED_S)
    left_s = size.minutes * 60 - fleet.virtual_s
    for kind, at_s in zip(kinds, _moments(dice, len(kinds), fleet.virtual_s, left_s), strict=True):
        await fleet.until(at_s)
        fleet.do(trouble.strike(kind))
    await fleet.until(size.minutes * 60)
    await fleet.settle(_SETTLED_S)
    return Verdict(seed, size, Counter(kinds), trouble.fired, fleet)


def _moments(dice: Random, number: int, from_s: float, seconds: float) -> list[float]:
    """Return when faults strike: spread over nine tenths of the time, some of them soon after the one before."""
    found = sorted(from_s + dice.uniform(0, 0.9 * seconds) for _ in range(number))
    for index in range(1, number):
        if dice.random() < _TOGETHER:
            found[index] = min(found[index], found[index - 1] + dice.uniform(0, 40))
    return found


def _end(loop: FleetLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()
