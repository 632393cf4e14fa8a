"""Recorders on several machines that share one account: at most five attempts in any sliding second over all."""

from __future__ import annotations

import asyncio
import time

import pytest

from recorder.pacing import BoardAway, ConnectLimiter, LocalBoard, Turns
from recorder.sharing.board import PostgresBoard
from tests.postgres import PostgresServer
from tests.test_pacing import SECOND, assert_paced, stamps

ACCOUNT = "feed.example:443"


def look(turns: Turns, now_ns: int) -> tuple[Turns, int]:
    """Change nothing; return how slow all are."""
    return turns, turns.slower_now(now_ns)


async def test_four_limiters_on_two_boards(url: str) -> None:
    """Two machines with two recorders each, every one with streams that want to connect."""
    boards = [PostgresBoard(url, ACCOUNT) for _ in range(2)]
    limiters = [ConnectLimiter(boards=[LocalBoard(), board]) for board in boards for _ in range(2)]
    found = await asyncio.gather(*(stamps(limiter, 4) for limiter in limiters))
    for limiter in limiters:
        limiter.close()
    assert_paced([stamp for each in found for stamp in each])


async def test_a_slow_down_reaches_all(url: str) -> None:
    """One recorder's 429 slows another machine's down."""
    one, other = (ConnectLimiter(boards=[LocalBoard(), PostgresBoard(url, ACCOUNT)]) for _ in range(2))
    before_s = await other.spacing_s()
    await one.slow_down()
    assert await other.spacing_s() == 2 * before_s
    one.close()
    other.close()


async def test_accounts_are_apart_and_hold_no_secret(url: str, postgres: PostgresServer) -> None:
    """A row is named for the endpoint's host and port alone."""
    boards = [PostgresBoard(url, each) for each in ("user:secret@Feed.example:443", "other.example")]
    for board in boards:
        await board.exchange(lambda turns, now_ns: (turns.slowed(now_ns), None))
        board.close()
    database = url.partition("?")[0].rpartition("/")[2]
    rows = postgres.execute("SELECT stream_id, account FROM turns ORDER BY account", database=database)
    assert rows == [(0, "feed.example:443"), (0, "other.example")]


async def test_every_exchange_is_one_step(url: str) -> None:
    """Of many exchanges at once by several recorders none is lost, and the server's time never steps back in them."""
    boards = [PostgresBoard(url, ACCOUNT) for _ in range(4)]
    seen: list[int] = []

    def count(turns: Turns, now_ns: int) -> tuple[Turns, int]:
        assert now_ns >= turns.slowed_ns
        return Turns(last_ns=turns.last_ns + 1, slower=2, slowed_ns=now_ns), turns.last_ns + 1

    async def often(board: PostgresBoard) -> None:
        for _ in range(25):
            seen.append(await board.exchange(count))

    await asyncio.gather(*(often(board) for board in boards))
    for board in boards:
        board.close()
    assert sorted(seen) == list(range(1, 101))


async def test_a_server_that_stands_still(breakable: PostgresServer, breakable_url: str) -> None:
    """Who wants to connect waits for it once, then not at all for some seconds."""
    board = PostgresBoard(breakable_url, ACCOUNT)
    await board.exchange(look)
    breakable.pause()
    try:
        with pytest.raises(BoardAway):
            await board.exchange(look)
        began = time.monotonic_ns()
        for _ in range(100):
            with pytest.raises(BoardAway):
                await board.exchange(look)
        assert time.monotonic_ns() - began < SECOND
    finally:
        breakable.resume()
        board.close()


async def test_it_is_asked_again_later(
    breakable: PostgresServer, breakable_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board that was away is used again when the server is back."""
    monkeypatch.setattr("recorder.sharing.board._LEAVE_ALONE_S", 0.0)
    board = PostgresBoard(breakable_url, ACCOUNT)
    await board.exchange(lambda turns, now_ns: (turns.slowed(now_ns), None))
    breakable.stop("fast")
    with pytest.raises(BoardAway):
        await board.exchange(look)
    breakable.start()
    assert await board.exchange(look) == 2
    board.close()
    with pytest.raises(BoardAway):
        await board.exchange(look)


async def test_a_claim_given_up_takes_no_place(url: str) -> None:
    """Who stops waiting for the database's answer leaves no place behind that is held for nobody."""
    board = PostgresBoard(url, ACCOUNT)
    entered, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(turns: Turns, now_ns: int) -> tuple[Turns, None]:
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return turns.slowed(now_ns), None

    waiting = asyncio.create_task(board.exchange(slow))
    await entered.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    assert await board.exchange(look) == 1
    board.close()
