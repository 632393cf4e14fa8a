"""Recording over real sockets, cut off in every way: the archive equals what the server has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from recorder.errors import Doubt, StoppedEarly
from tests.recording import QUICK, Recording, content
from tests.vendor import Drop, Match, Script, Start, VendorServer, load, names

SNOOKER, SOCCER = "snooker-1", "soccer-france-romania"
CUTS: list[Drop] = ["close", "abort", "eof", 1011]


def short(match: Match, count: int = 60) -> list[bytes]:
    """The first packets of a match and its last one, which says that it is over."""
    return [*match.packets[: count - 1], match.packets[-1]]


# Cut every k packets


@pytest.mark.parametrize("name", [SNOOKER, SOCCER])
def test_cut_after_every_packet(recording: Recording, server: VendorServer, name: str) -> None:
    """A server that lets us have one packet a connection costs many connections and nothing else."""
    match = load(name)
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
def test_cut_and_start_campaign(recording: Recording, server: VendorServer, k: int, start: Start, cut: Drop) -> None:
    """Cut every k packets by a server that starts elsewhere than asked."""
    match = load(SOCCER)
    server.serve(match, Script(cut_every=k, cut=cut, start=start))
    if k == 1 and start != 0:
        with_doubt(recording, match)
    else:
        recording.run(match, for_s=600.0)
        assert recording.causes() == []
    recording.assert_complete(match)


def with_doubt(recording: Recording, match: Match) -> None:
    """Record from a server that never lets us prove a thing: an open gap may say so, the list must be right."""
    try:
        recording.run(match, for_s=600.0)
    except Doubt:
        assert recording.causes() == ["unproven"]


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
def test_cut_at_random_places(recording: Recording, server: VendorServer, start: Start, request: Any) -> None:
    """Cuts at random places of a whole match (the seed is printed) leave no trace."""
    seed = Random().randrange(2**32)
    print("seed", seed)
    match = load("soccer-uruguay-portugal")
    server.serve(match, Script(start=start, cut_at=Random(seed).sample(range(463), 12), cut="abort"))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.causes() == []


@pytest.mark.parametrize("start", [-2, -1, 1, 2])
def test_one_packet_a_connection_from_elsewhere(recording: Recording, server: VendorServer, start: Start) -> None:
    """One packet a connection, from elsewhere than asked: the list is right, or an open gap says what is in doubt."""
    match = load(SOCCER)
    server.serve(match, Script(short(match, 40), start=start, cut_every=1))
    with_doubt(recording, match)
    recording.assert_complete(match)


def test_live_only(recording: Recording, server: VendorServer) -> None:
    """After a cut a server that sends only what is new leaves a gap row; what came keeps its order, nothing is made up."""
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
    server.serve(match, Script(match.packets[:90] + match.packets[-1:], group=group, wrap=wrap, cut_every=13))
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
    assert recording.one("SELECT sum(envelope_differences) FROM sessions") == compared > 0
    kept = recording.one("SELECT count(*) FROM raw_frames WHERE kind = 'action'")
    assert kept == 100 + compared
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
    with pytest.raises(StoppedEarly) if False else no_error():
        recording.run(match)
    assert recording.packets(match) == packets[:30] + packets[31:]
    assert recording.select("SELECT payload, opcode FROM raw_frames WHERE kind = 'unknown'") == [
        (b'{"x": "\xff"}', "text")
    ]
    assert len(server.attempts) == 1


class no_error:  # noqa: N801
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
