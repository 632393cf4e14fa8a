"""The server does what its script says: one scenario, one test."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets import ConnectionClosed, ConnectionClosedError, InvalidStatus, Response
from websockets.sync.client import ClientConnection, connect

from tests.vendor import ACCEPT, Match, Script, VendorServer, load, names

PATH = "/snooker/fixtures/1/actions"
AUTH_REPLY = Script().auth_reply


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b'{"fixtureAction": {"n": %d}}' % n for n in range(first, first + count)]


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer() as running:
        yield running


@contextmanager
def dial(
    server: VendorServer,
    query: str = "",
    *,
    path: str = PATH,
    accept: str = ACCEPT,
    token: str | None = "secret",
    max_queue: int | None = None,
) -> Iterator[ClientConnection]:
    """Open a connection as the recorder would, and send the token."""
    url = f"{server.endpoint}{path}{'?' if query else ''}{query}"
    headers = {"Accept": accept}
    with connect(
        url, additional_headers=headers, compression=None, proxy=None, max_queue=max_queue, close_timeout=1
    ) as client:
        if token is not None:
            client.send(json.dumps({"authToken": token}))
        yield client


def receive(client: ClientConnection, count: int) -> list[bytes]:
    """Receive the auth reply, then ``count`` messages."""
    assert client.recv(timeout=10) == AUTH_REPLY
    return [client.recv(timeout=10, decode=False) for _ in range(count)]


def until_closed(client: ClientConnection) -> tuple[list[bytes], int]:
    """Receive everything up to the end; return it with the close code (1006: none came)."""
    messages: list[bytes] = []
    while True:
        try:
            messages.append(client.recv(timeout=10, decode=False))
        except ConnectionClosed as closed:
            return messages, closed.rcvd.code if closed.rcvd else 1006


def session(server: VendorServer, query: str = "") -> tuple[list[bytes], int]:
    """Open a connection and stay until the server ends it."""
    with dial(server, query) as client:
        return until_closed(client)


def refusal(server: VendorServer, accept: str = ACCEPT) -> Response:
    """Be refused before the upgrade."""
    with pytest.raises(InvalidStatus) as refused, dial(server, accept=accept):
        pass
    return refused.value.response


# The matches


@pytest.mark.parametrize("name", names())
def test_checksum(name: str) -> None:
    """Every match file holds the packets that its header promises."""
    match = load(name)
    assert hashlib.sha256(b"\n".join(match.packets)).hexdigest() == match.sha256
    assert len(match.packets) == len(match.offsets_ms)
    assert match.offsets_ms == sorted(match.offsets_ms)


@pytest.mark.parametrize("name", names())
def test_official_score(name: str) -> None:
    """The last packet of every match says its official score, and that the match is over."""
    match = load(name)
    last = json.loads(match.packets[-1])["fixtureSummary"]
    assert (last["homeTeamScore"], last["awayTeamScore"], last["finished"]) == (*match.official_score, True)


def test_names() -> None:
    """There are ten matches: eight for tests, two that the package brings."""
    assert len(names()) == len(set(names())) == 10


def test_paths() -> None:
    """Soccer comes on the media feed and snooker on the betting feed, unless told otherwise."""
    soccer, snooker, betting = (
        load("soccer-france-romania"),
        load("snooker-1"),
        load("soccer-france-romania", "betting"),
    )
    assert soccer.path == f"/media/soccer/fixtures/{soccer.fixture_id}/actions"
    assert soccer.line == f"media/soccer/{soccer.fixture_id}"
    assert snooker.path == f"/snooker/fixtures/{snooker.fixture_id}/actions"
    assert snooker.line == f"snooker/{snooker.fixture_id}"
    assert betting.path == f"/soccer/fixtures/{soccer.fixture_id}/actions"


# Where a connection begins


def test_whole_match(server: VendorServer) -> None:
    """Without a fault a client gets the match byte for byte."""
    match = load("soccer-leganes-valencia")
    server.serve(match)
    with dial(server, path=match.path) as client:
        assert receive(client, len(match.packets)) == match.packets == server.packets(match)


@pytest.mark.parametrize(
    ("start", "query", "first"),
    [
        (0, "", 0),
        (0, "startPosition=4", 4),
        (-1, "startPosition=4", 3),
        (-1, "startPosition=0", 0),
        (1, "startPosition=4", 5),
        (1, "", 0),
        (0, "startPosition=four", 0),
        ("ignore", "startPosition=4", 0),
    ],
)
def test_start(server: VendorServer, start: Any, query: str, first: int) -> None:
    """The start mode says what a startPosition means."""
    server.serve(PATH, Script(numbered(8), start=start))
    with dial(server, query) as client:
        assert receive(client, 8 - first) == numbered(8 - first, first)
    assert server.attempts[0].first_index == first


def test_start_live(server: VendorServer) -> None:
    """A live server replays nothing and sends what is appended after the request."""
    server.serve(PATH, Script(numbered(5), start="live"))
    with dial(server, "startPosition=0") as client:
        server.append(PATH, numbered(2, 5))
        assert receive(client, 2) == numbered(2, 5)


def test_live_pace(server: VendorServer) -> None:
    """With a live pace the list grows by itself, whoever is connected."""
    server.serve(PATH, Script(numbered(20), start="live", live_pace=0.002))
    with dial(server) as client:
        assert receive(client, 3) == numbered(3)
    server.wait_for(lambda: len(server.released(PATH)) >= 8)
    with dial(server) as client:
        first = server.attempts[1].first_index
        assert first >= 8
        assert receive(client, 20 - first) == numbered(20 - first, first)


def test_start_beyond_the_end(server: VendorServer) -> None:
    """A startPosition beyond the end waits for the list to come that far."""
    server.serve(PATH, Script(numbered(2)))
    with dial(server, "startPosition=4") as client:
        server.append(PATH, numbered(3, 2))
        assert receive(client, 1) == numbered(1, 4)


def test_attempt_is_written_down(server: VendorServer) -> None:
    """An attempt says what the client asked for, and what it got."""
    server.serve(PATH, Script(numbered(3)))
    with dial(server, "startPosition=1&speed=fast") as client:
        receive(client, 2)
        assert server.open_count() == server.open_count(PATH) == 1
    server.wait_for(lambda: server.attempts[0].close_code is not None)
    (attempt,) = server.attempts_on(PATH)
    assert (attempt.query, attempt.start_position, attempt.speed) == ("startPosition=1&speed=fast", 1, "fast")
    assert (attempt.status, attempt.token, attempt.authorised, attempt.packets_sent) == (101, "secret", True, 2)
    assert [data for _, data in attempt.messages] == [AUTH_REPLY.encode(), *numbered(2, 1)]
    assert (attempt.ended, attempt.close_code, attempt.headers["accept"]) == ("client", 1000, ACCEPT)
    assert server.open_count() == 0


# The list changes while clients are connected


def test_release(server: VendorServer) -> None:
    """Packets that do not exist yet are sent when they are released."""
    server.serve(PATH, Script(numbered(9), available=2))
    with dial(server) as client:
        assert receive(client, 2) == numbered(2)
        server.release(PATH, 3)
        assert [client.recv(timeout=10, decode=False) for _ in range(3)] == numbered(3, 2)
        assert server.released(PATH) == numbered(5)
        server.release(PATH)
        assert [client.recv(timeout=10, decode=False) for _ in range(4)] == numbered(4, 5)


def test_replace(server: VendorServer) -> None:
    """A replaced list holds for open connections from where they are, and for new ones from the start."""
    server.serve(PATH, Script(numbered(2)))
    with dial(server) as client:
        receive(client, 2)
        server.replace(PATH, numbered(3, 70))
        assert client.recv(timeout=10, decode=False) == numbered(1, 72)[0]
    with dial(server) as client:
        assert receive(client, 3) == numbered(3, 70)


def test_truncate(server: VendorServer) -> None:
    """A list that shrank sends nothing until it is longer than what a connection has had."""
    server.serve(PATH, Script(numbered(4)))
    with dial(server) as client:
        receive(client, 4)
        server.truncate(PATH, 2)
        server.append(PATH, numbered(2, 50))
        server.append(PATH, numbered(1, 60))
        assert client.recv(timeout=10, decode=False) == numbered(1, 60)[0]
    assert server.packets(PATH) == numbered(2) + numbered(2, 50) + numbered(1, 60)


def test_match_stays_whole(server: VendorServer) -> None:
    """Changing what the server has does not change the match that it was given."""
    match = load("snooker-2")
    server.serve(match)
    server.truncate(match, 1)
    assert len(match.packets) == 463
    assert server.packets(match) == match.packets[:1]


# Ends


@pytest.mark.parametrize(("cut", "code"), [("close", 1000), (1011, 1011), ("abort", 1006), ("eof", 1006)])
def test_cut_every(server: VendorServer, cut: Any, code: int) -> None:
    """A connection is dropped after so many packets, in the way that the script names."""
    server.serve(PATH, Script(numbered(5), cut_every=2, cut=cut))
    assert session(server, "startPosition=1") == ([AUTH_REPLY.encode(), *numbered(2, 1)], code)
    server.wait_for(lambda: server.attempts[0].close_code is not None)
    assert (server.attempts[0].ended, server.attempts[0].packets_sent) == ("cut", 2)
    assert server.faults_fired["cut"] == 1
    assert server.faults_fired["abort"] == (cut == "abort")


def test_abort_is_a_reset(server: VendorServer) -> None:
    """An abort is a TCP reset, not the orderly end of a stream."""
    server.serve(PATH, Script(numbered(5), cut_every=1, cut="abort"))
    with dial(server) as client, pytest.raises(ConnectionClosedError) as closed:
        list(client)
    assert isinstance(closed.value.__cause__, ConnectionResetError)


def test_cut_before_anything(server: VendorServer) -> None:
    """A cut after no packet comes right after the auth reply."""
    server.serve(PATH, Script(numbered(5), cut_every=0))
    assert session(server) == ([AUTH_REPLY.encode()], 1000)


def test_cut_at(server: VendorServer) -> None:
    """A cut at an index fires once; the next connection passes it."""
    server.serve(PATH, Script(numbered(5), cut_at=[1, 3], cut=1012))
    assert session(server) == ([AUTH_REPLY.encode(), *numbered(2)], 1012)
    assert session(server) == ([AUTH_REPLY.encode(), *numbered(4)], 1012)
    with dial(server) as client:
        assert receive(client, 5) == numbered(5)


@pytest.mark.parametrize(("after_end", "code"), [("close", 1000), (4000, 4000), ("abort", 1006)])
def test_after_end(server: VendorServer, after_end: Any, code: int) -> None:
    """The server may leave once everything was sent."""
    server.serve(PATH, Script(numbered(3), after_end=after_end))
    assert session(server) == ([AUTH_REPLY.encode(), *numbered(3)], code)
    assert server.attempts[0].ended == "after_end"


@pytest.mark.parametrize(("how", "code"), [("close", 1000), ("abort", 1006), (1001, 1001)])
def test_drop_all(server: VendorServer, how: Any, code: int) -> None:
    """All connections can be dropped at any moment."""
    server.serve(PATH, Script(numbered(1)))
    server.serve("/other", Script(numbered(1)))
    with dial(server, path="/other") as other, dial(server) as one, dial(server) as two:
        for client in (other, one, two):
            receive(client, 1)
        assert server.drop_all(how, PATH) == 2
        assert [until_closed(one), until_closed(two)] == [([], code)] * 2
        assert server.open_count() == 1


# What is sent


def test_pace(server: VendorServer) -> None:
    """A pace puts time between the packets of a connection."""
    server.serve(PATH, Script(numbered(5), pace=0.01))
    began = time.monotonic()
    with dial(server) as client:
        assert receive(client, 5) == numbered(5)
    assert time.monotonic() - began >= 0.04


def test_heartbeats_while_idle(server: VendorServer) -> None:
    """Heartbeats come at their interval when there is nothing to send."""
    server.serve(PATH, Script(heartbeat=0.005))
    with dial(server) as client:
        beats = [json.loads(message) for message in receive(client, 3)]
    assert all(beat["eventElementType"] == "Heartbeat" for beat in beats)
    assert all(beat["message"] == f"Heartbeat sent at {beat['timestamp']}" for beat in beats)


def test_heartbeats_between_packets(server: VendorServer) -> None:
    """Heartbeats come between slow packets too."""
    server.serve(PATH, Script(numbered(2), pace=0.05, heartbeat=0.01))
    with dial(server) as client:
        messages = receive(client, 3)
    assert messages[0] == numbered(1)[0]
    assert b"Heartbeat" in messages[1]


def test_heartbeat_every(server: VendorServer) -> None:
    """A heartbeat before every third packet of the list, whatever the time and the connection."""
    server.serve(PATH, Script(numbered(6), heartbeat_every=3))
    with dial(server, "startPosition=1") as client:
        messages = receive(client, 7)
    assert [b"Heartbeat" in message for message in messages] == [False, True, False, False, False, True, False]


def test_group(server: VendorServer) -> None:
    """Packets come in JSON arrays, the last one shorter, their bytes untouched."""
    server.serve(PATH, Script(numbered(5), group=2))
    with dial(server) as client:
        assert receive(client, 3) == [b"[%s,%s]" % tuple(numbered(2, n)) for n in (0, 2)] + [
            b"[%s]" % numbered(1, 4)[0]
        ]


def test_group_ends_at_a_fault(server: VendorServer) -> None:
    """A cut or an injected message in the middle of a group ends the group."""
    server.serve(PATH, Script(numbered(9), group=4, cut_every=3, inject={1: ["hello"]}))
    assert [json.loads(message) for message in session(server)[0][1:] if message != b"hello"] == [
        [{"fixtureAction": {"n": 0}}],
        [{"fixtureAction": {"n": 1}}, {"fixtureAction": {"n": 2}}],
    ]


def test_wrap(server: VendorServer) -> None:
    """Packets come as ``{"action": ...}``."""
    server.serve(PATH, Script(numbered(2), wrap=True))
    with dial(server) as client:
        assert receive(client, 2) == [b'{"action":%s}' % packet for packet in numbered(2)]


def test_mangle(server: VendorServer) -> None:
    """A packet can be left out or changed on the wire, even to what is no UTF-8; the list keeps the truth."""
    server.serve(PATH, Script(numbered(4), mangle={1: None, 2: b"\xff"}.get))
    with dial(server) as client:
        assert receive(client, 3) == [numbered(1)[0], b"\xff", numbered(1, 3)[0]]
    assert server.packets(PATH) == numbered(4)
    assert (server.faults_fired["mangle"], server.faults_fired["omit"], server.attempts[0].packets_sent) == (1, 1, 3)


def test_mistake_in_a_script_fails_the_test() -> None:
    """An exception in a script's own code surfaces where the server ends."""

    def mangle(index: int, packet: bytes) -> bytes:
        raise LookupError(index)

    server = VendorServer()
    server.serve(PATH, Script(numbered(1), mangle=mangle))
    with pytest.raises(LookupError), server:
        session(server)


@pytest.mark.parametrize("once", [False, True])
def test_inject(server: VendorServer, once: bool) -> None:
    """Extra messages, text or binary, come before a packet or after the last, once or on each connection."""
    server.serve(PATH, Script(numbered(2), inject={1: ["text", b"binary"], 2: ["last"]}, inject_once=once))
    with dial(server) as client:
        assert receive(client, 5) == [numbered(1)[0], b"text", b"binary", numbered(1, 1)[0], b"last"]
    assert [text for text, data in server.attempts[0].messages if data in (b"text", b"binary")] == [True, False]
    with dial(server) as client:
        assert receive(client, 2)[1] == (numbered(1, 1)[0] if once else b"text")


def test_duplicate(server: VendorServer) -> None:
    """Each packet comes twice and counts once."""
    server.serve(PATH, Script(numbered(3), duplicate=True, cut_every=2))
    assert session(server)[0][1:] == [packet for packet in numbered(2) for _ in range(2)]


def test_reserialise(server: VendorServer) -> None:
    """Each connection writes the same content in other bytes, down to the spelling of numbers, and another traceId."""
    match: Match = load("soccer-leganes-valencia")
    server.serve(match, Script(match.packets[:50], reserialise=True))
    seen: list[list[bytes]] = []
    for _ in range(2):
        with dial(server, path=match.path) as client:
            seen.append(receive(client, 50))
    for original, one, two in zip(match.packets, *seen, strict=False):
        first, *others = [json.loads(packet, parse_float=str, parse_int=str) for packet in (original, one, two)]
        assert len({original, one, two}) == len({packet.pop("traceId") for packet in (first, *others)}) == 3
        assert others == [first, first]


# Tokens and handshakes


def test_silent_auth(server: VendorServer) -> None:
    """A server may answer the right token with nothing but packets."""
    server.serve(PATH, Script(numbered(1), token="secret", auth="silent"))
    with dial(server) as client:
        assert client.recv(timeout=10, decode=False) == numbered(1)[0]


@pytest.mark.parametrize(
    ("auth", "code", "messages"),
    [
        ("refuse_message", 1008, [b'{"errorMessage": "Supplied token could not be authenticated"}']),
        ("refuse_close", 4401, []),
        ("refuse_silent_close", 1000, []),
    ],
)
def test_refused_token(server: VendorServer, auth: Any, code: int, messages: list[bytes]) -> None:
    """A token is refused with a message, with a close code, or with nothing that says so."""
    server.serve(PATH, Script(numbered(1), auth=auth))
    assert session(server) == (messages, code)
    assert (server.attempts[0].ended, server.attempts[0].authorised) == ("refused", False)
    assert server.faults_fired == {"refuse": 1}


def test_refusals_end(server: VendorServer) -> None:
    """A token may be refused so many times, and be right after that."""
    server.serve(PATH, Script(numbered(1), auth="refuse_close", refusals=1))
    assert session(server) == ([], 4401)
    with dial(server) as client:
        assert receive(client, 1) == numbered(1)


def test_silent_after_refusals(server: VendorServer) -> None:
    """Refused handshakes do not make a silent server talk."""
    server.serve(PATH, Script(numbered(1), auth="silent", handshake_status=503, refusals=1))
    refusal(server)
    with dial(server) as client:
        assert client.recv(timeout=10, decode=False) == numbered(1)[0]


def test_wrong_token(server: VendorServer) -> None:
    """Only the right token gets packets, even from a server that says nothing about it."""
    server.serve(PATH, Script(numbered(1), token="other", auth="silent"))
    assert session(server)[1] == 1008


def test_no_token_in_the_first_message(server: VendorServer) -> None:
    """A first message that is not the token ends the connection."""
    server.serve(PATH, Script(numbered(1)))
    with dial(server, token=None) as client:
        client.send('{"token": "secret"}')
        assert until_closed(client) == ([], 1008)


def test_no_token_in_time() -> None:
    """A client that says nothing is sent away."""
    with VendorServer(token_timeout=0.01) as server:
        server.serve(PATH, Script(numbered(1)))
        with dial(server, token=None) as client:
            assert until_closed(client) == ([], 1008)
        assert server.faults_fired == {"no_token": 1}


@pytest.mark.parametrize(("auth", "status"), [("refuse_401", 401), ("refuse_403", 403)])
def test_refused_handshake(server: VendorServer, auth: Any, status: int) -> None:
    """A server may refuse before it has seen the token."""
    server.serve(PATH, Script(numbered(1), auth=auth))
    response = refusal(server)
    assert (response.status_code, response.body) == (status, b"The supplied authentication is invalid")
    assert server.attempts[0].status == status


def test_missing_accept(server: VendorServer) -> None:
    """Another Accept header gets the vendor's 400."""
    server.serve(PATH, Script(numbered(1)))
    response = refusal(server, accept="*/*")
    assert (response.status_code, response.body) == (400, b"Request is missing required HTTP header 'Accept'")


def test_unknown_path(server: VendorServer) -> None:
    """A path that nobody serves gets 404."""
    assert refusal(server).status_code == 404
    assert server.faults_fired == {"unknown_path": 1}


@pytest.mark.parametrize("status", [204, 404, 429, 503])
def test_handshake_status(server: VendorServer, status: int) -> None:
    """A handshake is refused so many times with a status and a Retry-After, and then works."""
    server.serve(PATH, Script(numbered(1), handshake_status=status, retry_after=7, refusals=2))
    for _ in range(2):
        response = refusal(server)
        assert (response.status_code, response.headers["Retry-After"]) == (status, "7")
    with dial(server) as client:
        receive(client, 1)
    assert [attempt.status for attempt in server.attempts] == [status, status, 101]
    assert server.busiest_second() in (1, 2, 3)


# The server itself


def test_many_reconnects(server: VendorServer) -> None:
    """A cut after every packet costs many connections but loses nothing."""
    server.serve(PATH, Script(numbered(300), cut_every=1))
    received = []
    for n in range(300):
        received += session(server, f"startPosition={n}")[0][1:]
    assert received == server.packets(PATH)
    assert server.busiest_second() > 5


def test_wait_for_says_what_it_saw(server: VendorServer) -> None:
    """A wait in vain tells the attempts and faults."""
    refusal(server)
    with pytest.raises(TimeoutError, match=r"1 attempts.*(?s:.)*status=404.*(?s:.)*unknown_path"):
        server.wait_for(lambda: False, timeout=0.01)


def test_closes_with_clients_of_every_kind() -> None:
    """The server ends (or its exit raises) beside clients that say nothing, read nothing, or only opened a socket."""
    server = VendorServer()
    server.serve(PATH, Script(numbered(200_000)))
    with ExitStack() as clients:
        with server:
            clients.enter_context(socket.create_connection(("127.0.0.1", int(server.endpoint.rpartition(":")[2]))))
            clients.enter_context(dial(server, token=None))
            clients.enter_context(dial(server, max_queue=1))
            server.wait_for(lambda: server.open_count() == 2 and server.attempts[1].packets_sent > 1000)
        assert [attempt.ended for attempt in server.attempts] == ["stopped", "stopped"]


def test_independence() -> None:
    """The model shares no code with what it tests."""
    code = "import sys, tests.vendor; sys.exit(any(name.split('.')[0] == 'recorder' for name in sys.modules))"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
