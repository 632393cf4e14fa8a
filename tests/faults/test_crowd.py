"""Many streams fall off at once: all come back at the vendor's pace, those in play first, and nothing is lost."""

from __future__ import annotations

import json
import logging
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.looking import assert_all_complete, counts, until, waits
from tests.faults.made import make
from tests.recording import Recording, Shell, ended
from tests.vendor import Match, Script, VendorServer

BACK_WITHIN_S = 75.0
"""In which 300 streams are back, at five attempts a second."""


def all_open(server: VendorServer, matches: Sequence[Match]) -> bool:
    """Whether each stream has a connection that was let in and was sent all that exists."""
    last = {attempt.path: attempt for attempt in server.attempts}
    return all(
        match.path in last
        and last[match.path].open
        and last[match.path].authorised
        and last[match.path].first_index + last[match.path].packets_sent >= server.script(match).head
        for match in matches
    )


def two_recorders(directory: Path, server: VendorServer, streams: int, patience_s: float) -> float:
    """Two processes, one state directory: drop all streams at once; return the seconds until all were let in again."""
    matches = [make(f"crowd {number}", 12) for number in range(streams)]
    for match in matches:
        server.serve(match, Script(match.packets, available=5))
    shells = []
    for number in range(2):
        own = directory / str(number)
        own.mkdir()
        shell = Shell(own, server)
        shell.environment["STATE_DIRECTORY"] = str(directory / "state")
        shell.write_list(*matches[number::2])
        shells.append(shell)
    processes = [shell.start_run("--until-finished", "--linger", "0") for shell in shells]
    try:
        server.wait_for(lambda: all_open(server, matches), timeout=patience_s)
        assert len(server.attempts) >= streams
        before, dropped_at = len(server.attempts), time.monotonic()
        assert server.drop_all("abort") == streams
        server.wait_for(lambda: all_open(server, matches), timeout=patience_s)
        # The first resume of a stream is proven by one more connection, which reads from 0.
        proven_s = time.monotonic() - dropped_at
        first: dict[str, float] = {}
        for attempt in server.attempts[before:]:
            if attempt.authorised:
                first.setdefault(attempt.path, attempt.at - dropped_at)
        assert len(first) == streams
        back_s = max(first.values())
        for match in matches:
            server.release(match)
        left = [ended(process, timeout=patience_s) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [(one.code, one.out, one.err) for one in left] == [(0, "", "")] * 2
    print(f"all back after {back_s:.1f} s, proven after {proven_s:.1f} s; {len(server.attempts)} attempts,")
    print("the busiest second", server.busiest_second(), dict(server.faults_fired))
    assert server.busiest_second() <= 5
    assert (server.faults_fired["drop_all"], server.faults_fired["abort"]) == (streams, streams)
    for number, shell in enumerate(shells):
        recording = Recording(shell.directory, server)
        recording.path = shell.path
        assert_all_complete(recording, matches[number::2])
        assert recording.causes() == []
    return back_s


@pytest.mark.timeout(180)
def test_all_dropped_at_once(tmp_path: Path, server: VendorServer) -> None:
    """Thirty streams of two recorders are dropped together and come back together, at most five in any second."""
    two_recorders(tmp_path, server, 30, patience_s=120)


@pytest.mark.campaign
@pytest.mark.timeout(1200)
def test_all_dropped_at_once_campaign(tmp_path: Path, server: VendorServer) -> None:
    """Three hundred streams, all back in little more than a minute."""
    assert two_recorders(tmp_path, server, 300, patience_s=400) <= BACK_WITHIN_S


# Who dials first


def in_play(match: Match) -> list[bytes]:
    """The match's packets, all but the last saying that it is live."""
    packets = []
    for packet in match.packets:
        envelope = json.loads(packet)
        envelope["fixtureSummary"]["currentStatus"] = "Live"
        packets.append(json.dumps(envelope, separators=(",", ":")).encode())
    return packets


def first_in_play(recording: Recording, server: VendorServer, streams: int, rate: float) -> None:
    """Half the streams are in play, and last in the list; drop all, and see who comes first."""
    waiting = [make(f"not begun {number}", 6) for number in range(streams // 2)]
    playing = [make(f"in play {number}", 6) for number in range(streams // 2)]
    for match in playing:
        server.serve(match, Script(in_play(match), available=4, heartbeat=1.0))
    for match in waiting:
        server.serve(match, Script(match.packets, available=0, heartbeat=1.0))
    with recording.running(*waiting, *playing, connect_rate=rate, for_s=600.0) as running:
        server.wait_for(lambda: all_open(server, [*waiting, *playing]), timeout=300)
        until(lambda: list(counts(recording).values()) == [4] * len(playing))
        before = len(server.attempts)
        assert server.drop_all("abort") == streams
        server.wait_for(lambda: all_open(server, [*waiting, *playing]), timeout=300)
        order = list(dict.fromkeys(attempt.path for attempt in server.attempts[before:]))
        for match in [*waiting, *playing]:
            server.release(match)
        running.wait()
    assert running.error is None
    places = sorted(order.index(match.path) for match in playing)
    print("places of those in play", places, dict(server.faults_fired))
    assert places[-1] < streams // 2 + 2
    assert server.faults_fired["drop_all"] == streams
    assert_all_complete(recording, [*waiting, *playing])


def test_those_in_play_dial_first(recording: Recording, server: VendorServer) -> None:
    """Of many streams that were dropped together, those whose match is in play come back before all others."""
    first_in_play(recording, server, streams=20, rate=20.0)


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_those_in_play_dial_first_campaign(
    recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same of a hundred streams at the vendor's pace."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    first_in_play(recording, server, streams=100, rate=5.0)
    assert server.busiest_second() <= 5


# How long they wait


def gaps(server: VendorServer, match: Match) -> list[float]:
    """The seconds between one attempt and the next."""
    return [later.at - earlier.at for earlier, later in pairwise(server.attempts_on(match))]


def test_let_in_and_sent_away(recording: Recording, server: VendorServer, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that is let in and sent away waits longer and longer; one stored action, and it is soon back again."""
    matches = [make(f"sent away {number}", 6) for number in range(12)]
    scripts = [server.serve(match, Script(match.packets, available=0, cut_every=0)) for match in matches]
    caplog.set_level(logging.INFO, logger="recorder.capture")
    with recording.running(*matches, connect_rate=200.0, for_s=120.0) as running:
        # The ceilings of the waits double: after eight attempts they are 64 times those after the second.
        server.wait_for(lambda: all(len(server.attempts_on(match)) >= 8 for match in matches), timeout=100)
        late = [wait for match in matches for wait in waits(caplog, match)[5:7]]
        early = [wait for match in matches for wait in waits(caplog, match)[1:3]]
        grown = statistics.mean(late) / statistics.mean(early)
        for script in scripts:
            script.cut_every = 1
        for match in matches:
            server.release(match, 1)
        server.wait_for(
            lambda: all(any(one.packets_sent for one in server.attempts_on(match)[:-1]) for match in matches),
            timeout=100,
        )
        soon = [after_an_action(server, match, waits(caplog, match)) for match in matches]
        for script in scripts:
            script.cut_every = None
        for match in matches:
            server.release(match)
        running.wait()
    assert running.error is None
    print("late / early", round(grown, 1), "after an action / late", round(max(soon) / statistics.mean(late), 2))
    assert grown > 3
    assert statistics.median(soon) < statistics.mean(late) / 4
    for match in matches:
        kept = zip(gaps(server, match), waits(caplog, match), strict=False)
        assert all(gap > wait * 0.99 for gap, wait in kept)  # as long as it said, or longer
    assert server.faults_fired["cut"] >= 8 * len(matches)
    assert_all_complete(recording, matches)


def after_an_action(server: VendorServer, match: Match, waited: Sequence[float]) -> float:
    """Which of the waits followed the attempt that brought the first action."""
    return next(wait for attempt, wait in zip(server.attempts_on(match), waited, strict=False) if attempt.packets_sent)
