"""`recorder doctor` as a user calls it: rows, exit code, nothing made."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from recorder import hardening
from recorder.cli import checking
from tests.cli.conftest import log_as_it_was
from tests.doctor.conftest import CANARY
from tests.recording import Ended

Call = Callable[..., Ended]


@pytest.fixture
def call(token: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run `recorder doctor --no-feed` in this process, in an own directory."""
    app = typer.Typer()
    app.command()(checking.probe)
    app.command()(checking.doctor)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RECORDER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr(hardening, "harden", lambda: None)  # it could not be taken back in this process

    def run(*arguments: str) -> Ended:
        with log_as_it_was():
            told = ("doctor", "--no-feed", "--token-file", str(token), *arguments)
            left = CliRunner().invoke(app, list(told))
        if left.exception is not None and not isinstance(left.exception, SystemExit):
            raise left.exception
        return Ended(left.exit_code, left.stdout, left.stderr)

    return run


def test_rows_for_programs(call: Call, tmp_path: Path) -> None:
    """Every check has its row; nothing is made, not even the state directory."""
    left = call("--format", "json")
    assert left.code == 0
    rows = json.loads(left.out)
    assert set(rows[0]) == {"check", "verdict", "what", "remedy"}
    assert {"versions", "sqlite", "token", "archive", "disk", "clock", "open files", "feed"} <= {
        row["check"] for row in rows
    }
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    assert CANARY not in left.out + left.err


def test_quiet_shows_what_needs_a_hand(call: Call, token: Path) -> None:
    """With -q only warnings and what is bad; the code is that of the gravest."""
    token.chmod(0o644)
    left = call("-q", "--format", "csv")
    assert left.code == 78
    rows = list(csv.DictReader(io.StringIO(left.out)))
    assert {row["verdict"] for row in rows} <= {"bad", "warning"}
    assert f"chmod 600 {token}" in next(row for row in rows if row["check"] == "token")["remedy"]
    assert left.err == ""


def test_strict_counts_warnings(call: Call, tmp_path: Path) -> None:
    """A directory that others may write is 0, and 4 with --strict."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    url = f"sqlite:///{tmp_path / 'open' / 'recorder.db'}"
    assert call("--database-url", url).code == 0
    assert call("--database-url", url, "--strict").code == 4


def test_a_fixture_that_is_none(call: Call) -> None:
    """What cannot be asked for is refused before anything is looked at."""
    assert call("--fixture", "soccer").code == 2
