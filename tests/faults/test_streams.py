"""Streams that do not go the ordinary way: not there yet, never played, other channels; and a clock that is set."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recorder import clock
from recorder.errors import Doubt, StoppedEarly
from recorder.feed.timing import Timing
from tests.faults.looking import until
from tests.faults.made import make
from tests.recording import Recording, Shell
from tests.vendor import Match, Script, VendorServer, load

HEARTBEAT = 0.1


@pytest.fixture
def recording(tmp_path: Path, server: VendorServer) -> Recording:
    return Recording(tmp_path, server)


def with_status(match: Match, *statuses: str) -> list[bytes]:
    """The first packets of a match, each with another fixture status."""
    packets = []
    for packet, status in zip(match.packets, statuses, strict=False):
        envelope = json.loads(packet)
        envelope["fixtureSummary"]["currentStatus"] = status
        packets.append(json.dumps(envelope).encode())
    return packets


def states(recording: Recording) -> list[tuple[str, str | None]]:
    return recording.select("SELECT state, ended_why FROM streams ORDER BY state")


# No match


def test_never_begun(recording: Recording, server: VendorServer) -> None:
    """Let in, heartbeats, and nothing until we give up: not played, listed, no error."""
    match = make("never begun", 3)
    server.serve(match, Script(available=0, heartbeat=HEARTBEAT))
    recording.run(match, timing=Timing(dead=5, quiet=0.3, settle=0.1, give_up=1.0))
    [(state, why)] = states(recording)
    assert state == "not_played"
    assert why is not None
    assert recording.causes() == []


@pytest.mark.parametrize("status", [404, 204, 425])
def test_never_there(recording: Recording, server: VendorServer, status: int) -> None:
    """A fixture that nobody knows is looked for slowly, and given up."""
    match = make("never there", 3)
    server.serve(match, Script(handshake_status=status))
    recording.run(match, timing=Timing(poll=200.0, give_up=1.0))  # 0.5 s, at the rate of a server on this machine
    assert states(recording)[0][0] == "not_played"
    assert 2 <= len(server.attempts) <= 5
    assert server.faults_fired["handshake_status"] == len(server.attempts)


@pytest.mark.parametrize("status", ["Postponed", "Cancelled", "Abandoned"])
def test_called_off(recording: Recording, server: VendorServer, status: str) -> None:
    """Postponed, cancelled or abandoned: what came is kept, and the stream ends."""
    match = make("called off", 3)
    server.serve(match, Script(with_status(match, "Scheduled", status)))
    recording.run(match)
    assert states(recording) == [("not_played", f"the match is {status}")]
    assert len(recording.packets(match)) == 2


def test_called_off_and_played_later(recording: Recording, server: VendorServer) -> None:
    """The same fixture on another day: the stream goes on where it was, and is finished in the end."""
    match = make("played later", 6)
    packets = with_status(match, "Scheduled", "Postponed", "Live")
    server.serve(match, Script([*packets, *match.packets[3:]], available=2))
    recording.run(match)
    assert states(recording)[0][0] == "not_played"
    server.release(match)
    recording.run(match)
    assert states(recording) == [("finished", "the match is over")]
    recording.assert_complete(match)


def test_one_never_begun_among_others(recording: Recording, server: VendorServer) -> None:
    """What is not played keeps nobody else."""
    match, other = make("begun", 20), make("not begun", 3)
    server.serve(match)
    server.serve(other, Script(handshake_status=404))
    recording.run(match, other, timing=Timing(dead=5, quiet=0.3, settle=0.1, linger=0, poll=200.0, give_up=1.0))
    assert [state for state, _ in states(recording)] == ["finished", "not_played"]
    recording.assert_complete(match)


def test_vendor_has_thrown_it_away(recording: Recording, server: VendorServer) -> None:
    """A finished match that the vendor no longer has ends the next run too; nothing is lost."""
    match = make("thrown away", 10)
    server.serve(match)
    recording.run(match)
    server.script(match).handshake_status = 404
    recording.run(match)
    assert states(recording)[0][0] == "finished"
    assert recording.packets(match) == match.packets
    assert recording.causes() == []


def test_vendor_shows_an_empty_list(recording: Recording, server: VendorServer) -> None:
    """The same, where the list is empty: the vendor is behind, and that is no doubt of ours."""
    match = make("emptied", 10)
    server.serve(match)
    recording.run(match)
    server.truncate(match, 0)
    recording.run(match)
    assert states(recording)[0][0] == "finished"
    assert recording.packets(match) == match.packets
    assert recording.causes() == ["server_behind"]


# The start in the list


def test_start_in_the_list(recording: Recording, server: VendorServer) -> None:
    """A stream is not opened before its start, less the lead; then it is."""
    early, late = make("early", 5), make("late", 5)
    server.serve(early)
    server.serve(late)
    now = datetime.now(UTC)
    lines = [
        f"{early.line} starts={(now + timedelta(seconds=900)).isoformat(timespec='seconds')}",
        f"{late.line} starts={(now + timedelta(days=1)).isoformat(timespec='seconds')}",
    ]
    with pytest.raises(StoppedEarly):
        recording.run(*lines, for_s=3.0, lead_s=899.0)
    assert {attempt.path for attempt in server.attempts} == {early.path}
    recording.assert_complete(early)


def test_once_does_not_wait_for_a_start(recording: Recording, server: VendorServer) -> None:
    """One pass looks at everything now."""
    match = make("tomorrow", 5)
    server.serve(match)
    starts = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    recording.run(f"{match.line} starts={starts}", once=True, until_finished=False)
    assert len(recording.packets(match)) == 5


# Other channels


def statistics(count: int, *, finished: bool) -> list[bytes]:
    return [
        json.dumps({"seqNum": index, "finished": finished and index == count - 1, "rows": [index]}).encode()
        for index in range(count)
    ]


def raw(recording: Recording) -> list[bytes]:
    """Return the stored data of other channels, in the order received."""
    rows = recording.select("SELECT payload FROM raw_frames WHERE kind = 'unknown' ORDER BY session_id, frame_number")
    return [row[0] for row in rows]


@pytest.mark.parametrize("spelling", ["channel", "path", "url"])
def test_other_channel(recording: Recording, server: VendorServer, spelling: str) -> None:
    """Another channel is recorded raw, cut and resumed: nothing doubled, no gap left, ended by its own word."""
    match = load("snooker-1")
    path = match.path.replace("/actions", "/statistics")
    messages = statistics(30, finished=True)
    server.serve(path, Script(messages, cut_at=[7, 20], cut="abort", heartbeat=HEARTBEAT))
    line = {"channel": f"{match.line} channel=statistics", "path": path, "url": f"wss://anywhere.test{path}"}[spelling]
    recording.run(line)
    assert raw(recording) == messages
    assert recording.causes() == []
    assert recording.select("SELECT cause, count(*) FROM gaps GROUP BY cause") == [("network", 2)]
    assert recording.select("SELECT channel, state FROM streams") == [("statistics", "finished")]
    assert recording.one("SELECT count(*) FROM actions") == 0
    assert server.faults_fired["cut"] == 2
    assert all(attempt.start_position is None for attempt in server.attempts)


def test_any_path_of_the_vendors(recording: Recording, server: VendorServer) -> None:
    """Another generation's stream: dialled exactly as it is written, kept byte for byte, ended by MatchFinished."""
    path = "/tennis/events/2022-6809-MS028/stream"
    messages = [b'{"eventElementType": "PointScored", "seqNum": %d, "score": {}}' % number for number in range(5)]
    messages.append(b'{"eventElementType": "MatchFinished", "seqNum": 5, "won": {}}')
    server.serve(path, Script(messages, heartbeat=HEARTBEAT))
    recording.run(path)
    assert raw(recording) == messages
    assert {attempt.path for attempt in server.attempts} == {path}
    assert recording.select("SELECT sport, fixture_id, state FROM streams") == [
        ("tennis", "2022-6809-ms028", "finished")
    ]


def test_latest_state_only(recording: Recording, server: VendorServer) -> None:
    """A channel that sends only what is new shows nothing of what was missed: the gap stays, and is told."""
    match = load("snooker-1")
    path = match.path.replace("/actions", "/statistics")
    messages = statistics(10, finished=True)
    server.serve(path, Script(messages, available=4, start="live", heartbeat=HEARTBEAT))
    with recording.running(path, until_finished=True) as running:
        server.wait_for(lambda: server.open_count(path) == 1)
        server.release(path, 0)
        server.append(path, [])
        server.wait_for(lambda: any(attempt.authorised for attempt in server.attempts))
        server.release(path, 2)
        until(lambda: len(raw(recording)) == 2)
        server.drop_all()
        server.release(path, 2)  # nobody sees these
        server.wait_for(lambda: server.open_count(path) == 1)
        server.release(path)
        running.wait()
    assert isinstance(running.error, Doubt)
    assert recording.causes() == ["network"]


# The clock


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_clock_is_set_in_the_middle(
    recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    """An hour forward or back, in the middle of a match: recorded whole, no connection is dropped, one row tells."""
    match = load("snooker-1")
    server.serve(match, Script(available=100, heartbeat=HEARTBEAT))
    wall_us = clock.wall_us
    with recording.running(match) as running:
        server.wait_for(lambda: any(attempt.packets_sent == 100 for attempt in server.attempts))
        monkeypatch.setattr(clock, "wall_us", lambda: wall_us() + step_s * 1_000_000)
        until(lambda: recording.path.exists() and recording.select("SELECT 1 FROM gaps WHERE cause = 'clock_step'"))
        assert len(server.attempts) == 1
        server.release(match)
        running.wait()
    assert running.error is None
    recording.assert_complete(match)
    [(before, behind, ours, resolved)] = recording.select(
        "SELECT from_time, to_time, ours, resolved_at FROM gaps WHERE cause = 'clock_step'"
    )
    stepped = datetime.fromisoformat(behind) - datetime.fromisoformat(before)
    assert abs(stepped.total_seconds() - step_s) < 5
    assert resolved is not None
    assert ours == 1


@pytest.mark.parametrize("year", [1971, 2037, 2038, 2105])
def test_any_year(recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    """A machine whose clock is decades wrong records and tells its times as it has them."""
    match = make(f"in {year}", 20)
    server.serve(match)
    at_us = int(datetime(year, 12, 31, 23, 59, tzinfo=UTC).timestamp()) * 1_000_000
    began_us = clock.wall_us()
    wall_us = clock.wall_us
    monkeypatch.setattr(clock, "wall_us", lambda: at_us + wall_us() - began_us)
    recording.run(match)
    recording.assert_complete(match)
    assert recording.one("SELECT min(received_at) FROM actions").startswith(f"{year}-12-31T23:59")


def test_summer_time(tmp_path: Path, server: VendorServer) -> None:
    """The zone that the machine lives in is nowhere in the archive."""
    match = make("in a zone", 5)
    server.serve(match)
    for number, zone in enumerate(("Europe/London", "America/St_Johns", "Antarctica/Troll")):
        shell = Shell(tmp_path / str(number), server)
        shell.directory.mkdir()
        shell.environment["TZ"] = zone
        shell.write_list(match)
        before = datetime.now(UTC)
        assert shell.run("--until-finished", "--linger", "0", "--connect-rate", "1000").code == 0
        told = shell.call("status", "--format", "json")
        received = datetime.fromisoformat(json.loads(told.out)[0]["last_received_at"])
        assert before <= received <= datetime.now(UTC)


# Ends that were none


def test_opened_again(recording: Recording, server: VendorServer) -> None:
    """A match that was over and goes on after all, on another day: the same epoch goes on, and nothing is in doubt."""
    match = make("opened again", 12)
    over = json.loads(match.packets[5]) | {"finished": True}
    server.serve(match, Script([*match.packets[:5], json.dumps(over).encode(), *match.packets[6:]], available=6))
    recording.run(match)
    assert states(recording) == [("finished", "the match is over")]
    server.release(match)
    recording.run(match)
    recording.assert_complete(match)
    assert recording.one("SELECT max(epoch) FROM actions_all") == 0
    assert recording.causes() == []


# Messages of every size


def test_message_as_long_as_is_kept(recording: Recording, server: VendorServer) -> None:
    """64 million bytes in one message are kept, every one of them, and the match goes on behind it."""
    match = make("long", 10)
    long = b'{"filling": "%s"}' % (b"x" * 64_000_000)
    server.serve(match, Script(match.packets, inject={5: [long]}, inject_once=True))
    recording.run(match)
    recording.assert_complete(match)
    assert recording.one("SELECT max(length(payload)) FROM raw_frames") == len(long)
    assert recording.causes() == []
    assert server.faults_fired["inject"] == 1


def test_message_that_is_too_long(recording: Recording, server: VendorServer) -> None:
    """Beyond 64 MiB the beginning is kept, with a gap that says so; the connection lives, the match goes on."""
    match = make("too long", 10)
    long = b'{"fixtureAction": "%s"}' % (b"x" * (64 * 1024 * 1024))
    server.serve(match, Script(match.packets, inject={5: [long]}, inject_once=True))
    with pytest.raises(Doubt, match="quarantined"):
        recording.run(match)
    recording.assert_complete(match)
    [(payload, reason)] = recording.select("SELECT payload, reason FROM raw_frames WHERE kind = 'quarantined'")
    assert payload == long[: 1024 * 1024]
    assert f"{len(long):,} bytes" in reason
    assert recording.causes() == ["frame_too_large"]
    assert len(server.attempts) == 1
