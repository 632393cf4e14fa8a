"""The token is sent to the vendor and goes nowhere else."""

from __future__ import annotations

import base64
import json
import resource
import secrets
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import pytest

from tests.faults.looking import until
from tests.faults.made import make
from tests.faults.proxy import Proxy
from tests.faults.test_auth import DIALECTS, Impostor
from tests.raw import RawServer
from tests.recording import Ended, Shell, ended
from tests.vendor import Match, Script, VendorServer, load

FAST = ("--connect-rate", "1000", "--linger", "0", "--until-finished", "-vv")
LOUD = {"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1", "PYTHONFAULTHANDLER": "1"}
_SLICE = 12


class Canary:
    """A token that can be found in whatever spelling, and when it was cut too."""

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
        core = raw[len("canary/") :][:24]
        self.slices = [core[at : at + _SLICE] for at in range(len(core) - _SLICE + 1)]

    @property
    def echoes(self) -> list[str]:
        """The ways to write it that recorder promises to know."""
        raw, text = self.token.encode(), self.token
        encoded = [base64.b64encode(b"x" * offset + raw + b"y").decode() for offset in range(3)]
        urlsafe = [one.translate(str.maketrans("+/", "-_")) for one in encoded]
        escaped = [repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text)[1:-1].replace("/", "\\/")]
        return [text, raw.hex(), raw.hex().upper(), quote(text), quote(text, safe=""), *escaped, *encoded, *urlsafe]

    def assert_not_in(self, what: bytes, where: str) -> None:
        lowered = what.lower()
        for spelling in [*self.spellings, *self.slices]:
            assert spelling not in what, where
            assert spelling.lower() not in lowered, where

    def assert_not_behind(self, shell: Shell, result: Ended) -> None:
        """Neither in what was said nor in any file that a recorder wrote."""
        self.assert_not_in(result.out.encode() + result.err.encode(), "output")
        files = [path for path in shell.directory.rglob("*") if path.is_file() and path.name != "token"]
        assert files
        for path in files:
            with suppress(FileNotFoundError):  # a reader that leaves takes SQLite's side files away
                self.assert_not_in(path.read_bytes(), str(path))

    def assert_not_shown(self, process: subprocess.Popen[bytes]) -> None:
        """Not among the arguments of the process, nor of what it has started."""
        pids = [str(process.pid)]
        for pid in pids:
            with suppress(FileNotFoundError):  # it may have ended
                self.assert_not_in(Path(f"/proc/{pid}/cmdline").read_bytes(), "cmdline")
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    pids += children.read_text().split()


@pytest.fixture
def canary() -> Canary:
    return Canary()


def given(shell: Shell, canary: Canary, source: str) -> Shell:
    """Give the token to the shell, by one of its ways."""
    shell.environment["RECORDER_TOKEN"] = canary.token
    if source == "file":
        del shell.environment["RECORDER_TOKEN"]
        path = shell.directory / "token"
        path.touch(mode=0o600)
        path.write_text(canary.token + "\n")
        shell.environment["RECORDER_TOKEN_FILE"] = str(path)
    return shell


@pytest.fixture
def shell(tmp_path: Path, server: VendorServer, canary: Canary, request: pytest.FixtureRequest) -> Shell:
    """A shell with the token in its environment, unless the test asks for both ways."""
    made = given(Shell(tmp_path, server), canary, getattr(request, "param", "environment"))
    made.executes = True  # what the system shows of a process is what it was executed with
    made.write_list(load("snooker-1"))
    return made


both = pytest.mark.parametrize("shell", ["environment", "file"], indirect=True)


def test_canary_sings(canary: Canary) -> None:
    """The search finds the token in each spelling, and what is left of it when it was cut."""
    for text in (*canary.echoes, canary.token.encode().hex().upper(), canary.token[:20], canary.token[-18:]):
        with pytest.raises(AssertionError):
            canary.assert_not_in(f"so {text} it is".encode(), "")
    for offset in range(5):
        with pytest.raises(AssertionError):
            canary.assert_not_in(base64.b64encode(b"a" * offset + canary.token.encode() + b"bc"), "")


def packets_sent(server: VendorServer, count: int) -> None:
    server.wait_for(lambda: any(attempt.packets_sent >= count for attempt in server.attempts), timeout=30)


# A match


@both
def test_success(shell: Shell, server: VendorServer, canary: Canary) -> None:
    """A whole match, cut off and resumed: the vendor has the token, nobody else; nor does the list of processes."""
    match = load("snooker-1")
    server.serve(match, Script(token=canary.token, available=100))
    process = shell.start_run(*FAST)
    packets_sent(server, 100)
    canary.assert_not_shown(process)
    for file in shell.directory.glob("recorder.db*"):  # the write-ahead log is gone in the end
        canary.assert_not_in(file.read_bytes(), str(file))
    server.drop_all()
    server.release(match)
    result = ended(process)
    assert result.code == 0
    assert "dialling again" in result.err
    assert {attempt.token for attempt in server.attempts} == {canary.token}
    assert not any(canary.token in str(attempt.headers) + attempt.path + attempt.query for attempt in server.attempts)
    canary.assert_not_behind(shell, result)
    assert b"canary" not in shell.path.read_bytes()


# Whatever the vendor answers


def faults(token: str) -> dict[str, Script]:
    """Each way to refuse us and to send the token back, as the script of one stream."""
    said = f'{{"errorMessage":"no: {token}","and":"{token}"}}'
    found: dict[str, Script] = {}
    for name, dialect in DIALECTS.items():
        found[name] = Script(heartbeat=None, close_reason=token, refusal_text=said, **dialect)
    for status in (302, 404, 429, 503):
        headers = {"Location": f"ws://127.0.0.1:1/?token={quote(token)}", "X-Token": quote(token)}
        found[str(status)] = Script(
            handshake_status=status,
            refusal_text="x" * 180 + token,  # the body is cut, and the token with it
            retry_after=quote(token),
            refusal_headers=headers,
        )
    found["auth reply"] = Script(auth_reply=said.replace("errorMessage", "message"))
    found["cut rudely"] = Script(cut_at=[1], cut="abort")
    found["cut with a reason"] = Script(cut_at=[1], cut=4000, close_reason=f"bye {token}")
    return found


def serve_faults(server: VendorServer, canary: Canary) -> Mapping[str, Match]:
    """Serve a stream for each fault, and one more on which the token comes back in every spelling."""
    matches = {}
    for name, script in faults(canary.token).items():
        matches[name] = make(name, 6)
        server.serve(matches[name], script)
    good = matches["echo"] = make("echo", len(canary.echoes) + 4)
    packets = [
        packet.replace(b'"Foul"', b'"Foul ' + echo.encode() + b'"')
        for packet, echo in zip(good.packets, [*canary.echoes, "", "", "", ""], strict=True)
    ]
    garbage: list[bytes | str] = [f"garbage {echo}" for echo in canary.echoes]
    garbage += [b"\xff" + echo.encode() for echo in canary.echoes]
    garbage += [f'{{"level":"info","message":"{canary.token}"}}', f'["{canary.token}"', f'{{"{canary.token}":1}}']
    server.serve(good, Script(packets, inject={2: garbage}, cut_at=[3]))
    return matches


def test_every_answer_at_once(shell: Shell, server: VendorServer, canary: Canary) -> None:
    """Refused, cut and echoed at in every way, and told to say all it can: not a piece of the token is left behind."""
    matches = serve_faults(server, canary)
    shell.write_list(matches["echo"], *(match for name, match in matches.items() if name != "echo"))
    # Many of these refuse us before the first one lets us in, and then one attempt goes out at a time.
    options = ("--connect-rate", "5000", "--keep-trying", "--dead-after", "1s", "--for", "40s")
    process = shell.start_run(*FAST, *options, env=LOUD)
    kinds = set(matches) - {"echo"}
    server.wait_for(lambda: all(server.attempts_on(matches[kind]) for kind in kinds), timeout=30)
    server.wait_for(lambda: len(server.attempts_on(matches["echo"])) >= 2, timeout=30)
    until(lambda: stored(shell, matches["echo"]) == len(matches["echo"].packets), what=lambda: stored(shell))
    canary.assert_not_shown(process)
    result = ended(process, signal.SIGTERM)
    assert result.code == 3, result.err[-2000:]
    assert "[token]" in result.err
    canary.assert_not_behind(shell, result)
    assert server.faults_fired["cut"] >= 3
    assert server.faults_fired["refuse"] >= len(DIALECTS)
    assert server.faults_fired["handshake_status"] >= 4
    assert server.faults_fired["inject"] >= 2 * len(canary.echoes) + 3


def stored(shell: Shell, match: Match | None = None) -> int:
    """How many actions are stored, of one match or of all."""
    if not shell.path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{shell.path}?mode=ro", uri=True, timeout=10)) as connection:
        with suppress(sqlite3.OperationalError):
            where, key = ("", ()) if match is None else ("WHERE fixture_id = ?", (match.fixture_id,))
            return int(connection.execute(f"SELECT count(*) FROM actions {where}", key).fetchone()[0])
        return 0


@pytest.mark.parametrize("dialect", ["message", "401", "silence"])
def test_refused(shell: Shell, server: VendorServer, canary: Canary, dialect: str) -> None:
    """A refusal does not make us talk."""
    server.serve(load("snooker-1"), faults(canary.token)[dialect])
    result = shell.run(*FAST, "--dead-after", "500ms")
    assert result.code == 77
    assert server.faults_fired["refuse"] >= 2
    canary.assert_not_behind(shell, result)


@pytest.mark.campaign
@both
@pytest.mark.parametrize("loud", [True, False], ids=["loud", "usual"])
@pytest.mark.parametrize("fault", faults("none"))
def test_each_answer(shell: Shell, server: VendorServer, canary: Canary, fault: str, loud: bool) -> None:
    """Each fault alone, in each way to have the token, with everything said and with what is said usually."""
    server.serve(load("snooker-1"), faults(canary.token)[fault])
    talk = ("-vv",) if loud else ()
    result = shell.run(*FAST[:-1], *talk, "--dead-after", "500ms", "--for", "4s", env=LOUD if loud else {})
    print(fault, result.code, dict(server.faults_fired), len(server.attempts))
    assert server.attempts
    canary.assert_not_behind(shell, result)


class Parrot:
    """A TCP server that gives each client the next of its answers, and again from the first one."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self._answers = answers
        self.given = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"ws://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                with suppress(OSError), client:
                    client.settimeout(5)
                    client.recv(65536)
                    client.sendall(self._answers[self.given % len(self._answers)])
                    self.given += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


def answers(token: str) -> dict[str, bytes]:
    """What a server may say instead of a handshake, with the token wherever it has room."""
    quoted = quote(token).encode()
    switching = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return {
        "status line": b"HTTP/1.1 " + quoted + b"\r\n\r\n",
        "reason": b"HTTP/1.1 401 " + quoted + b"\r\nContent-Length: 0\r\n\r\n",
        "header's name": b"HTTP/1.1 401 x\r\n" + quoted + b": x\r\nContent-Length: 0\r\n\r\n",
        "bad header": b"HTTP/1.1 401 x\r\n" + token.encode() + b"\r\n\r\n",
        "no HTTP": token.encode() * 20,
        "upgrade": b"HTTP/1.1 101 x\r\nUpgrade: " + quoted + b"\r\nConnection: Upgrade\r\n\r\n",
        "connection": b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: " + quoted + b"\r\n\r\n",
        "accept": switching + b"Sec-WebSocket-Accept: " + quoted + b"\r\n\r\n",
        "protocol": switching + b"Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: " + quoted + b"\r\n\r\n",
        "body": b"HTTP/1.1 500 x\r\nContent-Length: 500\r\n\r\n" + (b"x" * 185 + token.encode()).ljust(500),
        "length": b"HTTP/1.1 401 x\r\nContent-Length: " + quoted + b"\r\n\r\n",
        "location": b"HTTP/1.1 302 x\r\nLocation: ws://" + quoted + b"/\r\nContent-Length: 0\r\n\r\n",
        "twice": b"HTTP/1.1 503 x\r\nRetry-After: " + quoted + b"\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    }


@pytest.mark.parametrize("where", ["quoted", "told"])
def test_no_handshake(shell: Shell, canary: Canary, where: str) -> None:
    """A server that is none and says the token instead of a handshake: nothing of it is kept."""
    quoted = ("upgrade", "connection", "accept")
    said = [answer for name, answer in answers(canary.token).items() if (name in quoted) == (where == "quoted")]
    with Parrot(said) as parrot:
        options = ("--connect-rate", "5000", "--keep-trying", "--for", "20s")
        process = shell.start_run(*FAST, "--endpoint", parrot.endpoint, *options, env=LOUD)
        until(lambda: parrot.given > len(said))
        result = ended(process, signal.SIGTERM)
    assert "Traceback" not in result.err
    canary.assert_not_in(result.err.encode(), "output")
    canary.assert_not_behind(shell, result)


def test_sent_back_by_a_careful_writer_of_json(shell: Shell, server: VendorServer) -> None:
    """Some writers of JSON escape what HTML minds: = in the token of many a server comes back as six characters."""
    token = base64.b64encode(secrets.token_bytes(22)).decode()
    assert token.endswith("==")
    shell.environment["RECORDER_TOKEN"] = token
    match = load("snooker-1")
    escaped = token.replace("=", "\\u003d")
    server.serve(match, Script(auth_reply=f'{{"message":"authorised","token":"{escaped}"}}'))
    assert shell.run(*FAST).code == 0
    assert token.rstrip("=").encode() not in shell.path.read_bytes()


def test_old_token_sent_back(shell: Shell, server: VendorServer, canary: Canary) -> None:
    """A token that was replaced while we run, and may still be good, is covered too when the vendor speaks of it."""
    match = load("snooker-1")
    given(shell, canary, "file")
    script = server.serve(match, Script(available=100))
    process = shell.start_run(*FAST)
    packets_sent(server, 100)
    (shell.directory / "token").write_text("another token, just as long")
    script.auth_reply = json.dumps({"message": "authorised", "was": canary.token})
    server.drop_all()
    server.release(match)
    result = ended(process)
    assert result.code == 0
    assert len({attempt.token for attempt in server.attempts}) == 2
    canary.assert_not_behind(shell, result)


# Where nobody is, or somebody else


def test_unreachable(shell: Shell, canary: Canary) -> None:
    """Nor does a server that is not there, or is no websocket server."""
    with RawServer(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as other:
        result = shell.run(*FAST, "--endpoint", other.endpoint, "--for", "5s")
        assert result.code == 78
        canary.assert_not_behind(shell, result)
        canary.assert_not_in(b"".join(other.requests), "handshake")
    result = shell.run(*FAST, "--endpoint", other.endpoint, "--for", "4s")
    assert result.code == 75
    canary.assert_not_behind(shell, result)


def test_proxy_that_refuses_and_wrong_certificate(shell: Shell, canary: Canary) -> None:
    """A proxy that lets nobody through, and one with a certificate of its own, hear nothing of the token."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with RawServer(refusal) as proxy, Impostor() as impostor:
        address = proxy.endpoint.replace("ws:", "http://user:password@").replace("@//", "@")
        runs = [
            ("--proxy", address, "--endpoint", impostor.endpoint),
            ("--database-url", f"sqlite:///{shell.directory}/other.db", "--endpoint", impostor.endpoint),
        ]
        results = [ended(one) for one in [shell.start_run(*FAST, *run, "--for", "6s") for run in runs]]
        assert [result.code for result in results] == [75, 78]
        assert proxy.requests
        assert impostor.greeted >= 3
        canary.assert_not_in(b"".join(proxy.requests) + impostor.heard, "proxy")
    for result in results:
        assert "password" not in result.err
        canary.assert_not_behind(shell, result)


# The recorder itself in trouble


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
    packets_sent(server, 100)
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


def dumps_allowed() -> None:
    """As the most careless of users has it."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


@pytest.mark.parametrize(
    "number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name
)
def test_signal_in_mid_match(shell: Shell, server: VendorServer, canary: Canary, number: signal.Signals) -> None:
    """However it is ended: no core file, and neither the log of the database nor a trace has the token."""
    match = load("snooker-1")
    server.serve(match, Script(available=100))
    process = shell.start_run(*FAST, env=LOUD, before=dumps_allowed)
    packets_sent(server, 100)
    until(lambda: stored(shell) == 100)
    result = ended(process, number)
    assert result.code == (3 if number is signal.SIGTERM else -number)
    assert ("Fatal Python error" in result.err) == (number in (signal.SIGABRT, signal.SIGSEGV))
    assert [
        path.name for path in shell.directory.rglob("*core*") if path.is_file() and "recorder" not in path.name
    ] == []
    assert (shell.directory / "recorder.db-wal").exists() == (number is not signal.SIGTERM)
    canary.assert_not_behind(shell, result)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_second_signal(shell: Shell, server: VendorServer, canary: Canary, second: signal.Signals) -> None:
    """Asked twice to leave, while a peer that is gone holds it up: it leaves in order, and nothing is left behind."""
    match = load("snooker-1")
    server.serve(match, Script(available=100))
    with Proxy(server.endpoint) as proxy:
        process = shell.start_run(*FAST, "--endpoint", proxy.endpoint, env=LOUD, before=dumps_allowed)
        until(lambda: stored(shell) == 100)
        proxy.hole()
        process.send_signal(signal.SIGTERM)
        until(lambda: not pending(process))
        result = ended(process, second)
        assert proxy.fired["hole"] == 1
    assert result.code == 3
    assert not (shell.directory / "recorder.db-wal").exists()
    canary.assert_not_behind(shell, result)


def pending(process: subprocess.Popen[bytes]) -> bool:
    """Whether a signal has not reached the process yet: of two that are alike it would see one."""
    with suppress(FileNotFoundError):
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return any(line.split()[0] in ("SigPnd:", "ShdPnd:") and int(line.split()[1], 16) for line in lines)
    return False


# Every other command


def listening(process: subprocess.Popen[bytes]) -> str:
    """Where a replay listens, as it says."""
    assert process.stdout is not None
    line = process.stdout.readline().decode().strip()
    assert line.startswith("ws://"), line
    return "ws://" + line.removeprefix("ws://").partition("/")[0]


def test_commands(shell: Shell, server: VendorServer, canary: Canary) -> None:
    """No command says the token, of an archive whose server has sent it back in all spellings."""
    given(shell, canary, "file")
    shell.environment["RECORDER_TOKEN"] = canary.token
    matches = serve_faults(server, canary)
    match, refused = matches["echo"], matches["message"]
    shell.write_list(match, refused)
    recorded = ended(shell.start_run(*FAST, "--for", "2s", "--keep-trying"))
    assert recorded.code == 3, recorded.err[-2000:]
    copy = shell.directory / "copy.db"
    commands: list[tuple[str, ...]] = [("--help",), ("run", "--help"), ("status", "--format", "json")]
    commands += [("fixtures", "--format", "csv"), ("timeline", match.fixture_id, "--revisions", "--format", "json")]
    commands += [("timeline", match.fixture_id, "-vv")]
    forms = [(match, "raw"), (match, "table"), (match, "jsonl"), (refused, "json"), (refused, "csv")]
    commands += [("frames", one.fixture_id, "--all", "--format", form) for one, form in forms]
    commands += [("db", "check")]
    commands += [("db", "upgrade", "--database-url", f"sqlite:///{shell.directory}/fresh.db")]
    with closing(sqlite3.connect(shell.path)) as archive, closing(sqlite3.connect(copy)) as target:
        archive.backup(target)
    commands += [("db", "downgrade", "base", "--yes", "--database-url", f"sqlite:///{copy}")]
    for batch in (commands[number : number + 3] for number in range(0, len(commands), 3)):
        processes = [shell.start(*command) for command in batch]
        for process in processes:
            canary.assert_not_shown(process)
        for command, process in zip(batch, processes, strict=True):
            out, err = process.communicate(timeout=60)  # raw frames need not be UTF-8
            result = Ended(process.returncode, out.decode(errors="replace"), err.decode())
            assert result.code == 0, (command, result.err[-1000:])
            assert result.out, command
            canary.assert_not_behind(shell, result)
            for line in result.out.splitlines() if "jsonl" in command else ():
                canary.assert_not_in(base64.b64decode(json.loads(line)["payload"]), "payload")


@pytest.mark.campaign
def test_demo(shell: Shell, canary: Canary) -> None:
    """The demonstration has no use for the token that lies about, and does not say it."""
    result = shell.call("demo", "--seconds", "1", "--keep", "kept.db", "-vv", env=LOUD)
    assert result.code == 0
    canary.assert_not_behind(shell, result)


def test_replay(shell: Shell, server: VendorServer, canary: Canary) -> None:
    """A replay that knows the right token tells it nobody, whether it lets somebody in or not."""
    given(shell, canary, "file")
    match = load("snooker-2")
    server.serve(match)
    shell.write_list(match)
    assert shell.run(*FAST).code == 0
    process = shell.start("replay", "--port", "0", "--speed", "fast", "-vv")
    endpoint = listening(process)
    canary.assert_not_shown(process)
    own = f"sqlite:///{shell.directory}/second.db"
    good = shell.run(*FAST, "--endpoint", endpoint, "--database-url", own)
    assert good.code == 0, good.err
    wrong = shell.directory / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("a wrong one")
    bad = shell.run(*FAST, "--endpoint", endpoint, "--database-url", f"{own}.b", "--token-file", str(wrong))
    assert bad.code == 77
    for result in (good, bad, ended(process, signal.SIGTERM)):
        canary.assert_not_behind(shell, result)
