"""Other people's clients against recorded matches: the page that tells how, the fixture, and the server in a thread."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import recorder.replay
from docs.examples.client import ACCEPT, packets
from recorder.errors import UsageError
from recorder.model import Stream
from recorder.replay import Behaviour, Chaos, Recording, ReplayServer, ServerThread, bundled
from recorder.replay.troubles import Drop, Plan, Resend, Say

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "replay-library.md").read_text(encoding="utf-8")
BLOCKS: Mapping[str, str] = dict(
    re.findall(r"^<!-- runs: ([\w.]+) -->\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)


@pytest.fixture
def football() -> Recording:
    return bundled()[0]


@contextmanager
def dial(address: str) -> Iterator[ClientConnection]:
    # Without pings: the thread that sends them is one that `close` does not wait for.
    with connect(address, additional_headers=ACCEPT, proxy=None, close_timeout=1, ping_interval=None) as client:
        client.send('{"authToken": "any"}')
        assert "AUTHORISED" in str(client.recv(timeout=10))
        yield client


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_runs_as_printed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is a test module that passes, beside the example client, without a warning."""
    # A user's pytest imports it for the first time; a second import would be a warning.
    monkeypatch.delitem(sys.modules, "recorder.replay.testing", raising=False)
    assert len(re.findall(r"^```python", PAGE, re.MULTILINE)) == len(BLOCKS) == 3
    client = (DOCS / "examples" / "client.py").read_text(encoding="utf-8")
    pytester.makepyfile(my_client=client, **{file.removesuffix(".py"): block for file, block in BLOCKS.items()})
    pytester.runpytest_inprocess("-W", "error", "-p", "no:cacheprovider").assert_outcomes(passed=3)


@pytest.mark.parametrize("kind", [Behaviour, recorder.replay.Pace, ReplayServer, ServerThread])
def test_the_page_names_what_can_be_chosen(kind: Callable[..., object]) -> None:
    """Every parameter of what a user makes is on the page."""
    assert [name for name in inspect.signature(kind).parameters if not re.search(rf"\b{name}\b", PAGE)] == []


@pytest.mark.parametrize("name", recorder.replay.__all__)
def test_public_names_say_what_they_are(name: str) -> None:
    """Each has a docstring of its own, and is on the page."""
    assert inspect.getdoc(getattr(recorder.replay, name))
    assert re.search(rf"\b{name}s?\b", PAGE)


def test_a_thread_takes_what_the_server_takes() -> None:
    assert inspect.signature(ServerThread) == inspect.signature(ReplayServer)


# -- the example client ------------------------------------------------------------------------------------------------


def collected(recording: Recording, behaviour: Behaviour) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """Return what the example client gets of a recording, and what was done to it."""
    troubles: list[Mapping[str, Any]] = []

    async def collect() -> list[dict[str, Any]]:
        async with ReplayServer([recording], behaviour, on_trouble=troubles.append) as server:
            return [packet async for packet in packets(server.addresses[0], "right", pause_s=0.001)]

    return asyncio.run(collect()), troubles


@pytest.mark.parametrize("seed", range(3))
def test_the_client_gets_through_chaos(seed: int) -> None:
    """Every packet once, in order, whatever a seed makes of the connections."""
    snooker = bundled()[1]
    got, troubles = collected(snooker, Behaviour(scale=None, troublemaker=Chaos(seed, longest_stall_s=0.05)))
    assert got == [json.loads(message) for message in snooker.load()]
    assert troubles


class Planned:
    """One plan for each connection in turn, the last one for all that follow."""

    def __init__(self, *plans: Plan) -> None:
        self._plans = plans

    def plan(self, stream: Stream, attempt: int, first: int, last: int) -> Plan:
        return self._plans[min(attempt, len(self._plans)) - 1]


CUT = Plan(troubles={100: [Drop("abort")]})


@pytest.mark.parametrize(
    "second",
    [
        Plan(offset=1),
        Plan(offset=30, troubles={150: [Drop("eof")]}),
        Plan(from_start=True, troubles={50: [Drop(1001)]}),
        Plan(troubles={200: [Resend(5), Say(b"[1, null]"), Say(b"\xff", "binary"), Drop(1012)]}),
    ],
    ids=["one later", "far later", "from the start", "again"],
)
def test_the_client_trusts_no_beginning(second: Plan, football: Recording) -> None:
    """Where a list begins too late it is asked for again; what is known is dropped."""
    got, troubles = collected(football, Behaviour(scale=None, troublemaker=Planned(CUT, second, Plan())))
    assert got == [json.loads(message) for message in football.load()]
    assert len(troubles) >= 2


@pytest.mark.parametrize("base", [0, 1, None])
def test_the_client_takes_each_start_position(base: int | None, football: Recording) -> None:
    """Counted from 0, from 1, or ignored: the list is the same."""
    behaviour = Behaviour(scale=None, start_position_base=base, troublemaker=Planned(CUT, Plan()))
    assert len(collected(football, behaviour)[0]) == football.packets


def test_the_client_stops_where_dialling_again_does_not_help(football: Recording) -> None:
    """A wrong token and an unknown path are raised, at once."""
    with pytest.raises(PermissionError, match="could not be authenticated"):
        collected(football, Behaviour(scale=None, token="another"))

    async def elsewhere() -> None:
        async with ReplayServer([football]) as server:
            await anext(packets(server.address + "/soccer/fixtures/none/actions", "any"))

    with pytest.raises(InvalidStatus):
        asyncio.run(elsewhere())


# -- the thread --------------------------------------------------------------------------------------------------------


def test_the_clock_obeys_another_thread(football: Recording) -> None:
    """Paused, set forward, made fast, and let go: a blocking client gets just what there is then."""
    messages = football.load()
    with ServerThread([football], Behaviour(is_paused=True)) as server, dial(server.addresses[0]) as client:
        clock = server.clock
        assert clock.is_paused
        clock.seek((football.received_us[9] - football.received_us[0]) / 1e6)
        assert [client.recv(decode=False) for _ in range(10)] == messages[:10]
        assert clock.read() == pytest.approx((football.received_us[9] - football.received_us[0]) / 1e6)
        assert (server.clients, server.sent) == (1, 10)
        clock.scale = None
        assert clock.scale is None
        clock.start()
        assert [client.recv(decode=False) for _ in messages[10:]] == messages[10:]
        clock.pause()
        assert clock.is_paused
    assert (server.clients, server.sent) == (0, len(messages))


def test_a_wrong_scale_is_raised_where_it_was_asked_for(football: Recording) -> None:
    with ServerThread([football]) as server:
        with pytest.raises(UsageError):
            server.clock.scale = 0.0
        assert server.clock.scale == 1.0


def test_troubles_are_kept_and_told(football: Recording) -> None:
    """Each is told in the server's thread, where the server can be asked as well; the list outlives the server."""
    told: list[tuple[str, int, str]] = []

    def note(trouble: Mapping[str, Any]) -> None:
        told.append((trouble["trouble"], server.clients, threading.current_thread().name))

    behaviour = Behaviour(scale=None, troublemaker=Planned(Plan(troubles={0: [Say(b"hello"), Drop(1001)]})))
    with ServerThread([football], behaviour, on_trouble=note) as server, dial(server.addresses[0]) as client:
        assert client.recv(timeout=10) == "hello"
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
    assert [each["trouble"] for each in server.troubles] == [name for name, _, _ in told] == ["say", "drop"]
    assert {(clients, thread) for _, clients, thread in told} == {(1, "recorder-replay")}


def test_a_port_that_is_taken_is_raised_where_it_was_asked_for(football: Recording) -> None:
    with ServerThread([football]) as server:
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            ServerThread([football], port=port).__enter__()


def test_no_thread_is_left(football: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a client that is still there; behind the end the server answers nothing."""
    # Only threads that come of this test: another one's last thread may end, or begin another, at any moment.
    ours = [threading.current_thread()]
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        if threading.current_thread() in ours:
            ours.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    server = ServerThread([football], Behaviour(is_paused=True))
    with ExitStack() as clients, server:
        clients.enter_context(dial(server.addresses[0]))
    assert len(ours) > 1
    assert [thread for thread in ours[1:] if thread.is_alive()] == []
    with pytest.raises(RuntimeError, match="inside of `with`"):
        server.clock.pause()
