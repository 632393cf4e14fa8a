"""Archives of which a lake holds what is over, on each kind of database, and the commands that ask them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from recorder.operations import Operation
from recorder.publishing.publishing import publish
from recorder.query.proving.document import document
from recorder.query.reading import reading
from recorder.query.verifying import verify
from tests.archive.filling import Filled, stream_of
from tests.cli.conftest import Call, call
from tests.export.making import Told
from tests.lake.conftest import over, small
from tests.recording import Ended
from tests.vendor import load

__all__ = ["call"]

FRANCE = load("soccer-france-romania")
NAME = f"media/soccer/{FRANCE.fixture_id}"
STREAM = stream_of(FRANCE).stream_id

Prune = Callable[..., Ended]
"""Runs `prune` on the archive and the lake: ``prune("--yes")``."""

ROWS = ("epoch", "session", "frame", "action", "gap", "audit")


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """A new place."""
    return str(tmp_path / "lake")


@pytest.fixture
def published(archive: Filled, lake: str) -> Filled:
    """Three matches that were over long ago, all in the lake; on each kind of database."""
    archive.write(*over(FRANCE), *short(), *short())
    publish(archive.url, lake)
    return archive


@pytest.fixture
def prune(call: Call, lake: str) -> Prune:
    """Prune what nothing has come of for 90 days."""

    def run(*arguments: str, database: Filled, older_than: str = "90d", **more: object) -> Ended:
        return call("prune", "--lake", lake, "--older-than", older_than, *arguments, database=database, **more)

    return run


def short() -> list[Operation]:
    """Return a short match that is over."""
    told: Told = small(2)
    return told.operations


def counted(archive: Filled) -> Counter[int]:
    """How many rows there are of each stream, its own and its tombstone left out."""
    each = " UNION ALL ".join(f"SELECT stream_id, count(*) FROM {name} GROUP BY stream_id" for name in ROWS)
    found = Counter[int]()
    for stream_id, count in archive.select(each):
        found[stream_id] += count
    return found


def rows_of(archive: Filled, stream_id: int) -> int:
    """How many there are of one."""
    return counted(archive)[stream_id]


def verdicts(archive: Filled) -> dict[int, str]:
    """What `recorder verify` says of each stream."""
    with reading(archive.url) as reader:
        return {int(str(document(one)["stream_id"])): one.verdict() for one in verify(reader)}
