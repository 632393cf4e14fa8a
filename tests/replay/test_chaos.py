"""Trouble by chance: the same for the same seed, within bounds, and nothing that a right client cannot get through."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from recorder.errors import UsageError
from recorder.feed.endpoint import ACCEPT
from recorder.feed.messages import auth_refused, not_there, read
from recorder.model import Kind, Stream
from recorder.replay.behaviour import Behaviour
from recorder.replay.chaos import LEAST_PROGRESS, Chaos
from recorder.replay.recordings import Recording, made
from recorder.replay.server import ReplayServer
from recorder.replay.troubles import FLAWLESS, Drop, Plan, Resend, Say, Slow, Stall, Trouble

STREAM = Stream("media", "soccer", "39e713f0-ff68-57e7-89f6-d86eb5df59cb")
RAW = Stream("betting", "soccer", "39e713f0-ff68-57e7-89f6-d86eb5df59cb", "statistics")
MATCH = 500
OVERLAP = 3
SENDABLE = {1000, 1001, 1011, 1012, 1013, 4000}

seeds = st.integers(0, 2**64)
attempts = st.integers(1, 60)
ranges = st.integers(0, 5000).flatmap(lambda last: st.tuples(st.integers(0, last), st.just(last)))


def troubles_of(plan: Plan) -> Iterator[tuple[int, Trouble]]:
    return ((place, each) for place, all_of_it in plan.troubles.items() for each in all_of_it)


def kinds_of(plan: Plan) -> Iterator[str]:
    """Yield a word for each thing that the plan does."""
    if plan.refusal is not None:
        yield f"refusal {plan.refusal.status}"
    if plan.auth_delay_s:
        yield "late auth"
    if plan.offset or plan.from_start:
        yield f"start {'0' if plan.from_start else plan.offset}"
    for _, trouble in troubles_of(plan):
        match trouble:
            case Drop(how):
                yield f"drop {how}"
            case Say(_, opcode):
                yield f"say {opcode}"
            case _:
                yield type(trouble).__name__.lower()


def met(chaos: Chaos, length: int = MATCH, *, resumes: bool = True) -> list[Plan]:
    """Return what a client meets that records a match until a connection has shown it the end and stayed."""
    held, found = 0, list[Plan]()
    while True:
        first = max(0, held - OVERLAP) if resumes else 0
        plan = chaos.plan(STREAM, len(found) + 1, first, length)
        found.append(plan)
        ends = [place for place, trouble in troubles_of(plan) if isinstance(trouble, Drop)]
        if plan.refusal is not None:
            continue
        if not ends:
            return found
        held = max(held, ends[0])


@given(seeds, attempts, ranges)
def test_the_same_seed_plans_the_same(seed: int, attempt: int, bounds: tuple[int, int]) -> None:
    """Whoever asks, and whatever was asked before."""
    asked_before = Chaos(seed)
    asked_before.plan(STREAM, attempt + 1, 0, 10)
    assert asked_before.plan(STREAM, attempt, *bounds) == Chaos(seed).plan(STREAM, attempt, *bounds)


def test_every_machine_plans_the_same() -> None:
    """A seed that somebody reports does here what it did there: these plans stay as they are."""
    plans = repr([plan for seed in range(20) for plan in met(Chaos(seed))])
    assert hashlib.sha256(plans.encode()).hexdigest().startswith("30941a72678f5884")


def test_seeds_streams_and_attempts_differ() -> None:
    """Each connection is dealt with by itself."""
    plans = [Chaos(seed).plan(STREAM, 1, 0, MATCH) for seed in range(20)]
    plans += [Chaos(0).plan(STREAM, attempt, 0, MATCH) for attempt in range(3, 20, 2)]
    plans += [Chaos(0).plan(Stream("media", "soccer", str(number)), 1, 0, MATCH) for number in range(20)]
    troubled = [plan for plan in plans if plan != FLAWLESS]
    assert len(troubled) > 30
    assert len({repr(plan) for plan in troubled}) == len(troubled)


@settings(max_examples=300)
@given(seeds, attempts, ranges, st.floats(0.01, 60), st.integers(0, 5))
def test_within_bounds(
    seed: int, attempt: int, bounds: tuple[int, int], longest_stall_s: float, most_resent: int
) -> None:
    """Nothing lasts longer, reaches further back or happens elsewhere than was asked for."""
    first, last = bounds
    chaos = Chaos(seed, longest_stall_s=longest_stall_s, most_resent=most_resent)
    plan = chaos.plan(STREAM, attempt, first, last)
    assert 0 <= plan.auth_delay_s <= min(4, longest_stall_s / 4)
    assert plan.offset in {-1, 0, 1}
    assert first > 0 or (plan.offset, plan.from_start) == (0, False)
    if plan.refusal is not None:
        assert plan.refusal.status in {429, 503}
        assert 0 <= (plan.refusal.retry_after_s or 0) <= min(3, longest_stall_s)
    for place, trouble in troubles_of(plan):
        assert first <= place <= last
        match trouble:
            case Drop(how):
                assert how in SENDABLE | {"abort", "eof"}
            case Stall(seconds):
                assert 0 < seconds <= longest_stall_s
            case Slow(bytes_per_s, messages):
                assert 1000 / bytes_per_s * messages <= longest_stall_s / 4
            case Resend(messages):
                # One fewer than were sent: the list may have begun one later than was asked for.
                assert 1 <= messages <= min(most_resent, place - first - 1)


@given(seeds, attempts, ranges)
def test_every_connection_gets_on(seed: int, attempt: int, bounds: tuple[int, int]) -> None:
    """It ends once, last of all, behind so many messages or all there are; where there are none it stays."""
    first, last = bounds
    done = list(troubles_of(Chaos(seed).plan(STREAM, attempt, first, last)))
    drops = [place for place, trouble in done if isinstance(trouble, Drop)]
    assert len(drops) <= 1
    if drops:
        assert first < last
        assert drops[0] == last or drops[0] >= first + LEAST_PROGRESS
        assert isinstance(done[-1][1], Drop)


@given(seeds, attempts)
def test_no_two_refusals_in_a_row(seed: int, attempt: int) -> None:
    """Whoever dials again is let in."""
    chaos = Chaos(seed)
    assert None in [chaos.plan(STREAM, number, 0, MATCH).refusal for number in (attempt, attempt + 1)]


def test_a_match_meets_everything() -> None:
    """Of 500 messages, by a client that resumes: each kind of trouble, in at least one match of seven."""
    matches = [{kind for plan in met(Chaos(seed)) for kind in kinds_of(plan)} for seed in range(200)]
    counted = Counter(kind for kinds in matches for kind in kinds)
    ways = {f"drop {how}" for how in SENDABLE | {"abort", "eof"}}
    rare = {"start 0", "start 1", "start -1"}
    usual = {"refusal 429", "refusal 503", "late auth", "stall", "slow", "resend", *(f"say {each}" for each in
             ("text", "binary", "ping", "pong"))}  # fmt: skip
    assert set(counted) == ways | rare | usual
    assert min(counted[kind] for kind in ways | usual) >= 200 / 7
    assert sum(not kinds.isdisjoint(rare) for kinds in matches) >= 200 / 7


def test_a_match_comes_to_its_end() -> None:
    """Soon for whoever resumes, and also for whoever begins anew each time."""
    assert max(len(met(Chaos(seed))) for seed in range(200)) <= 40
    assert max(len(met(Chaos(seed), resumes=False)) for seed in range(200)) <= 40


def test_what_is_known_can_be_read_again() -> None:
    """A finished match is read once more from its beginning: of late connections a third are not cut off."""
    plans = [Chaos(seed).plan(STREAM, attempt, 0, MATCH) for seed in range(40) for attempt in range(7, 27)]
    whole = [plan for plan in plans if not any(kind.startswith(("drop", "refusal")) for kind in kinds_of(plan))]
    assert len(whole) >= len(plans) / 3
    assert plans.count(FLAWLESS) >= len(plans) / 4


@given(seeds, attempts)
def test_channels_without_positions(seed: int, attempt: int) -> None:
    """Nothing in their messages says where they stand: no connection to them is harmed."""
    plan = Chaos(seed).plan(RAW, attempt, 0, MATCH)
    assert plan.troubles == {}
    assert (plan.offset, plan.from_start) == (0, False)


def test_what_it_says_means_nothing() -> None:
    """No packet, and no error that a client would have to obey."""
    plans = [Chaos(seed).plan(STREAM, attempt, 0, MATCH) for seed in range(100) for attempt in (1, 3)]
    said = {trouble.payload for plan in plans for _, trouble in troubles_of(plan) if isinstance(trouble, Say)}
    messages = [read(payload) for payload in said]
    assert {message.kind for message in messages} == {Kind.UNKNOWN, Kind.HEARTBEAT}
    assert not any(auth_refused(message) or not_there(message) for message in messages)
    assert b"" in said


@pytest.mark.parametrize("wrong", [{"longest_stall_s": 0}, {"longest_stall_s": float("inf")}, {"most_resent": -1}])
def test_numbers_that_mean_nothing(wrong: dict[str, float]) -> None:
    """They are refused."""
    with pytest.raises(UsageError, match="expected"):
        Chaos(1, **wrong)  # type: ignore[arg-type]


# -- over a socket


def match_of(length: int) -> Recording:
    return made(
        STREAM,
        [json.dumps({"fixtureAction": {"id": str(n), "fixtureSeqNum": n + 1}}).encode() for n in range(length)],
    )


async def gathered(address: str, length: int) -> tuple[list[int], Counter[str]]:
    """Return the numbers that a client which does right gets, in order, and how its connections ended.

    It takes a packet by its number, if it is the next one, asks for the last three again, and from 0 when that fails.
    """
    held: list[int] = []
    ends: Counter[str] = Counter()
    while len(held) < length:
        start = max(0, len(held) - OVERLAP) if ends["lost"] % 2 == 0 else 0
        try:
            async with connect(
                f"{address}?startPosition={start}", additional_headers={"Accept": ACCEPT}, compression=None, proxy=None
            ) as client:
                await client.send('{"authToken":"any"}')
                while len(held) < length:
                    packet = read(await client.recv(decode=False)).packets
                    number = int(packet[0].fixture_action["id"]) if packet else -1
                    if number == len(held):
                        held.append(number)
                    elif number > len(held):
                        ends["lost"] += 1
                        break
        except InvalidStatus as refused:
            ends[f"{refused.response.status_code}"] += 1
        except ConnectionClosed as closed:
            ends[f"{closed.rcvd.code if closed.rcvd else 'cut'}"] += 1
    return held, ends


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_right_client_gets_everything(seed: int) -> None:
    """Over real sockets, and what was done to it is what it saw."""
    done: list[str] = []

    async def main() -> tuple[list[int], Counter[str]]:
        behaviour = Behaviour(scale=None, troublemaker=Chaos(seed, longest_stall_s=0.05))
        recording = match_of(MATCH)
        async with ReplayServer([recording], behaviour, on_trouble=lambda each: done.append(each["trouble"])) as server:
            async with asyncio.timeout(30):
                return await gathered(server.addresses[0], MATCH)

    held, ends = asyncio.run(main())
    assert held == list(range(MATCH))
    ends.pop("lost", None)
    assert done.count("drop") >= sum(count for end, count in ends.items() if end not in {"429", "503"}) > 0
    assert done.count("refusal") == ends["429"] + ends["503"]


def test_a_client_that_left_before_the_first_message() -> None:
    """It is let go of while its messages are still being read, and nothing is left half begun."""
    has_left = threading.Event()
    whole = match_of(3)

    def load() -> list[bytes]:
        assert has_left.wait(20)
        return list(whole.load())

    async def main() -> int:
        async with ReplayServer([replace(whole, load=load)], Behaviour(scale=None)) as server:
            async with connect(
                server.addresses[0], additional_headers={"Accept": ACCEPT}, compression=None, proxy=None
            ) as client:
                await client.send('{"authToken":"any"}')
                await client.recv()
            has_left.set()
        return server.sent

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert asyncio.run(main()) == 0
        gc.collect()
    assert [str(warning.message) for warning in warned] == []


def test_a_client_that_left_as_it_was_to_be_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """Its socket is closed already: there is nothing left to do to it, and nothing to report."""

    class CutOff:
        def plan(self, stream: Stream, attempt: int, first: int, last: int) -> Plan:
            return Plan(troubles={0: [Stall(0.0), Drop("abort")]})

    async def main() -> list[str]:
        done: list[str] = []

        def on_trouble(trouble: Mapping[str, Any]) -> None:
            done.append(trouble["trouble"])
            if done == ["stall"]:  # one round of the loop before it is cut off
                [talk] = server._talks
                talk._connection.transport.abort()

        behaviour = Behaviour(scale=None, troublemaker=CutOff())
        async with (
            ReplayServer([match_of(3)], behaviour, on_trouble=on_trouble) as server,
            connect(server.addresses[0], additional_headers={"Accept": ACCEPT}, compression=None, proxy=None) as client,
        ):
            await client.send('{"authToken":"any"}')
            await client.wait_closed()
        return done

    assert asyncio.run(main()) == ["stall", "drop"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
