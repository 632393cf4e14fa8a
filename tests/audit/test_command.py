"""`recorder audit` as a user has it: rows to stdout, one sentence to stderr, the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import pytest
import typer
from typer.testing import CliRunner

from recorder import hardening
from recorder.cli.auditing import audit
from recorder.feed.timing import Timing
from tests.audit.conftest import Auditing, edited
from tests.cli.conftest import log_as_it_was
from tests.recording import QUICK, TOKEN, Ended

Audit = Callable[..., Ended]


@pytest.fixture
def command(kept: Auditing, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """The command in this process, against the test vendor: as fast as that is."""
    app = typer.Typer()
    app.command()(audit)
    monkeypatch.setenv("STATE_DIRECTORY", str(kept.directory / "state"))
    monkeypatch.setenv("RECORDER_DATABASE_URL", kept.settings.database_url)
    monkeypatch.setenv("RECORDER_ENDPOINT", kept.server.endpoint)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("RECORDER_TOKEN_FILE", raising=False)
    # A command has no option for how long silence lasts.
    monkeypatch.setattr(Timing.__init__, "__defaults__", tuple(asdict(QUICK).values()))
    monkeypatch.setattr(hardening, "harden", lambda: None)  # it could not be taken back in this process
    monkeypatch.chdir(kept.directory)

    def run(*arguments: str) -> Ended:
        with pytest.MonkeyPatch.context() as patch, log_as_it_was():
            patch.setenv("RECORDER_TOKEN", TOKEN)  # a run takes it out of the environment
            left = CliRunner().invoke(app, ["--connect-rate", "2000", *arguments])
        if left.exception is not None and not isinstance(left.exception, SystemExit):
            raise left.exception
        return Ended(left.exit_code, left.stdout, left.stderr)

    return run


def test_rows_in_every_form(kept: Auditing, command: Audit) -> None:
    """Ids are text, the root is hexadecimal, and all is well."""
    ended = command("--format", "json")
    assert ended.code == 0, ended.err
    [row] = json.loads(ended.out)
    n = len(kept.match.packets)
    assert row["stream"] == f"{kept.match.feed}/{kept.match.line}/actions"
    assert (row["asked"], row["verdict"]) == ("websocket", "equal")
    assert (row["listed"], row["equal"], row["late"], row["changed_at"]) == (n, n, 0, None)
    assert isinstance(row["stream_id"], str)
    assert len(row["root"]) == 32
    assert "all that the vendor lists is stored" in ended.err


def test_a_late_action_is_told(kept: Auditing, command: Audit) -> None:
    """Exit code 4, and which match it is stands in the row."""
    kept.server.append(kept.match, [edited(kept.match.packets[-1], actionId="late")])
    ended = command(kept.match.fixture_id[:8], "--format", "csv")
    assert ended.code == 4
    assert "1 of 61 had been missed and are stored now" in ended.out
    assert "1 list with late actions" in ended.err


def test_what_is_long_over_is_left_alone(kept: Auditing, command: Audit) -> None:
    """Without a name only what ended of late is asked for."""
    asked = len(kept.server.attempts)
    ended = command("--ended-within", "0")
    assert (ended.code, len(kept.server.attempts)) == (0, asked)
    assert "no stream to ask for" in ended.err


def test_what_names_nothing(command: Audit) -> None:
    """A usage error, before anything is dialled."""
    assert command("nobody-nobody").code == 2


def test_the_rest_is_not_asked_from_a_loopback_endpoint(kept: Auditing, command: Audit) -> None:
    """A rehearsal against a server of this machine sends no token to the vendor."""
    assert command().code == 0
    assert [row[0] for row in kept.audits()] == ["websocket"]
