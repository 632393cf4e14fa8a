from __future__ import annotations

from collections.abc import Iterator

import pytest

from recorder.archive.writer import Writer
from tests.archive.filling import Filled, recorded
from tests.conftest import NewArchive
from tests.vendor import load, names


@pytest.fixture(scope="session")
def ten(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """All ten matches; for reading only."""
    filled = new_archive(tmp_path_factory.mktemp("ten") / "archive.db")
    filled.write(*(operation for name in names() for operation in recorded(load(name))))
    return filled


@pytest.fixture(scope="module")
def open_archive(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Writer, Filled]]:
    """One archive for all the histories of a property, which each bring their own stream."""
    filled = new_archive(tmp_path_factory.mktemp("open") / "archive.db")
    with Writer(filled.spool_url) as writer:
        yield writer, filled
