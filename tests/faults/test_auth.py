"""The vendor refuses us in every way it may: a token that is bad, was good, or is too early; a server that is none."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from recorder import roster
from recorder.errors import ConfigurationError, StoppedEarly, TokenError
from recorder.feed.ledger import Ledger
from recorder.logs.rendering import formatter
from tests.faults.looking import assert_all_complete, counts, until
from tests.faults.made import make
from tests.recording import QUICK, TOKEN, Recording, Shell, ended
from tests.vendor import Attempt, Match, Script, VendorServer

FAST = ("--connect-rate", "1000", "--linger", "0")
TLS = Path(__file__).parents[1] / "data" / "tls"
REFUSALS = 3
PROBE_S = 60.0
USUAL_RATE = 5.0

DIALECTS: dict[str, dict[str, Any]] = {
    "401": {"auth": "refuse_401"},
    "403": {"auth": "refuse_403"},
    "message": {"auth": "refuse_message"},
    "1008": {"auth": "refuse_close", "refusal_code": 1008},
    "4401": {"auth": "refuse_close"},
    "1000": {"auth": "refuse_silent_close"},
    "1000 at once": {"auth": "refuse_at_once"},
    "silence": {"auth": "refuse_mute"},
}
"""Each way to refuse a token, as fields of a script."""


@pytest.fixture
def shell(tmp_path: Path, server: VendorServer) -> Shell:
    return Shell(tmp_path, server)


class Impostor:
    """A TLS server with a certificate that nobody vouches for; ``greeted`` counts who came, ``heard`` is what came."""

    def __init__(self, certificate: str = "stranger") -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(TLS / f"{certificate}.pem")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"wss://localhost:{self._socket.getsockname()[1]}"
        self.changed = threading.Condition()
        self.greeted = 0
        self.heard = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def wait_for(self, count: int, timeout: float = 30.0) -> None:
        """Block until so many have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.greeted >= count, timeout)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                with self.changed:
                    self.greeted += 1
                    self.changed.notify_all()
                client.settimeout(5)
                with suppress(OSError), self._context.wrap_socket(client, server_side=True) as secure:
                    self.heard += secure.recv(65536)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


def sentence(text: str) -> str:
    """The one line that says what happened and what to do."""
    [said] = [line for line in text.splitlines() if line.startswith("recorder: ")]
    assert "Traceback" not in text
    return said


def quick(dialect: dict[str, Any], **more: Any) -> Script:
    return Script(**{**dialect, "heartbeat": None, **more})


# Refused from the beginning


@pytest.mark.parametrize("dialect", DIALECTS)
def test_refused(shell: Shell, server: VendorServer, dialect: str) -> None:
    """Refused three times with nothing ever received: 77, one sentence, and no attempt more."""
    matches = [make(f"refused {number}", 3) for number in range(2)]
    for match in matches:
        server.serve(match, quick(DIALECTS[dialect]))
    shell.write_list(*matches)
    result = shell.run(*FAST, "--until-finished", "--dead-after", "500ms", "--for", "30s")
    assert result.code == 77, result.err
    assert "refused us 3 times" in sentence(result.err)
    assert "check the token" in sentence(result.err)
    assert result.out == ""
    assert len(server.attempts) in range(REFUSALS, REFUSALS + len(matches))
    assert server.faults_fired["refuse"] >= REFUSALS - 1  # of the last one it may be too late to tell


def probes_since(attempts: Sequence[Attempt], probe_s: float) -> float:
    """How many probes may have gone between the first attempt and the last."""
    return (attempts[-1].at - attempts[0].at) / probe_s


@pytest.mark.parametrize("dialect", DIALECTS)
def test_keep_trying(tmp_path: Path, server: VendorServer, dialect: str) -> None:
    """Told to keep trying, one attempt a probe interval for all streams; once the vendor lets us in all is recorded."""
    matches = [make(f"trying {number}", 30) for number in range(5)]
    scripts = [server.serve(match, quick(DIALECTS[dialect])) for match in matches]
    timing = replace(QUICK, dead=0.4, quiet=0.3)
    recording = Recording(tmp_path, server, connect_rate=1000, keep_trying=True, timing=timing)
    probe_s = PROBE_S * USUAL_RATE / 1000
    with recording.running(*matches) as running:
        server.wait_for(lambda: len(server.attempts) >= REFUSALS + len(matches) + 6, timeout=30)
        refused = server.attempts
        assert len(refused) <= REFUSALS + len(matches) - 1 + probes_since(refused, probe_s) + 1
        for script in scripts:
            script.auth = "message"
        running.wait()
    assert running.error is None
    assert_all_complete(recording, matches)
    assert recording.causes() == []
    assert server.faults_fired["refuse"] >= REFUSALS + 6


def test_keep_trying_for_some_time(shell: Shell, server: VendorServer) -> None:
    """Told to keep trying for some time: that is how long it goes on, and it ends as asked."""
    matches = [make(f"for a time {number}", 3) for number in range(5)]
    for match in matches:
        server.serve(match, Script(auth="refuse_401"))
    shell.write_list(*matches)
    result = shell.run(*FAST, "--keep-trying", "--for", "3s")
    assert (result.code, result.out) == (0, "")
    assert "Traceback" not in result.err
    assert server.faults_fired["refuse"] > REFUSALS + len(matches)
    assert len(server.attempts) <= REFUSALS + len(matches) + probes_since(server.attempts, 0.3)


# Refused in the middle


@contextmanager
def rotating(recording: Recording) -> Iterator[Callable[[str], None]]:
    """Give what puts another token in place, as one does it: at once and for its owner only."""
    file = recording.settings.token_file
    assert file is not None

    def rotate(token: str) -> None:
        fresh = file.with_name("token.new")
        fresh.touch(mode=0o600)
        fresh.write_text(token)
        fresh.rename(file)

    yield rotate


def in_mid_match(recording: Recording, server: VendorServer, streams: int, stored: int, **changes: Any) -> list[Match]:
    """Matches of which so much exists at first."""
    matches = [make(f"mid {number}", 60) for number in range(streams)]
    for match in matches:
        server.serve(match, Script(match.packets, available=stored, heartbeat=0.1, **changes))
    return matches


@pytest.mark.parametrize("dialect", ["401", "message", "4401", "silence"])
def test_token_expires_in_mid_match(recording: Recording, server: VendorServer, dialect: str) -> None:
    """An expired token keeps dropped streams out and disturbs no other; with the new one in the file all come back."""
    matches = in_mid_match(recording, server, 4, 20, token=TOKEN)
    dropped, kept = matches[:2], matches[2:]
    timing = replace(QUICK, dead=0.5)
    with rotating(recording) as rotate, recording.running(*matches, timing=timing) as running:
        until(lambda: list(counts(recording).values()) == [20] * 4)
        for match in matches:
            script = server.script(match)
            script.auth, script.token = DIALECTS[dialect]["auth"], "the new token"
        before = server.faults_fired["refuse"]
        for match in dropped:
            server.drop_all("abort", match)
        server.wait_for(lambda: server.faults_fired["refuse"] >= before + REFUSALS + 1, timeout=20)
        for match in matches:
            server.release(match, 20)
        until(lambda: all(counts(recording)[match.fixture_id] == 40 for match in kept))
        assert all(counts(recording)[match.fixture_id] == 20 for match in dropped)
        assert all(len(server.attempts_on(match)) == 1 for match in kept)
        rotate("the new token")
        for match in matches:
            script = server.script(match)
            script.auth, script.token = "message", "the new token"
        until(lambda: list(counts(recording).values()) == [40] * 4)
        for match in matches:
            server.release(match)
        running.wait()
    assert running.error is None
    assert_all_complete(recording, matches)
    assert recording.causes() == []
    assert {attempt.token for attempt in server.attempts if attempt.token} == {TOKEN, "the new token"}


@pytest.mark.parametrize("first", [False, True], ids=["last in the list", "first in the list"])
def test_one_unlicensed_fixture(recording: Recording, server: VendorServer, first: bool) -> None:
    """A fixture that is forbidden for ever stops none of the others, nor that they come back when they are dropped."""
    good = in_mid_match(recording, server, 5, 20)
    forbidden = make("forbidden", 3)
    server.serve(forbidden, Script(auth="refuse_403"))
    # At the usual pace the others are let in before three refusals are together.
    listed = [forbidden, *good] if first else [*good, forbidden]
    with recording.running(*listed, connect_rate=20.0 if first else 1000.0) as running:
        until(lambda: list(counts(recording).values()) == [20] * 5)
        server.wait_for(lambda: server.faults_fired["refuse"] >= (1 if first else REFUSALS), timeout=20)
        assert server.drop_all("abort", good[0]) == 1
        for match in good:
            server.release(match)
        until(lambda: list(counts(recording).values()) == [60] * 5, what=lambda: counts(recording))
    assert isinstance(running.error, StoppedEarly)
    assert_all_complete(recording, good)
    assert recording.causes() == []
    assert server.faults_fired["drop_all"] == 1


def test_many_unlicensed_fixtures(recording: Recording, server: VendorServer) -> None:
    """Twenty fixtures that are forbidden for ever do not keep one out that is in play and was dropped."""
    good = make("good", 60)
    live = [one.replace(b'"finished":false}}', b'"finished":false,"currentStatus":"Live"}}') for one in good.packets]
    assert live[0] != good.packets[0]
    server.serve(good, Script(live, available=20, heartbeat=0.1))
    forbidden = [make(f"forbidden {number}", 3) for number in range(20)]
    for match in forbidden:
        server.serve(match, Script(auth="refuse_403"))
    needed, drops = 0, 5
    with recording.running(good, *forbidden, keep_trying=True) as running:
        for _ in range(drops):
            # By then the account is down to one attempt at a time, and all of them wait for it.
            wait_until_refused(server, server.faults_fired["refuse"] + 12)
            before = drop_when_open(server, good)
            server.wait_for(lambda: server.attempts_on(good)[-1].open, timeout=60)
            needed += next(n for n, one in enumerate(server.attempts[before:], 1) if one.path == good.path)
    assert running.error is not None
    print("probes needed", needed, "for", drops, "drops")
    assert needed <= 4 * drops


def drop_when_open(server: VendorServer, match: Match) -> int:
    """Drop a match's connection as soon as it has one; return how many attempts there were."""
    server.wait_for(lambda: server.drop_all("abort", match), timeout=60)
    return len(server.attempts)


def wait_until_refused(server: VendorServer, times: int) -> None:
    server.wait_for(lambda: server.faults_fired["refuse"] >= times, timeout=60)


@pytest.mark.parametrize("trouble", ["missing", "open to others", "empty", "a directory"])
def test_token_file_spoilt_in_mid_run(recording: Recording, server: VendorServer, trouble: str) -> None:
    """A token file that cannot be used any more stops nobody who is connected; mended, it lets the others back in."""
    matches = in_mid_match(recording, server, 3, 20)
    file = recording.settings.token_file
    assert file is not None
    with rotating(recording) as rotate, recording.running(*matches) as running:
        until(lambda: list(counts(recording).values()) == [20] * 3)
        if trouble == "open to others":
            file.chmod(0o644)
        elif trouble == "empty":
            file.write_text("\n")
        else:
            file.unlink()
            if trouble == "a directory":
                file.mkdir(mode=0o700)
        attempts = len(server.attempts)
        server.drop_all("abort", matches[0])
        for match in matches[1:]:
            server.release(match, 20)
        until(lambda: [counts(recording)[match.fixture_id] for match in matches] == [20, 40, 40])
        assert len(server.attempts) == attempts  # without a token nobody is dialled
        server.release(matches[0], 20)  # not before: it might still go out on the connection that is being dropped
        if trouble == "a directory":
            file.rmdir()
        rotate(TOKEN)
        until(lambda: list(counts(recording).values()) == [40] * 3)
        for match in matches:
            server.release(match)
        running.wait()
    assert running.error is None
    assert_all_complete(recording, matches)
    assert recording.causes() == []
    assert server.faults_fired["drop_all"] == 1


# Where the token comes from


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o444])
def test_token_file_open_to_others(recording: Recording, server: VendorServer, mode: int) -> None:
    """A token that others can read is not used at all: 78."""
    file = recording.settings.token_file
    assert file is not None
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        recording.run(make("unsafe", 3))
    assert server.attempts == []


@pytest.mark.parametrize("given", ["systemd", "environment", "file before systemd"])
def test_where_the_token_comes_from(shell: Shell, server: VendorServer, given: str) -> None:
    """The token comes from systemd's credentials, from the environment, or from a named file before all others."""
    match = make("credentials", 3)
    server.serve(match, Script(token="the right one"))
    shell.write_list(match)
    folder = shell.directory / "credentials"
    folder.mkdir()
    credential = folder / "recorder-token"
    credential.write_text("the right one" if given == "systemd" else "a wrong one")
    credential.chmod(0o440)  # as an ACL's mask shows
    file = shell.directory / "token"
    file.touch(mode=0o600)
    file.write_text("the right one")
    shell.environment["RECORDER_TOKEN"] = "the right one" if given == "environment" else "a wrong one"
    if given != "environment":
        shell.environment["CREDENTIALS_DIRECTORY"] = str(folder)
    named = ("--token-file", str(file)) if given == "file before systemd" else ()
    result = shell.run(*FAST, "--until-finished", *named)
    assert (result.code, result.err) == (0, "")
    assert {attempt.token for attempt in server.attempts} == {"the right one"}


# Not the vendor


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(recording: Recording, server: VendorServer, status: int) -> None:
    """A redirect is never followed: 78 after three, and nobody came to where it points."""
    match = make("redirected", 3)
    with VendorServer() as other:
        other.serve(match)
        location = other.endpoint.replace("ws:", "http:") + match.path
        server.serve(match, Script(handshake_status=status, refusal_headers={"Location": location}))
        with pytest.raises(ConfigurationError, match="not retried for ever"):
            recording.run(match, for_s=20.0)
        assert other.attempts == []
    assert server.faults_fired == {"handshake_status": REFUSALS}
    assert [attempt.token for attempt in server.attempts] == [None] * REFUSALS


@pytest.mark.parametrize("certificate", ["stranger", "expired"])
def test_certificate_that_never_verifies(shell: Shell, certificate: str) -> None:
    """A certificate that does not verify: 78 after three attempts, and nothing was said to its owner."""
    shell.write_list(make("impostor", 3))
    with Impostor(certificate) as impostor:
        result = shell.run(*FAST, "--endpoint", impostor.endpoint, "--until-finished", "--for", "20s")
        assert (impostor.greeted, impostor.heard) == (REFUSALS, b"")
    assert result.code == 78, result.err
    assert "not retried for ever" in sentence(result.err)


def test_certificate_that_never_verifies_keep_trying(shell: Shell) -> None:
    """Told to keep trying it goes on, slowly, and still says nothing."""
    shell.write_list(*(make(f"impostor {number}", 3) for number in range(3)))
    with Impostor() as impostor:
        process = shell.start_run(*FAST, "--endpoint", impostor.endpoint, "--keep-trying", "--for", "3s")
        impostor.wait_for(REFUSALS + 4)
        result = ended(process)
        assert impostor.greeted <= REFUSALS + 2 + 3.0 / 0.3 + 1
        assert impostor.heard == b""
    assert result.code == 75, result.err
    assert "Traceback" not in result.err


# The vendor sends the token back

ECHOED = "a-token-that-is-sent-back-0123456789"


def marker(text: bytes) -> bytes:
    """What stands for the token: as long, and the rest untouched."""
    return text.replace(ECHOED.encode(), (b"[token]" * len(ECHOED))[: len(ECHOED)])


@pytest.fixture
def echoing(recording: Recording) -> Recording:
    """A recording whose token the server knows and sends back."""
    file = recording.settings.token_file
    assert file is not None
    file.write_text(ECHOED)
    return recording


def test_token_sent_back_in_the_auth_reply(echoing: Recording, server: VendorServer) -> None:
    """Of an auth reply that holds the token only the token is covered, and the reason says so."""
    reply = f'{{"message":"authorised","token":"{ECHOED}","of":["{ECHOED}",1]}}'
    match = make("echo reply", 10)
    server.serve(match, Script(token=ECHOED, auth_reply=reply))
    echoing.run(match)
    echoing.assert_complete(match)
    [(payload, reason)] = echoing.select("SELECT payload, reason FROM raw_frames WHERE kind = 'auth'")
    assert payload == marker(reply.encode())
    assert "token" in reason


def test_token_sent_back_in_an_action(echoing: Recording, server: VendorServer) -> None:
    """An action that holds the token is stored as an action, the token covered and nothing else touched."""
    match = make("echo action", 10)
    packets = list(match.packets)
    packets[4] = packets[4].replace(b'"Foul"', b'"Foul by ' + ECHOED.encode() + b'"')
    assert packets[4] != match.packets[4]
    server.serve(match, Script(packets, token=ECHOED, cut_at=[6]))
    echoing.run(match)
    assert echoing.packets(match) == [marker(packet) for packet in packets]
    rows = echoing.select("SELECT payload, kind, reason FROM raw_frames WHERE reason LIKE '%token%'")
    assert {(payload, kind) for payload, kind, _ in rows} == {(marker(packets[4]), "action")}
    assert echoing.one("SELECT type FROM actions WHERE position = 4") == marker(f"Foul by {ECHOED}".encode()).decode()
    assert echoing.one("SELECT count(*) FROM raw_frames WHERE instr(payload, ?)", ECHOED.encode()) == 0
    assert echoing.causes() == []
    assert server.faults_fired["cut"] == 1


def test_token_sent_back_in_a_close_reason(echoing: Recording, server: VendorServer) -> None:
    """A close reason is stored without the token."""
    match = make("echo close", 10)
    server.serve(match, Script(token=ECHOED, cut_at=[4], cut=4001, close_reason=f"bye {ECHOED}!"))
    echoing.run(match)
    echoing.assert_complete(match)
    reasons = echoing.select("SELECT close_reason FROM sessions WHERE close_code = 4001")
    assert reasons == [(marker(f"bye {ECHOED}!".encode()).decode(),)]
    assert server.faults_fired["cut"] == 1


def test_token_in_an_error_that_nobody_expected(
    recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The traceback of a mistake of ours that names the token is logged without it."""
    token, match = f"nobody-else-has-this-{os.urandom(8).hex()}", make("echo mistake", 10)
    assert recording.settings.token_file is not None
    recording.settings.token_file.write_text(token)
    right = Ledger.actions

    def wrong(self: Ledger, frame: Any, *arguments: Any) -> Any:
        if not caplog.records:
            raise ZeroDivisionError(f"came with {token}")
        return right(self, frame, *arguments)

    monkeypatch.setattr(Ledger, "actions", wrong)
    monkeypatch.setattr(roster, "_AFTER_AN_ERROR_S", 0.0)
    server.serve(match, Script(token=token))
    with caplog.at_level(logging.ERROR):
        recording.run(match)
    recording.assert_complete(match)
    [record] = caplog.records
    line = formatter("json", colours=False).format(record)
    assert token not in line
    assert "ZeroDivisionError: came with [token]" in line


@pytest.mark.parametrize("auth", ["refuse_401", "refuse_message"])
def test_token_sent_back_in_a_refusal(echoing: Recording, server: VendorServer, auth: Any) -> None:
    """What a refusal says is told and stored without the token."""
    match = make("echo refusal", 10)
    text = f'{{"errorMessage":"token {ECHOED} is unknown"}}'
    server.serve(match, Script(auth=auth, refusal_text=text))
    with pytest.raises(TokenError) as refused:
        echoing.run(match)
    covered = marker(f"token {ECHOED} is unknown".encode()).decode()
    assert covered in str(refused.value)
    outcomes = [outcome for (outcome,) in echoing.select("SELECT outcome FROM sessions")]
    assert sum(covered in outcome for outcome in outcomes) >= REFUSALS
    assert not any(ECHOED in outcome for outcome in outcomes)
    if auth == "refuse_message":
        payloads = {payload for (payload,) in echoing.select("SELECT payload FROM raw_frames WHERE kind = 'error'")}
        assert payloads == {marker(text.encode())}


# Not yet, too fast, out of order

EARLY: dict[str, dict[str, Any]] = {
    "404": {"handshake_status": 404},
    "204": {"handshake_status": 204},
    "425": {"handshake_status": 425},
    "message": {
        "auth": "refuse_message",
        "refusal_text": '{"message":"Could not find fixture topic for this fixture","level":"error"}',
    },
}


@pytest.mark.parametrize("answer", EARLY)
def test_too_early(recording: Recording, server: VendorServer, answer: str) -> None:
    """A fixture that is not there yet is looked for slowly, never 77, and recorded when it appears."""
    matches = [make(f"early {number}", 20) for number in range(2)]
    for match in matches:
        server.serve(match, Script(refusals=4, **EARLY[answer]))
    scale = USUAL_RATE / recording.settings.connect_rate
    poll_s = 0.3
    recording.run(*matches, timing=replace(QUICK, poll=poll_s / scale))
    assert_all_complete(recording, matches)
    assert recording.causes() == []
    for match in matches:
        refused = server.attempts_on(match)[:5]
        assert sum(gaps(refused)) >= 4 * poll_s * 0.95
    assert server.faults_fired["refuse"] + server.faults_fired["handshake_status"] == 8


def test_too_early_message_is_no_refusal_of_the_token(shell: Shell, server: VendorServer) -> None:
    """An unknown fixture that stays unknown ends as asked, and not as a bad token."""
    match = make("never", 3)
    server.serve(match, Script(**EARLY["message"]))
    shell.write_list(match)
    result = shell.run("--connect-rate", "5000", "--until-finished", "--for", "3s")
    assert result.code == 3, result.err
    assert "token" not in sentence(result.err)
    assert server.faults_fired["refuse"] > REFUSALS


def gaps(attempts: Sequence[Attempt]) -> list[float]:
    return [later.at - earlier.at for earlier, later in pairwise(attempts)]


@pytest.mark.parametrize(("status", "slower"), [(429, 2.0), (503, 1.0)])
def test_retry_after_as_a_date(recording: Recording, server: VendorServer, status: int, slower: float) -> None:
    """A date in Retry-After is waited for; after a 429, and no other answer, all streams dial at half the rate."""
    dates: list[float] = []

    def in_two_seconds() -> str:
        wall = float(int(time.time()) + 2)
        dates.append(time.monotonic() + wall - time.time())
        return formatdate(wall, usegmt=True)

    before, after = 14, 20
    matches = [make(f"paced {status} {number}", 3) for number in range(before + 1 + after)]
    for number, match in enumerate(matches):
        odd: dict[str, Any] = (
            {"handshake_status": status, "refusals": 1, "retry_after": in_two_seconds} if number == before else {}
        )
        server.serve(match, Script(match.packets, available=1, **odd))
    with recording.running(*matches, connect_rate=20.0, timing=replace(QUICK, quiet=20.0)) as running:
        server.wait_for(lambda: len(server.attempts) >= len(matches) + 1, timeout=30)
        for match in matches:
            server.release(match)
        running.wait()
    assert running.error is None
    attempts = server.attempts
    ratio = statistics.median(gaps(attempts[before + 2 : -2])) / statistics.median(gaps(attempts[:before]))
    print(status, "spacing after / before", round(ratio, 2))
    assert slower * 0.7 < ratio < slower * 1.4
    refused, again = server.attempts_on(matches[before])[:2]
    assert (refused.status, again.status) == (status, 101)
    assert again.at >= dates[0]
    assert server.faults_fired == {"handshake_status": 1}
    assert_all_complete(recording, matches)
