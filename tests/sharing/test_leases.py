"""Recorders that share a list hold a fair share of it each, whoever comes, goes, dies or sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, event

from recorder.sharing import lease_table
from recorder.sharing.table import Away, Seen
from tests.postgres import PostgresServer
from tests.sharing.sharers import Sharers, assert_apart, polled, rounds, sizes

TEN = range(101, 111)
TTL_S = 1.0
"""Where a test waits for leases to expire."""


async def test_alone_all_in_the_first_beat(url: str) -> None:
    """A first recorder waits for nobody."""
    async with Sharers(url) as sharers:
        one = sharers.begin(TEN)
        await one.beat()
        assert one.recording == one.leases.held == set(TEN)
        assert one.leases.sharers == 1


async def test_four_at_once(url: str) -> None:
    """Four that begin at the same moment never record a stream twice, and soon each has a fair share."""
    async with Sharers(url) as sharers:
        four = [sharers.begin(range(1, 31)) for _ in range(4)]
        await asyncio.gather(*(each.beat() for each in four))
        assert_apart(four)
        assert sum(sizes(four)) == 30
        await rounds(four, lambda: sizes(four) == [8, 8, 7, 7], most=8)
        assert [each.leases.sharers for each in four] == [4] * 4


async def test_nothing_moves_once_it_is_fair(url: str) -> None:
    """Streams are not passed to and fro."""
    async with Sharers(url) as sharers:
        three = [sharers.begin(TEN) for _ in range(3)]
        await rounds(three, lambda: sizes(three) == [4, 3, 3], most=8)
        before = [each.leases.held for each in three]
        for _ in range(20):
            await asyncio.gather(*(each.beat() for each in three))
        assert [each.leases.held for each in three] == before


async def test_a_newcomer_gets_its_share(url: str) -> None:
    """Streams are handed over a few at a time, and nobody loses one that it did not give."""
    async with Sharers(url) as sharers:
        old = [sharers.begin(range(1, 61)) for _ in range(2)]
        await rounds(old, lambda: sizes(old) == [30, 30], most=10)
        handed_before = [len(each.handed_over) for each in old]
        new = sharers.begin(range(1, 61))
        await rounds([*old, new], lambda: sizes([*old, new]) == [20, 20, 20], most=8)
        assert [len(each.handed_over) for each in old] == [before + 10 for before in handed_before]
        assert [each.lost for each in old] == [[], []]


async def test_a_stream_is_free_only_when_it_was_handed_over(url: str) -> None:
    """The newcomer begins after the old one has stopped and shipped."""
    async with Sharers(url) as sharers:
        old, new = sharers.begin([1, 2]), sharers.begin([1, 2])
        await old.beat()
        shipped = asyncio.Event()

        async def slow(stream_id: int) -> None:
            await shipped.wait()
            old.recording.remove(stream_id)

        old.leases._hand_over = slow
        for _ in range(5):
            await new.beat()
            await old.beat()
        assert new.recording == set()
        shipped.set()
        await rounds([old, new], lambda: sizes([old, new]) == [1, 1], most=4)


async def test_leaving_frees_all_at_once(url: str) -> None:
    """What was given back is taken at the next beat."""
    async with Sharers(url) as sharers:
        one, other = sharers.begin(TEN), sharers.begin(TEN)
        await one.beat()
        await one.leave()
        await other.beat()
        assert other.recording == set(TEN)
        assert other.leases.sharers == 1


async def test_a_dead_one_is_inherited_in_shares(url: str) -> None:
    """Survivors take what a dead recorder held, each its part, at their first beat after the leases have expired."""
    async with Sharers(url) as sharers:
        three = [sharers.begin(range(1, 31), TTL_S) for _ in range(3)]
        await rounds(three, lambda: sizes(three) == [10, 10, 10], most=10)
        dead, *survivors = three
        dead.vanish()
        took_before = [len(each.took) for each in survivors]
        await polled(survivors, lambda: sum(sizes(survivors)) == 30)
        assert [len(each.took) for each in survivors] == [before + 5 for before in took_before]


async def test_who_slept_too_long_finds_out(url: str) -> None:
    """A recorder that was stopped for longer than its leases last loses what others took, and gets a share again."""
    async with Sharers(url) as sharers:
        sleeper, other = sharers.begin(TEN, TTL_S), sharers.begin(TEN, TTL_S)
        await sleeper.beat()
        await polled([other], lambda: len(other.recording) == 10)
        await sleeper.beat()
        assert sorted(sleeper.lost) == list(TEN)
        assert sleeper.recording == sleeper.leases.held == set()
        await rounds([other, sleeper], lambda: sizes([other, sleeper]) == [5, 5], most=8)


async def test_an_expired_lease_that_nobody_took_is_still_ours(url: str, postgres: PostgresServer) -> None:
    """A recorder that is alone loses nothing by sleeping."""
    async with Sharers(url) as sharers:
        one = sharers.begin(TEN)
        await one.beat()
        database = url.partition("?")[0].rpartition("/")[2]
        postgres.execute("UPDATE lease SET expires_us = 1", database=database)
        await one.beat()
        assert (one.recording, one.lost, one.took) == (set(TEN), [], list(TEN))


async def test_an_ended_stream_is_nobodys(url: str) -> None:
    """Who has begun before it ended learns of it, and does not take it."""
    async with Sharers(url) as sharers:
        one, other = sharers.begin(TEN), sharers.begin(TEN)
        await rounds([one, other], lambda: sizes([one, other]) == [5, 5], most=8)
        ended = set(one.recording)
        for stream_id in sorted(ended):
            await one.end(stream_id)
        for _ in range(5):
            await one.beat()
            await other.beat()
        assert one.leases.ended == other.leases.ended == ended
        assert not (one.recording | other.recording) & ended
        assert one.recording | other.recording == set(TEN) - ended


async def test_a_later_run_takes_it_once_again(url: str) -> None:
    """A recorder that begins after a stream has ended may look for late corrections, until it ends it itself."""
    async with Sharers(url) as sharers:
        earlier, later = sharers.begin([1]), sharers.begin([1])
        await earlier.beat()
        await earlier.end(1)
        await rounds([later], lambda: later.recording == {1}, most=3)
        assert later.leases.ended == frozenset()
        await later.end(1)
        await later.beat()
        assert later.recording == set()
        assert later.leases.ended == {1}


async def test_lists_that_overlap(url: str) -> None:
    """Every stream of either list is recorded by one who lists it, and that comes to rest."""
    async with Sharers(url) as sharers:
        one, other = sharers.begin(range(1, 11)), sharers.begin(range(5, 15))
        await rounds([one, other], lambda: sum(sizes([one, other])) == 14, most=12)
        for _ in range(20):
            await one.beat()
            await other.beat()
        rested = [len(one.handed_over), len(other.handed_over)]
        for _ in range(20):
            await one.beat()
            await other.beat()
        assert [len(one.handed_over), len(other.handed_over)] == rested
        assert one.recording | other.recording == set(range(1, 15))
        assert one.recording <= set(range(1, 11))
        assert other.recording <= set(range(5, 15))


async def test_lists_that_have_nothing_in_common(url: str) -> None:
    """Recorders of one list share it among themselves, whatever others on the same database hold."""
    async with Sharers(url) as sharers:
        pair, others = [sharers.begin(TEN) for _ in range(2)], [sharers.begin(range(40)) for _ in range(2)]
        await rounds([*others, *pair], lambda: sizes(pair) == [5, 5] and sizes(others) == [20, 20], most=12)
        handed_over = [len(each.handed_over) for each in (*others, *pair)]
        for _ in range(10):
            for each in (*others, *pair):
                await each.beat()
        assert [len(each.handed_over) for each in (*others, *pair)] == handed_over


async def test_a_list_that_is_part_of_another(url: str) -> None:
    """What is handed over in vain comes back, and little of it."""
    async with Sharers(url) as sharers:
        all_of_it, part = sharers.begin(range(40)), sharers.begin(range(4))
        await rounds([all_of_it, part], lambda: sum(sizes([all_of_it, part])) == 40, most=12)
        for _ in range(20):
            await all_of_it.beat()
            await part.beat()
        assert sum(sizes([all_of_it, part])) == 40
        assert len(all_of_it.handed_over) <= 10


async def test_an_answer_that_never_came(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that were taken by a commit whose answer was lost are found at the next beat."""
    async with Sharers(url) as sharers:
        one, other = sharers.begin(TEN), sharers.begin(TEN)
        exchange = one.table.line.exchange

        async def cut(work: Callable[[Connection], object], within_s: float | None = None) -> object:
            found = await exchange(work, within_s)
            if not isinstance(found, Seen):
                raise Away("the connection was cut while it was committing")
            return found

        with monkeypatch.context() as patch:
            patch.setattr(one.table.line, "exchange", cut)
            await one.beat()
        assert one.recording == set()
        assert one.leases.away
        await other.beat()
        assert other.recording == set()
        await one.beat()
        assert sorted(one.took) == sorted(one.recording)
        await rounds([one, other], lambda: sizes([one, other]) == [5, 5], most=10)


async def test_release_while_postgres_is_away(breakable: PostgresServer, breakable_url: str) -> None:
    """It is told as soon as Postgres is back."""
    async with Sharers(breakable_url) as sharers:
        one, other = sharers.begin(TEN), sharers.begin(TEN)
        await rounds([one, other], lambda: sizes([one, other]) == [5, 5], most=8)
        breakable.stop("fast")
        stream_id = min(one.recording)
        await one.end(stream_id)
        breakable.start()
        await one.beat()
        await other.beat()
        assert stream_id in other.leases.ended


async def test_a_recorder_stopped_in_the_middle_locks_nothing_for_long(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that a stopped recorder has locked become free before they would be missed."""
    monkeypatch.setattr("recorder.sharing.lease_table._PATIENCE_S", 1.0)
    async with Sharers(url) as sharers:
        stopped, other = sharers.begin(TEN, TTL_S), sharers.begin(TEN, TTL_S)
        await stopped.beat()
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def renew_and_stop(connection: Connection) -> None:
            lease_table.beat(connection, stopped.leases._sharer, stopped.leases._held, {}, TEN)
            asyncio.run_coroutine_threadsafe(woken.wait(), loop).result()

        hanging = asyncio.create_task(stopped.table.line.exchange(renew_and_stop, within_s=60))
        try:
            await polled([other], lambda: len(other.recording) == 10)
        finally:
            woken.set()
        await hanging
        await stopped.beat()
        assert sorted(stopped.lost) == list(TEN)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What is said to any database meanwhile."""
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield said
    event.remove(Engine, "before_cursor_execute", note)


async def test_a_thousand_streams_in_a_few_statements(url: str, statements: list[str]) -> None:
    """A beat does not grow with the list."""
    async with Sharers(url) as sharers:
        one = sharers.begin(range(1000))
        await one.beat()
        assert len(one.recording) == 1000
        statements.clear()
        await one.beat()
        assert len(statements) <= 7


async def test_old_rows_are_tidied_away(url: str, postgres: PostgresServer) -> None:
    """Recorders that have been gone for long, and leases of last year's matches, do not stay for ever."""
    database = url.partition("?")[0].rpartition("/")[2]
    postgres.execute("INSERT INTO lease VALUES (1, NULL, 7, 1, 1), (2, 'gone', 7, 1, NULL)", database=database)
    postgres.execute("INSERT INTO recorder VALUES (0, 'gone', 'host', '0', 1, 1, false)", database=database)
    async with Sharers(url) as sharers:
        one = sharers.begin([3])
        await one.beat()
        assert postgres.execute("SELECT stream_id FROM lease", database=database) == [(3,)]
        assert postgres.execute("SELECT recorder FROM recorder", database=database) == [(one.name,)]
