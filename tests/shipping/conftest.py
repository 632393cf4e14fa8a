from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tests.shipping.rig import Rig


@pytest.fixture(scope="session")
def _harmed() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def breakable(_harmed: PostgresServer) -> Iterator[PostgresServer]:
    """A server that a test may harm as it likes: it is whole again for the next one."""
    yield _harmed
    try:
        _harmed.resume()
    except AssertionError:
        _harmed.start()


@pytest.fixture
def rig(breakable: PostgresServer, tmp_path: Path) -> Iterator[Rig]:
    with Rig(breakable, tmp_path) as made:
        yield made
