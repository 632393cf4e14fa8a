"""The network between the vendor and us fails in every way: nothing is lost, nothing is doubled, nobody is hammered."""

from __future__ import annotations

import os
import random
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder.errors import StoppedEarly
from recorder.feed.timing import Timing
from recorder.wire import dialling
from tests.faults.looking import assert_all_complete, counts, until
from tests.faults.made import make
from tests.faults.proxy import BOTH, DOWN, HANDSHAKE, NOTHING, UP, Direction, Fault, Proxy
from tests.recording import QUICK, TOKEN, Recording, Running, Shell, ended
from tests.vendor import ACCEPT, Script, VendorServer

WATCHFUL = replace(QUICK, dead=0.8, quiet=0.4)
"""Where silence of less than a second is noticed."""

SEED = int(os.environ.get("RECORDER_TEST_SEED") or random.SystemRandom().randrange(2**32))


def first_only(fault: Fault) -> Any:
    """The plan in which the first connection of each path suffers, and those after it do not."""
    return lambda _path, number: NOTHING if number else fault


def through(proxy: Proxy) -> dict[str, Any]:
    """The settings that go through the proxy."""
    return {"endpoint": proxy.endpoint}


def watchdog_bites(recording: Recording) -> int:
    return int(recording.one("SELECT count(*) FROM sessions WHERE outcome LIKE 'no frame of any kind%'"))


def end_well(running: Running) -> None:
    running.wait()
    assert running.error is None


# N1, N2: nothing arrives any more


@pytest.mark.parametrize("directions", [BOTH, DOWN], ids=["both", "down"])
def test_black_hole_in_mid_match(recording: Recording, server: VendorServer, directions: frozenset[Direction]) -> None:
    """A connection into which everything vanishes is noticed by the watchdog and replaced; nothing is lost."""
    match = make("hole", 60)
    server.serve(match, Script(match.packets, available=30, heartbeat=0.1))
    with (
        Proxy(server.endpoint) as proxy,
        recording.running(match, timing=WATCHFUL, **through(proxy)) as running,
    ):
        until(lambda: counts(recording) == {match.fixture_id: 30})
        before = len(server.attempts)
        proxy.hole(directions=directions)
        server.release(match)
        server.wait_for(lambda: len(server.attempts) > before)
        end_well(running)
        assert proxy.fired["hole"] == 1
    recording.assert_complete(match)
    assert recording.causes() == []
    assert watchdog_bites(recording) == 1


def stalled(recording: Recording, server: VendorServer, timing: Timing) -> float:
    """Return how many seconds lay between the last message and the end of a connection that fell into a hole."""
    match = make("stalled", 60)
    server.serve(match, Script(match.packets, available=30, heartbeat=timing.dead / 3))
    with (
        Proxy(server.endpoint) as proxy,
        recording.running(match, timing=timing, for_s=120.0, **through(proxy)) as running,
    ):
        until(lambda: counts(recording) == {match.fixture_id: 30})
        before = len(server.attempts)
        proxy.hole()
        server.wait_for(lambda: len(server.attempts) > before, timeout=60)
        server.release(match)
        end_well(running)
        assert proxy.fired["hole"] == 1
        print("faults fired:", dict(proxy.fired))
    recording.assert_complete(match)
    return float(
        recording.one(
            "SELECT (julianday(closed_at) - julianday(coalesce(s.last_heartbeat_at, max(f.received_at)))) * 86400 "
            "FROM sessions s JOIN raw_frames f USING (stream_id, session_id) "
            "WHERE s.outcome LIKE 'no frame of any kind%'"
        )
    )


def test_stall_is_told_in_time(recording: Recording, server: VendorServer) -> None:
    """Silence is noticed when it has lasted as long as it may, and not before."""
    assert stalled(recording, server, replace(QUICK, dead=1.5)) >= 1.499


@pytest.mark.campaign
def test_stall_is_told_within_26_seconds(recording: Recording, server: VendorServer) -> None:
    """With the limits that users have: after 25 s, and at most one second later."""
    seconds = stalled(recording, server, replace(Timing(), linger=0.0))
    print(f"noticed after {seconds:.2f} s")
    assert 25.0 <= seconds + 0.001 <= 26.0


def test_peer_that_does_not_hear_us_in_mid_match(recording: Recording, server: VendorServer) -> None:
    """When only our own bytes vanish there is nothing to mend: all comes, and we leave without an answer."""
    match = make("deaf", 60)
    server.serve(match, Script(match.packets, available=30, heartbeat=0.1))
    with (
        Proxy(server.endpoint) as proxy,
        recording.running(match, timing=WATCHFUL, **through(proxy)) as running,
    ):
        until(lambda: counts(recording) == {match.fixture_id: 30})
        proxy.hole(directions=UP)
        server.release(match)
        end_well(running)
        assert proxy.fired["hole"] == 1
    recording.assert_complete(match)
    assert (recording.causes(), watchdog_bites(recording)) == ([], 0)


@pytest.mark.parametrize("directions", [BOTH, DOWN, UP], ids=["both", "down", "up"])
def test_black_hole_right_after_the_handshake(
    recording: Recording, server: VendorServer, directions: frozenset[Direction]
) -> None:
    """The watchdog runs from the handshake on, before anything was said."""
    match = make("early hole", 60)
    server.serve(match, Script(match.packets, cut_at=[20, 30, 40, 50], heartbeat=0.1))
    fault = Fault(at=HANDSHAKE, how="hole", directions=directions)
    # Two at first, since three that were answered with silence look like a refused token; then two more.
    with Proxy(server.endpoint, lambda _path, number: fault if number in (0, 1, 3, 4) else NOTHING) as proxy:
        recording.run(match, timing=WATCHFUL, **through(proxy))
        assert proxy.fired["hole"] == 4
    recording.assert_complete(match)
    assert recording.causes() == []


def test_handshake_without_an_answer(
    recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is accepted and says nothing at all is given up, and dialled again."""
    monkeypatch.setattr(dialling, "_OPEN_TIMEOUT_S", 0.3)
    match = make("mute", 20)
    server.serve(match)
    with Proxy(server.endpoint, first_only(Fault(at=0, how="hole"))) as proxy:
        recording.run(match, **through(proxy))
        assert proxy.fired["hole"] == 1
    recording.assert_complete(match)
    assert recording.causes() == []


# N3: cut after every byte


def cut_at_offsets(recording: Recording, server: VendorServer, offsets: Sequence[int], how: Any, times: int) -> None:
    """Cut the first connections of as many streams as there are offsets, each at its own byte."""
    good = make("good", 3)
    cut = [(make(f"offset {offset}", 3), offset) for offset in offsets]
    at = {match.path: offset for match, offset in cut}
    for match in [good, *(match for match, _ in cut)]:
        server.serve(match)

    def plan(path: str, number: int) -> Fault:
        return Fault(at=at[path], how=how) if path in at and number < times else NOTHING

    with Proxy(server.endpoint, plan) as proxy:
        for path in at:
            proxy.hold(path)  # until one stream is let in: three that are cut before their first frame look like 77
        everything = [good, *(match for match, _ in cut)]
        with recording.running(*everything, for_s=200.0, **through(proxy)) as running:
            until(lambda: good.fixture_id in counts(recording))
            for path in at:
                proxy.free(path)
            end_well(running)
        assert proxy.fired[how] == times * len(cut)
        print(dict(proxy.fired))
    assert_all_complete(recording, everything)
    assert recording.causes() == []
    whole = {message.data for attempt in server.attempts for message in attempt.messages}
    assert {payload for (payload,) in recording.select("SELECT payload FROM raw_frames")} <= whole


def script_length(server: VendorServer) -> int:
    """How many bytes a server says on one connection of three packets: the handshake, the auth reply, the packets."""
    match = make("measured", 3)
    server.serve(match, Script(match.packets, after_end="close"))
    address = server.endpoint.removeprefix("ws://").partition(":")
    with socket.create_connection((address[0], int(address[2])), timeout=10) as client:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        client.sendall(
            f"GET {match.path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAccept: {ACCEPT}\r\n\r\n".encode()
        )
        token = b'{"authToken":"%s"}' % TOKEN.encode()
        client.sendall(bytes([0x81, 0x80 | len(token), 0, 0, 0, 0]) + token)
        said = b""
        while not said.endswith(b"\x88\x02\x03\xe8"):
            said += client.recv(65536)
    assert said.count(b'fixtureAction"') == 3
    return len(said) - 4


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_cut_after_bytes(recording: Recording, server: VendorServer, how: str) -> None:
    """A cut after any byte, in whatever way, loses nothing, and no half of a frame is ever stored (each 7th byte)."""
    cut_at_offsets(recording, server, range(0, script_length(server), 7), how, times=1)


@pytest.mark.campaign
@pytest.mark.parametrize("how", ["rst", "fin"])
def test_cut_after_every_byte(tmp_path: Path, server: VendorServer, how: str) -> None:
    """A cut after every single byte."""
    offsets = range(script_length(server))
    for number, batch in enumerate(_batched(offsets, 200)):
        directory = tmp_path / str(number)
        directory.mkdir()
        with VendorServer() as own:
            cut_at_offsets(Recording(directory, own), own, batch, how, times=2)
    print("offsets", len(offsets))


def _batched(items: Sequence[int], size: int) -> list[Sequence[int]]:
    return [items[begin : begin + size] for begin in range(0, len(items), size)]


# N4, N5: slow, in small pieces


def test_one_byte_at_a_time(recording: Recording, server: VendorServer) -> None:
    """Messages that come byte by byte are the same messages."""
    match = make("sliced", 40)
    server.serve(match, Script(match.packets, cut_at=[13, 27]))
    with Proxy(server.endpoint, lambda _path, _number: Fault(slice=1)) as proxy:
        recording.run(match, **through(proxy))
        assert proxy.fired["slice"] > sum(map(len, match.packets))
    recording.assert_complete(match)
    assert recording.causes() == []


def test_slow_link(recording: Recording, server: VendorServer) -> None:
    """A link on which everything takes long is no dead one while messages come."""
    match = make("slow", 60)
    server.serve(match, Script(match.packets, pace=0.04, heartbeat=0.1))
    with Proxy(server.endpoint, lambda _path, _number: Fault(rate=10_000.0)) as proxy:
        recording.run(match, timing=WATCHFUL, **through(proxy))
        assert proxy.fired["throttle"] > 50
    recording.assert_complete(match)
    assert watchdog_bites(recording) == 0
    assert [attempt.start_position for attempt in server.attempts] == [None]


def test_slow_heartbeats(recording: Recording, server: VendorServer) -> None:
    """While a match pauses, heartbeats over a slow link are enough."""
    match = make("pausing", 20)
    server.serve(match, Script(match.packets, available=10, heartbeat=0.3))
    with (
        Proxy(server.endpoint, lambda _path, _number: Fault(rate=10_000.0, delay=0.02)) as proxy,
        recording.running(match, timing=WATCHFUL, **through(proxy)) as running,
    ):
        until(lambda: counts(recording) == {match.fixture_id: 10})
        beats = len(server.attempts[-1].messages)
        server.wait_for(lambda: len(server.attempts[-1].messages) >= beats + 6)  # longer than the watchdog waits
        server.release(match)
        end_well(running)
        assert min(proxy.fired["throttle"], proxy.fired["delay"]) > 0
    recording.assert_complete(match)
    assert watchdog_bites(recording) == 0


def test_message_that_takes_longer_than_the_watchdog_waits(recording: Recording, server: VendorServer) -> None:
    """A long message on a slow link is no silence: bytes are coming."""
    match = make("long", 40)
    server.serve(match, Script(match.packets, group=40, heartbeat=0.1))
    with Proxy(server.endpoint, lambda _path, _number: Fault(rate=12_000.0)) as proxy:
        recording.run(match, timing=WATCHFUL, **through(proxy))
    recording.assert_complete(match, same_bytes=False)


# N6, N7: the vendor closes

CODES = [1000, 1001, 1011, 4000]
RESTARTING = [1012, 1013]


@pytest.mark.parametrize("code", CODES)
def test_close_in_mid_match(recording: Recording, server: VendorServer, code: int) -> None:
    """Whatever code the vendor closes with in mid-match, it is a drop and not the end."""
    match = make(f"closed {code}", 40)
    server.serve(match, Script(match.packets, cut_at=[0, 1, 5, 20, 21, 37, 38], cut=code))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []
    assert server.faults_fired["cut"] == 7
    # At times we close at the very same moment, to read from 0.
    assert recording.one("SELECT count(*) FROM sessions WHERE close_code = ?", code) >= 4


def test_close_to_restart_in_mid_match(recording: Recording, server: VendorServer) -> None:
    """A vendor that restarts, or asks to come later, is not the end either (5 to 15 s are what it is given)."""
    matches = [make(f"closed {code} at {index}", 40) for code in RESTARTING for index in (0, 20, 38)]
    for number, match in enumerate(matches):
        server.serve(match, Script(match.packets, cut_at=[(0, 20, 38)[number % 3]], cut=RESTARTING[number // 3]))
    recording.run(*matches)
    assert_all_complete(recording, matches)
    assert recording.causes() == []
    assert server.faults_fired["cut"] == 6
    assert recording.select("SELECT DISTINCT close_code FROM sessions WHERE close_code > 1000 ORDER BY 1") == [
        (code,) for code in RESTARTING
    ]


@pytest.mark.parametrize("code", [1000, 1001])
def test_close_while_the_match_pauses(recording: Recording, server: VendorServer, code: int) -> None:
    """A vendor that closes politely again and again while nothing happens has not ended the match."""
    match = make(f"pause {code}", 20)
    server.serve(match, Script(match.packets, available=10))
    with recording.running(match) as running:
        until(lambda: counts(recording) == {match.fixture_id: 10})
        for _ in range(4):
            server.wait_for(lambda: server.open_count() == 1 and server.attempts[-1].authorised)
            server.drop_all(code)
            server.wait_for(lambda: server.open_count() == 0)
        server.release(match)
        end_well(running)
    recording.assert_complete(match)
    assert server.faults_fired["drop_all"] == 4
    assert recording.causes() == []


@pytest.mark.campaign
@pytest.mark.parametrize("code", [*CODES, *RESTARTING])
def test_close_at_every_packet(recording: Recording, server: VendorServer, code: int) -> None:
    """As many streams as packets, each closed behind another one."""
    matches = [make(f"closed {code} at {index}", 40) for index in range(39)]
    for index, match in enumerate(matches):
        server.serve(match, Script(match.packets, cut_at=[index], cut=code))
    recording.run(*matches)
    assert_all_complete(recording, matches)
    assert recording.causes() == []
    print(dict(server.faults_fired))
    assert server.faults_fired["cut"] == 39


# N10: let in, and sent away again

RATE = 500.0
"""Attempts a second that the limiter allows here: what a loop without back-off would reach."""


def count_attempts(recording: Recording, server: VendorServer, script: Script, seconds: float) -> int:
    """Return how many attempts came in so many seconds, and until there were four."""
    match = make("rejected", 40)
    script.packets = match.packets
    server.serve(match, script)
    with recording.running(match, connect_rate=RATE, for_s=120.0) as running:
        server.wait_for(lambda: len(server.attempts) >= 4, timeout=100)
        until(lambda: time.monotonic() >= server.attempts[0].at + seconds)
    assert isinstance(running.error, StoppedEarly)
    return len(server.attempts)


@pytest.mark.parametrize("cut", ["close", "abort", 4000])
def test_accepted_and_sent_away(recording: Recording, server: VendorServer, cut: Any) -> None:
    """A server that lets us in and closes at once sees attempts that become rare: the handshake is no success."""
    attempts = count_attempts(recording, server, Script(cut_every=0, cut=cut), 3.0)
    assert attempts <= 50  # a loop without back-off: 3 s * 500 / s / 1.1
    assert server.faults_fired["cut"] in (attempts, attempts - 1)  # we may end when the last one has just been let in


def test_nothing_new_and_sent_away(recording: Recording, server: VendorServer) -> None:
    """A server that sends one known packet and closes sees attempts that become rare: that is no success."""
    attempts = count_attempts(recording, server, Script(cut_every=1, start="ignore"), 3.0)
    assert attempts <= 60
    assert server.faults_fired["cut"] >= attempts - 1


# N15: streams are stopped one by one


def swizzle(recording: Recording, server: VendorServer, streams: int, rounds: int, timing: Any = QUICK) -> None:
    """Stop streams one by one, free them in another order; whoever is not stopped is never delayed."""
    print("seed", SEED)
    rng = random.Random(SEED)
    matches = [make(f"swizzled {number}", rounds * 2 * streams + 1) for number in range(streams)]
    for match in matches:
        server.serve(match, Script(match.packets, available=0, heartbeat=0.2))
    released = 0

    def flows(stopped: set[str]) -> bool:
        have = counts(recording)
        return all(have.get(m.fixture_id, 0) >= released for m in matches if m.path not in stopped)

    with (
        Proxy(server.endpoint) as proxy,
        recording.running(*matches, for_s=300.0, timing=timing, **through(proxy)) as running,
    ):
        server.wait_for(lambda: server.open_count() == streams, timeout=30)
        stopped: set[str] = set()
        for _ in range(rounds):
            for path in rng.sample([match.path for match in matches], streams):
                proxy.hold(path)
                stopped.add(path)
                released += 1
                for match in matches:
                    server.release(match, 1)
                until(lambda: flows(stopped))
            for path in rng.sample(sorted(stopped), streams):
                proxy.free(path)
                stopped.remove(path)
                released += 1
                for match in matches:
                    server.release(match, 1)
                until(lambda: flows(stopped), what=lambda: (SEED, len(stopped), counts(recording)))
        for match in matches:
            server.release(match)
        end_well(running)
        assert proxy.fired["hold"] == streams * rounds
        print(dict(proxy.fired), "attempts", len(server.attempts))
    assert_all_complete(recording, matches)
    assert recording.causes() == []


def test_stopped_one_by_one(recording: Recording, server: VendorServer) -> None:
    """Eight streams that are stopped and freed in random order keep to themselves, and are complete in the end."""
    swizzle(recording, server, streams=8, rounds=1)


@pytest.mark.campaign
def test_stopped_one_by_one_and_dropped(recording: Recording, server: VendorServer) -> None:
    """Thirty streams, again and again, so long that those that are stopped are given up and dialled again."""
    swizzle(recording, server, streams=30, rounds=4, timing=WATCHFUL)
    assert watchdog_bites(recording) > 0


# The server goes away and comes back


def test_server_restarted(tmp_path: Path) -> None:
    """A server that goes away and comes back on the same port is found again by all streams; nothing is lost."""
    matches = [make(f"restarted {number}", 30) for number in range(10)]
    with ExitStack() as life:
        first = life.enter_context(VendorServer())
        for match in matches:
            first.serve(match, Script(match.packets, available=12))
        recording = Recording(tmp_path, first)
        port = int(first.endpoint.rpartition(":")[2])
        with recording.running(*matches) as running:
            until(lambda: list(counts(recording).values()) == [12] * 10)
            life.close()
            until(lambda: recording.one("SELECT count(*) FROM sessions") >= 30)  # dialled again and nobody there
            with VendorServer(port=port) as second:
                for match in matches:
                    second.serve(match)
                end_well(running)
                recording.server = second
                assert_all_complete(recording, matches)
                assert len(second.attempts) >= 10
    assert recording.causes() == []


# P6: file descriptors


def descriptors(pid: int) -> Counter[str]:
    """What a process has open, by kind."""
    kinds: Counter[str] = Counter()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we looked
            kinds[file.readlink().name.split(":")[0]] += 1
    return kinds


def reconnect_many_times(directory: Path, server: VendorServer, times: int) -> None:
    """Each connection brings one packet and is cut; count what the recorder holds open early and late."""
    match = make("reconnected", times)
    server.serve(match, Script(match.packets, cut_every=1, cut="abort"))
    shell = Shell(directory, server)
    shell.write_list(match)
    process = shell.start_run("--until-finished", "--connect-rate", "5000", "--linger", "0")
    try:
        server.wait_for(lambda: server.faults_fired["cut"] >= times // 5, timeout=600)
        early = descriptors(process.pid)
        server.wait_for(lambda: server.faults_fired["cut"] >= times - 10, timeout=600)
        late = descriptors(process.pid)
    finally:
        result = ended(process, timeout=300)
    print(early, late, dict(server.faults_fired), "attempts", len(server.attempts))
    assert result.code == 0, result
    assert abs(late.total() - early.total()) <= 2  # one connection more or less at that moment


def test_descriptors_over_many_reconnects(tmp_path: Path, server: VendorServer) -> None:
    """After 300 reconnects the recorder holds no more open than after 60."""
    reconnect_many_times(tmp_path, server, 300)


@pytest.mark.campaign
def test_descriptors_over_very_many_reconnects(tmp_path: Path, server: VendorServer) -> None:
    """After 10,000 reconnects the recorder holds no more open than after 2,000."""
    reconnect_many_times(tmp_path, server, 10_000)
