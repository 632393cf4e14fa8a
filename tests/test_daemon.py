"""`recorder run` as a user runs it: exit codes, each with its one sentence, and manners towards the vendor."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.raw import RawServer
from tests.recording import Ended, Shell, ended
from tests.shared.party import wait_until
from tests.vendor import Match, Script, VendorServer, load, names

MATCH = "snooker-1"
FAST = ("--connect-rate", "1000", "--linger", "0")


@pytest.fixture
def shell(tmp_path: Path, server: VendorServer) -> Shell:
    made = Shell(tmp_path, server)
    made.write_list(load(MATCH))
    return made


def assert_sentence(result: Ended, code: int, *parts: str) -> None:
    """The exit code, and one sentence on stderr that says these things; nothing on stdout."""
    assert result.code == code, result.err
    assert result.out == ""
    said = [line for line in result.err.splitlines() if line.startswith("recorder: ")]
    assert len(said) == 1, result.err
    assert "Traceback" not in result.err
    for part in parts:
        assert part in said[0]


def stored(shell: Shell) -> list[bytes]:
    connection = sqlite3.connect(shell.path)
    try:
        query = "SELECT f.payload FROM actions a JOIN raw_frames f USING (stream_id, session_id, frame_number)"
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [payload for (payload,) in connection.execute(query + " ORDER BY a.position")]
    finally:
        connection.close()


# 0


def test_until_finished(shell: Shell, server: VendorServer) -> None:
    """A finished match: 0, and nothing said."""
    match = load(MATCH)
    server.serve(match, Script(cut_every=100))
    result = shell.run(*FAST, "--until-finished", executed=True)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert stored(shell) == match.packets


def test_again(shell: Shell, server: VendorServer) -> None:
    """The same run again: 0, nothing added."""
    server.serve(load(MATCH))
    assert shell.run(*FAST, "--until-finished").code == 0
    assert shell.run(*FAST, "--until-finished").code == 0
    assert stored(shell) == load(MATCH).packets


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "\ufeff\r\n"])
def test_empty_list(shell: Shell, text: str) -> None:
    """An empty list is nothing to do: 0, no database."""
    shell.list.write_text(text)
    result = shell.run()
    assert (result.code, result.out) == (0, "")
    assert "nothing to do" in result.err
    assert not shell.path.exists()


def test_list_from_standard_input(shell: Shell, server: VendorServer) -> None:
    """The list can come from standard input; a line that is there twice is noted and recorded once."""
    match = load(MATCH)
    server.serve(match)
    shell.write_list(match, match)
    with shell.list.open("rb") as lines:
        result = shell.call("run", "--fixtures", "-", "--once", *FAST, stdin=lines)
    assert result.code == 0
    assert "line 2: same stream as line 1" in result.err
    assert stored(shell) == match.packets


def wait_for_packets(server: VendorServer, count: int) -> None:
    server.wait_for(lambda: any(attempt.packets_sent >= count for attempt in server.attempts), timeout=30)


def actions(shell: Shell) -> int:
    connection = sqlite3.connect(f"file:{shell.path}?mode=ro", uri=True, timeout=10)
    try:
        return int(connection.execute("SELECT count(*) FROM action").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


# 2, 64


def test_usage(shell: Shell) -> None:
    """A list must be named, a duration must be one."""
    assert shell.call("run").code == 2
    result = shell.run("--for", "soon")
    assert result.code == 2
    assert "90m" in result.err


def test_no_option_for_the_token(shell: Shell) -> None:
    """There is no option that takes the token itself."""
    assert "--token " not in shell.call("run", "--help").out
    assert shell.run("--token", "x").code == 2


def test_bad_list(shell: Shell, server: VendorServer) -> None:
    """All bad lines at once, with their numbers; nothing is started: 64."""
    shell.write_list("soccer/nonsense", load(MATCH), f"{load(MATCH).line} starts=yesterday", "", "what is this")
    result = shell.run()
    assert (result.code, result.out) == (64, "")
    assert "3 bad lines" in result.err
    assert [f"line {n}:" in result.err for n in range(1, 6)] == [True, False, True, False, True]
    assert not shell.path.exists()
    assert server.attempts == []


def test_missing_list(shell: Shell) -> None:
    """A list that is not there is named with its absolute path: 64."""
    shell.list.unlink()
    assert_sentence(shell.run(), 64, str(shell.list))


# 3, 4


def test_quarantined(shell: Shell, server: VendorServer) -> None:
    """Another fixture's packet: 4."""
    server.serve(load(MATCH), Script(inject={7: [load("snooker-2").packets[0].decode()]}))
    assert_sentence(shell.run(*FAST, "--until-finished"), 4, "1 quarantined frame", "recorder status")
    assert stored(shell) == load(MATCH).packets


# 74


def test_disk_full(shell: Shell, server: VendorServer) -> None:
    """A full disk: 74; what was stored is whole, and with room again the rest follows."""
    match = load(MATCH)
    server.serve(match, Script(pace=0.001))
    shell.call("db", "upgrade")
    room = shell.path.stat().st_size + 300_000

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    result = shell.run(*FAST, "--until-finished", before=limit)
    assert_sentence(result, 74, str(shell.path), "make room")
    before = stored(shell)
    assert before == match.packets[: len(before)]
    assert 0 < len(before) < len(match.packets)
    assert shell.run(*FAST, "--until-finished").code == 0
    assert stored(shell) == match.packets


def test_no_room_at_all(shell: Shell, server: VendorServer) -> None:
    """A disk that cannot even take an empty archive: 74."""
    server.serve(load(MATCH))
    result = shell.run(*FAST, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)))
    assert_sentence(result, 74, str(shell.path))
    assert server.attempts == []


def test_no_such_directory(shell: Shell) -> None:
    """An archive in a directory that is not there: 74, with the path."""
    assert_sentence(shell.run("--database-url", "sqlite:////nowhere/at/all.db"), 74, "/nowhere/at/all.db")


# 75


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"])
def test_no_websocket_server(shell: Shell, answer: bytes) -> None:
    """What is no websocket server ends in a sentence, whatever it says."""
    with RawServer(answer) as other:
        result = shell.run("--endpoint", other.endpoint, "--for", "2s", "--until-finished", *FAST)
    assert result.code in (3, 75)
    assert "Traceback" not in result.err


def test_archive_held(shell: Shell, server: VendorServer) -> None:
    """Another recorder writes the archive: 75, with its pid, and it is not disturbed."""
    match = load(MATCH)
    server.serve(match, Script(available=100))
    holder = shell.start_run(*FAST, "--until-finished")
    wait_for_packets(server, 1)
    assert_sentence(shell.run(*FAST), 75, f"pid {holder.pid}", str(shell.path))
    server.release(match)
    assert ended(holder).code == 0
    assert stored(shell) == match.packets


# 77


def test_no_token(shell: Shell, server: VendorServer) -> None:
    """No token: 77 before anything is dialled."""
    del shell.environment["RECORDER_TOKEN"]
    assert_sentence(shell.run(), 77, "--token-file")
    assert server.attempts == []


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_no_token_in_the_file(shell: Shell, content: str | None) -> None:
    """A token file that is not there or empty: 77, with its path."""
    path = shell.directory / "token"
    if content is not None:
        path.touch(mode=0o600)
        path.write_text(content)
    assert_sentence(shell.run("--token-file", str(path)), 77, str(path))


REFUSALS: list[Any] = ["refuse_message", "refuse_close", "refuse_401", "refuse_403", "refuse_silent_close"]


@pytest.mark.parametrize("auth", REFUSALS)
@pytest.mark.parametrize("streams", [1, 2])
def test_refused(shell: Shell, server: VendorServer, auth: Any, streams: int) -> None:
    """Refused three times in a row, in whatever words and over all streams: 77, and no attempt more."""
    matches = [load(MATCH), load("snooker-2")][:streams]
    shell.write_list(*matches)
    for match in matches:
        server.serve(match, Script(auth=auth))
    assert_sentence(shell.run(*FAST, "--until-finished"), 77, "refused us 3 times", "token")
    assert len(server.attempts) in range(3, 3 + streams)


def test_refused_at_first(shell: Shell, server: VendorServer) -> None:
    """Two refusals and then a welcome are no reason to leave."""
    server.serve(load(MATCH), Script(auth="refuse_message", refusals=2))
    assert shell.run(*FAST, "--until-finished").code == 0
    assert len(server.attempts) == 3


def test_refused_in_the_middle(shell: Shell, server: VendorServer) -> None:
    """A token that was good and is refused later is asked again: the stream was let in once."""
    match = load(MATCH)
    script = server.serve(match, Script(available=100))
    process = shell.start_run(*FAST, "--until-finished")
    wait_for_packets(server, 100)
    script.auth, script.refusals = "refuse_401", 5
    server.drop_all()
    server.release(match)
    assert ended(process).code == 0
    assert stored(shell) == match.packets
    assert sum(attempt.status == 401 for attempt in server.attempts) == 5


def test_token_is_read_anew(shell: Shell, server: VendorServer) -> None:
    """A token file that is rotated while we record is noticed at the next connection."""
    match = load(MATCH)
    token = shell.directory / "token"
    token.touch(mode=0o600)
    token.write_text("one")
    script = server.serve(match, Script(available=100, token="one"))
    process = shell.start_run(*FAST, "--until-finished", "--token-file", str(token))
    wait_for_packets(server, 100)
    script.token = "two"
    token.write_text("two\n")
    server.drop_all()
    server.release(match)
    assert ended(process).code == 0
    assert {attempt.token for attempt in server.attempts} == {"one", "two"}


# 78


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_token_file_that_others_can_read(shell: Shell, mode: int) -> None:
    """A token that others can read: 78, and how to mend it."""
    path = shell.directory / "token"
    path.write_text("secret")
    path.chmod(mode)
    assert_sentence(shell.run("--token-file", str(path)), 78, f"chmod 600 {path}")


def test_foreign_database(shell: Shell) -> None:
    """A database of somebody else: 78, and it is left alone."""
    connection = sqlite3.connect(shell.path)
    with connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    assert_sentence(shell.run(), 78, "no archive")


@pytest.mark.parametrize("state", ["file", "missing"])
def test_state_directory_that_cannot_be(shell: Shell, server: VendorServer, state: str) -> None:
    """A state directory that cannot be made is a sentence, and nothing is dialled without the shared limit."""
    (shell.directory / "file").write_text("")
    directory = str(shell.directory / "file") if state == "file" else "/proc/nowhere"
    result = shell.run("--for", "2s", env={"STATE_DIRECTORY": directory})
    assert_sentence(result, 78, directory)
    assert server.attempts == []


# Manners


def many(shell: Shell, server: VendorServer, script: Any) -> list[Match]:
    matches = [load(name, feed) for name in names() for feed in ("betting", "media")]
    for match in matches:
        server.serve(match, script())
    shell.write_list(*matches)
    return matches


def test_five_attempts_a_second(shell: Shell, server: VendorServer) -> None:
    """Whatever goes wrong on however many streams: never more than 5 attempts in any sliding second."""
    many(shell, server, lambda: Script(cut_every=0, cut="abort"))
    shell.run("--for", "5s")
    assert len(server.attempts) >= 10
    assert server.busiest_second() <= 5


def test_two_recorders_share_the_limit(shell: Shell, server: VendorServer, tmp_path: Path) -> None:
    """Two recorders of one machine together keep the limit."""
    many(shell, server, lambda: Script(cut_every=0))
    other = [shell.start_run("--for", "5s", "--database-url", f"sqlite:///{tmp_path}/{n}.db") for n in range(2)]
    for process in other:
        ended(process)
    assert {attempt.path for attempt in server.attempts}
    assert len(server.attempts) >= 10
    assert server.busiest_second() <= 5


def test_handshake_is_no_success(shell: Shell, server: VendorServer) -> None:
    """A server that lets us in and closes does not reset the back-off: attempts become rare."""
    server.serve(load(MATCH), Script(cut_every=0))
    shell.run("--for", "8s")
    assert 2 <= len(server.attempts) <= 15


def test_retry_after(shell: Shell, server: VendorServer) -> None:
    """The vendor's Retry-After is obeyed."""
    server.serve(load(MATCH), Script(handshake_status=429, retry_after=3, refusals=1))
    assert shell.run(*FAST, "--until-finished").code == 0
    refused, accepted = server.attempts[:2]
    assert (refused.status, accepted.status) == (429, 101)
    assert accepted.at - refused.at >= 3.0


@pytest.mark.parametrize("header", ["Wed, 21 Oct 2015 07:28:00 GMT", "-5", "²", "soon", "1\r\nRetry-After: 1"])
def test_odd_retry_after(shell: Shell, server: VendorServer, header: str) -> None:
    """A Retry-After that names no seconds does no harm."""
    answer = f"HTTP/1.1 503 Busy\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    with RawServer(answer) as busy:
        result = shell.run("--endpoint", busy.endpoint, "--for", "2s", *FAST)
        assert len(busy.requests) >= 2
    assert "Traceback" not in result.err
    del server


def test_redirect(shell: Shell, server: VendorServer) -> None:
    """A redirect is not followed, so the token does not go where it points."""
    match = load(MATCH)
    server.serve(match)
    for where in (server.endpoint, server.endpoint.replace("ws:", "http:")):
        answer = f"HTTP/1.1 302 Found\r\nLocation: {where}{match.path}\r\nContent-Length: 0\r\n\r\n"
        with RawServer(answer.encode()) as redirecting:
            result = shell.run("--endpoint", redirecting.endpoint, "--for", "1s", "--until-finished", *FAST)
            assert redirecting.requests
        assert_sentence(result, 78, "redirects", "not retried for ever")
    assert server.attempts == []


def test_proxy_from_the_environment(shell: Shell, server: VendorServer) -> None:
    """A proxy that the environment names is not used: it would see the token."""
    server.serve(load(MATCH))
    with RawServer(b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n") as proxy:
        address = proxy.endpoint.replace("ws:", "http:")
        variables = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")
        env = {name: address for lower in variables for name in (lower, lower.upper())}
        assert shell.run(*FAST, "--until-finished", env=env).code == 0
        assert proxy.requests == []


def test_one_stream_unknown(shell: Shell, server: VendorServer) -> None:
    """A stream that the vendor does not know keeps nobody else from finishing."""
    shell.write_list(load(MATCH), load("snooker-2"))
    server.serve(load(MATCH))
    assert_sentence(shell.run(*FAST, "--until-finished", "--for", "5s"), 3, "1 of 2")
    assert stored(shell) == load(MATCH).packets


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the database's write lock."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()


def test_locked_database(shell: Shell, server: VendorServer) -> None:
    """Somebody else's transaction delays what we store and loses nothing."""
    match = load(MATCH)
    server.serve(match, Script(available=50))
    process = shell.start_run(*FAST, "--until-finished")
    wait_for_packets(server, 50)
    wait_until(lambda: actions(shell) == 50)
    with locked(shell.path):
        server.release(match)
        wait_for_packets(server, len(match.packets))
    assert ended(process).code == 0
    assert stored(shell) == match.packets
