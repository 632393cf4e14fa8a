from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.archive.writer import Writer
from tests.archive.filling import Filled, fill
from tests.vendor import load, names


@pytest.fixture
def archive(tmp_path: Path) -> Filled:
    """An archive that is not there yet."""
    return Filled(tmp_path / "archive.db")


@pytest.fixture(scope="session")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """All ten matches; for reading only."""
    return fill(tmp_path_factory.mktemp("ten") / "archive.db", *map(load, names()))


@pytest.fixture(scope="module")
def open_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Writer, Filled]]:
    """One archive for all the histories of a property, which each bring their own stream."""
    filled = Filled(tmp_path_factory.mktemp("open") / "archive.db")
    with Writer(filled.url) as writer:
        yield writer, filled
