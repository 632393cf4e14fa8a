from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recorder.archive import maintain
from tests.archive.filling import Filled
from tests.postgres import PostgresServer

NewPlace = Callable[[], Filled]
"""Makes an archive that holds nothing yet."""

DIRECTIONS = [
    pytest.param(
        (source, target),
        id=f"{source}-{target}",
        # Each end is a server in one of the others.
        marks=[pytest.mark.campaign] if source == target == "postgres" else [],
    )
    for source, target in itertools.product(("sqlite", "postgres"), repeat=2)
]


class Places:
    """Where the archives of a test are."""

    def __init__(self, directory: Path, empty: Path, request: pytest.FixtureRequest) -> None:
        self._directory = directory
        self._empty = empty
        self._request = request
        self._made: list[str] = []
        self._numbers = itertools.count(1)

    def new(self, kind: str) -> Filled:
        path = self._directory / f"archive{next(self._numbers)}.db"
        shutil.copyfile(self._empty, path)
        if kind == "sqlite":
            return Filled(path)
        self._made.append(self._server.archive())
        return Filled(path, self._server.url(self._made[-1]))

    def close(self) -> None:
        for name in self._made:
            self._server.drop(name)

    @property
    def _server(self) -> PostgresServer:
        server: PostgresServer = self._request.getfixturevalue("postgres")
        return server


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty archive to make copies of: the schema takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "archive.db"
    maintain.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def places(tmp_path: Path, empty: Path, request: pytest.FixtureRequest) -> Iterator[Places]:
    """Archives of any kind."""
    made = Places(tmp_path, empty, request)
    yield made
    made.close()


@pytest.fixture(params=DIRECTIONS)
def directions(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The kinds of source and target."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def new_source(places: Places, directions: tuple[str, str]) -> NewPlace:
    return lambda: places.new(directions[0])


@pytest.fixture
def new_target(places: Places, directions: tuple[str, str]) -> NewPlace:
    return lambda: places.new(directions[1])


@pytest.fixture
def source(new_source: NewPlace) -> Filled:
    return new_source()


@pytest.fixture
def target(new_target: NewPlace) -> Filled:
    return new_target()
