from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from recorder.archive import maintain
from recorder.cli import exporting
from tests.archive.filling import Filled, recorded
from tests.cli.conftest import log_as_it_was
from tests.conftest import NewArchive
from tests.export.making import odd
from tests.recording import Ended
from tests.vendor import load

Call = Callable[..., Ended]
"""Runs `export` or `import` in this process."""


@pytest.fixture(scope="session")
def two(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A match of each sport and feed; for reading only."""
    filled = new_archive(tmp_path_factory.mktemp("two") / "archive.db")
    names = ("snooker-1", "soccer-france-romania")
    filled.write(*(operation for name in names for operation in recorded(load(name))))
    return filled


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """One match, in SQLite; for reading only."""
    filled = Filled(tmp_path_factory.mktemp("one") / "archive.db")
    filled.write(*recorded(load("soccer-france-romania"), competition="Euro 2016"))
    return filled


@pytest.fixture
def copy(one: Filled, tmp_path: Path) -> Filled:
    """The same, to be changed."""
    shutil.copyfile(one.path, tmp_path / "copy.db")
    return Filled(tmp_path / "copy.db")


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty archive to make copies of: the schema takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "archive.db"
    maintain.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def small(empty: Path, tmp_path: Path) -> Filled:
    """One short stream."""
    shutil.copyfile(empty, tmp_path / "small.db")
    made = Filled(tmp_path / "small.db")
    made.write(*odd().operations)
    return made


@pytest.fixture
def target(empty: Path, tmp_path: Path) -> Filled:
    """An archive in SQLite that holds nothing yet."""
    shutil.copyfile(empty, tmp_path / "target.db")
    return Filled(tmp_path / "target.db")


@pytest.fixture
def call() -> Call:
    """Run a command on an archive."""
    app = typer.Typer()
    app.command("export")(exporting.export)
    app.command("import")(exporting.import_)

    def run(*arguments: object, database: Filled) -> Ended:
        told = [*map(str, arguments), "--database-url", database.url]
        with log_as_it_was():
            left = CliRunner().invoke(app, told, prog_name="recorder")
        if left.exception is not None and not isinstance(left.exception, SystemExit):
            raise left.exception
        return Ended(left.exit_code, left.stdout, left.stderr)

    return run
