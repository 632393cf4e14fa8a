"""What the tests of the commands begin with: commands in a process of their own, or in this one where that will do."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recorder.cli.app import app
from tests.archive.filling import Filled, fill
from tests.recording import TOKEN, Ended, Shell
from tests.vendor import VendorServer, load

Call = Callable[..., Ended]
"""Runs a command in this process: ``call("timeline", "france-romania")``."""


@pytest.fixture
def shell(tmp_path: Path, server: VendorServer) -> Shell:
    """A directory of its own, and the settings to record from the server."""
    return Shell(tmp_path, server)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Run commands without the start of an interpreter each, in an own directory, with a token."""
    for name in ("RECORDER_DATABASE_URL", "RECORDER_ENDPOINT", "RECORDER_TOKEN_FILE", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("RECORDER_TOKEN", TOKEN)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("recorder")
    before = (list(log.handlers), log.level, log.propagate)

    def run(*arguments: str, database: Filled | None = None, stdin: str | None = None) -> Ended:
        place: Sequence[str] = () if database is None else ("--database-url", database.url)
        left = CliRunner().invoke(app, [*arguments, *place], input=stdin, prog_name="recorder")
        if left.exception is not None and not isinstance(left.exception, SystemExit):
            raise left.exception
        return Ended(left.exit_code, left.stdout, left.stderr)

    yield run
    log.handlers, log.propagate = before[0], before[2]
    log.setLevel(before[1])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """An archive for reading only: snooker of both feeds, two of football."""
    return fill(
        tmp_path_factory.mktemp("library") / "recorder.db",
        load("snooker-1", feed="betting"),
        load("snooker-1", feed="media"),
        load("soccer-leganes-valencia"),
        load("soccer-france-romania"),
    )


@pytest.fixture
def library_shell(library: Filled) -> Shell:
    """The shell in the directory of `library`."""
    return Shell(library.path.parent)


@pytest.fixture
def dead_endpoint() -> Iterator[str]:
    """An address at which nobody listens, kept from others while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"ws://127.0.0.1:{taken.getsockname()[1]}"
