"""What the tests of the REST begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from recorder import hardening
from recorder.cli.discovering import discover
from recorder.config import TokenSource
from recorder.discover.rest import Rest
from recorder.pacing import ConnectLimiter
from tests.cli.conftest import log_as_it_was
from tests.discover.server import RestServer, fixture
from tests.recording import TOKEN, Ended

Discover = Callable[..., Ended]
"""Runs the command in this process: ``discover("--sport", "soccer")``."""


@pytest.fixture
def rest_server() -> Iterator[RestServer]:
    """A vendor's REST with eight fixtures of soccer."""
    with RestServer([fixture(number) for number in range(8)]) as running:
        yield running


def rest_of(endpoint: str, token: str = TOKEN) -> Rest:
    """Return a client of the server, which a test uses once, in its own loop: as fast as it goes."""
    return Rest(endpoint, TokenSource(None, {"RECORDER_TOKEN": token}), ConnectLimiter(2000))


@pytest.fixture
def run_discover(tmp_path: Path, rest_server: RestServer, monkeypatch: pytest.MonkeyPatch) -> Discover:
    """The command with a token, in a directory of its own, asking the server of the tests."""
    app = typer.Typer()
    app.command()(discover)
    monkeypatch.setenv("RECORDER_REST_ENDPOINT", rest_server.endpoint)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("RECORDER_TOKEN_FILE", raising=False)
    monkeypatch.setattr(hardening, "harden", lambda: None)  # it could not be taken back in this process
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, token: str = TOKEN) -> Ended:
        with pytest.MonkeyPatch.context() as patch, log_as_it_was():
            patch.setenv("RECORDER_TOKEN", token)  # a run takes it out of the environment
            left = CliRunner().invoke(app, list(arguments))
        if left.exception is not None and not isinstance(left.exception, SystemExit):
            raise left.exception
        return Ended(left.exit_code, left.stdout, left.stderr)

    return run
