"""The token is sent to the vendor and goes nowhere else."""

from __future__ import annotations

import base64
import secrets
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.raw import RawServer
from tests.recording import Ended, Shell, ended
from tests.vendor import Script, VendorServer, load

FAST = ("--connect-rate", "1000", "--linger", "0", "--until-finished", "-vv")


class Canary:
    """A token that can be found in whatever spelling."""

    def __init__(self) -> None:
        self.token = f"canary/{secrets.token_hex(12)}+&é"
        raw = self.token.encode()
        spellings = [raw, raw.hex().encode(), quote(self.token).encode(), repr(self.token)[1:-1].encode()]
        spellings += [self.token.encode("unicode_escape"), self.token.encode("utf-16-le")]
        # In base64 a text looks different at each of three offsets; the middle of it is enough.
        for offset in range(3):
            encoded = base64.b64encode(b"x" * offset + raw)
            spellings += [encoded[4:-4], encoded[4:-4].translate(bytes.maketrans(b"+/", b"-_"))]
        self.spellings = spellings

    def assert_not_in(self, what: bytes, where: str) -> None:
        for spelling in self.spellings:
            assert spelling not in what, where
            assert spelling.lower() not in what.lower(), where

    def assert_not_behind(self, shell: Shell, result: Ended) -> None:
        """Neither in what was said nor in any file that a recorder wrote."""
        self.assert_not_in(result.out.encode() + result.err.encode(), "output")
        files = [path for path in shell.directory.rglob("*") if path.is_file() and path.name != "token"]
        assert files
        for path in files:
            self.assert_not_in(path.read_bytes(), str(path))


@pytest.fixture
def canary() -> Canary:
    return Canary()


@pytest.fixture(params=["environment", "file"])
def shell(tmp_path: Path, server: VendorServer, canary: Canary, request: pytest.FixtureRequest) -> Shell:
    made = Shell(tmp_path, server)
    made.write_list(load("snooker-1"))
    made.environment["RECORDER_TOKEN"] = canary.token
    if request.param == "file":
        del made.environment["RECORDER_TOKEN"]
        path = tmp_path / "token"
        path.touch(mode=0o600)
        path.write_text(canary.token + "\n")
        made.environment["RECORDER_TOKEN_FILE"] = str(path)
    return made


def test_canary_sings(canary: Canary) -> None:
    """The search finds the token in each spelling."""
    for text in (canary.token, quote(canary.token), canary.token.encode().hex().upper(), repr(canary.token)):
        with pytest.raises(AssertionError):
            canary.assert_not_in(f"so {text} it is".encode(), "")
    for offset in range(5):
        with pytest.raises(AssertionError):
            canary.assert_not_in(base64.b64encode(b"a" * offset + canary.token.encode() + b"bc"), "")


def test_success(shell: Shell, server: VendorServer, canary: Canary) -> None:
    """A whole match, cut off and resumed: the vendor has the token, nobody else; nor does the list of processes."""
    match = load("snooker-1")
    server.serve(match, Script(token=canary.token, available=100))
    process = shell.start_run(*FAST)
    server.wait_for(lambda: any(attempt.packets_sent >= 100 for attempt in server.attempts), timeout=30)
    canary.assert_not_in(Path(f"/proc/{process.pid}/cmdline").read_bytes(), "cmdline")
    server.drop_all()
    server.release(match)
    result = ended(process)
    assert result.code == 0
    assert "dialling again" in result.err
    assert {attempt.token for attempt in server.attempts} == {canary.token}
    assert not any(canary.token in str(attempt.headers) + attempt.path + attempt.query for attempt in server.attempts)
    canary.assert_not_behind(shell, result)
    assert b"canary" not in shell.path.read_bytes()


@pytest.mark.parametrize("auth", ["refuse_message", "refuse_401", "refuse_silent_close"])
def test_refused(shell: Shell, server: VendorServer, canary: Canary, auth: Any) -> None:
    """A refusal does not make us talk."""
    server.serve(load("snooker-1"), Script(auth=auth))
    result = shell.run(*FAST)
    assert result.code == 77
    canary.assert_not_behind(shell, result)


def test_unreachable(shell: Shell, canary: Canary) -> None:
    """Nor does a server that is not there, or is no websocket server."""
    with RawServer(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as other:
        result = shell.run(*FAST, "--endpoint", other.endpoint, "--for", "1s")
        assert result.code == 78
        canary.assert_not_behind(shell, result)
        canary.assert_not_in(b"".join(other.requests), "handshake")
    result = shell.run(*FAST, "--endpoint", other.endpoint, "--for", "1s")
    assert result.code == 75
    canary.assert_not_behind(shell, result)


def test_damaged_archive(shell: Shell, server: VendorServer, canary: Canary) -> None:
    """Nor does an archive that is no database, or one whose table is gone in the middle of the run."""
    shell.path.write_bytes(b"no database at all" * 1000)
    result = shell.run(*FAST)
    assert result.code == 65
    canary.assert_not_behind(shell, result)
    shell.path.unlink()
    match = load("snooker-1")
    server.serve(match, Script(available=100))
    process = shell.start_run(*FAST)
    server.wait_for(lambda: any(attempt.packets_sent >= 100 for attempt in server.attempts), timeout=30)
    while True:
        connection = sqlite3.connect(shell.path, timeout=30)
        try:
            with connection:
                connection.execute("DROP TABLE action")
            break
        except sqlite3.OperationalError:
            assert process.poll() is None
        finally:
            connection.close()
    server.release(match)
    result = ended(process)
    assert result.code == 1
    assert "no such table" in result.err
    canary.assert_not_behind(shell, result)
