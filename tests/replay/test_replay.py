"""The archive as the vendor's server, and the demonstration."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.recording import TOKEN, Recording, Shell, ended
from tests.vendor import ACCEPT, Match, Script, VendorServer, load

MATCHES = [load("soccer-france-romania"), load("snooker-1")]


def recorded(directory: Path, *matches: Match, **script: Any) -> Shell:
    """Return a directory with an archive of the matches."""
    with VendorServer() as server:
        recording = Recording(directory, server)
        for match in matches:
            server.serve(match, Script(**script))
        recording.run(*matches, database_url=f"sqlite:///{directory / 'recorder.db'}")
    return Shell(directory)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return recorded(tmp_path_factory.mktemp("archive"), *MATCHES)


@contextmanager
def replaying(shell: Shell, *arguments: str, addresses: int = 2) -> Iterator[list[str]]:
    """Run `recorder replay` and give the addresses that it prints."""
    process = shell.start("replay", "--port", "0", *arguments)
    try:
        assert process.stdout is not None
        yield [process.stdout.readline().decode().strip() for _ in range(addresses)]
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def dial(address: str, token: str | None = "any", accept: str = ACCEPT) -> Iterator[ClientConnection]:
    """Open a connection as a recorder would, and send the token."""
    headers = {"Accept": accept}
    with connect(address, additional_headers=headers, compression=None, proxy=None, close_timeout=1) as client:
        if token is not None:
            client.send(json.dumps({"authToken": token}))
        yield client


def receive(client: ClientConnection, count: int) -> list[bytes]:
    """Return so many packets, heartbeats and the auth reply left out."""
    found: list[bytes] = []
    while len(found) < count:
        message = client.recv(timeout=20, decode=False)
        if b'"fixtureAction"' in message:
            found.append(message)
    return found


def stored(path: Path, match: Match) -> list[bytes]:
    connection = sqlite3.connect(path)
    try:
        query = (
            "SELECT f.payload FROM actions a JOIN raw_frames f USING (stream_id, session_id, frame_number) "
            "WHERE a.fixture_id = ? ORDER BY a.position"
        )
        return [payload for (payload,) in connection.execute(query, [match.fixture_id])]
    finally:
        connection.close()


def test_recorded_again(archive: Shell, tmp_path: Path) -> None:
    """What is replayed and recorded again is the same, byte for byte."""
    with replaying(archive, "--speed", "fast") as addresses:
        assert {address.split("/", 3)[3] for address in addresses} == {match.path[1:] for match in MATCHES}
        shell = Shell(tmp_path)
        shell.write_list(*addresses)
        endpoint = addresses[0].partition("/fixtures")[0].rsplit("/", 1)[0].removesuffix("/media")
        result = shell.run("--endpoint", endpoint, "--until-finished", env={"RECORDER_TOKEN": TOKEN})
        assert (result.code, result.err) == (0, "")
    for match in MATCHES:
        assert stored(shell.path, match) == match.packets


def test_grouped_frames(tmp_path: Path) -> None:
    """startPosition counts packets: of an array that is wanted in part only the rest is sent, as an array."""
    match = MATCHES[1]
    shell = recorded(tmp_path, match, group=10)
    with replaying(shell, "--speed", "fast", addresses=1) as [address], dial(address + "?startPosition=15") as client:
        first, second = receive(client, 2)
        assert first == b"[" + b",".join(match.packets[15:20]) + b"]"
        assert second == b"[" + b",".join(match.packets[20:30]) + b"]"


def test_one_fixture(archive: Shell) -> None:
    """Only the fixtures that were named are served; another path is 404."""
    with replaying(archive, MATCHES[1].fixture_id, addresses=1) as [address]:
        assert address.endswith(MATCHES[1].path)
        with pytest.raises(InvalidStatus) as refused, dial(address.replace("snooker", "media/soccer")):
            pass
        assert refused.value.response.status_code == 404


def test_accept_is_asked_for(archive: Shell) -> None:
    """Without the vendor's Accept header: 400, as on the vendor's pages."""
    with replaying(archive) as [address, _]:
        with pytest.raises(InvalidStatus) as refused, dial(address, accept="*/*"):
            pass
        assert refused.value.response.status_code == 400
        assert b"Accept" in (refused.value.response.body or b"")


def test_start_position(archive: Shell) -> None:
    """startPosition skips events; beyond the end there is nothing but heartbeats; nonsense is 0."""
    match = MATCHES[1]
    with replaying(archive, match.fixture_id, "--speed", "fast", addresses=1) as [address]:
        for start in (0, 1, 100, len(match.packets) - 1):
            with dial(f"{address}?startPosition={start}") as client:
                count = min(3, len(match.packets) - start)
                assert receive(client, count) == match.packets[start : start + count]
        with dial(f"{address}?startPosition=soon") as client:
            assert receive(client, 1) == match.packets[:1]
        with dial(f"{address}?startPosition=100000") as client:
            client.recv(timeout=10)
            with pytest.raises(TimeoutError):
                client.recv(timeout=0.3)


def test_speed_fast(archive: Shell) -> None:
    """speed=fast leaves the pauses out, for that connection."""
    match = MATCHES[0]
    with (
        replaying(archive, match.fixture_id, "--scale", "0.001", addresses=1) as [address],
        dial(f"{address}?speed=fast") as fast,
        dial(address) as slow,
    ):
        assert receive(fast, len(match.packets)) == match.packets
        assert receive(slow, 1) == match.packets[:1]


def test_token(archive: Shell, tmp_path: Path) -> None:
    """With --token-file only its token is let in; the refusal says so and the connection is closed."""
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text("right")
    with replaying(archive, "--token-file", str(path), "--speed", "fast") as [address, _]:
        with dial(address, "right") as client:
            assert receive(client, 1)
        for wrong in ("wrong", "", None):
            with dial(address, None) as client:
                client.send(json.dumps({"authToken": wrong}) if wrong is not None else "hello")
                assert "authenticated" in str(client.recv(timeout=10))
                with pytest.raises(ConnectionClosed):
                    client.recv(timeout=10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_on_request(archive: Shell, number: signal.Signals) -> None:
    """A replay ends when asked: 0, no traceback."""
    process = archive.start("replay", "--port", "0")
    assert process.stdout is not None
    process.stdout.readline()
    result = ended(process, number)
    assert result.code == 0
    assert "Traceback" not in result.err


def test_port_in_use(archive: Shell) -> None:
    """A port that is taken: 2, and what to do."""
    with replaying(archive) as [address, _]:
        port = address.split(":")[2].split("/")[0]
        result = archive.call("replay", "--port", port)
        assert (result.code, result.out) == (2, "")
        assert "--port" in result.err


def test_nothing_to_replay(tmp_path: Path) -> None:
    """An archive without actions: 2."""
    shell = Shell(tmp_path)
    shell.call("db", "upgrade")
    assert shell.call("replay", "--port", "0").code == 2


def test_demo(tmp_path: Path) -> None:
    """The demonstration ends with the official scores and with every frame compared; it leaves nothing behind."""
    shell = Shell(tmp_path)
    result = shell.call("demo", "--seconds", "2")
    assert result.code == 0, result.err
    for match in MATCHES:
        home, away = match.official_score
        assert f"{match.home} {home} - {away} {match.away}" in result.out
        assert re.search(rf"official score:? {home} - {away}", result.out)
    assert "997 frames compared byte for byte with what was sent: all equal" in result.out
    assert "6 connections cut off on purpose" in result.out
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_demo_keeps(tmp_path: Path) -> None:
    """--keep leaves the archive, which can be read; a file that is there is not touched."""
    shell = Shell(tmp_path)
    assert shell.call("demo", "--seconds", "1", "--keep", "demo.db").code == 0
    for match in MATCHES:
        assert stored(tmp_path / "demo.db", match) == match.packets
    before = (tmp_path / "demo.db").read_bytes()
    assert shell.call("demo", "--seconds", "1", "--keep", "demo.db").code == 2
    assert (tmp_path / "demo.db").read_bytes() == before
