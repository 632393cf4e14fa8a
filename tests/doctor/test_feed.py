"""The one attempt: what it costs the vendor, and what it tells."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Thread

import pytest

from recorder.doctor.feed import chosen, date_findings, greeting_findings
from recorder.doctor.findings import Verdict, exit_code
from recorder.feed.endpoint import parse_path
from recorder.fixtures import Entry
from recorder.model import Stream, microseconds
from recorder.wire import Greeting
from tests.doctor.conftest import CANARY, Examine
from tests.vendor import Script, VendorServer, load

BAD, WARNING, NOTE, OK = Verdict.BAD, Verdict.WARNING, Verdict.NOTE, Verdict.OK
MATCH = load("snooker-1")
TLS = Path(__file__).parents[1] / "data" / "tls"


def test_without_a_fixture_nothing_is_asked_for(ask: Examine, server: VendorServer) -> None:
    """The host is greeted: no websocket, no token; the turn for it was a proper one."""
    said = ask("feed", endpoint=server.endpoint, asks_feed=True)
    assert len(said.of("feed", OK)) == 1
    assert not server.attempts


def test_nothing_is_asked_when_told_not_to(ask: Examine, server: VendorServer, tmp_path: Path) -> None:
    """--no-feed: not even a turn is taken."""
    ask("feed", endpoint=server.endpoint, match=MATCH)
    assert not server.attempts
    assert not (tmp_path / "state").exists()


def test_let_in(ask: Examine, server: VendorServer, tmp_path: Path) -> None:
    """One attempt with the token, told without it; it took its turn among all recorders of this machine."""
    server.serve(MATCH)
    said = ask("token", "feed", endpoint=server.endpoint, match=MATCH, asks_feed=True)
    assert "let us in" in said.of("feed", OK)[0]
    assert [attempt.token for attempt in server.attempts] == [CANARY]
    assert CANARY not in str(said)
    assert (tmp_path / "state" / "connect-turns").exists()
    assert said.of("clock", OK)


@pytest.mark.parametrize(
    ("script", "code", "word"),
    [
        (Script(auth="refuse_message"), 77, "refused"),
        (Script(auth="refuse_401"), 77, "401"),
        (Script(auth="refuse_close"), 77, "4401"),
        (Script(auth="refuse_silent_close"), 77, "1000"),
        (Script(handshake_status=503), 75, "503"),
        (Script(handshake_status=302, refusal_headers={"Location": "wss://example.org/"}), 78, "redirect"),
    ],
)
def test_what_hinders_a_recording(ask: Examine, server: VendorServer, script: Script, code: int, word: str) -> None:
    """One attempt each, and the code that `run` would end with."""
    server.serve(MATCH, script)
    said = ask("feed", endpoint=server.endpoint, match=MATCH, asks_feed=True)
    assert exit_code(said) == code
    assert word in said.of("feed", BAD)[0]
    assert len(server.attempts) == 1


@pytest.mark.parametrize(
    ("script", "verdict", "word"),
    [
        (Script(handshake_status=404), NOTE, "404"),
        (Script(handshake_status=429), WARNING, "429"),
    ],
)
def test_what_may_pass(ask: Examine, server: VendorServer, script: Script, verdict: Verdict, word: str) -> None:
    """A match that is not there yet, a limit: no error of this installation."""
    server.serve(MATCH, script)
    said = ask("feed", endpoint=server.endpoint, match=MATCH, asks_feed=True)
    assert exit_code(said) == 0
    assert word in said.of("feed", verdict)[0]


def test_silence(ask: Examine, server: VendorServer) -> None:
    """A server that takes the token and says nothing is a warning."""
    server.serve(MATCH, Script(auth="silent", heartbeat=None, available=0))
    said = ask("feed", endpoint=server.endpoint, match=MATCH, asks_feed=True, quiet_s=0.2)
    assert "nothing came" in said.of("feed", WARNING)[0]


def test_settings_that_would_show_the_token(ask: Examine) -> None:
    """Nothing is dialled when `run` would refuse the endpoint."""
    said = ask("settings", "feed", endpoint="ws://example.org", match=MATCH, asks_feed=True)
    assert exit_code(said) == 78
    assert "not asked" in said.of("feed", NOTE)[0]


def test_without_a_token_the_door_is_tried(ask: Examine, server: VendorServer) -> None:
    """What can be told without one is told."""
    said = ask("feed", endpoint=server.endpoint, match=MATCH, token_file=None, asks_feed=True)
    assert said.of("feed", OK)
    assert not server.attempts


def test_nobody_there(ask: Examine) -> None:
    """A name that is none, by RFC 6761: 75."""
    assert exit_code(ask("feed", endpoint="wss://nobody.invalid", asks_feed=True)) == 75


@contextmanager
def tls_server(name: str) -> Iterator[int]:
    """Listen with a certificate of the tests; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem")

    def serve() -> None:
        with suppress(OSError):  # whoever does not trust us hangs up
            came, _ = listening.accept()
            with came, context.wrap_socket(came, server_side=True) as secured:
                secured.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize(("name", "code"), [("localhost", 0), ("expired", 78), ("stranger", 78)])
def test_certificates(ask: Examine, monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """What `run` trusts is trusted here, and nothing else."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "authority.pem"))
    with tls_server(name) as port:
        said = ask("feed", endpoint=f"wss://localhost:{port}", asks_feed=True)
    assert exit_code(said) == code
    assert code or "TLS" in said.of("feed", OK)[0]


@pytest.mark.parametrize(("days", "verdicts"), [(100, [OK]), (3, [OK, WARNING])])
def test_a_certificate_that_ends_soon(days: int, verdicts: list[Verdict]) -> None:
    """Two weeks before its end it is a warning."""
    seen = Greeting("192.0.2.1", "TLSv1.3", expires_us=days * 86_400_000_000)
    assert [one.verdict for one in greeting_findings(seen, "example.org", 0)] == verdicts


@pytest.mark.parametrize(("ahead", "verdict"), [(0, OK), (2, OK), (-60, WARNING), (3600, WARNING)])
def test_the_vendors_clock(ahead: int, verdict: Verdict) -> None:
    """Its Date header has whole seconds; more than three apart is a warning that says which way."""
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
    found = list(date_findings(format_datetime(now), microseconds(now + timedelta(seconds=ahead))))
    assert [one.verdict for one in found] == [verdict]
    assert verdict is OK or ("ahead" in found[0].sentence) == (ahead > 0)


def test_a_date_that_is_none() -> None:
    """A server may write what it likes there."""
    assert not list(date_findings("yesterday", 0))


def test_which_of_a_list_is_asked_for() -> None:
    """The match that began last; else one of no known start; else the next one."""

    def entry(number: int, starts_us: int | None) -> Entry:
        return Entry(
            Stream("media", "soccer", f"{number:08d}-0000-0000-0000-000000000000"), number, starts_us=starts_us
        )

    hour, now = 3_600_000_000, 100 * 3_600_000_000
    old, begun, later, unsaid = entry(1, now - 50 * hour), entry(2, now - hour), entry(3, now + hour), entry(4, None)
    assert chosen([later, old, begun, unsaid], now) == begun.stream
    assert chosen([later, unsaid], now) == unsaid.stream
    assert chosen([entry(5, now + 9 * hour), later], now) == later.stream
    assert chosen([], now) is None


def test_the_list_names_whom_to_ask(ask: Examine, server: VendorServer, tmp_path: Path) -> None:
    """With a list the attempt is for one of its streams."""
    server.serve(MATCH)
    (tmp_path / "list.txt").write_text(MATCH.line + "\n")
    said = ask("feed", endpoint=server.endpoint, fixtures=str(tmp_path / "list.txt"), asks_feed=True)
    assert "let us in" in said.of("feed", OK)[0]
    assert parse_path(MATCH.line) == replace(parse_path(server.attempts[0].path))
