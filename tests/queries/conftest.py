from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.archive.filling import Filled, recorded, ship
from tests.conftest import NewArchive
from tests.queries.asking import QUERIES
from tests.queries.packets import matches
from tests.vendor import Match


@pytest.fixture(scope="session")
def eleven() -> list[Match]:
    """The ten bundled matches, and one that is made of a bundled one."""
    return matches()


@pytest.fixture(scope="session")
def season_file(eleven: list[Match], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of them as a SQLite file; for reading only."""
    filled = Filled(tmp_path_factory.mktemp("season") / "recorder.db")
    filled.write(*(operation for match in eleven for operation in recorded(match)))
    return filled.path


@pytest.fixture(scope="session")
def season(season_file: Path, new_archive: NewArchive) -> Filled:
    """The same on each kind of database in turn; Postgres was told the word that it lacks, as the page says."""
    filled = new_archive(season_file)
    ship(filled)
    if filled.is_shipped:
        with psycopg.connect(filled.url.replace("postgresql+psycopg", "postgresql")) as connection:
            connection.execute((QUERIES / "words.postgres.sql").read_bytes())
    return filled
