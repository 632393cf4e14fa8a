"""How every stream stands: what is silent that should talk, and that asking costs the same however many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from recorder import clock
from recorder.model import Stream, moment_text
from recorder.operations import Counts, EndStream, UpdateSession
from recorder.query import listing
from recorder.query.listing import Standing, lag_us, status
from recorder.query.reading import Reader, reading
from tests.archive.filling import Filled, History, close_session, open_session, open_stream
from tests.archive.test_views import scans

NOW_US = 1_800_000_000_000_000
S = 1_000_000


def stood(archive: Filled) -> list[Standing]:
    with reading(archive.url) as reader:
        return status(reader)


@pytest.mark.parametrize(
    ("told", "silent_s"),
    [
        # A connection stands: what was heard last counts, or since when it stands.
        ({"open_us": NOW_US - 90 * S, "heard_us": NOW_US - 30 * S}, 30),
        ({"open_us": NOW_US - 90 * S}, 90),
        ({"open_us": NOW_US - 90 * S, "heard_us": NOW_US - 9000 * S}, 9000),
        ({"open_us": NOW_US - 90 * S, "heard_us": NOW_US - 80 * S, "starts_us": NOW_US + 60 * S}, 80),
        ({"open_us": NOW_US - 90 * S, "heard_us": NOW_US - 80 * S, "starts_us": NOW_US - 10 * S}, 80),
        # None does: from the start on.
        ({"starts_us": NOW_US + 1}, None),
        ({"starts_us": NOW_US + 3600 * S, "heard_us": NOW_US - 60 * S}, None),
        ({"starts_us": NOW_US - 45 * S}, 45),
        ({"starts_us": NOW_US - 45 * S, "heard_us": NOW_US - 600 * S}, 45),
        ({"starts_us": NOW_US - 45 * S, "heard_us": NOW_US - 7 * S}, 7),
        # Nobody knows the start: from the first message on.
        ({}, None),
        ({"heard_us": NOW_US - 20 * S}, 20),
        # A clock that was set back.
        ({"heard_us": NOW_US + 20 * S}, 0),
        # Over.
        ({"state": "finished", "open_us": 1, "heard_us": 1, "starts_us": 1}, None),
        ({"state": "not_played", "starts_us": 1}, None),
    ],
)
def test_what_is_silent(told: dict[str, Any], silent_s: int | None) -> None:
    """Only what should be talking now lags: a match that is due, or a connection that stands."""
    usual = {"state": "interrupted", "heard_us": None, "starts_us": None, "open_us": None}
    found = lag_us(NOW_US, **{**usual, **told})
    assert found == (None if silent_s is None else silent_s * S)


def test_a_start_that_lies_ahead(archive: Filled) -> None:
    """A stream that waits for its start shows it and has no lag, whatever the list said of others."""
    later, sooner, undated = (History(Stream("betting", "soccer", name)).stream for name in "abc")
    starts_us = clock.wall_us() + 3600 * S
    archive.write(
        open_stream(later, starts_us=starts_us + S), open_stream(sooner, starts_us=starts_us), open_stream(undated)
    )
    found = stood(archive)
    assert [standing.stream.fixture_id for standing in found] == ["c", "b", "a"]
    assert [standing.next_start for standing in found] == [None, moment_text(starts_us), moment_text(starts_us + S)]
    assert [standing.lag_s for standing in found] == [None] * 3


def test_a_start_that_nobody_kept(archive: Filled) -> None:
    """A match that is due and of which nothing came lags from its start on: its recorder may not be running."""
    history = History()
    archive.write(open_stream(history.stream, starts_us=clock.wall_us() - 600 * S))
    (standing,) = stood(archive)
    assert (standing.stream.state, standing.next_start, standing.dialled_at) == ("waiting", None, None)
    assert standing.lag_s is not None
    assert 600 <= standing.lag_s < 900


def test_what_was_not_played_has_no_lag(archive: Filled) -> None:
    """It is over, though nothing came."""
    history = History()
    archive.write(*history.operations, close_session(history.stream))
    archive.write(EndStream(history.stream.stream_id, "not_played", "postponed"))
    (standing,) = stood(archive)
    assert (standing.stream.state, standing.lag_s, standing.has_ended) == ("not_played", None, True)


def test_rates(archive: Filled) -> None:
    """The actions of the last minute; of messages those of every connection, of an open one by its newest frame."""
    history = History()
    now_us = clock.wall_us()
    for before_s in (7200, 3600, 20, 10):
        history.add(now_us - before_s * S)
    stream = history.stream
    archive.write(*history.operations, close_session(stream, counts=Counts(frames=9)))
    history.operations, history.session_id, history.frames = [open_session(stream, 2)], 2, 30
    history.add(now_us)
    archive.write(*history.operations)
    (standing,) = stood(archive)
    assert (standing.stream.actions, standing.actions_last_minute, standing.messages) == (5, 3, 9 + 31)
    archive.write(UpdateSession(stream.stream_id, 2, Counts(frames=40)))
    assert stood(archive)[0].messages == 9 + 40


def test_it_says_what_the_view_says(reader: Reader) -> None:
    """What is asked of the newest row alone is what the view finds in all of them."""
    views = {row.stream_id: row for row in reader.rows("SELECT * FROM streams")}
    found = {standing.stream.stream_id: standing.stream for standing in status(reader)}
    assert found.keys() == views.keys()
    for stream_id, row in views.items():
        assert {name: found[stream_id]._mapping[name] for name in row._mapping} == dict(row._mapping)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect every statement that is executed."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_as_many_statements_for_many(archive: Filled) -> None:
    """Ten streams are asked about with as many statements as one."""
    counts = []
    for many in (1, 9):
        histories = [History() for _ in range(many)]
        for history in histories:
            history.add()
            history.gap("hole")
        archive.write(*(operation for history in histories for operation in history.operations))
        with reading(archive.url) as reader, counted() as statements:
            assert all(len(standing.open_gaps) == 1 for standing in status(reader))
        counts.append(len(statements))
    assert counts == [2, 2]


def test_the_newest_rows_are_found_by_key(archive: Filled) -> None:
    """No action is read but by its stream's key, nor any frame by what this statement adds to the view.

    The view itself asks whether there is a frame at all: of an archive as small as this Postgres reads them all.
    """
    history = History()
    history.add()
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        statement = listing._statement(reader.dialect).replace(":since_us", "1")
    found = [scan for scan in scans(archive, statement) if re.search(r"\b(action|epoch|gap|a|f|e|g)\b", scan)]
    assert found == []
