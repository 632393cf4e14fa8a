"""Recording over real sockets, cut off in every way: the archive equals what the server has."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from recorder import roster
from recorder.archive import writer
from recorder.errors import Doubt, StoppedEarly
from recorder.feed.booking import Entry
from recorder.feed.ledger import Ledger
from recorder.feed.parsed import Parsed
from recorder.model import Frame
from tests.recording import QUICK, Recording, content
from tests.vendor import Drop, Match, Script, Start, VendorServer, load, names

SNOOKER, SOCCER = "snooker-1", "soccer-france-romania"
CUTS: list[Drop] = ["close", "abort", "eof", 1011]


def short(match: Match, count: int = 60) -> list[bytes]:
    """The first packets of a match and its last one, which says that it is over, numbered without a hole."""
    return [*match.packets[: count - 1], numbered(match.packets[-1], count)]


def numbered(packet: bytes, seq: int) -> bytes:
    said = json.loads(packet)["fixtureAction"]["fixtureSeqNum"]
    return packet.replace(b'"fixtureSeqNum":%d' % said, b'"fixtureSeqNum":%d' % seq)


# Cut every k packets


def test_cut_after_every_packet(recording: Recording, server: VendorServer) -> None:
    """A server that lets us have one packet a connection costs many connections and nothing else."""
    match = load(SNOOKER)
    server.serve(match, Script(cut_every=1))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("k", [1, 2, 7, 100])
def test_cut(recording: Recording, server: VendorServer, k: int, cut: Drop) -> None:
    """However often and in whatever way we are cut off, nothing is lost and nothing is doubled."""
    match = load("snooker-2" if k == 100 else SNOOKER)
    server.serve(match, Script(match.packets if k == 100 else short(match), cut_every=k, cut=cut))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []
    assert server.faults_fired["cut"] >= len(server.packets(match)) // k - 1


@pytest.mark.campaign
@pytest.mark.parametrize("k", [1, 2, 7, 100])
@pytest.mark.parametrize("name", names())
def test_cut_campaign(recording: Recording, server: VendorServer, name: str, k: int) -> None:
    """Every match, cut every k packets, has the checksum of its header and ends with the official score."""
    match = load(name)
    server.serve(match, Script(cut_every=k))
    recording.run(match, for_s=600.0)
    recording.assert_complete(match)
    assert recording.causes() == []


@pytest.mark.campaign
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("start", [-2, -1, 1, 2])
@pytest.mark.parametrize("k", [1, 2, 7, 100])
def test_cut_and_start_campaign(
    recording: Recording, server: VendorServer, request: pytest.FixtureRequest, k: int, start: int, cut: Drop
) -> None:
    """Cut every k packets by a server that starts elsewhere than asked."""
    if (k, start) == (2, 2):
        reason = "alignment: a packet that could be asked for is left out too (the open gap says so, exit code 4)"
        request.applymarker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason))
    match = load(SOCCER)
    server.serve(match, Script(cut_every=k, cut=cut, start=start))
    few_packets_from_elsewhere(recording, match, start, k)


def few_packets_from_elsewhere(recording: Recording, match: Match, start: int, k: int) -> None:
    """Record from a server that hardly lets us prove a thing: the list is right, or an open gap says what is missing.

    What lies behind the k packets of a read from 0 and before 1 + start (startPosition=1) can be asked for by nobody.
    """
    left_out = range(k, 1 + start)
    with pytest.raises(Doubt) if left_out else nullcontext():
        recording.run(match)
    assert recording.causes() == (["unproven"] if left_out else [])
    theirs = recording.server.packets(match)
    assert recording.packets(match) == [packet for index, packet in enumerate(theirs) if index not in left_out]
    assert list(recording.positions(match)) == list(range(len(theirs) - len(left_out)))


@pytest.mark.parametrize("end", CUTS)
def test_dropped_at_the_end(recording: Recording, server: VendorServer, end: Drop) -> None:
    """A vendor that drops us behind the last packet of a finished match, however rudely, does not keep us for ever."""
    match = load(SNOOKER)
    server.serve(match, Script(after_end=end))
    recording.run(match)
    recording.assert_complete(match)
    assert len(server.attempts) < 40  # a reset takes with it what had not been read


# Where the server starts


@pytest.mark.parametrize("start", [0, -1, -2, 1, 2])
@pytest.mark.parametrize("k", [7, 100])
def test_start(recording: Recording, server: VendorServer, start: Start, k: int) -> None:
    """A server that starts elsewhere than asked is seen through: no hole, no double, no doubt."""
    match = load(SOCCER)
    server.serve(match, Script(match.packets if k == 100 else short(match), start=start, cut_every=k))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []


@pytest.mark.parametrize("cut", CUTS)
def test_start_ignored(recording: Recording, server: VendorServer, cut: Drop) -> None:
    """A server that always sends everything from 0 doubles nothing."""
    match = load(SOCCER)
    server.serve(match, Script(start="ignore", cut_at=[3, 4, 50, 51, 200, 400, 523], cut=cut))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []
    assert server.faults_fired["ignore_start"] > 0


@pytest.mark.parametrize("start", [0, -1, 1, "ignore"])
def test_cut_at_random_places(recording: Recording, server: VendorServer, start: Start) -> None:
    """Cuts at random places of a whole match (the seed is printed) leave no trace."""
    seed = Random().randrange(2**32)
    print("seed", seed)
    match = load("soccer-uruguay-portugal")
    server.serve(match, Script(start=start, cut_at=Random(seed).sample(range(463), 12), cut="abort"))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []


@pytest.mark.parametrize("start", [-2, -1, 1, 2])
def test_one_packet_a_connection_from_elsewhere(recording: Recording, server: VendorServer, start: int) -> None:
    """One packet a connection, from elsewhere than asked: the list is right, or an open gap says what is in doubt."""
    match = load(SOCCER)
    server.serve(match, Script(short(match, 40), start=start, cut_every=1))
    few_packets_from_elsewhere(recording, match, start, 1)


def test_live_only(recording: Recording, server: VendorServer) -> None:
    """After a cut a server that sends only what is new leaves a gap row; order is kept, nothing made up."""
    match = load(SOCCER)
    script = server.serve(match, Script(match.packets, available=0, start="live"))
    with recording.running(match) as running:
        server.wait_for(lambda: server.open_count() == 1)
        for count in (20, 20):
            server.release(match, count)
        server.wait_for(lambda: server.attempts[0].packets_sent == 40)
        server.wait_for(lambda: recording_has(recording, 40))
        script.auth = "refuse_401"  # keep us out while ten packets go by
        server.drop_all("abort")
        server.wait_for(lambda: server.attempts[-1].status == 401)
        server.release(match, 10)
        script.auth = "message"
        server.wait_for(lambda: server.open_count() == 1, timeout=30)
        while script.available is not None and script.available < len(match.packets):
            first = server.attempts[-1].number
            server.release(match, 1)
            server.wait_for(lambda first=first: live_again(server, script, first), timeout=30)  # type: ignore[misc]
            if recording_has(recording, 60):
                break
        server.release(match)
        running.wait()
    assert isinstance(running.error, Doubt)
    assert running.error.exit_code == 4
    assert "live_only" in recording.causes()
    stored = recording.packets(match)
    missing = len(match.packets) - len(stored)
    assert missing >= 10
    assert len(set(stored)) == len(stored)
    assert list(recording.positions(match)) == list(range(len(stored)))
    indices = [match.packets.index(packet) for packet in stored]
    assert indices == sorted(indices)
    assert indices[:40] == list(range(40))


def live_again(server: VendorServer, script: Script, _first: int) -> bool:
    last = server.attempts[-1]
    return last.open and last.authorised and last.first_index + last.packets_sent >= (script.available or 0)


def recording_has(recording: Recording, count: int) -> bool:
    return bool(recording.one("SELECT count(*) FROM action") >= count)


# How it is sent


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("group", [None, 1, 5])
def test_envelopes(recording: Recording, server: VendorServer, group: int | None, wrap: bool) -> None:
    """Arrays of packets and packets inside ``{"action": …}`` are the same list."""
    match = load(SOCCER)
    server.serve(match, Script(short(match), group=group, wrap=wrap, cut_every=13))
    recording.run(match)
    recording.assert_complete(match, same_bytes=group is None and not wrap)
    assert recording.causes() == []


def test_groups_that_differ_on_each_connection(recording: Recording, server: VendorServer) -> None:
    """Packets that come again in other groups are known by their content."""
    match = load(SNOOKER)
    script = server.serve(match, Script(group=7, cut_at=[60, 130, 350]))
    script.inject = {}
    recording.run(match)
    script.group = 11
    recording.run(match)
    recording.assert_complete(match, same_bytes=False)


def test_reserialised(recording: Recording, server: VendorServer) -> None:
    """The same content in other bytes is an envelope difference that is counted, and no second action."""
    match = load(SOCCER)
    server.serve(match, Script(short(match, 100), reserialise=True, cut_every=20))
    recording.run(match)
    recording.assert_complete(match, same_bytes=False)
    assert recording.causes() == []
    compared = recording.one("SELECT sum(overlap_checked) FROM sessions")
    differences = recording.one("SELECT sum(envelope_differences) FROM sessions")
    assert differences >= compared > 0  # those that came before they had a place are compared when they get it
    kept = recording.one("SELECT count(*) FROM raw_frames WHERE kind = 'action'")
    assert kept == 100 + differences
    assert recording.one("SELECT count(*) FROM actions_all") == 100


def test_duplicates(recording: Recording, server: VendorServer) -> None:
    """What the vendor sends twice is stored once, and counted."""
    match = load(SOCCER)
    server.serve(match, Script(short(match, 100), duplicate=True, cut_every=30))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []
    assert recording.one("SELECT sum(resent) FROM sessions") >= 100


def test_heartbeats_between_packets(recording: Recording, server: VendorServer) -> None:
    """Heartbeats take no position: the first of each shape is kept, the others are counted."""
    match = load(SNOOKER)
    server.serve(match, Script(short(match), heartbeat_every=2, cut_every=9))
    recording.run(match)
    recording.assert_complete(match)
    kept = recording.one("SELECT count(*) FROM raw_frames WHERE kind = 'heartbeat'")
    assert kept == recording.one("SELECT count(*) FROM sessions WHERE heartbeats > 0")
    assert recording.one("SELECT sum(heartbeats) FROM sessions") >= 30
    assert recording.one("SELECT count(*) FROM sessions WHERE heartbeats > 0 AND last_heartbeat_at IS NULL") == 0


UNREADABLE: list[bytes | str] = [
    b"\xff\xfe\x00\xd8",
    "not json at all",
    "",
    '{"a": ',
    "[" * 100_000,
    "null",
    '{"some": "thing else"}',
    b"\x00" * 50,
]


def test_unreadable_messages(recording: Recording, server: VendorServer) -> None:
    """What cannot be read is kept byte for byte with a reason, takes no position, and the capture goes on."""
    match = load(SNOOKER)
    server.serve(match, Script(short(match), inject={20: UNREADABLE}, cut_every=25))
    recording.run(match)
    recording.assert_complete(match)
    kept = recording.select("SELECT payload, opcode, reason FROM raw_frames WHERE kind = 'unknown'")
    expected = [(m, "binary") if isinstance(m, bytes) else (m.encode(), "text") for m in UNREADABLE]
    assert sorted((payload, opcode) for payload, opcode, _ in kept) == sorted(expected)
    assert all(reason for *_, reason in kept)


def test_invalid_utf8_in_a_text_message(recording: Recording, server: VendorServer) -> None:
    """A text message that is no UTF-8 does not close the connection, and its bytes are kept."""
    match = load(SNOOKER)
    packets = short(match)
    server.serve(match, Script(packets, mangle=lambda i, packet: b'{"x": "\xff"}' if i == 30 else packet))
    recording.run(match)
    assert recording.packets(match) == packets[:30] + packets[31:]
    assert recording.select("SELECT payload, opcode FROM raw_frames WHERE kind = 'unknown'") == [
        (b'{"x": "\xff"}', "text")
    ]
    assert len(server.attempts) == 1


TORN = b'{"traceId": "1", "fixtureAction": {"actionId": "a", '


def test_packet_that_cannot_be_read(recording: Recording, server: VendorServer) -> None:
    """A torn packet is quarantined with its bytes and a reason; what follows is recorded; exit code 4."""
    match = load(SNOOKER)
    packets = short(match)
    server.serve(match, Script(packets, mangle=lambda i, packet: TORN if i == 30 else packet, cut_at=[10, 29, 30, 40]))
    with pytest.raises(Doubt, match="quarantined") as doubt:
        recording.run(match)
    assert doubt.value.exit_code == 4
    assert recording.packets(match) == packets[:30] + packets[31:]
    assert list(recording.positions(match)) == list(range(len(packets) - 1))
    [(payload, reason)] = recording.select("SELECT payload, reason FROM raw_frames WHERE kind = 'quarantined'")
    assert (payload, bool(reason)) == (TORN, True)


def test_packet_that_cannot_be_read_and_steady_cuts(recording: Recording, server: VendorServer) -> None:
    """A torn packet before places where the vendor cuts us off every 20 packets does not keep us from the rest."""
    match = load(SNOOKER)
    packets = short(match)
    server.serve(match, Script(packets, mangle=lambda i, packet: TORN if i == 30 else packet, cut_every=20))
    with pytest.raises(Doubt, match="quarantined"):
        recording.run(match)
    assert recording.packets(match) == packets[:30] + packets[31:]


def test_one_packet_a_connection_with_a_hole_in_the_numbers(recording: Recording, server: VendorServer) -> None:
    """fixtureSeqNum is a hint and no key: a vendor that leaves numbers out is recorded whole."""
    match = load(SNOOKER)
    server.serve(match, Script([*match.packets[:20], match.packets[-1]], cut_every=1))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []


def test_vendor_that_leaves_at_the_end(recording: Recording, server: VendorServer) -> None:
    """A vendor that closes as soon as it has sent everything is left once it has shown that there is no more."""
    match = load(SNOOKER)
    server.serve(match, Script(short(match), after_end="close"))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []


@pytest.mark.parametrize("broken", [b"null", b"[]", b'"text"', b'{"actionId": 7, "period": "x", "timestamp": 12}'])
def test_odd_action(recording: Recording, server: VendorServer, broken: bytes) -> None:
    """A packet whose fixtureAction is of no known form takes its position, with NULL fields and a parse_error."""
    match = load(SNOOKER)
    packets = short(match)
    packets[30] = b'{"fixtureAction": %s}' % broken
    server.serve(match, Script(packets, cut_every=20))
    recording.run(match)
    assert recording.packets(match) == packets
    assert list(recording.positions(match)) == list(range(len(packets)))
    assert recording.one("SELECT parse_error IS NOT NULL FROM actions WHERE position = 30")


def test_other_fixtures_packet(recording: Recording, server: VendorServer) -> None:
    """Another fixture's packet is quarantined, takes no position and is told by exit code 4."""
    match, other = load(SNOOKER), load("snooker-2")
    server.serve(match, Script(short(match), inject={30: [other.packets[0].decode()]}, cut_every=20))
    with pytest.raises(Doubt, match="quarantined"):
        recording.run(match)
    recording.assert_complete(match)
    [(payload, reason)] = recording.select("SELECT payload, reason FROM raw_frames WHERE kind = 'quarantined'")
    assert payload == other.packets[0]
    assert other.fixture_id in reason


# Time goes by


def test_match_that_grows(recording: Recording, server: VendorServer) -> None:
    """A match that grows while it is recorded, cut off now and then, ends complete."""
    match = load(SOCCER)
    server.serve(match, Script(available=0, start=-1))
    with recording.running(match) as running:
        for count in (1, 2, 3, 50, 5, 200):
            server.wait_for(lambda: server.open_count() == 1 and server.attempts[-1].authorised)
            server.release(match, count)
            have = len(server.released(match))
            server.wait_for(lambda have=have: reached(server, have))  # type: ignore[misc]
            server.drop_all("abort")
            server.wait_for(lambda: server.open_count() == 0)
        server.release(match)
        running.wait()
    assert running.error is None
    recording.assert_complete(match)
    assert recording.causes() == []


def reached(server: VendorServer, index: int) -> bool:
    """Whether the open connection has been sent everything before this index."""
    return any(last.open and last.first_index + last.packets_sent >= index for last in server.attempts[-1:])


def live(packets: list[bytes]) -> list[bytes]:
    """The packets as if they happened an hour from now: no connection is younger than they."""
    when = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    changed = []
    for packet in packets:
        said = json.loads(packet)["fixtureAction"]["timestamp"]
        changed.append(packet.replace(f'"timestamp":"{said}"'.encode(), f'"timestamp":"{when}"'.encode()))
    return changed


def test_linger(recording: Recording, server: VendorServer) -> None:
    """Who sees the end live stays on for late corrections, and gets them."""
    match = load(SNOOKER)
    packets = live(short(match))
    correction = numbered(packets[-1], len(packets) + 1).replace(b"Confirmed", b"Updated")
    server.serve(match, Script(packets, available=10))
    with recording.running(match, timing=linger_of(2.0)) as running:
        server.wait_for(lambda: reached(server, 10))
        server.release(match)
        server.wait_for(lambda: reached(server, len(packets)))
        server.append(match, [correction])
        running.wait()
    assert running.error is None
    assert len(server.attempts) == 1
    assert recording.packets(match) == [*packets, correction]
    assert recording.one("SELECT count(*) FROM actions WHERE arrival = 'live'") == len(packets) + 1


def test_linger_over_a_cut(recording: Recording, server: VendorServer) -> None:
    """A connection that is lost while we linger is made again; what comes then is stored."""
    match = load(SNOOKER)
    packets = live(short(match))
    correction = numbered(packets[-1], len(packets) + 1).replace(b"Confirmed", b"Updated")
    server.serve(match, Script(packets))
    with recording.running(match, timing=linger_of(3.0)) as running:
        server.wait_for(lambda: reached(server, len(packets)))
        server.drop_all("close")
        server.append(match, [correction])
        running.wait()
    assert running.error is None
    assert recording.packets(match) == [*packets, correction]


def test_no_linger_when_we_came_late(recording: Recording, server: VendorServer) -> None:
    """A match that was over before we came is left as soon as all of it is there."""
    match = load(SNOOKER)
    server.serve(match)
    # A pause that ends a backlog must not come by a busy machine: what comes behind it is live.
    recording.run(match, timing=replace(linger_of(900.0), settle=3.0), for_s=60.0)
    recording.assert_complete(match)


def linger_of(seconds: float) -> Any:
    return replace(QUICK, linger=seconds)


def test_finished_match_again(recording: Recording, server: VendorServer) -> None:
    """Recording a finished match again adds nothing and is no mistake."""
    match = load(SNOOKER)
    server.serve(match)
    recording.run(match)
    before, attempts = stored(recording), len(server.attempts)
    recording.run(match)
    assert stored(recording) == before
    recording.assert_complete(match)
    assert server.attempts[attempts].start_position == len(match.packets) - 3
    assert recording.one("SELECT sum(overlap_checked) FROM sessions") >= len(match.packets)


def stored(recording: Recording) -> list[tuple[Any, ...]]:
    """Every action row, and every frame that is no auth reply."""
    frames = "SELECT session_id, frame_number, payload FROM raw_frames WHERE kind <> 'auth' ORDER BY 1, 2"
    return recording.select("SELECT * FROM actions_all ORDER BY position") + recording.select(frames)


def test_stopped_and_started_again(recording: Recording, server: VendorServer) -> None:
    """Stopped in the middle, a recorder says so; the next one goes on where it was."""
    match = load(SOCCER)
    server.serve(match, Script(available=200))
    with recording.running(match) as running:
        server.wait_for(lambda: reached(server, 200))
    assert isinstance(running.error, StoppedEarly)
    assert running.error.exit_code == 3
    begun = len(recording.packets(match))
    server.release(match)
    recording.run(match)
    recording.assert_complete(match)
    asked = [attempt.start_position for attempt in server.attempts[1:]]
    assert begun <= 3 or begun - 3 in asked


def test_two_matches_of_both_feeds(recording: Recording, server: VendorServer) -> None:
    """Both feeds of a match and another match at once keep to themselves."""
    matches = [load(SOCCER), load(SOCCER, "betting"), load(SNOOKER)]
    for match, k in zip(matches, (50, 70, 90), strict=True):
        server.serve(match, Script(cut_every=k, cut="abort"))
    recording.run(*matches)
    for match in matches:
        recording.assert_complete(match)
    assert recording.one("SELECT count(*) FROM streams") == 3
    assert recording.select("SELECT fixture_id, feeds FROM matches ORDER BY feeds") == [
        (matches[2].fixture_id, "betting"),
        (matches[0].fixture_id, "betting,media"),
    ]


def test_one_bad_stream_does_not_stop_the_others(recording: Recording, server: VendorServer) -> None:
    """A stream that the vendor does not know leaves the other one complete."""
    match, unknown = load(SNOOKER), load("snooker-2")
    server.serve(match, Script(cut_every=100))
    with pytest.raises(StoppedEarly, match="1 of 2"):
        recording.run(match, unknown, for_s=6.0)
    recording.assert_complete(match)


def test_other_channel(recording: Recording, server: VendorServer) -> None:
    """Another channel is kept raw: frames, no actions."""
    match = load(SNOOKER)
    path = match.path.replace("/actions", "/statistics")
    server.serve(path, Script([b'{"fixtureAction": {"a": 1}}', b'{"b": 2}']))
    recording.run(f"{match.line} channel=statistics", once=True)
    assert recording.select("SELECT payload FROM raw_frames ORDER BY frame_number") == [
        (Script().auth_reply.encode(),),
        (b'{"fixtureAction": {"a": 1}}',),
        (b'{"b": 2}',),
    ]
    assert recording.one("SELECT count(*) FROM actions_all") == 0


# One pass


def test_once(recording: Recording, server: VendorServer) -> None:
    """One pass takes what is there of a match that goes on, and leaves."""
    match = load(SOCCER)
    server.serve(match, Script(available=123))
    recording.run(match, until_finished=False, once=True)
    assert recording.packets(match) == match.packets[:123]
    assert recording.one("SELECT state FROM streams") == "interrupted"


def test_once_with_cuts(recording: Recording, server: VendorServer) -> None:
    """One pass that is cut off goes on until it has all that is there."""
    match = load(SOCCER)
    server.serve(match, Script(available=123, cut_every=20))
    recording.run(match, until_finished=False, once=True)
    assert recording.packets(match) == match.packets[:123]


def test_corrections_behind_the_end(recording: Recording, server: VendorServer) -> None:
    """A cut between the packet that says the match is over and a correction behind it loses no correction."""
    match = load(SNOOKER)
    packets = short(match)
    last = numbered(packets[-1], len(packets) + 1)
    server.serve(match, Script([*packets, last], cut_at=[len(packets) - 1]))
    recording.run(match, timing=replace(QUICK, settle=1.0, quiet=2.0))  # nor does one that is a moment late
    assert recording.packets(match) == [*packets, last]


def test_session_rows(recording: Recording, server: VendorServer) -> None:
    """Every connection is a row that says what it asked for, how it ended, and what it brought."""
    match = load(SNOOKER)
    server.serve(match, Script(short(match), cut_every=30, cut=1011))
    recording.run(match)
    rows = recording.select(
        "SELECT url, start_position, close_code, closed_at IS NOT NULL, actions FROM sessions ORDER BY session_id"
    )
    assert [row[1] for row in rows] == [attempt.start_position for attempt in server.attempts]
    assert all(url.startswith(server.endpoint + match.path) and closed for url, _, _, closed, _ in rows)
    # Without a code it was we who left: to read from 0, and in the end.
    assert {code for _, _, code, _, _ in rows} == {1011, None}
    assert sum(row[4] for row in rows) == 60


def test_path_and_headers(recording: Recording, server: VendorServer, tmp_path: Path) -> None:
    """The handshake carries the Accept header and no token; startPosition is left out when it is 0."""
    match = load(SNOOKER)
    server.serve(match, Script(short(match)))
    recording.run(f"{match.line} speed=fast")
    [first] = server.attempts
    assert (first.path, first.query) == (match.path, "speed=fast")
    assert "Authorization" not in first.headers
    assert first.token is not None
    assert first.token not in str(first.headers)
    del tmp_path


def test_content_is_what_is_compared() -> None:
    """The helper that compares content sees a difference where there is one."""
    assert content({"fixtureAction": {"a": 1, "b": 2}}) == content({"fixtureAction": {"b": 2, "a": 1}})
    assert content({"fixtureAction": {"a": "1.0"}}) != content({"fixtureAction": {"a": "1.00"}})


def test_slow_disk_is_no_dead_vendor(
    recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While we do not read because the disk cannot follow, the vendor's silence means nothing: no reconnect."""
    monkeypatch.setattr(writer, "MAX_PENDING_BYTES", 1000)
    match = load(SOCCER)
    server.serve(match, Script(available=50, heartbeat=0.1))
    with recording.running(match, timing=replace(QUICK, dead=1.5, quiet=0.7)) as running:
        server.wait_for(lambda: reached(server, 50))
        server.wait_for(lambda: recording_has(recording, 1))
        connection = sqlite3.connect(recording.path, isolation_level=None, timeout=30)
        connection.execute("BEGIN IMMEDIATE")
        server.release(match)
        before = len(server.attempts)
        with pytest.raises(TimeoutError):
            server.wait_for(lambda: len(server.attempts) > before, timeout=4.0)
        connection.close()
        running.wait()
    assert running.error is None
    recording.assert_complete(match)


def test_an_error_of_our_own(
    recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An action that was taken and not handed to the archive is asked for again: the books are opened anew."""
    match = load(SNOOKER)
    server.serve(match)
    booked = Ledger.actions
    failures = iter([True])

    def failing(ledger: Ledger, frame: Frame, packets: Sequence[Parsed], opened_us: int) -> Entry:
        entry = booked(ledger, frame, packets, opened_us)
        if ledger.length == 200 and next(failures, False):
            raise RuntimeError("an error that nobody has thought of")
        return entry

    monkeypatch.setattr(Ledger, "actions", failing)
    monkeypatch.setattr(roster, "_AFTER_AN_ERROR_S", 0.0)
    recording.run(match)
    assert next(failures, None) is None
    assert "unexpected error" in caplog.text
    recording.assert_complete(match)
    assert recording.causes() == []
