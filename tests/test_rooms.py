"""Who may import whom: only downwards, and wire and archive meet only in capture (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import recorder

ROOT = Path(recorder.__file__).parent

LEVELS = {
    "errors": 0,
    "clock": 0,
    "model": 1,
    "extras": 1,
    "ids": 1,
    "operations": 2,
    "feed": 3,
    "config": 3,
    "logs": 3,
    "hardening": 3,
    "signals": 3,
    "disk": 3,
    "notify": 4,
    "liveness": 5,
    "tally": 3,
    "settings": 4,
    "metrics": 4,
    "events": 4,
    "fixtures": 4,
    "wire": 4,
    "archive": 4,
    "pacing": 4,
    "account": 4,
    "query": 5,
    "sharing": 5,
    "schedule": 5,
    "discover": 5,
    "backoff": 5,
    "capture": 6,
    "probing": 6,
    "reparsing": 6,
    "salvage": 6,
    "doctor": 9,
    "charts": 6,
    "export": 6,
    "home": 6,
    "publishing": 7,
    "pruning": 8,
    "lake": 8,
    "roster": 7,
    "daemon": 8,
    "replay": 9,
    "web": 9,
    "cli": 10,
}
"""Each room's level; `recorder/__init__.py` hands out names from any of them and is in none."""

FORBIDDEN_IN_FEED = {"asyncio", "time", "sqlalchemy", "websockets", "socket", "random", "secrets"}


def imports(file: Path) -> set[str]:
    """Return every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def rooms(file: Path) -> set[str]:
    """Return the rooms that a file imports from."""
    parts = (name.split(".") for name in imports(file) if name.startswith("recorder."))
    return {name[1] for name in parts if name[1] in LEVELS}


def files() -> list[tuple[str, Path]]:
    """Return every file with the room it is in."""
    inside = [(path.relative_to(ROOT), path) for path in sorted(ROOT.rglob("*.py"))]
    return [(short.parts[0].removesuffix(".py"), path) for short, path in inside if not short.name.startswith("__main")]


def test_every_room_has_a_level() -> None:
    """A new room says where it stands, or this fails."""
    assert {room for room, _ in files()} - {"__init__"} == set(LEVELS)


@pytest.mark.parametrize(("room", "file"), files(), ids=lambda value: str(value).removeprefix(str(ROOT)))
def test_imports_go_downwards(room: str, file: Path) -> None:
    """A file imports from its own room and from lower ones."""
    if room == "__init__":
        return
    assert {other for other in rooms(file) if other != room and LEVELS[other] >= LEVELS[room]} == set()


def test_wire_and_archive_meet_only_in_capture() -> None:
    """No other room reaches both the vendor's socket and the archive."""
    both = {room for room, file in files() if {"wire", "archive"} <= rooms(file)}
    assert both == {"capture"}


def test_the_feed_is_pure() -> None:
    """No loop, no clock, no database and no chance in the room that decides."""
    found = {name.split(".")[0] for room, file in files() if room == "feed" for name in imports(file)}
    assert found & FORBIDDEN_IN_FEED == set()


def test_only_the_wire_and_the_replay_know_websockets() -> None:
    """The library that opens sockets is imported where sockets are opened."""
    users = {room for room, file in files() if any(name.split(".")[0] == "websockets" for name in imports(file))}
    assert users == {"wire", "replay"}
