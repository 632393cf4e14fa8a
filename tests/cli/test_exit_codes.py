"""Each exit code with its one sentence on stderr; where something runs, in a process as a user starts it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.archive.filling import Filled, fill
from tests.cli.conftest import Call
from tests.recording import TOKEN, Ended, Shell, ended
from tests.shared.party import wait_until
from tests.vendor import Match, Script, VendorServer, load

SNOOKER = load("snooker-1")
FAST = ("--connect-rate", "1000", "--linger", "0")
STOPS = [signal.SIGTERM, signal.SIGINT]


def sentence(left: Ended, code: int) -> str:
    """Assert that a command left with ``code``, and return what it said: one sentence, the last on stderr."""
    assert left.code == code, left
    assert left.out == ""
    assert "Traceback" not in left.err
    lines = left.err.splitlines()
    assert [line for line in lines if line.startswith("recorder: ")] == lines[-1:]
    return lines[-1]


def stored(shell: Shell, match: Match) -> list[bytes]:
    """Return what is in the archive by position, as a user's own SQL sees it; nothing when there is none yet."""
    if not shell.path.exists():
        return []
    with closing(sqlite3.connect(shell.path)) as connection:
        try:
            return [
                payload
                for (payload,) in connection.execute(
                    "SELECT f.payload FROM actions a JOIN raw_frames f USING (stream_id, session_id, frame_number) "
                    "WHERE a.fixture_id = ? ORDER BY a.position",
                    (match.fixture_id,),
                )
            ]
        except sqlite3.OperationalError:  # the tables are being made
            return []


def wait_until_stored(shell: Shell, match: Match, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until ``count`` actions are durable."""
    wait_until(lambda: process.poll() is not None or len(stored(shell, match)) >= count)
    assert process.poll() is None, process.communicate()


# 2: usage


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "--fixtures", "list.txt", "--for", "soon"),
        ("run", "--fixtures", "list.txt", "--overlap", "0"),
        ("run", "--fixtures", "list.txt", "--token", TOKEN),
        ("timeline",),
        ("status", "--format", "xml"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_usage(call: Call, arguments: tuple[str, ...]) -> None:
    """What cannot be understood is told with a hint at the help: 2."""
    left = call(*arguments)
    assert left.code == 2
    assert left.out == ""
    assert "--help" in left.err


@pytest.mark.parametrize("command", [("timeline", "x"), ("frames", "x"), ("status",), ("fixtures",), ("replay",)])
def test_no_archive(call: Call, tmp_path: Path, command: tuple[str, ...]) -> None:
    """A reading command names the absolute path that it tried and makes no file: 2."""
    assert str(tmp_path / "recorder.db") in sentence(call(*command), 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["timeline", "frames", "replay"])
def test_unknown_fixture(call: Call, library: Filled, command: str) -> None:
    """A fixture that was never recorded is told, with the command that lists what there is: 2."""
    assert "`recorder fixtures` lists" in sentence(call(command, "nobody-nowhere", database=library), 2)


# 78: configuration


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--endpoint", "ws://vendor.example"), "unencrypted"),
        (("--endpoint", "ws://127.0.0.1.vendor.example"), "unencrypted"),
        (("--endpoint", "https://vendor.example"), "no websocket address"),
        (("--endpoint", "wss://vendor.example", "--connect-rate", "5.1"), "at most 5 connections a second"),
        (("--database-url", "postgresql://user:secret@host/db"), "password on the command line"),
        (("--database-url", "mysql://host/db"), "not supported"),
        (("--database-url", "sqlite:///:memory:"), "would be lost"),
        (("--database-url", "sqlite://"), "would be lost"),
        (("--database-url", "nonsense"), ""),
        (("--endpoint", "ws://127.0.0.1.vendor.example", "--connect-rate", "6"), "unencrypted"),
    ],
)
def test_unsafe_settings(call: Call, tmp_path: Path, arguments: tuple[str, ...], part: str) -> None:
    """Settings that would give the token away, annoy the vendor or lose what is recorded are refused: 78."""
    said = sentence(call("run", "--fixtures", "-", *arguments, input=SNOOKER.line), 78)
    assert part in said
    assert "secret" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "status"])
def test_newer_archive(shell: Shell, server: VendorServer, command: str) -> None:
    """A database of a newer version is left alone: 78."""
    fill(shell.path)
    with closing(sqlite3.connect(shell.path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE compatible SET since = '9999'")
    before = shell.path.read_bytes()
    shell.write_list(SNOOKER)
    said = sentence(shell.run(executed=True) if command == "run" else shell.call(command), 78)
    assert "9999" in said
    assert "newer recorder" in said
    assert shell.path.read_bytes() == before
    assert server.attempts == []


# 75: try again later


@pytest.mark.parametrize("more", [(), ("--until-finished",)])
def test_unreachable(shell: Shell, dead_endpoint: str, more: tuple[str, ...]) -> None:
    """When nobody answered in the time that was given: 75."""
    shell.write_list(SNOOKER)
    said = sentence(shell.run("--endpoint", dead_endpoint, "--for", "1s", *FAST, *more), 75)
    assert "could not be reached" in said
    assert dead_endpoint in said


# 74: the disk


def test_full_standard_output(library_shell: Shell) -> None:
    """Rows that cannot be written out are an error: 74."""
    with open("/dev/full", "wb") as full:
        left = library_shell.call("frames", "france-romania", "--format", "raw", stdout=full, executed=True)
    assert "No space left" in sentence(left, 74)


def sentence_less(left: Ended) -> bool:
    """Whether a command did what was asked and had nothing to say."""
    return left == Ended(0, "", "")


# 65: damage


@pytest.mark.parametrize("command", [("status",), ("timeline", "x"), ("run",)])
def test_no_database_at_all(shell: Shell, command: tuple[str, ...]) -> None:
    """A file that is no database is not touched: 65."""
    shell.path.write_text("my notes\n" * 1000)
    shell.write_list(SNOOKER)
    said = sentence(shell.run() if command == ("run",) else shell.call(*command), 65)
    assert str(shell.path) in said
    assert shell.path.read_text() == "my notes\n" * 1000


# 0 and 3: the end that was asked for, and the one that was not


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize(("more", "code"), [((), 0), (("--until-finished",), 3)], ids=["run", "until-finished"])
def test_stopped(shell: Shell, server: VendorServer, number: signal.Signals, more: tuple[str, ...], code: int) -> None:
    """A signal in the middle of a match: all that came is stored; 0, or 3 when the whole match was asked for."""
    server.serve(SNOOKER, Script(available=50))
    shell.write_list(SNOOKER)
    process = shell.start_run(*FAST, *more)
    wait_until_stored(shell, SNOOKER, 50, process)
    left = ended(process, number)
    if code:
        assert f"stopped by {number.name}" in sentence(left, code)
    else:
        assert sentence_less(left)
    assert stored(shell, SNOOKER) == SNOOKER.packets[:50]
    with closing(sqlite3.connect(shell.path)) as connection:
        assert connection.execute("SELECT closed_at IS NOT NULL, outcome FROM sessions").fetchall() == [(1, "stopped")]
    assert not shell.path.with_name(shell.path.name + "-wal").exists()


def test_stopped_and_run_again(shell: Shell, server: VendorServer) -> None:
    """Stopped while packets come as fast as they can: no hole, and the next run goes on from there."""
    match = load("soccer-france-romania")
    script = server.serve(match, Script(pace=0.002))
    shell.write_list(match)
    process = shell.start_run("--until-finished", *FAST, executed=True)
    wait_until_stored(shell, match, 100, process)
    sentence(ended(process, signal.SIGTERM), 3)
    kept = stored(shell, match)
    assert kept == match.packets[: len(kept)]
    script.pace = 0
    assert sentence_less(shell.run("--until-finished", *FAST))
    assert stored(shell, match) == match.packets


def test_a_signal_while_waiting_to_dial_again(shell: Shell, dead_endpoint: str) -> None:
    """A recorder that cannot reach anybody leaves as promptly as any other: 75."""
    shell.write_list(SNOOKER)
    process = shell.start_run("-v", "--endpoint", dead_endpoint, "--connect-rate", "0.1")
    assert process.stderr is not None
    while b"dialling again in" not in process.stderr.readline():
        pass
    assert "could not be reached" in sentence(ended(process, signal.SIGTERM, timeout=10), 75)


@pytest.mark.parametrize(("more", "code"), [((), 0), (("--until-finished",), 3)], ids=["run", "until-finished"])
def test_for(shell: Shell, server: VendorServer, more: tuple[str, ...], code: int) -> None:
    """--for ends a match that goes on: 0, or 3 when the whole match was asked for."""
    server.serve(SNOOKER, Script(available=50))
    shell.write_list(SNOOKER)
    left = shell.run("--for", "2s", *FAST, *more)
    assert sentence_less(left) if code == 0 else "stopped by --for" in sentence(left, code)
    assert stored(shell, SNOOKER) == SNOOKER.packets[:50]


def test_once(shell: Shell, server: VendorServer) -> None:
    """--once takes what is there and leaves; a second one that finds nothing new is content: 0."""
    server.serve(SNOOKER, Script(available=50))
    shell.write_list(SNOOKER)
    assert sentence_less(shell.run("--once", *FAST))
    assert sentence_less(shell.run("--once", *FAST))
    assert stored(shell, SNOOKER) == SNOOKER.packets[:50]


def test_token_from_a_file(shell: Shell, server: VendorServer) -> None:
    """The token file's content is what the vendor gets, without the newline."""
    server.serve(SNOOKER, Script(token="another one"))
    token = shell.directory / "token"
    token.touch(mode=0o600)
    token.write_text("another one\n")
    shell.write_list(SNOOKER)
    assert sentence_less(shell.run("--once", *FAST, env={"RECORDER_TOKEN_FILE": str(token)}))


# And the archive that is left


def test_private_by_default(shell: Shell, server: VendorServer) -> None:
    """What a run makes is in the current directory and in the state directory, and nowhere else."""
    server.serve(SNOOKER)
    shell.write_list(SNOOKER)
    assert sentence_less(shell.run("--once"))
    left = sorted(os.path.relpath(path, shell.directory) for path in Path(shell.directory).rglob("*"))
    assert left == ["list.txt", "recorder.db", "recorder.db.lock", "state", "state/connect-turns"]
