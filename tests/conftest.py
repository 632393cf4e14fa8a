"""What many tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recording import Recording
from tests.vendor import VendorServer


@pytest.fixture
def server() -> Iterator[VendorServer]:
    """The vendor's server."""
    with VendorServer() as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path, server: VendorServer) -> Recording:
    """An archive to record into, from the server."""
    return Recording(tmp_path, server)
