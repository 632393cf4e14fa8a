from __future__ import annotations

import pytest

from tests.salvage.damaging import Source, small, source


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Two matches on 35 pages; for reading only."""
    return source(tmp_path_factory.mktemp("whole") / "whole.db", small())
