"""Postgres stopped, standing still, set back or read-only: everybody keeps what he has, and nobody takes another's."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from recorder.archive import maintain
from tests.postgres import PostgresServer
from tests.sharing.sharers import Sharers, polled, rounds, sizes

TEN = range(101, 111)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart(breakable: PostgresServer, breakable_url: str, mode: Literal["fast", "immediate"]) -> None:
    """Nobody notices in his streams that the server was away."""
    async with Sharers(breakable_url) as sharers:
        two = [sharers.begin(TEN) for _ in range(2)]
        await rounds(two, lambda: sizes(two) == [5, 5], most=8)
        before = [each.leases.held for each in two]
        breakable.stop(mode)
        for each in two:
            await each.beat()
        assert all(each.leases.away for each in two)
        breakable.start()
        await rounds(two, lambda: not any(each.leases.away for each in two), most=2)
        assert [each.leases.held for each in two] == before
        assert [each.lost for each in two] == [[], []]


async def test_nobody_inherits_at_once_after_a_restart(breakable: PostgresServer, breakable_url: str) -> None:
    """Leases that expired meanwhile are their owners' until these have had the time to come back."""
    ttl_s = 1.5
    async with Sharers(breakable_url) as sharers:
        dead, other = sharers.begin(TEN, ttl_s), sharers.begin(TEN, ttl_s)
        await rounds([dead, other], lambda: sizes([dead, other]) == [5, 5], most=8)
        dead.vanish()
        breakable.stop("fast")
        await asyncio.sleep(ttl_s)  # not to wait for anything: it has to be away for so long
        await other.beat()
        breakable.start()
        up = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8"
        await other.beat()
        assert len(other.recording) == 5
        await polled([other], lambda: len(other.recording) == 10)
        assert breakable.execute(up)[0][0] >= ttl_s


async def test_a_server_that_stands_still(
    breakable: PostgresServer, breakable_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases that expire while nothing is answered are renewed, whoever is the first to be back."""
    monkeypatch.setattr("recorder.sharing.lease_table._PATIENCE_S", 0.5)
    ttl_s = 1.0
    async with Sharers(breakable_url) as sharers:
        two = [sharers.begin(TEN, ttl_s) for _ in range(2)]
        await rounds(two, lambda: sizes(two) == [5, 5], most=8)
        before = [each.leases.held for each in two]
        breakable.pause()
        try:
            for _ in range(3):
                await asyncio.gather(*(each.beat() for each in two))
            assert all(each.leases.away for each in two)
        finally:
            breakable.resume()
        # Alone for a while: what the other held has expired by now.
        await polled(two[:1], lambda: not two[0].leases.away)
        assert [each.leases.held for each in two] == before
        await polled(two, lambda: not two[1].leases.away)
        assert [each.leases.held for each in two] == before
        assert [each.lost for each in two] == [[], []]


async def test_a_failover_to_an_older_state(breakable: PostgresServer, breakable_url: str) -> None:
    """Who took a stream after the state that came back still has it; who had given it away does not get it back."""
    async with Sharers(breakable_url) as sharers:
        one, other = sharers.begin(TEN), sharers.begin(TEN)
        await one.beat()
        older = breakable.base_copy()
        await rounds([one, other], lambda: sizes([one, other]) == [5, 5], most=8)
        before = [one.leases.held, other.leases.held]
        breakable.restore(older)
        await other.beat()
        await one.beat()
        await rounds([one, other], lambda: not one.leases.away and not other.leases.away, most=3)
        assert [one.leases.held, other.leases.held] == before


async def test_a_database_that_cannot_be_written(breakable: PostgresServer, breakable_url: str) -> None:
    """A demoted primary is as good as away."""
    name = breakable_url.partition("?")[0].rpartition("/")[2]
    async with Sharers(breakable_url) as sharers:
        one = sharers.begin(TEN)
        await one.beat()
        breakable.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        breakable.kill_backends()
        await one.beat()
        assert one.leases.away
        assert one.recording == set(TEN)
        breakable.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
        await one.beat()
        assert not one.leases.away


async def test_thrown_out_while_idle(breakable: PostgresServer, breakable_url: str) -> None:
    """A connection that was closed between two beats costs no beat."""
    async with Sharers(breakable_url) as sharers:
        one = sharers.begin(TEN)
        await one.beat()
        breakable.kill_backends()
        await one.beat()
        assert not one.leases.away


async def test_leaving_without_postgres(breakable: PostgresServer, breakable_url: str) -> None:
    """Who leaves is not kept by a server that does not answer."""
    async with Sharers(breakable_url) as sharers:
        one, other = sharers.begin(TEN, 1.0), sharers.begin(TEN, 1.0)
        await one.beat()
        breakable.pause()
        try:
            async with asyncio.timeout(5):
                await one.leave()
        finally:
            breakable.resume()
        await polled([other], lambda: len(other.recording) == 10)


async def test_a_database_that_is_no_archive_yet(breakable: PostgresServer) -> None:
    """Where the tables are made only later, somebody else having to do it, one waits for them."""
    url = breakable.url(breakable.create())
    async with Sharers(url) as sharers:
        one = sharers.begin(TEN)
        await one.beat()
        assert one.leases.away
        maintain.upgrade(url)
        await one.beat()
        assert one.recording == set(TEN)
