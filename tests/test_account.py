"""What many refusals lead to: one attempt at a time, or the end; and how it opens again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable

import pytest

from recorder import account
from recorder.account import REFUSALS, Account
from recorder.errors import ConfigurationError, TokenError

HOUR = 3600.0


def limited(probe_s: float = HOUR) -> Account:
    """Return an account that was let in once and refused three times since."""
    made = Account(probe_s=probe_s)
    made.received()
    for number in range(REFUSALS):
        made.refused(f"no {number}")
    return made


async def soon(waiting: Awaitable[None]) -> None:
    await asyncio.wait_for(waiting, 30)


async def turns(count: int = 20) -> None:
    """Let everybody run who can."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_new_account() -> None:
    """Nothing is known, and everybody may try."""
    made = Account()
    known = (made.tried, made.reached, made.let_in, made.limited, made.shut_out.is_set())
    assert not any(known)
    assert made.verdict() is None
    asyncio.run(soon(made.permission()))
    assert (REFUSALS, account.PROBE_S) == (3, 60.0)


def test_three_refusals_and_nothing_ever_received() -> None:
    """The run gives up, and says that it was the token."""
    made = Account()
    made.refused("one")
    made.refused("two")
    assert made.verdict() is None
    assert not made.shut_out.is_set()
    made.refused("HTTP 401")
    assert made.shut_out.is_set()
    verdict = made.verdict()
    assert isinstance(verdict, TokenError)
    assert str(verdict) == (
        "the vendor refused us 3 times in a row and let nothing through (HTTP 401); check the token"
    )
    assert made.last_refusal == "HTTP 401"


def test_three_distrusts_and_nothing_ever_received() -> None:
    """The run gives up, and says what to check."""
    made = Account()
    for _ in range(REFUSALS):
        made.distrusted("the certificate does not verify: it has expired")
    verdict = made.verdict()
    assert made.shut_out.is_set()
    assert isinstance(verdict, ConfigurationError)
    for word in ("it has expired", "endpoint", "clock", "certificates"):
        assert word in str(verdict)


@pytest.mark.parametrize("kinds", ["drr", "rdr", "rrd", "ddr", "rdd"])
def test_mixed(kinds: str) -> None:
    """Unless all of the last three are distrusts, it is the token."""
    made = Account()
    for kind in kinds:
        (made.distrusted if kind == "d" else made.refused)(f"because of {kind}")
    verdict = made.verdict()
    assert isinstance(verdict, TokenError)
    assert "because of r" in str(verdict)


def test_the_verdict_stands() -> None:
    """What other streams hear while the run ends does not change it."""
    made = Account()
    for _ in range(REFUSALS):
        made.distrusted("expired")
    made.refused("401")
    made.received()
    assert isinstance(made.verdict(), ConfigurationError)


def test_being_let_in_ends_a_row() -> None:
    """Two refusals, a success, and two more are no three."""
    made = Account()
    made.refused("no")
    made.distrusted("no")
    made.received()
    made.refused("no")
    made.distrusted("no")
    assert made.let_in
    assert made.reached
    assert not made.shut_out.is_set()
    assert not made.limited


@pytest.mark.parametrize("received", [True, False], ids=["was let in", "keeps trying"])
def test_whoever_does_not_give_up_is_limited(received: bool) -> None:
    """A run that has recorded something, or that shall go on, goes on with one attempt at a time."""
    made = Account(keep_trying=not received)
    if received:
        made.received()
    for _ in range(10):
        made.refused("no")
    assert made.limited
    assert not made.shut_out.is_set()
    assert made.verdict() is None


def test_nobody_is_let_through_at_first() -> None:
    """The last refusal was an attempt: the next one has to wait as long as any."""

    async def main() -> None:
        waiting = asyncio.create_task(limited().permission())
        await turns()
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(main())


def test_one_attempt_at_a_time() -> None:
    """Of many that wait, one goes through in each period; none earlier than the period says."""

    async def main() -> list[float]:
        began = time.monotonic()
        made = limited(probe_s=0.2)
        found: list[float] = []

        async def attempt() -> None:
            await made.permission()
            found.append(time.monotonic() - began)
            made.refused("still no")

        await asyncio.gather(*(attempt() for _ in range(4)))
        return found

    found = asyncio.run(asyncio.wait_for(main(), 60))
    assert all(moment >= 0.19 * (number + 1) for number, moment in enumerate(found))


def test_all_are_let_through_at_once_when_one_is_let_in() -> None:
    """Whoever waits wakes at the first success, and nobody waits after it."""

    async def main() -> None:
        made = limited()
        waiting = [asyncio.create_task(made.permission()) for _ in range(50)]
        await turns()
        assert not any(task.done() for task in waiting)
        made.received()
        await soon(made.permission())
        await asyncio.wait_for(asyncio.gather(*waiting), 30)
        assert not made.limited

    asyncio.run(main())


def test_a_cancelled_wait_costs_nobody_the_attempt() -> None:
    """A stream that ends while it waits does not use up the others' chance."""

    async def main() -> None:
        made = limited(probe_s=0.05)
        leaving, staying = (asyncio.create_task(made.permission()) for _ in range(2))
        await turns()
        leaving.cancel()
        await soon(staying)
        with pytest.raises(asyncio.CancelledError):
            await leaving

    asyncio.run(main())


def test_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """When it begins and when it ends: not at every refusal, and not for every stream."""
    with caplog.at_level(logging.INFO):
        made = limited()
        made.refused("again")
        made.received()
        made.received()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "no 2: from now on one attempt a minute for the whole account"),
        ("WARNING", "the vendor lets us in again: every stream dials as usual"),
    ]


def test_giving_up_promises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A run that ends does not say that it will try once a minute."""
    with caplog.at_level(logging.INFO):
        made = Account()
        for _ in range(REFUSALS):
            made.refused("no")
    assert caplog.records == []


def test_one_that_is_refused_alone() -> None:
    """A stream that is refused while others are let in says nothing about the account: the others dial as usual."""
    account = Account()
    account.received("good")
    for _ in range(2):
        account.refused("not for you", "bad")
    account.received("another")
    for _ in range(10):
        account.refused("not for you", "bad")
    assert not account.limited
    account.received("bad")
    for _ in range(3):
        account.refused("the token has expired", "bad")
    assert account.limited


def test_who_was_refused_least_goes_first() -> None:
    """Of those who wait for the one attempt, the lowest rank is next, whoever asked first."""

    async def main() -> list[int]:
        account = Account(probe_s=0.1)
        account.received("somebody")
        for number in range(3):
            account.refused("no", number)
        served: list[int] = []

        async def wait(rank: int) -> None:
            await account.permission(rank)
            served.append(rank)

        async with asyncio.TaskGroup() as group:
            for rank in (5, 3, 0, 4):
                group.create_task(wait(rank))
        return served

    assert asyncio.run(main()) == [0, 3, 4, 5]


def test_the_refused_share_their_attempts() -> None:
    """Streams that are refused for themselves have one attempt at a time, and the others dial as usual."""

    async def main() -> list[str]:
        account = Account(probe_s=0.2)
        account.received("good")
        account.refused("no", "bad")
        account.refused("no", "worse")
        account.received("another")
        served: list[str] = []

        async def wait(who: str) -> None:
            await account.permission(0, who)
            served.append(who)

        await wait("bad")
        tasks = [asyncio.ensure_future(wait(who)) for who in ("bad", "worse")]
        for _ in range(20):
            await wait("good")
        await asyncio.gather(*tasks)
        return served

    assert asyncio.run(main()) == ["bad", *["good"] * 20, "bad", "worse"]
