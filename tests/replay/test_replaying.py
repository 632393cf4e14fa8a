"""`recorder replay` as it is typed: what its options come to, what is refused, and keys at a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import ssl
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

import recorder.replay
from recorder.cli.keys import has_keys, keyboard
from recorder.errors import DiskError
from recorder.replay import Behaviour, Pace
from recorder.replay.chaos import Chaos
from recorder.replay.trouble_log import TroubleLog
from tests.cli.conftest import Inside
from tests.cli.test_watch import PATIENCE_S, Terminal
from tests.recording import Shell, ended
from tests.replay.test_replay import dial, receive, recorded
from tests.vendor import ACCEPT, load

MATCH = load("snooker-1")
TLS = Path(__file__).parents[1] / "data" / "tls"
ENCRYPTED = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgp+Qm1djhuPgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPhttURO4r+EnyvKrm406yoEQFz6
10bA+wx/FA5CGJZS8L7CkUongL5KBVDYiQ6tHeHXg+KBfTRJtYbe2MomkhwKInwy
xdkUc5cV/epTKUxcgDw=
-----END ENCRYPTED PRIVATE KEY-----
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return recorded(tmp_path_factory.mktemp("archive"), MATCH)


@pytest.fixture
def inside(archive: Shell) -> Inside:
    """The same archive, for commands that end of themselves."""
    return Inside(archive.directory)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


def key_and_certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Return the tests' certificate of this name and its key, each in a file of its own."""
    key, certificate = directory / f"{name}.key", directory / f"{name}.crt"
    head, tail = (TLS / f"{name}.pem").read_text().split("-----BEGIN CERTIFICATE-----", 1)
    key.write_text(head)
    certificate.write_text(f"-----BEGIN CERTIFICATE-----{tail}")
    return key, certificate


# -- what it comes to --------------------------------------------------------------------------------------------------


class Seen(BaseException):
    """What a replay would have been made of; nothing takes it for an error."""

    def __init__(self, source: Any, behaviour: Behaviour, **more: Any) -> None:
        self.streams = [str(each.stream) for each in source]
        self.behaviour = behaviour
        self.more = more


def made_of(monkeypatch: pytest.MonkeyPatch, inside: Inside, *options: str, **environment: str) -> Seen:
    """Return what the command makes of options and environment, up to the moment when it would open a port."""

    def instead(*arguments: Any, **more: Any) -> None:
        raise Seen(*arguments, **more)

    monkeypatch.setattr(recorder.replay, "ReplayServer", instead)
    with pytest.raises(Seen) as seen:
        inside.call("replay", *options, env=environment)
    return seen.value


def test_without_options(monkeypatch: pytest.MonkeyPatch, inside: Inside) -> None:
    """Everything, in clear, on loopback, to anybody, as it was received."""
    seen = made_of(monkeypatch, inside)
    assert seen.behaviour == Behaviour()
    assert (seen.more["host"], seen.more["port"], seen.more["tls"]) == ("127.0.0.1", 8787, None)
    assert len(seen.streams) == 1


def test_options(monkeypatch: pytest.MonkeyPatch, inside: Inside, tmp_path: Path) -> None:
    """Each option is what it says, from the command line and from the environment."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("the right one")
    seen = made_of(
        monkeypatch, inside, "--times", "vendor", "--max-gap", "1m30s", "--from", "2/00:30", "--scale", "60",
        "--heartbeat", "0.5", "--heartbeat-form", "multiplexer", "--start-position-base", "ignored", "--paused",
        "--chaos", "7", "--token-file", str(token), "--host", "127.0.0.2", "--port", "1234",
    )  # fmt: skip
    assert seen.behaviour == Behaviour(
        scale=60.0,
        pace=Pace(times="vendor", begin="2/00:30", max_gap_s=90.0),
        heartbeat_s=0.5,
        heartbeat_form="multiplexer",
        token="the right one",
        start_position_base=None,
        troublemaker=seen.behaviour.troublemaker,
        is_paused=True,
    )
    assert isinstance(seen.behaviour.troublemaker, Chaos)
    assert (seen.more["host"], seen.more["port"]) == ("127.0.0.2", 1234)
    set_elsewhere = made_of(
        monkeypatch, inside, "--start-position-base", "1", "--every", "100ms", "--speed", "fast",
        RECORDER_START_AT="kickoff", RECORDER_PAUSED="true", RECORDER_SCALE="2",
    )  # fmt: skip
    assert set_elsewhere.behaviour == Behaviour(
        scale=None, pace=Pace(every_s=0.1, begin="kickoff"), start_position_base=1, is_paused=True
    )
    again = made_of(monkeypatch, inside, "--as-recorded", "--feed", MATCH.feed, RECORDER_REPLAY_FROM="1/01:00")
    assert again.behaviour == Behaviour(as_recorded=True, pace=Pace(begin="1/01:00"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--from 43:00 --start-at kickoff", "--from and --start-at both say where the replay begins"),
        ("--from 999:00", "no match here comes to 999:00"),
        ("--from soon", "'soon' is no moment"),
        ("--from 2026-01-01", "has no offset"),
        ("--every 1s --times vendor", "leave out --times and --max-gap"),
        ("--every 1s --max-gap 5s", "leave out --times and --max-gap"),
        ("--every 1s --as-recorded", "--as-recorded goes with the times of receipt only"),
        ("--every 1s --from 2026-01-01T00:00:00Z", "no recorded time has a place: 2026-01-01T00:00:00Z"),
        ("--every often", "'often' is no duration"),
        ("--max-gap 5", "'5' is no duration"),
        ("--scale 0", "0"),
        ("--heartbeat-form golfs", "golfs"),
        ("--start-position-base 2", "2"),
        ("--feed bets", "bets"),
        ("--tls-key k.pem", "--tls-key without --tls-cert"),
        ("--tls-cert missing.pem", "missing.pem cannot be read: No such file or directory"),
        ("--tls-cert .", ". is no regular file"),
        ("--tls-cert localhost.key", "localhost.key holds no certificate"),
        ("--tls-cert localhost.crt", "localhost.crt holds no private key; name its file with --tls-key"),
        ("--tls-cert localhost.crt --tls-key localhost.crt", "localhost.crt holds no private key; --tls-key takes"),
        ("--tls-cert localhost.crt --tls-key stranger.key", "stranger.key does not belong to the certificate in"),
        ("--tls-cert localhost.crt --tls-key encrypted.key", "encrypted.key is encrypted"),
        ("--tls-cert broken.crt --tls-key localhost.key", "broken.crt with the key in localhost.key cannot be used"),
        ("--troubles nowhere/file", "nowhere/file cannot be written: No such file or directory"),
        ("--host 203.0.113.1", "203.0.113.1, port 0 cannot be opened"),
        ("--host a..b", "a..b, port 0 cannot be opened"),
        ("--host=", "--host names no address"),
        ("--speed fast --every 1s", "with --speed fast all is due at once"),
        ("--speed fast --as-recorded", "--as-recorded takes its time: leave out --speed fast"),
    ],
)
def test_refused(inside: Inside, options: str, said: str) -> None:
    """What cannot be, or contradicts itself: 2, and one sentence that names it."""
    key_and_certificate(inside.directory, "localhost")
    key_and_certificate(inside.directory, "stranger")
    (inside.directory / "encrypted.key").write_text(ENCRYPTED)
    (inside.directory / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    result = inside.call("replay", "--port", "0", *options.split())
    assert (result.code, result.out) == (2, "")
    assert said in " ".join(result.err.split())


# -- as a server -------------------------------------------------------------------------------------------------------


@contextmanager
def dial_tls(address: str) -> Iterator[ClientConnection]:
    """Open a connection to a server with the tests' certificate, which is for `localhost`."""
    trusting = ssl.create_default_context(cafile=str(TLS / "authority.pem"))
    with connect(
        address, ssl=trusting, server_hostname="localhost", additional_headers={"Accept": ACCEPT}, compression=None,
        proxy=None, close_timeout=1,
    ) as client:  # fmt: skip
        client.send(json.dumps({"authToken": "any"}))
        yield client


def test_tls_beyond_this_machine(archive: Shell, tmp_path: Path) -> None:
    """wss with the given certificate, on the host that was named, in the dialect that was chosen; who may read is said.

    Base 1: startPosition=5 begins with the fifth. The heartbeats have the form that was asked for.
    """
    key, certificate = key_and_certificate(tmp_path, "localhost")
    process = archive.start(
        "replay", "--host", "0.0.0.0", "--port", "0", "--tls-cert", str(certificate), "--tls-key", str(key),
        "--start-position-base", "1", "--heartbeat", "0.05", "--heartbeat-form", "table", "--speed", "fast",
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        assert address.startswith("wss://0.0.0.0:")
        with dial_tls(address.replace("0.0.0.0", "127.0.0.1") + "?startPosition=5") as client:
            assert receive(client, 2) == MATCH.packets[4:6]
            while "heartbeat" not in (message := str(client.recv(timeout=PATIENCE_S))):
                pass
            assert json.loads(message)["eventelementType"] == "heartbeat"
    finally:
        result = ended(process, signal.SIGTERM)
    assert result.code == 0
    said = result.err.splitlines()
    assert said[0] == "recorder: others dial this machine's name or address in place of 0.0.0.0"
    assert said[1].startswith("recorder: anybody who reaches this port can read the matches; --token-file")
    assert said[2].startswith("recorder: record it with --endpoint wss://0.0.0.0:")


def test_troubles_are_written_down(archive: Shell, tmp_path: Path) -> None:
    """Each trouble is a line of JSON as soon as it happens: when, where, to whom, what. The token is in none."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("the-token-that-nobody-may-see")
    log = tmp_path / "troubles.jsonl"
    log.write_text('{"from": "before"}\n')
    process = archive.start(
        "replay", "--port", "0", "--speed", "fast", "--chaos", "3", "--troubles", str(log), "--token-file", str(token),
        "-v",
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        for _ in range(60):
            with suppress(ConnectionClosed, InvalidHandshake, TimeoutError), dial(address, token.read_text()) as client:
                while client.recv(timeout=1):  # whoever is kept waiting leaves
                    pass
            before, *troubles = [json.loads(line) for line in log.read_text().splitlines()]
            if {"drop", "refusal"} <= {each["trouble"] for each in troubles}:
                break
    finally:
        result = ended(process, signal.SIGTERM)
    assert before == {"from": "before"}
    assert {"drop", "refusal"} <= {each["trouble"] for each in troubles}
    assert {each["path"] for each in troubles} == {MATCH.path}
    assert all({"at", "path", "client", "trouble"} <= set(each) for each in troubles)
    assert [each["client"] for each in troubles if each["trouble"] == "refusal"].count(None) > 0
    assert "on purpose: " in result.err
    assert token.read_text() not in log.read_text() + result.out + result.err


def test_a_log_that_takes_no_more() -> None:
    """Troubles that cannot be written down end the replay: what would be compared with them proves nothing."""
    called = []
    log = TroubleLog(Path("/dev/full"), lambda: called.append(1))
    with pytest.raises(DiskError, match="/dev/full takes no more troubles"), log:  # noqa: PT012 - that is what it does
        for _ in range(3):
            log.note({"trouble": "drop"})
    assert (called, log.count) == ([1], 3)


# -- at a terminal -----------------------------------------------------------------------------------------------------


@contextmanager
def at_a_terminal(archive: Shell, terminal: Terminal, *options: str) -> Iterator[tuple[Any, str]]:
    """Run a replay with its input and its stderr at a terminal; give the process and the address."""
    process = archive.start(
        "replay", "--port", "0", *options, stdin=terminal.side, stderr=terminal.side, env={"TERM": "xterm-256color"}
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().decode().strip()
    finally:
        process.kill()
        process.communicate()


def test_keys(archive: Shell, terminal: Terminal) -> None:
    """A replay stands, steps, goes on and ends by keys; what they do is seen, and the terminal is as it was."""
    before = termios.tcgetattr(terminal.side)
    with at_a_terminal(archive, terminal, "--paused", "--every", "10m") as (process, address), dial(address) as client:
        assert receive(client, 1) == MATCH.packets[:1]
        terminal.wait_for("paused")
        for step in range(1, 4):
            os.write(terminal.main, b"n")
            assert receive(client, 1) == MATCH.packets[step : step + 1]
        terminal.wait_for(f"4/{len(MATCH.packets)}")
        os.write(terminal.main, b"\x1b[D")
        with pytest.raises(ConnectionClosed) as closed:  # it was sent what has not happened any more
            client.recv(timeout=PATIENCE_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        os.write(terminal.main, b"q")
        assert process.wait(PATIENCE_S) == 0
    assert termios.tcgetattr(terminal.side) == before
    terminal.wait_for("the replay has ended")
    assert "Traceback" not in terminal.written


def test_ctrl_c_gives_the_terminal_back(archive: Shell, terminal: Terminal) -> None:
    """A signal ends it as q does; the log stands above the screen."""
    before = termios.tcgetattr(terminal.side)
    with at_a_terminal(archive, terminal, "--as-recorded") as (process, _):
        terminal.wait_for("plays")
        assert termios.tcgetattr(terminal.side) != before
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    assert termios.tcgetattr(terminal.side) == before


@pytest.fixture
def at_stdin(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal as this process' stdin."""
    with os.fdopen(os.dup(terminal.side)) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield terminal


def test_a_crash_gives_the_terminal_back(at_stdin: Terminal) -> None:
    """Whatever leaves the block: its modes are what they were, and nobody listens to it any more."""
    before = termios.tcgetattr(at_stdin.side)
    pressed: list[str] = []

    async def main() -> None:
        came = asyncio.Event()

        def press(key: str) -> None:
            pressed.append(key)
            came.set()

        with keyboard(press):
            assert not termios.tcgetattr(at_stdin.side)[3] & (termios.ECHO | termios.ICANON)
            assert termios.tcgetattr(at_stdin.side)[3] & termios.ISIG
            os.write(at_stdin.main, b"k")
            await came.wait()
            # After a stop the shell has put its own modes in place.
            came.clear()
            termios.tcsetattr(at_stdin.side, termios.TCSANOW, before)
            os.kill(os.getpid(), signal.SIGCONT)
            os.write(at_stdin.main, b"n")
            await came.wait()
            raise ZeroDivisionError

    assert has_keys()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert pressed == ["k", "n"]
    assert termios.tcgetattr(at_stdin.side) == before


def test_a_job_in_the_background(at_stdin: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not in the foreground leaves the keys to whoever is, and the terminal's modes too."""
    before = termios.tcgetattr(at_stdin.side)
    monkeypatch.setattr(os, "tcgetpgrp", lambda _terminal: os.getpgrp() + 1)
    assert not has_keys()
    pressed: list[str] = []

    async def main() -> None:
        with keyboard(pressed.append):
            os.write(at_stdin.main, b"q\n")
            assert select.select([sys.stdin], [], [], PATIENCE_S)[0]
            for _ in range(5):
                await asyncio.sleep(0)
            assert termios.tcgetattr(at_stdin.side) == before

    asyncio.run(main())
    assert pressed == []
    assert select.select([sys.stdin], [], [], 0)[0]
