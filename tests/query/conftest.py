from __future__ import annotations

from collections.abc import Iterator

import pytest

from recorder.query.reading import Reader, reading
from tests.archive.filling import Filled, fill
from tests.conftest import NewArchive
from tests.vendor import load


@pytest.fixture(scope="session")
def library(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Four matches for reading only: snooker of both feeds, two of football, of which one has an accent."""
    place = new_archive(tmp_path_factory.mktemp("library") / "archive.db")
    return fill(
        place.path,
        load("snooker-1", feed="betting"),
        load("snooker-1", feed="media"),
        load("soccer-leganes-valencia"),
        load("soccer-france-romania"),
        url=place.url,
    )


@pytest.fixture
def reader(library: Filled) -> Iterator[Reader]:
    with reading(library.url) as opened:
        yield opened
