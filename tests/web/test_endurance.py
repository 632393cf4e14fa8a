"""What a page that runs for months must not pile up."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import httpx

from recorder.web.app import application
from tests.archive.filling import fill, stream_of
from tests.vendor import load
from tests.web.visiting import publicly

MATCH = load("snooker-1")
ROUNDS = int(os.environ.get("RECORDER_TEST_ROUNDS", "12"))
"""How often everything is asked for; 420 are 5,000 requests."""
READERS = int(os.environ.get("RECORDER_TEST_READERS", "40"))
WITHIN_S = 20.0


def held() -> tuple[int, int]:
    """Return how many files this process has open, and how many threads."""
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def test_nothing_is_left_of_requests_and_of_listeners_that_have_gone(tmp_path: Path) -> None:
    archive = fill(tmp_path / "archive.db", MATCH)
    page, api = f"/matches/{MATCH.fixture_id}", f"/api/v1/streams/{stream_of(MATCH).stream_id}"
    paths = ("/", page, f"{page}?as_of=2023-11-14T22:30:00Z", f"{page}/chart.json", f"{page}/facts", "/nothing",
             f"{page}/actions/3", f"{api}/timeline?limit=5", f"{api}/gaps", api, "/api/v1/streams",
             "/static/page.css")  # fmt: skip
    app = application(archive.url)
    with publicly(app) as where, httpx.Client(base_url=f"http://127.0.0.1:{where[1]}", timeout=60) as client:
        ask(client, paths, 2)
        listen(client, f"{api}/events?after=0/-1", 5)
        settle(app)
        before = held()
        ask(client, paths, ROUNDS)
        listen(client, f"{api}/events?after=0/-1", READERS)
        settle(app)
        after = held()
    assert after[0] <= before[0] + 4  # readers of the archive, which come with who asks at the same time
    assert after[1] <= before[1] + 4


def ask(client: httpx.Client, paths: tuple[str, ...], times: int) -> None:
    for _ in range(times):
        for path in paths:
            assert client.get(path).status_code == (404 if path == "/nothing" else 200)


def listen(client: httpx.Client, path: str, times: int) -> None:
    """Hear one event and hang up."""
    for _ in range(times):
        with client.stream("GET", path) as events:
            assert next(events.iter_lines())


def settle(app: object) -> None:
    """Wait until the last listener is known to have gone."""
    limit = time.monotonic() + WITHIN_S
    while app.state.site.live.listeners:  # type: ignore[attr-defined]
        assert time.monotonic() < limit
        time.sleep(0.02)
