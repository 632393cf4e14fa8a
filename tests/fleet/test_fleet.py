"""Fleets in virtual time: real leases, shares, limiter and back-offs against faults that a seed makes."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from recorder import clock
from tests.fleet.fleet import Fleet, Size
from tests.fleet.looping import FleetLoop
from tests.fleet.simulation import FULL, LARGE, SHORT, simulate
from tests.fleet.trouble import RARE, WEIGHTS, planned

FIRST = int(os.environ.get("RECORDER_TEST_SEED") or 1)
CAMPAIGN_FIRST = int(os.environ.get("RECORDER_TEST_SEED") or random.SystemRandom().randrange(2**32))


def assert_holds(seed: int, size: Size) -> None:
    """Play it, print what happened, and say how to play it again if something does not hold."""
    try:
        verdict = simulate(seed, size)
        print(verdict.line())
        verdict.require()
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}; once more: python -m tests.fleet {seed}") from error


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 2))
def test_a_small_fleet(seed: int) -> None:
    """Five attempts in any second, every stream owned again within 20 s, and all comes to rest evenly."""
    assert_holds(seed, SHORT)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(CAMPAIGN_FIRST, CAMPAIGN_FIRST + 100))
def test_many_small_fleets(seed: int) -> None:
    """The same, by other chances."""
    assert_holds(seed, SHORT)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_a_large_fleet() -> None:
    """The same for a week, with 80 recorders."""
    assert_holds(CAMPAIGN_FIRST, LARGE)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_two_hundred_recorders_and_a_hundred_thousand_streams() -> None:
    """The same for a week, at the size of which docs/scale.md speaks."""
    assert_holds(CAMPAIGN_FIRST, FULL)


def test_a_fleet_at_rest_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the time between two faults may be left out: in an hour of beats no lease moves, and nobody connects."""
    loop = FleetLoop()
    monkeypatch.setattr(clock, "elapsed_ns", lambda: int(loop.time() * 1e9))

    async def main() -> None:
        fleet = Fleet(1, Size(recorders=5, streams=53, minutes=60, accounts=1), loop)
        for _ in range(fleet.size.recorders):
            fleet.begin()
        fleet.add(fleet.size.streams)
        await fleet.settle(600)
        before = {each.name: each.leases.held for each in fleet.recorders.values()}
        attempts, changed_at_s = fleet.accounts[0].attempts, fleet.judge.changed_at_s
        await asyncio.sleep(3600)
        assert {each.name: each.leases.held for each in fleet.recorders.values()} == before
        assert (fleet.accounts[0].attempts, fleet.judge.changed_at_s) == (attempts, changed_at_s)
        assert fleet.is_at_rest()

    try:
        loop.run_until_complete(main())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_a_seed_is_a_fleet() -> None:
    """The same seed plays the same: whoever finds something can look at it again."""
    size = Size(recorders=6, streams=60, minutes=30, accounts=2, faults=6)
    first, second = simulate(3, size), simulate(3, size)
    assert first.line() == second.line()
    assert first.fired == second.fired


@pytest.mark.parametrize("number", [11, 15, 40, 200])
def test_every_kind_of_fault_is_planned(number: int) -> None:
    """None is left to chance alone."""
    assert set(planned(random.Random(1), number)) == {*WEIGHTS, *RARE}
