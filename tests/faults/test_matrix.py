"""The matrix of resumes over sockets: every way to begin and to send, with every number of actions stored before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from recorder.errors import Doubt, StoppedEarly
from tests.faults.looking import assert_all_complete, content_of, contents, counts, open_gaps, until
from tests.faults.made import make
from tests.recording import QUICK, Recording
from tests.vendor import Match, Script, VendorServer

TOTAL = 66
"""Packets of each match, in the end."""
EVERY = range(61)
SOME = (0, 1, 2, 3, 4, 7, 20, 60)
BRISK = replace(QUICK, quiet=0.6, settle=0.5)
"""Where a pause of this machine is not taken for the end of a backlog."""

MODES: dict[str, dict[str, Any]] = {
    "as asked": {},
    "2 early": {"start": -2},
    "1 early": {"start": -1},
    "1 late": {"start": 1},
    "2 late": {"start": 2},
    "ignored": {"start": "ignore"},
    "reserialised": {"reserialise": True},
    "grouped": {"group": 3},
    "grouped and wrapped": {"group": 3, "wrap": True},
    "grouped, 2 early": {"start": -2, "group": 3},
    "grouped, 1 early": {"start": -1, "group": 3},
    "grouped, 1 late": {"start": 1, "group": 3},
    "grouped, 2 late": {"start": 2, "group": 3},
    "each twice": {"duplicate": True},
}
FIRED = {"start": "shift", "duplicate": "duplicate"}


def serve(server: VendorServer, mode: str, stored: Iterable[int], *, numbered: bool) -> Sequence[Match]:
    """Serve one stream for each number of packets that exist at first."""
    matches = []
    for count in stored:
        match = make(f"{mode} {count} {numbered}", TOTAL, numbered=numbered)
        server.serve(match, Script(match.packets, available=count, **MODES[mode]))
        matches.append(match)
    return matches


def resume(recording: Recording, server: VendorServer, mode: str, stored: Sequence[int], *, numbered: bool) -> None:
    """Store what is there at first; then, with the rest there too, record to the end."""
    matches = serve(server, mode, stored, numbered=numbered)
    # resume, rule 9: without a fixtureSeqNum nobody can tell a re-send from the same thing happening twice.
    suspect = mode == "each twice" and not numbered
    with pytest.raises(Doubt, match="open gap") if suspect else nullcontext():
        recording.run(*matches, until_finished=False, once=True, timing=BRISK)
    had = counts(recording)
    assert [had.get(match.fixture_id, 0) for match in matches] == list(stored)
    first = len(server.attempts)
    for match in matches:
        server.release(match)
    with pytest.raises(Doubt, match="open gap") if suspect else nullcontext():
        recording.run(*matches, timing=BRISK)
    print(mode, dict(server.faults_fired), "connections", first, len(server.attempts) - first)
    assert_all_complete(recording, matches)
    assert set(recording.causes()) == ({"dup_suspect"} if suspect else set())
    fault = "ignore_start" if mode == "ignored" else FIRED.get(next(iter(MODES[mode]), ""))
    assert fault is None or server.faults_fired[fault] >= sum(count > 3 for count in stored)


@pytest.mark.parametrize("mode", MODES)
def test_resume(recording: Recording, server: VendorServer, mode: str) -> None:
    """Whatever the vendor does, and however much was stored: 0 lost, 0 doubled, no doubt left."""
    resume(recording, server, mode, SOME, numbered=True)


@pytest.mark.campaign
@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "unnumbered"])
@pytest.mark.parametrize("mode", MODES)
def test_resume_campaign(recording: Recording, server: VendorServer, mode: str, numbered: bool) -> None:
    """From 0 to 60 actions stored, with fixtureSeqNum and without."""
    resume(recording, server, mode, EVERY, numbered=numbered)


# A vendor without any replay


def sent(server: VendorServer, match: Match) -> list[bytes]:
    """What the server has really sent of a match, over all connections, in order."""
    indices: set[int] = set()
    for attempt in server.attempts_on(match):
        indices |= set(range(attempt.first_index, attempt.first_index + attempt.packets_sent))
    return [match.packets[index] for index in sorted(indices)]


def ready(server: VendorServer, matches: Sequence[Match], since: int = 0) -> bool:
    """Whether every stream has a connection, made later than ``since``, that was sent all that is for it.

    One that reads from 0: any other will be closed by us for its silence, and what is sent to it just then is lost.
    """
    last = {attempt.path: attempt for attempt in server.attempts[since:]}
    return all(
        match.path in last
        and last[match.path].open
        and last[match.path].authorised
        and last[match.path].start_position is None
        and last[match.path].first_index + last[match.path].packets_sent >= server.script(match).head
        for match in matches
    )


def stop_well(error: BaseException | None) -> None:
    """At most doubts, or that it was stopped."""
    assert error is None or isinstance(error, Doubt | StoppedEarly), error


def live(recording: Recording, server: VendorServer, stored: Sequence[int], *, numbered: bool) -> None:
    """Record live; miss three packets; record on. What came is there in order, and a gap stands where it is torn."""
    matches = [make(f"live {count} {numbered}", TOTAL, numbered=numbered) for count in stored]
    for match in matches:
        server.serve(match, Script(match.packets, available=0, start="live"))
    with recording.running(*matches, timing=BRISK) as running:
        server.wait_for(lambda: ready(server, matches), timeout=30)
        for match, count in zip(matches, stored, strict=True):
            server.release(match, count)
        expected = {match.fixture_id: count for match, count in zip(matches, stored, strict=True) if count}
        until(lambda: counts(recording) == expected, what=lambda: counts(recording))
    stop_well(running.error)
    since = len(server.attempts)
    for match in matches:
        server.release(match, 3)  # nobody hears them
    with recording.running(*matches, for_s=60.0, timing=BRISK) as running:
        for step in (1, 1, 30, None):
            server.wait_for(lambda: ready(server, matches, since), timeout=30)
            for match in matches:
                server.release(match, step)
        until(lambda: all_there(recording, server, matches), what=lambda: missing(recording, server, matches))
    stop_well(running.error)
    found, gaps = contents(recording), open_gaps(recording)
    for match, count in zip(matches, stored, strict=True):
        assert found[match.fixture_id] == [content_of(packet) for packet in sent(server, match)], match.name
        assert not count or "live_only" in gaps[match.fixture_id], (match.name, gaps)
    print(dict(server.faults_fired), "connections", len(server.attempts))
    assert server.faults_fired["live"] >= sum(count > 0 for count in stored)


def missing(recording: Recording, server: VendorServer, matches: Sequence[Match]) -> dict[str, tuple[int, int]]:
    have = counts(recording)
    both = {match.name: (have.get(match.fixture_id, 0), len(sent(server, match))) for match in matches}
    return {name: (here, there) for name, (here, there) in both.items() if here != there}


def all_there(recording: Recording, server: VendorServer, matches: Sequence[Match]) -> bool:
    """Whether the archive has as many actions as the server has sent, and no connection has more to send."""
    return all(server.script(match).available is None for match in matches) and not missing(recording, server, matches)


def test_resume_live_only(recording: Recording, server: VendorServer) -> None:
    """From a vendor that sends only what is new: all that was sent, in order, and an open gap where it is torn."""
    live(recording, server, SOME, numbered=True)


@pytest.mark.campaign
@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "unnumbered"])
def test_resume_live_only_campaign(recording: Recording, server: VendorServer, numbered: bool) -> None:
    """The same from 0 to 60 actions stored."""
    live(recording, server, EVERY, numbered=numbered)


def test_burst_while_we_wait_for_the_overlap(recording: Recording, server: VendorServer) -> None:
    """Five packets that a live-only vendor sends at once after a resume reach us: they are somewhere in the archive."""
    match = make("burst", 20)
    server.serve(match, Script(match.packets, available=0, start="live"))
    with recording.running(match, timing=BRISK) as running:
        server.wait_for(lambda: ready(server, [match]))
        server.release(match, 10)
        until(lambda: counts(recording) == {match.fixture_id: 10})
    stop_well(running.error)
    with recording.running(match, timing=replace(BRISK, quiet=5.0)) as running:
        server.wait_for(lambda: server.open_count() == 1 and server.attempts[-1].authorised)
        server.release(match, 5)
        server.wait_for(lambda: len(server.attempts) == 3)
    stop_well(running.error)
    assert [attempt.packets_sent for attempt in server.attempts] == [10, 5, 0]
    kept = {payload for (payload,) in recording.select("SELECT payload FROM raw_frames")}
    assert [index for index, packet in enumerate(match.packets[:15]) if packet not in kept] == []
