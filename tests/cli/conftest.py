"""What the tests of the commands begin with: commands in a process of their own, or in this one where that will do."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recorder import hardening
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


class Inside(Shell):
    """A shell whose `call` needs no interpreter of its own: for commands that only read, many times as fast."""

    def call(self, *arguments: str, **more: Any) -> Ended:
        with pytest.MonkeyPatch.context() as patch, log_as_it_was():
            for name in os.environ:
                patch.delenv(name)
            for name, value in (self.environment | more.pop("env", {})).items():
                patch.setenv(name, value)
            patch.chdir(self.directory)
            patch.setattr(hardening, "harden", lambda: None)  # it could not be taken back in this process
            left = CliRunner().invoke(app, list(arguments), prog_name="recorder", **more)
        if left.exception is not None and not isinstance(left.exception, SystemExit):
            raise left.exception
        return Ended(left.exit_code, left.stdout, left.stderr)


@contextmanager
def log_as_it_was() -> Iterator[None]:
    """Take back what a command does to the log of the process that it runs in."""
    found = [logging.getLogger(name) for name in ("recorder", "asyncio")]
    before = [(log, list(log.handlers), log.level, log.propagate) for log in found]
    last_resort = logging.lastResort
    try:
        yield
    finally:
        logging.lastResort = last_resort
        for log, handlers, level, propagate in before:
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(level)


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Run commands without the start of an interpreter each, in an own directory, with a token."""
    inside = Inside(tmp_path)
    inside.environment["RECORDER_TOKEN"] = TOKEN

    def run(*arguments: str, database: Filled | None = None, **more: Any) -> Ended:
        place = () if database is None else ("--database-url", database.url)
        return inside.call(*arguments, *place, **more)

    return run


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
