"""What many tests begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main
import typer.testing

from tests.archive.filling import Filled
from tests.postgres import PostgresServer
from tests.vendor import VendorServer

if TYPE_CHECKING:
    from tests.recording import Recording

# To make the commands of an app takes longer than to run most of them: once is enough for one process.
typer.testing._get_command = cache(typer.main.get_command)  # type: ignore[attr-defined]

DATABASES = ("sqlite", "postgres")

NewArchive = Callable[[Path], Filled]
"""Makes an archive that holds nothing yet, with its file, or its spool, at a path."""


@pytest.fixture
def server() -> Iterator[VendorServer]:
    """The vendor's server."""
    with VendorServer() as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path, server: VendorServer) -> Recording:
    """An archive to record into, from the server."""
    from tests.recording import Recording  # brings the whole daemon

    return Recording(tmp_path, server)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests that do not harm it, without fsync; who wants to break one starts an own one."""
    with PostgresServer() as running:
        yield running


@pytest.fixture(scope="session", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn; a server is started only for those who want one."""
    return str(request.param)


@pytest.fixture(scope="session")
def new_archive(database: str, request: pytest.FixtureRequest) -> Iterator[NewArchive]:
    """What makes archives on each kind of database in turn."""
    if database == "sqlite":
        yield Filled
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    made: list[str] = []

    def make(path: Path) -> Filled:
        made.append(server.archive())
        return Filled(path, server.url(made[-1]))

    yield make
    for name in made:
        server.drop(name)


@pytest.fixture
def archive(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Iterator[Filled]:
    """An archive that holds nothing yet, on each kind of database in turn."""
    if database == "sqlite":
        yield Filled(tmp_path / "archive.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.archive()
    yield Filled(tmp_path / "archive.db", server.url(name))
    server.drop(name)


@pytest.fixture
def file(tmp_path: Path) -> Filled:
    """An archive that is not there yet, where the test is about SQLite's file itself."""
    return Filled(tmp_path / "archive.db")
