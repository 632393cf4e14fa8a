"""Seasons in lakes for the engines that read them, and what an engine should find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from recorder.feed.content import content_digest
from recorder.feed.messages import read
from recorder.lake.values import values
from recorder.lake.views import VIEWS
from recorder.publishing.forms import Form
from recorder.publishing.publishing import publish
from recorder.query.rows import VIEWS as ROWS
from recorder.query.rows import typed
from tests.archive.filling import Filled
from tests.lake.conftest import over
from tests.queries.asking import QUERIES, near, plain
from tests.queries.expected import EXPECTED
from tests.queries.packets import matches
from tests.queries.test_odds import known
from tests.vendor import Match

Ask = Callable[[str], Any]
"""Asks an engine a SELECT; gives a ``pyarrow.Table``."""

COMPARED = [name for name in VIEWS if name in ROWS]
"""The views of an archive that a lake has."""


@pytest.fixture(scope="module")
def eleven() -> list[Match]:
    """The matches that the worked queries are asked of."""
    return matches()


@pytest.fixture(scope="module")
def season(eleven: list[Match], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A lake of them in each form; for reading only."""
    directory = tmp_path_factory.mktemp("season")
    filled = Filled(directory / "archive.db")
    filled.write(*(operation for match in eleven for operation in over(match)))
    return published(filled, directory)


def published(archive: Filled, directory: Path) -> dict[str, str]:
    """Publish an archive into a new lake of each form."""
    places = {form.value: str(directory / form) for form in Form}
    for form, place in places.items():
        publish(archive.url, place, Form(form))
    return places


def assert_answers(ask: Ask, name: str, told: list[Match]) -> None:
    """Hold the answer to a worked query, the one text of it, against what the packets say."""
    found = _answer(ask, f"{name}.sql")
    wanted = EXPECTED[name](told)
    assert near(found, wanted), f"{name}\n{found}\n{wanted}"


def assert_prices(ask: Ask, text: str, told: list[Match]) -> None:
    """Hold each price with its state against what the packets say; ``text``: the file of the query."""
    assert _answer(ask, text) == known(told)


def _answer(ask: Ask, text: str) -> list[tuple[Any, ...]]:
    said = (QUERIES / text).read_text(encoding="utf-8").removesuffix(";\n")
    return [plain(row.values()) for row in ask(said).to_pylist()]


def assert_view(ask: Ask, view: str, archive: Filled) -> None:
    """Hold every row of a view against the archive's, columns in their order."""
    rows = ask(f"SELECT * FROM {view}")
    assert rows.schema.names == archive.columns(view)
    found, wanted = values(ROWS[view], rows), typed(ROWS[view], archive.select(f"SELECT * FROM {view}"))
    assert wanted
    assert sorted(map(repr, found)) == sorted(map(repr, wanted)), view


MESSAGES = "SELECT stream_id, session_id, frame_number, payload FROM raw_frames"
PLACES = "SELECT stream_id, epoch, position, session_id, frame_number, part FROM actions_all"


def assert_contents(messages: Sequence[Any], places: Sequence[Any], archive: Filled) -> None:
    """Hold the digest of every content, made of bytes that an engine gave, against the archive's.

    ``messages``, ``places``: the rows of MESSAGES and PLACES.
    """
    payloads = {tuple(key): bytes(payload) for *key, payload in messages}
    found = {
        (stream_id, epoch, position): content_digest(read(payloads[stream_id, *key]).packets[part].fixture_action)
        for stream_id, epoch, position, *key, part in places
    }
    told = archive.select("SELECT stream_id, epoch, position, content_digest FROM action")
    assert found == {(stream_id, epoch, position): digest for stream_id, epoch, position, digest in told}


def tuples(rows: Any) -> list[tuple[Any, ...]]:
    """Return the rows of what an engine was asked."""
    return [tuple(row.values()) for row in rows.to_pylist()]


def digests(archive: Filled) -> list[Any]:
    """Return the digest that the archive keeps of each message, in hex, by key."""
    rows = archive.select("SELECT stream_id, session_id, frame_number, lower(hex(digest)) FROM frame ORDER BY 1, 2, 3")
    assert rows
    return rows
