"""A list that is edited while it is recorded: what was added is recorded too, what was removed no more."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.daemon import following
from recorder.fixtures import changes, parse_list
from tests.faults.made import make
from tests.recording import QUICK, Recording, Shell, ended
from tests.vendor import Match, Script, VendorServer


@pytest.fixture
def recording(tmp_path: Path, server: VendorServer) -> Recording:
    return Recording(tmp_path, server)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "lists" / "list.txt"


def write(path: Path, *lines: Match | str) -> None:
    """Write a list as editors do: a new file that takes the old one's name."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(".new")
    new.write_text("".join(f"{line.line if isinstance(line, Match) else line}\n" for line in lines))
    new.replace(path)


def begun(recording: Recording) -> bool:
    """Whether the archive is there: to open a file that is not would make an empty one."""
    return recording.path.exists() and recording.one("SELECT count(*) FROM sqlite_master WHERE name = 'actions'") == 1


def until(condition: Callable[[], object]) -> None:
    """Wait until something is true, on a machine that is busy."""
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit, "it did not come true"
        time.sleep(0.02)


def outcomes(recording: Recording, match: Match) -> list[str | None]:
    """How the match's sessions have ended; None: one is open."""
    statement = "SELECT outcome FROM sessions JOIN streams USING (stream_id) WHERE fixture_id = ? ORDER BY session_id"
    return [outcome for (outcome,) in recording.select(statement, match.fixture_id)]


def has(recording: Recording, match: Match, count: int) -> bool:
    return len(recording.positions(match)) == count


def test_added_and_removed(recording: Recording, server: VendorServer, source: Path) -> None:
    """A stream that is added is recorded, one that is removed is stopped in order, a third one notices nothing."""
    first, second, stays = (make(name, 40) for name in ("first", "second", "stays"))
    for match in (first, second, stays):
        server.serve(match, Script(available=10))
    write(source, first, stays)
    with recording.following(source):
        until(lambda: begun(recording))
        until(lambda: has(recording, first, 10) and has(recording, stays, 10))
        write(source, stays, second)
        until(lambda: has(recording, second, 10) and outcomes(recording, first) == ["stopped"])
        for match in (first, second, stays):
            server.release(match, 20)
        until(lambda: has(recording, second, 30) and has(recording, stays, 30))
    assert has(recording, first, 10)
    assert [len(outcomes(recording, match)) for match in (first, stays)] == [1, 1]


def test_removed_and_added_again(recording: Recording, server: VendorServer, source: Path) -> None:
    """A stream that comes back goes on where it was stopped."""
    match, other = make("comes back", 40), make("other", 5)
    server.serve(match, Script(available=10))
    server.serve(other, Script(available=4))
    write(source, match, other)
    with recording.following(source):
        until(lambda: begun(recording))
        until(lambda: has(recording, match, 10))
        write(source, other)
        until(lambda: outcomes(recording, match) == ["stopped"])
        server.release(match)
        write(source, other, match)
        until(lambda: has(recording, match, 40))
    recording.assert_complete(match)


def test_a_bad_edit_is_refused_whole(
    recording: Recording, server: VendorServer, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With line numbers, also to --on-event; the old list goes on, and the next good edit counts."""
    match, added = make("goes on", 40), make("added", 20)
    server.serve(match, Script(available=10))
    server.serve(added)
    write(source, match)
    told = tmp_path / "told"
    with recording.following(source, on_event=f"sh -c 'cat >> {told}'"):
        until(lambda: begun(recording))
        until(lambda: has(recording, match, 10))
        write(source, added, "soccer/1", "nonsense")
        until(lambda: told.exists() and told.read_text().endswith("\n"))
        assert outcomes(recording, match) == [None]
        assert not has(recording, added, 20)
        write(source, added, match)
        server.release(match)
        until(lambda: has(recording, added, 20) and has(recording, match, 40))
    [event] = [json.loads(line) for line in told.read_text().splitlines()]
    assert event["kind"] == "list_refused"
    for said in (event["sentence"], caplog.text):
        assert f"{source}: 2 bad lines, the old list stays" in said
        assert "line 2: " in said
        assert "line 3: " in said


def test_a_start_that_is_moved(recording: Recording, server: VendorServer, source: Path) -> None:
    """A match that was to begin next week and begins now is opened at once, with what else the list says of it."""
    match = make("moved", 20)
    server.serve(match)
    week = "2099-11-29T13:00:00Z"
    write(source, f"{match.line} starts={week}")
    with recording.following(source):
        until(lambda: begun(recording))
        until(lambda: recording.select("SELECT 1 FROM streams"))
        assert server.attempts == []
        write(source, f"{match.line} starts=2026-01-01T13:00:00Z label=moved")
        until(lambda: has(recording, match, 20))
    assert recording.one("SELECT label FROM streams") == "moved"


def test_a_match_that_was_given_up_is_moved(recording: Recording, server: VendorServer, source: Path) -> None:
    """Once it has ended as not played, another start begins it again."""
    match = make("given up", 20)
    script = server.serve(match, Script(available=0))
    write(source, f"{match.line} starts=2026-01-01T13:00:00Z")
    with recording.following(source, timing=replace(QUICK, give_up=0.2)):
        until(lambda: begun(recording))
        until(lambda: recording.select("SELECT 1 FROM streams WHERE state = 'not_played'"))
        script.available = None
        write(source, f"{match.line} starts=2026-01-01T14:00:00Z")
        until(lambda: has(recording, match, 20))


def test_a_list_that_is_emptied(
    recording: Recording,
    server: VendorServer,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever writes it in place empties it first: it is believed after a while, and not before."""
    match = make("emptied", 40)
    server.serve(match, Script(available=10))
    write(source, match)
    with recording.following(source):
        until(lambda: begun(recording))
        until(lambda: has(recording, match, 10))
        write(source)
        until(lambda: "is empty: in 60 s" in caplog.text)
        assert outcomes(recording, match) == [None]
        monkeypatch.setattr(following, "EMPTY_S", 0.0)
        write(source, "# and it stays so")
        until(lambda: outcomes(recording, match) == ["stopped"])


def test_a_directory_of_lists(recording: Recording, server: VendorServer, source: Path) -> None:
    """A list that is laid beside the others counts, one that is taken away does not."""
    first, second = make("in one", 20), make("in another", 20)
    for match in (first, second):
        server.serve(match, Script(available=10))
    write(source, first)
    with recording.following(source.parent):
        until(lambda: begun(recording))
        until(lambda: has(recording, first, 10))
        write(source.with_name("more.txt"), second)
        until(lambda: has(recording, second, 10))
        source.unlink()
        until(lambda: outcomes(recording, first) == ["stopped"])


def test_the_list_is_read_again_when_asked(
    recording: Recording, server: VendorServer, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And the answer is told though nothing has changed."""
    match = make("asked", 20)
    server.serve(match, Script(available=10))
    write(source, match)
    with caplog.at_level(logging.WARNING), recording.following(source) as running:
        until(lambda: begun(recording))
        until(lambda: has(recording, match, 10))
        running.hang_up()
        until(lambda: "was read again: nothing has changed" in caplog.text)


def test_hangup(shell: Shell, server: VendorServer) -> None:
    """SIGHUP ends nothing: a list from standard input cannot be read again, which is said."""
    match = make("piped", 20)
    server.serve(match, Script(available=10))
    reading, writing = os.pipe()
    os.write(writing, match.line.encode())
    os.close(writing)
    process = shell.start("run", "--fixtures", "-", "--connect-rate", "1000", stdin=reading)
    server.wait_for(lambda: any(attempt.packets_sent >= 10 for attempt in server.attempts), timeout=30)
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    assert b"nothing to read again" in process.stderr.readline()
    assert ended(process, signal.SIGTERM).code == 0


@pytest.fixture
def shell(tmp_path: Path, server: VendorServer) -> Shell:
    return Shell(tmp_path, server)


def test_what_has_changed() -> None:
    """Streams by what they are, wherever they stand in the list."""
    one, two, three = (f"soccer/{make(name, 1).fixture_id}" for name in ("one", "two", "three"))
    before, _ = parse_list(f"{one}\n{two} label=x\n{three}", "list")
    now, _ = parse_list(f"media/{one}\n\n{three}\n{two} label=y", "list")
    found = changes({entry.stream.stream_id: entry for entry in before}, now)
    assert [entry.stream.feed for entry in found.added] == ["media"]
    assert [entry.stream.feed for entry in found.removed] == ["betting"]
    assert [entry.label for entry in found.revised] == ["y"]
    assert str(found) == "1 added, 1 removed, 1 changed"
