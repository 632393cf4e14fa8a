"""What becomes of the page when the archive beneath it is exchanged, taken away, purged, or started again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from recorder.archive.purging import purge
from recorder.web import asking
from tests.archive.filling import Filled, History
from tests.postgres import PostgresServer
from tests.web.api.conftest import serving
from tests.web.visiting import visiting

WITHIN_S = 20.0


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it: what a page shows may be some moments old."""
    limit = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.05)


def made(place: Path, name: str) -> tuple[Filled, History]:
    archive, history = Filled(place / f"{name}.db"), History()
    history.add(type="Goal", team=f"{name}'s team", side="home")
    archive.write(*history.taken())
    return archive, history


@pytest.fixture
def short_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connections be used for half a second and no longer."""
    monkeypatch.setattr(asking, "_KEPT_S", 0.5)


@pytest.mark.usefixtures("short_lived")
def test_an_archive_that_was_put_in_its_place_is_shown(tmp_path: Path) -> None:
    """As after `recorder recover`: the file that was open is another one's, or nobody's."""
    (old, before), (new, after) = made(tmp_path, "old"), made(tmp_path, "new")
    with visiting(old) as client:
        assert client.get(f"/matches/{before.stream.fixture_id}").status_code == 200
        new.path.replace(old.path)
        until(lambda: client.get(f"/matches/{after.stream.fixture_id}").status_code == 200)
        until(lambda: client.get(f"/matches/{before.stream.fixture_id}").status_code == 404)
        until(lambda: before.stream.fixture_id not in client.get("/").text)


@pytest.mark.usefixtures("short_lived")
def test_an_archive_that_was_taken_away_is_missed_until_it_is_back(tmp_path: Path) -> None:
    archive, history = made(tmp_path, "one")
    path = f"/matches/{history.stream.fixture_id}"
    with visiting(archive) as client:
        assert client.get(path).status_code == 200
        aside = archive.path.rename(tmp_path / "aside.db")
        until(lambda: client.get(path).status_code == 503)
        aside.rename(archive.path)
        assert client.get(path).status_code == 200


def test_a_purged_match_is_gone_and_who_listens_is_told_to_look_again(archive: Filled) -> None:
    history = History()
    for _ in range(3):
        history.add(type="Goal")
    archive.write(*history.taken())
    stream_id = history.stream.stream_id
    with serving(archive) as served:
        with httpx.stream("GET", f"{served.url}/streams/{stream_id}/events?after=0/1", timeout=30) as events:
            lines = _told(events.iter_lines())
            assert next(lines)["position"] == 2
            purge(archive.url, [stream_id], "a test")
            assert next(lines)["position"] == -1
        assert served.get(f"/streams/{stream_id}").status_code == 404
        until(lambda: str(stream_id) not in served.get("/streams").text)


def _told(lines: Iterator[str]) -> Iterator[dict[str, int]]:
    return (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def test_a_postgres_that_was_started_again_is_asked_again(tmp_path: Path) -> None:
    """Every connection was cut: one visitor may hear of it, and nobody after that."""
    with PostgresServer() as server:
        archive = Filled(tmp_path / "spool.db", server.url(server.archive()))
        history = History()
        history.add(type="Goal")
        archive.write(*history.taken())
        path = f"/matches/{history.stream.fixture_id}"
        with visiting(archive) as client:
            for _ in range(4):
                assert client.get(path).status_code == 200
            server.stop("fast")
            answer = client.get(path)
            assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
            server.start()
            assert client.get(path).status_code == 200
            server.stop("immediate")
            server.start()
            statuses = [client.get(address).status_code for address in (path, path, "/", "/api/v1/streams")]
            assert statuses[1:] == [200, 200, 200]
