"""The server, with real clients: who is let in, what is sent when, what is done on purpose, and its end."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from recorder.errors import UsageError
from recorder.feed.messages import read
from recorder.model import Kind, Stream
from recorder.replay import server as server_module
from recorder.replay import talk as talk_module
from recorder.replay.behaviour import Behaviour
from recorder.replay.dialect import HEARTBEATS, NOT_AUTHENTICATED, TOKEN_REFUSED
from recorder.replay.pace import Pace, schedule
from recorder.replay.recordings import Binary, Recording, bundled, made
from recorder.replay.server import ReplayServer
from recorder.replay.troubles import Drop, Plan, Refusal, Resend, Say, Slow, Stall, Trouble
from tests.faults.looking import until
from tests.replay.making import fixture_id, packet, recording
from tests.replay.talking import dial, joined, refused, run, take, until_closed

TOKEN = "a token that nobody may see"
FAST = Behaviour(scale=None)
PAUSED = Behaviour(is_paused=True)
TEN = [packet(number) for number in range(10)]


def ten(number: int = 0) -> Recording:
    """Return ten messages, a second between two."""
    return recording(range(10), number=number)


# What is sent when


def test_many_clients() -> None:
    """Any number of clients get the whole stream, each from where it asks."""

    async def main() -> None:
        async with ReplayServer([ten()], FAST) as server, AsyncExitStack() as stack:
            [address] = server.addresses
            clients = [await stack.enter_async_context(joined(f"{address}?startPosition={n % 10}")) for n in range(40)]
            found = await asyncio.gather(*(take(client, 10 - n % 10) for n, client in enumerate(clients)))
            assert found == [TEN[n % 10 :] for n in range(40)]
            assert (server.clients, server.sent) == (40, 220)

    run(main())


def test_one_clock() -> None:
    """Two streams on one clock come as they came: at each moment each has what had come by then, and no more."""

    async def main() -> None:
        one, two = recording([0, 2, 4, 4, 9], number=1), recording([1, 2, 3, 8], number=2)
        async with ReplayServer([one, two], PAUSED) as server, AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(joined(address)) for address in server.addresses]
            sent = 0
            for at_s, counts in ((0, (1, 0)), (1, (0, 1)), (2, (1, 1)), (3, (0, 1)), (4, (2, 0)), (9, (1, 1))):
                server.clock.seek(at_s)
                for client, count in zip(clients, counts, strict=True):
                    await take(client, count)
                sent += sum(counts)
                assert server.sent == sent

    run(main())


def test_scale() -> None:
    """At any scale nothing comes before its time, and everything comes."""

    async def main() -> None:
        async with ReplayServer([ten()], Behaviour(scale=50.0)) as server, joined(server.addresses[0]) as client:
            for number in range(10):
                assert await take(client, 1) == [TEN[number]]
                assert server.clock.read() >= number

    run(main())


def test_fast_is_one_clients_choice() -> None:
    """speed=fast leaves the pauses out for the client that asked for it, and for nobody else."""

    async def main() -> None:
        async with ReplayServer([ten()], PAUSED) as server:
            [address] = server.addresses
            async with joined(address) as normal, joined(address + "?speed=fast") as fast:
                assert await take(fast, 10) == TEN
                assert await take(normal, 1) == TEN[:1]
                assert server.sent == 11

    run(main())


def test_seek() -> None:
    """Set forward, what lies between comes at once; set back, whoever is ahead is sent away, and waits if it must."""

    async def main() -> None:
        async with ReplayServer([ten()], PAUSED) as server:
            [address] = server.addresses
            async with joined(address) as ahead, joined(address + "?speed=fast") as fast:
                await take(fast, 10)
                server.clock.seek(7.0)
                assert await take(ahead, 8) == TEN[:8]
                server.clock.seek(3.5)
                assert await until_closed(ahead) == ([], 1012, "the replay was set back")
                async with joined(address) as behind, joined(address + "?startPosition=8") as waiting:
                    assert await take(behind, 4) == TEN[:4]
                    server.clock.seek(8.0)
                    assert await take(behind, 5) == TEN[4:9]
                    assert await take(waiting, 1) == TEN[8:9]
                await fast.ping()

    run(main())


def test_pause() -> None:
    """While time stands nothing comes but heartbeats; it goes on where it stood."""

    async def main() -> None:
        behaviour = Behaviour(is_paused=True, heartbeat_s=0.01)
        async with ReplayServer([ten()], behaviour) as server, joined(server.addresses[0]) as client:
            assert await take(client, 1) == TEN[:1]
            assert [read(await client.recv(decode=False)).kind for _ in range(3)] == [Kind.HEARTBEAT] * 3
            server.clock.scale = 1000.0
            server.clock.start()
            assert await take(client, 9) == TEN[1:]

    run(main())


def test_behind_the_end() -> None:
    """Behind the end of a stream there are only heartbeats, for whoever asks for that and whoever has it all."""

    async def main() -> None:
        async with ReplayServer([ten()], Behaviour(scale=None, heartbeat_s=0.01)) as server:
            for start in (0, 10, 10**17):
                async with joined(f"{server.addresses[0]}?startPosition={start}") as client:
                    await take(client, 10 if start == 0 else 0)
                    assert read(await client.recv(decode=False)).kind is Kind.HEARTBEAT

    run(main())


@pytest.mark.parametrize(("base", "first"), [(0, 5), (1, 4), (None, 0)])
def test_start_position_base(base: int | None, first: int) -> None:
    """startPosition counts as was chosen."""

    async def main() -> None:
        async with (
            ReplayServer([ten()], replace(FAST, start_position_base=base)) as server,
            joined(server.addresses[0] + "?startPosition=5") as client,
        ):
            assert await take(client, 1) == TEN[first : first + 1]

    run(main())


def connected(address: str) -> socket.socket:
    """Open a connection, send the token, and read nothing."""
    host, _, path = address.removeprefix("ws://").partition("/")
    name, _, port = host.partition(":")
    opened = socket.create_connection((name, int(port)))
    opened.sendall(
        f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Accept: application/vnd.imggaming.dde.api+json;version=1\r\n\r\n".encode()
        + bytes([0x81, 0x80 | 17, 0, 0, 0, 0])
        + b'{"authToken":"x"}'
    )
    return opened


def test_client_that_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds up nobody, fills no memory, and does not keep the server from ending."""
    monkeypatch.setattr(server_module, "_GOODBYE_S", 0.1)
    large = b'{"fixtureAction":{},"traceId":"%s"}' % (b"x" * 20_000)
    match = made(f"soccer/{fixture_id(1)}", [large] * 2000)

    async def main() -> None:
        async with ReplayServer([match], FAST) as server:
            [address] = server.addresses
            stuck = connected(address)
            async with joined(address) as other:
                assert len(await take(other, 2000)) == 2000
                talk = min(server._talks, key=lambda talk: talk.sent)
            waiting = talk._connection.transport.get_write_buffer_size()
            assert 0 < waiting < 2**15 + 2 * len(large)
            assert talk.sent < 2000
        stuck.close()

    run(main())


def test_client_that_reads_nothing_for_long(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is cut off, and the log says so: nobody else would ever end it."""
    monkeypatch.setattr(talk_module, "_PATIENCE_S", 0.1)
    large = b'{"fixtureAction":{},"traceId":"%s"}' % (b"x" * 20_000)
    match = made(f"soccer/{fixture_id(1)}", [large] * 2000)

    async def main() -> None:
        async with ReplayServer([match], FAST) as server:
            stuck = connected(server.addresses[0])
            said = "read nothing for 0.1 s: cut off"
            await asyncio.to_thread(until, lambda: any(said in each.getMessage() for each in caplog.records))
            await asyncio.to_thread(until, lambda: not server.clients)
            stuck.close()

    run(main())


def test_binary_messages() -> None:
    """What came as binary goes out as binary, in its place among the texts."""
    messages = [TEN[0], Binary(b"\xff\xfe\x00"), TEN[2], Binary(TEN[3]), TEN[4]]

    async def main() -> None:
        match = replace(recording(range(5)), load=lambda: messages)
        async with ReplayServer([match], FAST) as server, joined(server.addresses[0]) as client:
            assert [await client.recv() for _ in messages] == [
                each if isinstance(each, Binary) else each.decode() for each in messages
            ]

    run(main())


def test_heartbeats_while_it_reads() -> None:
    """A stream that takes long to be read leaves its clients with heartbeats, not with silence."""
    may_end = threading.Event()

    def load() -> Sequence[bytes]:
        may_end.wait(60)
        return TEN

    async def main() -> None:
        behaviour = Behaviour(scale=None, heartbeat_s=0.05)
        async with (
            ReplayServer([replace(ten(), load=load)], behaviour) as server,
            joined(server.addresses[0]) as client,
        ):
            for _ in range(3):
                assert read(await client.recv(decode=False)).kind is Kind.HEARTBEAT
            may_end.set()
            assert await take(client, 10) == TEN

    run(main())


def test_two_at_one_path() -> None:
    """Two recordings of one stream are told, not one of them left out."""

    async def main() -> None:
        with pytest.raises(UsageError, match="two recordings are to be served at /soccer/fixtures/"):
            async with ReplayServer([ten(), ten()]):
                pass

    run(main())


def test_fixtures_of_no_archive() -> None:
    """Names choose from an archive only."""
    with pytest.raises(UsageError, match="fixtures choose from an archive"):
        ReplayServer([ten()], fixtures=["france-romania"])


def test_kickoff_of_the_bundled_match() -> None:
    """The match begins with its period, not with the first summary that speaks of it, half an hour before."""
    [match] = [each for each in bundled() if each.stream.sport == "soccer"]
    due = schedule([match], Pace(times="vendor", begin="kickoff"))
    assert due.axis is not None
    assert datetime.fromtimestamp(due.axis.recorded_us(due.begin_s) / 1e6, UTC).isoformat() == (
        "2016-06-10T19:00:00+00:00"
    )


def test_client_that_talks_on() -> None:
    """Whatever a client says after its token is ignored, and its pings behind that are answered."""

    async def main() -> None:
        async with ReplayServer([ten()], FAST) as server, joined(server.addresses[0]) as client:
            for number in range(50):
                await client.send(f"something {number}")
            await (await client.ping())
            assert await take(client, 10) == TEN

    run(main())


# Who is let in


def test_texts() -> None:
    """Without the Accept header: 400; with a wrong bearer: 401; both as on the vendor's pages. Another path: 404."""

    async def main() -> None:
        async with ReplayServer([ten()], replace(FAST, token=TOKEN)) as server:
            [address] = server.addresses
            for accept in (None, "*/*", "application/json"):
                status, text, _ = await refused(address, accept=accept)
                assert (status, text) == (400, "{\n    Request is missing required HTTP header 'Accept'\n}")
            assert await refused(address, headers={"Authorization": "Bearer wrong"}) == (401, NOT_AUTHENTICATED, None)
            for path in ("", "/", "/soccer", "//[", f"/media/soccer/fixtures/{fixture_id(0)}/actions"):
                assert (await refused(server.address + path))[0] == 404
            assert (await refused(address + "/"))[0] == 404
            assert server.clients == 0

    run(main())


def test_right_bearer() -> None:
    """With the right bearer, or another kind of header, the token is asked for all the same."""

    async def main() -> None:
        async with ReplayServer([ten()], replace(FAST, token=TOKEN)) as server:
            for header in (f"Bearer {TOKEN}", "Basic eDp5"):
                async with joined(server.addresses[0], TOKEN, headers={"Authorization": header}) as client:
                    assert await take(client, 1) == TEN[:1]
                async with dial(server.addresses[0], headers={"Authorization": header}) as client:
                    await client.send('{"authToken": "wrong"}')
                    assert (await until_closed(client))[1] == 1008

    run(main())


@pytest.mark.parametrize("first", ['{"authToken":"wrong"}', '{"authToken":null}', "hello", b"\xff\x00", "", "[" * 9999])
def test_wrong_token(first: str | bytes) -> None:
    """A token that is wrong, or none at all, is told so, and the connection is closed with 1008."""

    async def main() -> None:
        async with (
            ReplayServer([ten()], replace(FAST, token=TOKEN)) as server,
            dial(server.addresses[0]) as client,
        ):
            await client.send(first)
            assert await until_closed(client) == ([TOKEN_REFUSED.encode()], 1008, "not authenticated")
            assert server.sent == 0

    run(main())


def test_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing is sent away, as with a wrong token; who leaves before it, is forgotten."""
    monkeypatch.setattr(talk_module, "_AUTH_TIMEOUT_S", 0.05)

    async def main() -> None:
        loaded: list[int] = []

        def load() -> Sequence[bytes]:
            loaded.append(1)
            return TEN

        match = replace(ten(), load=load)
        async with ReplayServer([match], FAST) as server:
            async with dial(server.addresses[0]) as client:
                assert await until_closed(client) == ([TOKEN_REFUSED.encode()], 1008, "not authenticated")
            async with dial(server.addresses[0]):
                pass
            async with joined(server.addresses[0]) as client:
                await take(client, 1)
                assert server.clients == 1
        assert loaded == [1]

    run(main())


def test_any_token() -> None:
    """Unless one is asked for any token is let in, by whatever header it came besides; capitals name the same match."""

    async def main() -> None:
        match = recording(range(10), number=0)
        match = replace(match, stream=replace(match.stream, fixture_id="abcdefab-0000-4000-8000-00000000abcd"))
        async with ReplayServer([match], FAST) as server:
            address = server.addresses[0].replace("abcdefab", "ABCDEFAB")
            async with joined(address, "", headers={"Authorization": "Bearer x"}) as client:
                assert await take(client, 1) == TEN[:1]

    run(main())


def test_token_is_never_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither our log nor the library's, at its most talkative, has a client's token; nor does what is printed."""
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.server", "recorder"):
        caplog.set_level(logging.DEBUG, name)

    async def main() -> None:
        behaviour = replace(FAST, token="another")
        assert "another" not in repr(behaviour)
        async with ReplayServer([ten()], behaviour) as server:
            asyncio.get_running_loop().set_debug(True)
            await refused(server.addresses[0], headers={"Authorization": f"Bearer {TOKEN}"}, logger=quiet)
            async with dial(server.addresses[0], logger=quiet) as client:
                await client.send(json.dumps({"authToken": TOKEN}))
                await until_closed(client)
            host, port = server.address.removeprefix("ws://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET / HTTP/1.1\r\nAuthorization : Bearer {TOKEN}\r\n\r\n".encode())
            await writer.drain()
            writer.close()

    quiet = logging.Logger("client", logging.CRITICAL)
    run(main())
    assert TOKEN not in caplog.text
    assert TOKEN not in "".join(capfd.readouterr())


def test_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a certificate it is wss, and the address says so."""
    directory = Path(__file__).parents[1] / "data" / "tls"
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(directory / "localhost.pem")
    theirs = ssl.create_default_context(cafile=str(directory / "authority.pem"))

    async def main() -> None:
        plan = Planned(Plan(troubles={5: [Drop("abort")]}))
        async with ReplayServer([ten()], replace(FAST, troublemaker=plan), tls=ours) as server:
            address = server.addresses[0].replace("127.0.0.1", "localhost")
            assert address.startswith("wss://localhost:")
            async with joined(address, ssl=theirs) as client:
                assert await until_closed(client) == (TEN[:5], 1006, "")

    run(main())


# Heartbeats


@pytest.mark.parametrize("form", HEARTBEATS)
def test_heartbeats(form: str) -> None:
    """Heartbeats come in the chosen form, and the recorder takes them for what they are."""

    async def main() -> None:
        behaviour = Behaviour(heartbeat_s=0.01, heartbeat_form=form, is_paused=True)
        async with (
            ReplayServer([ten()], behaviour) as server,
            joined(server.addresses[0] + "?startPosition=9") as client,
        ):
            messages = [await client.recv(decode=False) for _ in range(3)]
            assert [read(message).kind for message in messages] == [Kind.HEARTBEAT] * 3
            assert len({frozenset(json.loads(message)) for message in messages}) == 1

    run(main())


def test_impossible_heartbeats() -> None:
    """A heartbeat that would never end, or that nobody knows, is refused at once."""
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="expected more than 0"):
            Behaviour(heartbeat_s=wrong)
    with pytest.raises(UsageError, match="expected one of golf"):
        Behaviour(heartbeat_form="tennis")


# On purpose


class Planned:
    """Has a plan for each connection in turn, and none for those behind."""

    def __init__(self, *plans: Plan) -> None:
        self.plans = list(plans)
        self.asked: list[tuple[int, int, int]] = []

    def plan(self, _stream: Stream, attempt: int, first: int, last: int) -> Plan:
        self.asked.append((attempt, first, last))
        return self.plans.pop(0) if self.plans else Plan()


END = Drop(4999)


async def troubled(
    troubles: Mapping[int, Sequence[Trouble]] | Plan, query: str = ""
) -> tuple[list[bytes], int, list[Mapping[str, Any]]]:
    """Return what a client gets that has such a plan, its close code, and what was told of what was done.

    Unless the plan ends the connection, `END` does, once all has been sent.
    """
    plan = troubles if isinstance(troubles, Plan) else Plan(troubles=troubles)
    plan = replace(plan, troubles={**plan.troubles, 10: [*plan.troubles.get(10, ()), END]})
    told: list[Mapping[str, Any]] = []
    given = replace(FAST, troublemaker=Planned(plan))
    async with (
        ReplayServer([ten()], given, on_trouble=told.append) as server,
        joined(server.addresses[0] + query) as client,
    ):
        found, code, _ = await until_closed(client)
    assert json.loads(json.dumps(told)) == told
    return found, code, [done for done in told if done.get("how") != END.how]


@pytest.mark.parametrize(
    ("how", "code"), [("abort", 1006), ("eof", 1006), (1000, 1000), (1001, 1001), (1012, 1012), (4000, 4000)]
)
def test_drop(how: Any, code: int) -> None:
    """A connection is dropped right before a message, as planned: nothing more is sent."""
    found, closed, told = run(troubled({4: [Drop(how, "by chance"), Drop(1011)]}))
    assert (found, closed) == (TEN[:4], code)
    [done] = told
    assert {key: done[key] for key in ("trouble", "how", "reason", "index", "client")} == {
        "trouble": "drop", "how": how, "reason": "by chance", "index": 4, "client": 1,
    }  # fmt: skip
    assert done["path"].endswith("/actions")
    assert done["at"].endswith("Z")


def test_drop_at_both_ends() -> None:
    """A connection may be dropped before its first message and behind its last."""
    assert run(troubled({0: [Drop(1001)]}))[:2] == ([], 1001)
    assert run(troubled({10: [Drop(1001)]}))[:2] == (TEN, 1001)


def test_reset() -> None:
    """An abort is a reset, which a client that reads on is told as such."""

    async def main() -> None:
        given = replace(FAST, troublemaker=Planned(Plan(troubles={0: [Drop("abort")]})))
        async with ReplayServer([ten()], given) as server, dial(server.addresses[0]) as client:
            await client.send('{"authToken":"x"}')
            with pytest.raises(ConnectionClosed) as closed:
                await take(client, 10)
            assert isinstance(closed.value.__cause__, ConnectionResetError)

    run(main())


def test_resend() -> None:
    """Messages are sent again, those of this connection only."""
    assert run(troubled({4: [Resend(2)]}))[0] == TEN[:4] + TEN[2:4] + TEN[4:]
    assert run(troubled({10: [Resend(3)]}))[0] == TEN + TEN[7:]
    found, _, told = run(troubled({6: [Resend(9)], 5: [Resend(1)]}, "?startPosition=5"))
    assert found == [TEN[5], TEN[5], *TEN[6:]]
    assert [done["index"] for done in told] == [5, 6]


@pytest.mark.parametrize(("opcode", "kind"), [("text", str), ("binary", bytes)])
def test_say(opcode: Any, kind: type) -> None:
    """Something odd is said between two messages, as text or as binary."""

    async def main() -> None:
        given = replace(FAST, troublemaker=Planned(Plan(troubles={1: [Say(b"odd", opcode)]})))
        async with ReplayServer([ten()], given) as server, joined(server.addresses[0]) as client:
            await client.recv()
            assert isinstance(await client.recv(), kind)
            assert await take(client, 9) == TEN[1:]

    run(main())


def test_say_control_frames() -> None:
    """Pings and pongs come between messages, the same one twice as well, and do no harm."""
    frames = [Say(b"", "ping"), Say(b"x", "ping"), Say(b"x", "ping"), Say(b"", "pong"), Say(b"\xff\x00", "pong")]
    found, _, told = run(troubled({3: frames}))
    assert found == TEN
    assert [done["opcode"] for done in told] == ["ping"] * 3 + ["pong"] * 2


def test_stall() -> None:
    """A stall silences heartbeats too, of which thirty were due; after it everything goes on.

    One may be on its way when it begins, and one when it ends.
    """

    async def main() -> None:
        beating = Behaviour(scale=None, heartbeat_s=0.01, troublemaker=Planned(Plan(troubles={5: [Stall(0.3)]})))
        async with ReplayServer([ten()], beating) as server, joined(server.addresses[0]) as client:
            while await client.recv(decode=False) != TEN[4]:
                pass
            heartbeats = 0
            while await client.recv(decode=False) != TEN[5]:
                heartbeats += 1
            assert heartbeats <= 2

    run(main())


def test_slow() -> None:
    """A slow link lets no more than so many bytes through in a second, for so many messages."""

    async def main() -> None:
        length = len(TEN[0])
        given = replace(FAST, troublemaker=Planned(Plan(troubles={2: [Slow(length * 20, 3)]})))
        async with ReplayServer([ten()], given) as server, joined(server.addresses[0]) as client:
            loop, at = asyncio.get_running_loop(), []
            for _ in TEN:
                await client.recv()
                at.append(loop.time())
            assert at[5] - at[2] >= 3 / 20 * 0.99

    run(main())


@pytest.mark.parametrize(
    ("plan", "query", "first"),
    [
        (Plan(offset=1), "?startPosition=5", 6),
        (Plan(offset=-1), "?startPosition=5", 4),
        (Plan(offset=-9), "?startPosition=5", 0),
        (Plan(from_start=True), "?startPosition=5", 0),
    ],
)
def test_wrong_start(plan: Plan, query: str, first: int) -> None:
    """The list begins elsewhere than was asked for."""
    found, _, [told] = run(troubled(plan, query))
    assert found == TEN[first:]
    assert (told["trouble"], told["asked"]) == ("wrong_start", 5)


def test_refusal() -> None:
    """A handshake is refused with a status, a text and a Retry-After; the next attempt is another one."""

    async def main() -> None:
        told: list[Mapping[str, Any]] = []
        plans = Planned(Plan(Refusal(429, "Too Many Requests", 7)), Plan(Refusal(503)))
        async with ReplayServer([ten()], replace(FAST, troublemaker=plans), on_trouble=told.append) as server:
            address = server.addresses[0] + "?startPosition=3"
            assert await refused(address) == (429, "Too Many Requests", "7")
            assert await refused(address) == (503, "", None)
            async with joined(address) as client:
                assert await take(client, 7) == TEN[3:]
        assert plans.asked == [(1, 3, 10), (2, 3, 10), (3, 3, 10)]
        assert [(done["trouble"], done["status"], done["retry_after_s"]) for done in told] == [
            ("refusal", 429, 7),
            ("refusal", 503, None),
        ]
        assert json.loads(json.dumps(told)) == told

    run(main())


def test_late_auth() -> None:
    """The token is answered late, and nothing comes before its answer; a client that leaves is not waited for."""

    async def main() -> None:
        told: list[Mapping[str, Any]] = []
        plans = Planned(Plan(auth_delay_s=0.05), Plan(auth_delay_s=1000.0))
        async with ReplayServer([ten()], replace(FAST, troublemaker=plans), on_trouble=told.append) as server:
            async with joined(server.addresses[0]) as client:
                assert await take(client, 1) == TEN[:1]
            async with dial(server.addresses[0]) as client:
                await client.send('{"authToken":"x"}')
        assert [(done["trouble"], done["seconds"]) for done in told] == [("late_auth", 0.05), ("late_auth", 1000.0)]

    run(main())


def test_on_purpose_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Unless somebody else wants to know, what is done on purpose is in the log."""
    caplog.set_level(logging.INFO, "recorder.replay")

    async def main() -> None:
        given = replace(FAST, troublemaker=Planned(Plan(troubles={0: [Drop(1001, "why")]})))
        async with ReplayServer([ten()], given) as server, joined(server.addresses[0]) as client:
            await until_closed(client)

    run(main())
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("recorder.replay")]
    assert line.startswith("on purpose: path=/soccer/fixtures/")
    assert "trouble=drop how=1001 reason=why index=0" in line


# What goes wrong


def test_recording_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """Where a recording can no longer be read its client is told 1011, and the log why; the next one may get it."""

    def load() -> Sequence[bytes]:
        if not tries:
            tries.append(1)
            raise UsageError("there is no archive at matches.db")
        return TEN

    tries: list[int] = []

    async def main() -> None:
        async with ReplayServer([replace(ten(), load=load)], FAST) as server:
            async with joined(server.addresses[0]) as client:
                assert await until_closed(client) == ([], 1011, "the recording cannot be read")
            async with joined(server.addresses[0]) as client:
                assert await take(client, 10) == TEN

    run(main())
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().endswith("cannot be sent: there is no archive at matches.db")
    assert record.exc_info is None


def test_mistake_of_a_listener(caplog: pytest.LogCaptureFixture) -> None:
    """An exception of the caller's own code ends that one conversation with 1011, is logged, and harms no other."""

    def raising(_what: Mapping[str, Any]) -> None:
        raise LookupError("mine")

    async def main() -> None:
        plans = Planned(Plan(troubles={3: [Stall(0.0)]}), Plan(), Plan(Refusal(503)))
        async with ReplayServer([ten()], replace(FAST, troublemaker=plans), on_trouble=raising) as server:
            async with joined(server.addresses[0]) as client:
                assert (await until_closed(client))[:2] == (TEN[:3], 1011)
            async with joined(server.addresses[0]) as client:
                assert await take(client, 10) == TEN
            assert (await refused(server.addresses[0]))[0] == 500

    run(main())
    assert caplog.text.count("LookupError: mine") == 2


# Its end


def test_port_is_free_again() -> None:
    """After the block, left by an exception too, the port is free and the server serves nothing; it may begin again."""

    async def failing(server: ReplayServer) -> None:
        async with server:
            raise ZeroDivisionError

    async def main() -> None:
        server = ReplayServer([ten()], FAST)
        with pytest.raises(ZeroDivisionError):
            await failing(server)
        port = server.address.rpartition(":")[2]
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", int(port)))
        with pytest.raises(RuntimeError, match="async with"):
            _ = server.recordings
        async with server, joined(server.addresses[0]) as client:
            assert await take(client, 10) == TEN

    run(main())


def test_port_is_taken() -> None:
    """A port that another server has is an OSError, and nothing is left behind."""

    async def main() -> None:
        async with ReplayServer([ten()], FAST) as first:
            port = int(first.address.rpartition(":")[2])
            with pytest.raises(OSError, match="address already in use"):
                async with ReplayServer([ten()], FAST, port=port):
                    pass
            async with joined(first.addresses[0]) as client:
                assert await take(client, 10) == TEN
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_ends_with_clients_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is connected is told 1001; who said nothing yet, or is kept waiting on purpose, holds up nothing."""
    monkeypatch.setattr(server_module, "_GOODBYE_S", 0.2)

    async def main() -> None:
        plans = Planned(Plan(), Plan(), Plan(troubles={2: [Stall(1000.0)]}), Plan(auth_delay_s=1000.0))
        async with AsyncExitStack() as clients:
            async with ReplayServer([ten()], Behaviour(is_paused=True, troublemaker=plans)) as server:
                server.clock.seek(5.0)
                host, port = server.address.removeprefix("ws://").split(":")
                _, silent = await asyncio.open_connection(host, int(port))
                [address] = server.addresses
                waiting = [
                    await clients.enter_async_context(joined(address)),
                    await clients.enter_async_context(dial(address)),
                    await clients.enter_async_context(joined(address)),
                    await clients.enter_async_context(dial(address)),
                ]
                await waiting[3].send('{"authToken":"x"}')
                await take(waiting[0], 6)
                await take(waiting[2], 2)
            assert [(await until_closed(client))[1] for client in waiting] == [1001] * 4
            silent.close()
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_sources(tmp_path: Path) -> None:
    """Without a source the bundled matches are served; an archive that is not there is a sentence."""

    async def main() -> None:
        async with ReplayServer(behaviour=FAST) as server:
            assert [each.path for each in server.recordings] == [each.path for each in bundled()]
            async with joined(server.addresses[1]) as client:
                assert await take(client, 5) == list(bundled()[1].load()[:5])
        for source in (tmp_path / "none.db", str(tmp_path / "none.db"), f"sqlite:///{tmp_path / 'none.db'}"):
            with pytest.raises(UsageError, match=r"there is no archive at .*none\.db"):
                async with ReplayServer(source):
                    pass

    run(main())


@pytest.mark.parametrize(
    ("path", "packets", "offsets", "why"),
    [
        ("soccer", TEN, (), "names no sport"),
        (f"soccer/{fixture_id(1)}", [*TEN, b'{"n":1}'], (), "message 10 bears 0 packets"),
        (f"soccer/{fixture_id(1)}", [b"[%s,%s]" % (TEN[0], TEN[1])], (), "message 0 bears 2 packets"),
        (f"soccer/{fixture_id(1)}", TEN, (0.0, 1.0), "10 packets and 2 times"),
    ],
)
def test_what_cannot_be_made(path: str, packets: list[bytes], offsets: Sequence[float], why: str) -> None:
    """What is no recording is refused where it is made."""
    with pytest.raises(UsageError, match=why):
        made(path, packets, offsets)


def test_begin() -> None:
    """What came before the beginning has happened when the server opens."""

    async def main() -> None:
        behaviour = Behaviour(is_paused=True, pace=Pace(begin="2016-06-10T19:00:06Z"))
        async with ReplayServer([ten()], behaviour) as server, joined(server.addresses[0]) as client:
            assert await take(client, 7) == TEN[:7]
            assert server.clock.read() == 6.0

    run(main())
