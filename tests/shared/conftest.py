"""Recorders on one Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tests.shared.party import Party
from tests.vendor import Match, Script, VendorServer

NewParty = Callable[..., Party]
"""``new_party(*matches, machines=1, available=None, postgres=None)``: what exists of each match at first."""


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that a test may break."""
    with PostgresServer() as running:
        yield running


@pytest.fixture
def new_party(tmp_path: Path, server: VendorServer, request: pytest.FixtureRequest) -> Iterator[NewParty]:
    """Make a party; whatever of it still runs in the end is killed."""
    made: list[Party] = []

    def make(
        *matches: Match, machines: int = 1, available: int | None = None, postgres: PostgresServer | None = None
    ) -> Party:
        for match in matches:
            server.serve(match, Script(list(match.packets), available=available))
        running = postgres or request.getfixturevalue("postgres")
        made.append(Party(tmp_path, running, server, matches, machines))
        return made[-1]

    yield make
    for party in made:
        party.stop()
