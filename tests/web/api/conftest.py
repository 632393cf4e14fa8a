"""What the tests of the API begin with: the page on a real socket, of an archive that holds real matches."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from recorder.model import Gap, Kind, Stream
from recorder.operations import AddAction, BeginEpoch, MakeEpochCurrent, OpenGap
from recorder.query.archive import Archive
from recorder.web.app import application
from tests.archive.filling import START_US, Filled, History, action_in, fill, stream_of
from tests.conftest import NewArchive
from tests.vendor import load

FRANCE_ROMANIA = load("soccer-france-romania")
"""A match with two goals that the video check took away, from the media feed."""


MATCH = stream_of(FRANCE_ROMANIA)
OUTAGE = Gap(
    MATCH.stream_id,
    gap_id=1,
    epoch=0,
    cause="server_behind",
    ours=False,
    detail="the vendor's server knew less than we had from it",
    from_position=240,
    to_position=240,
    from_us=START_US + 4_000_000_000,
    to_us=START_US + 4_030_000_000,
    resolved_us=START_US + 4_030_000_000,
)
"""Of that match."""


def _odd() -> History:
    """Make a match of bytes that are no text, names that are formulas, two gaps, and a list that the vendor changed."""
    history = History(Stream("betting", "soccer", 'odd "match";\r\n'))
    for number, name in enumerate(("Goal", "=1+1", "@x", "-1", "Goal")):
        history.add(type=name, action_id=f"id {number}", team="<script>", side="home", home_score=number)
    history.gap("unplaced", gap_id=7)
    history.gap("server_behind", ours=False, gap_id=2**62 + 1)
    changed = history.frame(Kind.ACTION, b"\xff\x00<html>", START_US + 60_000_000)
    stream_id = history.stream.stream_id
    history.operations += [
        BeginEpoch(stream_id, 1, 0, 4, START_US + 60_000_000, "position 4 has other content"),
        AddAction(action_in(changed, 1, 4, type="Goal", action_id="id 4", send_type="Deleted")),
        MakeEpochCurrent(stream_id, 1, START_US + 60_000_000),
    ]
    return history


ODD = _odd()


class Served:
    """The page of an archive, being served; ``get`` asks below /api/v1."""

    def __init__(self, archive: Filled, address: str) -> None:
        self.archive = archive
        self.url = address + "/api/v1"
        self._client = httpx.Client(base_url=self.url, headers={"Accept-Encoding": "identity"}, timeout=30)

    def get(self, path: str, headers: dict[str, str] | None = None, /, **parameters: Any) -> httpx.Response:
        return self.ask("GET", path, headers, **parameters)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, /, **asked: Any) -> httpx.Response:
        return self._client.request(method, path, params=asked or None, headers=headers)

    def close(self) -> None:
        self._client.close()


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """Serve an application on loopback while the block runs; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who connects before the server runs waits, and is not refused
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, args=([listener],), name="page")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def serving(archive: Filled) -> Iterator[Served]:
    """Serve the page of an archive while the block runs."""
    with listening(application(archive.url)) as address:
        served = Served(archive, address)
        try:
            yield served
        finally:
            served.close()


@pytest.fixture(scope="session")
def library(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """What `fill_library` makes; for reading only."""
    return fill_library(new_archive(tmp_path_factory.mktemp("library") / "archive.db"))


def fill_library(place: Filled) -> Filled:
    """Store snooker of both feeds, football of the media feed, and one match made by hand."""
    matches = (load("snooker-1", feed="betting"), load("snooker-1", feed="media"), FRANCE_ROMANIA)
    fill(place.path, *matches, url=place.url)
    place.write(*ODD.operations, OpenGap(OUTAGE))
    return place


@pytest.fixture(scope="session")
def served(library: Filled) -> Iterator[Served]:
    """The page of `library`."""
    with serving(library) as running:
        yield running


@pytest.fixture(scope="session")
def archive_api(library: Filled) -> Iterator[Archive]:
    """The same archive in Python."""
    with Archive.open(library.url) as opened:
        yield opened
