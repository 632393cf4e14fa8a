"""Recorders that come, go, die, sleep and find ends of streams at random."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.sharing.sharers import Sharer, Sharers, sizes

STREAMS = range(40)
TTL_S = 0.5


async def one_step(live: list[Sharer], sharers: Sharers, chance: random.Random) -> None:
    """Let something happen, and most of them beat at the same moment."""
    match chance.choices(["begin", "vanish", "leave", "end", "sleep", "nothing"], [10, 4, 4, 8, 4, 70])[0]:
        case "begin" if len(live) < 6:
            live.append(sharers.begin(STREAMS, TTL_S))
        case "vanish" if len(live) > 2:
            live.pop(chance.randrange(len(live))).vanish()
        case "leave" if len(live) > 2:
            await live.pop(chance.randrange(len(live))).leave()
        case "end":
            sharer = chance.choice(live)
            if sharer.recording:
                await sharer.end(min(sharer.recording))
        case "sleep":
            await asyncio.sleep(TTL_S)
    await asyncio.gather(*(each.beat() for each in live if chance.random() < 0.8))


def is_settled(live: list[Sharer]) -> bool:
    """Whether each stream that has not ended for all is recorded by one of them, and each records as many."""
    recorded = [stream_id for sharer in live for stream_id in sharer.recording]
    expected = set(STREAMS) - frozenset.intersection(*(sharer.leases.ended for sharer in live))
    return len(recorded) == len(expected) and set(recorded) == expected and sizes(live)[0] - sizes(live)[-1] <= 1


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(3, 60))]
)
async def test_it_settles(url: str, seed: int) -> None:
    """Whatever has happened: once nothing happens any more, every stream is recorded once, by fair shares."""
    chance = random.Random(seed)
    async with Sharers(url) as sharers:
        live = [sharers.begin(STREAMS, TTL_S) for _ in range(2)]
        for _ in range(50):
            await one_step(live, sharers, chance)
        async with asyncio.timeout(60):
            while not is_settled(live):
                await asyncio.gather(*(each.beat() for each in live))
                await asyncio.sleep(0.02)
