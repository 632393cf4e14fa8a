"""`recorder probe` as a user calls it: the file, the table, the refusals."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from recorder import hardening
from recorder.cli import checking
from recorder.errors import DiskError, UsageError
from recorder.probing import talking, writing
from tests.cli.conftest import log_as_it_was
from tests.probing.conftest import CANARY, PATIENT
from tests.recording import Ended
from tests.vendor import Script, VendorServer, load

WHOLE = load("snooker-1")

Call = Callable[..., Ended]


@pytest.fixture
def call(server: VendorServer, token: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run `recorder probe` in this process, in an own directory."""
    app = typer.Typer()
    app.command()(checking.probe)
    app.command()(checking.doctor)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr(hardening, "harden", lambda: None)  # it could not be taken back in this process
    monkeypatch.setattr(talking, "PATIENCE", PATIENT)

    def run(*arguments: str) -> Ended:
        with log_as_it_was():
            told = ("--endpoint", server.endpoint, "--token-file", str(token), "--watch", "100ms")
            left = CliRunner().invoke(app, ["probe", *arguments, *told])
        if left.exception is not None and not isinstance(left.exception, SystemExit):
            raise left.exception
        return Ended(left.exit_code, left.stdout, left.stderr)

    return run


def test_the_file_that_is_written(call: Call, server: VendorServer, tmp_path: Path) -> None:
    """Answers and evidence; no token though the server repeats it, nothing of the match, and turns were taken."""
    server.serve(
        WHOLE, Script(heartbeat=None, after_end=4000, auth_reply=f'{{"dataType":"connectionState","token":"{CANARY}"}}')
    )
    left = call(WHOLE.line)
    assert left.code == 0, left
    text = (tmp_path / f"recorder-probe-betting-snooker-{WHOLE.fixture_id[:8]}.json").read_text()
    told = json.loads(text)
    assert {one["question"]: one["value"] for one in told["answers"]}["startPosition"]["rule"] == "base 0"
    assert len(told["connections"]) == len(server.attempts) == 6
    assert [attempt.token for attempt in server.attempts] == [CANARY] * 6
    assert CANARY not in text + left.out + left.err
    for secret in (WHOLE.fixture_id, WHOLE.home, WHOLE.away, 'fixtureAction":', "timelineSequence"):
        assert secret not in text
    assert "base 0" in text
    assert "startPosition" in left.out
    assert (tmp_path / "state" / "connect-turns").exists()
    assert not (tmp_path / "recorder.db").exists()


def test_a_file_that_is_there(call: Call, server: VendorServer, tmp_path: Path) -> None:
    """It is not overwritten, and no connection is made to find that out."""
    (tmp_path / "mine.json").write_text("mine")
    left = call(WHOLE.line, "--out", "mine.json")
    assert left.code == UsageError.exit_code
    assert (tmp_path / "mine.json").read_text() == "mine"
    assert not server.attempts


@pytest.mark.parametrize(
    "fixture", ["soccer", "/tennis/events/2022-6809-MS028/stream", f"/snooker/fixtures/{WHOLE.fixture_id}/statistics"]
)
def test_what_is_no_stream_of_actions(call: Call, server: VendorServer, fixture: str) -> None:
    """A sentence and exit 2, without a connection."""
    left = call(fixture)
    assert left.code == UsageError.exit_code
    assert len(left.err.splitlines()) == 1
    assert not server.attempts


def test_a_refused_token_is_told_and_written(call: Call, server: VendorServer, tmp_path: Path) -> None:
    """Exit 77; how it was refused is in the file, since nobody knows that yet."""
    server.serve(WHOLE, Script(auth="refuse_message"))
    left = call(WHOLE.line, "--out", "refused.json", "--format", "json")
    assert left.code == 77
    assert "errorMessage" in (tmp_path / "refused.json").read_text()
    assert json.loads(left.out)[0]["question"] == "auth reply"


def test_without_a_token(call: Call, server: VendorServer, token: Path) -> None:
    """Exit 77 before anything is dialled."""
    token.write_text("")
    assert call(WHOLE.line).code == 77
    assert not server.attempts


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """It is told before any connection is made."""
    with pytest.raises(DiskError):
        writing.require_new(tmp_path / "nowhere" / "probe.json")
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
