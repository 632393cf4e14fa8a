"""A probe of the tests' server: with turns of its own, and patience that fits a server on this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recorder.config import TokenSource
from recorder.feed.endpoint import parse_path
from recorder.pacing import ConnectLimiter
from recorder.probing.asking import ask_all
from recorder.probing.observations import Talk
from recorder.probing.talking import Line, Patience
from tests.vendor import Match, VendorServer

CANARY = "canary-0123456789-abcdefghijklmnopqrstuvwxyz"

PATIENT = Patience(quiet=10.0, settle=5.0, watch=0.1, longest=20.0)
"""For a server that closes behind its last packet: nothing depends on how fast this machine is."""

SOON = Patience(quiet=1.0, settle=0.05, watch=0.1, longest=20.0)
"""For one that stays, where nothing is made of what does not come."""

Probe = Callable[..., list[Talk]]


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A token file as it should be."""
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(CANARY + "\n")
    return path


@pytest.fixture
def probe(server: VendorServer, token: Path) -> Probe:
    """Make the connections of a probe: ``probe(match)``."""

    def run(match: Match, patience: Patience = PATIENT, endpoint: str | None = None) -> list[Talk]:
        async def main() -> list[Talk]:
            limiter = ConnectLimiter(2000)
            line = Line(endpoint or server.endpoint, parse_path(match.line), TokenSource(token, {}), limiter)
            return await ask_all(line, patience)

        return asyncio.run(main())

    return run


@pytest.fixture
def dead_endpoint() -> Iterator[str]:
    """An address at which nobody listens, kept from others while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"ws://127.0.0.1:{taken.getsockname()[1]}"
