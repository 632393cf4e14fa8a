"""Events, as a browser's EventSource reads them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from recorder.web.api import events
from tests.archive.filling import Filled, History
from tests.web.api.conftest import Served, serving


@pytest.fixture
def going_on(archive: Filled) -> tuple[Filled, History]:
    """A match of which three actions have come."""
    history = History()
    for number in range(3):
        history.add(type="Foul", action_id=f"id {number}")
    archive.write(*history.taken())
    return archive, history


@contextmanager
def listening(served: Served, path: str, headers: dict[str, str] | None = None) -> Iterator[Iterator[dict[str, str]]]:
    """Listen while the block runs; gives the events as they come, each by the names of its lines."""
    with httpx.stream("GET", served.url + path, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    found: dict[str, str] = {}
    for line in lines:
        if line == "" and found:
            yield found
            found = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            found[name] = value


def told(event: dict[str, str]) -> tuple[str, str | None, Any]:
    """Return what an event is, its id, and the position that its data tells."""
    return event["event"], event.get("id"), json.loads(event["data"])["position"]


def path(history: History) -> str:
    return f"/streams/{history.stream.stream_id}/events"


def test_what_is_known_is_left_out_and_what_comes_is_told(going_on: tuple[Filled, History]) -> None:
    """From the place in the address on, then live, each once and in order."""
    archive, history = going_on
    with serving(archive) as served, listening(served, path(history) + "?after=0/0") as found:
        assert [told(next(found)) for _ in range(2)] == [("action", "0/1", 1), ("action", "0/2", 2)]
        history.add(type="Goal")
        archive.write(*history.taken())
        assert told(next(found)) == ("action", "0/3", 3)


def test_who_was_cut_off_goes_on_where_it_was(going_on: tuple[Filled, History]) -> None:
    """A browser's own header goes before the address, which is still that of its first attempt."""
    archive, history = going_on
    again = {"Last-Event-ID": "0/1"}
    with serving(archive) as served, listening(served, path(history) + "?after=0/-1", again) as found:
        assert told(next(found)) == ("action", "0/2", 2)


def test_all_streams_are_told_of_from_now_on(going_on: tuple[Filled, History]) -> None:
    """Nobody outside sees when that begins: so actions come until one is told, and then every one is."""
    archive, history = going_on
    with serving(archive) as served, listening(served, "/events") as found, playing(archive, history):
        first, second = next(found), next(found)
    assert json.loads(first["data"])["stream_id"] == str(history.stream.stream_id)
    position = told(first)[2]
    assert position >= 3
    assert [told(first), told(second)] == [("action", None, position), ("action", None, position + 1)]


@contextmanager
def playing(archive: Filled, history: History) -> Iterator[None]:
    """Store one action after the other while the block runs."""
    is_over = threading.Event()

    def play() -> None:
        while not is_over.wait(0.1):
            history.add(type="Foul")
            archive.write(*history.taken())

    player = threading.Thread(target=play, name="player")
    player.start()
    try:
        yield
    finally:
        is_over.set()
        player.join()


@pytest.mark.parametrize("said", ["1", "0/x", "0/-2", "-1/0", "0/", "9999999999/0"])
def test_a_place_that_is_none_is_refused(going_on: tuple[Filled, History], said: str) -> None:
    archive, history = going_on
    with serving(archive) as served:
        assert served.get(path(history), after=said).json()["error"].startswith(f"after: {said!r} was given; expected ")
        answer = served.get(path(history), {"Last-Event-ID": said})
        assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (400, "Last-Event-ID")


def test_head_does_not_listen(going_on: tuple[Filled, History]) -> None:
    archive, history = going_on
    with serving(archive) as served:
        answer = served.ask("HEAD", path(history))
    assert (answer.status_code, answer.content) == (200, b"")


def test_too_many_readers_are_told_to_come_again(
    going_on: tuple[Filled, History], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_READERS", 1)
    archive, history = going_on
    with serving(archive) as served, listening(served, path(history) + "?after=0/1") as found:
        next(found)
        answer = served.get("/events")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert answer.json() == {"error": "1 readers listen already; ask again later"}


def test_the_connection_is_kept_open_by_comments(
    going_on: tuple[Filled, History], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_PING_S", 0.1)
    archive, history = going_on
    with serving(archive) as served, httpx.stream("GET", served.url + path(history), timeout=30) as answer:
        assert next(line for line in answer.iter_lines() if line).startswith(": ping")
