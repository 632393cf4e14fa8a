"""One look at what goes on: the archive, and what waits in the spool beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from recorder.archive.spool import FILE, note_shipped
from recorder.archive.writer import Writer
from recorder.errors import DatabaseAway, UsageError
from recorder.operations import EndStream, Operation
from recorder.query.backlog import backlog
from recorder.query.looking import look
from tests.archive.filling import START_US, Filled, History, close_session
from tests.postgres import PostgresServer


def recorded(frames: int) -> History:
    history = History()
    for _ in range(frames):
        history.add()
    return history


def test_the_backlog_without_asking(file: Filled) -> None:
    """By what the recorder last knew to be there; a stream that was proven to be there needs no counting."""
    late, proven, going_on = recorded(5), recorded(3), recorded(3)
    over: list[Operation] = [
        close_session(proven.stream),
        EndStream(proven.stream.stream_id, "finished", "the match is over"),
    ]
    known = {late.stream.stream_id: (3, 3), proven.stream.stream_id: (1, 1), going_on.stream.stream_id: (3, 3)}
    with Writer(file.url) as writer:
        writer.submit([*late.operations, *proven.operations, *over, *going_on.operations])
        writer.carry_out(partial(note_shipped, known=known, at_us=START_US)).result()
        ids = (proven.stream.stream_id, going_on.stream.stream_id)
        seen = f"UPDATE shipment SET verified_us = 1 WHERE stream_id IN {ids}"
        writer.carry_out(lambda connection: connection.exec_driver_sql(seen)).result()
    first, second = backlog(file.url, None)
    assert (first.stream_id, first.frames, first.missing) == (late.stream.stream_id, 5, 2)
    assert first.since_us == START_US + 3_000_000
    assert (second.stream_id, second.missing) == (going_on.stream.stream_id, 0)


@pytest.mark.parametrize("thorough", [True, False])
def test_postgres_and_what_it_lacks(postgres: PostgresServer, tmp_path: Path, thorough: bool) -> None:
    """The standings are those of Postgres, the backlog that of the spool; once it is away the spool speaks for both."""
    name = postgres.archive()
    there, waits = recorded(2), recorded(4)
    place = Filled(tmp_path / FILE, postgres.url(name))
    place.write(*there.operations)
    Filled(place.path).write(*waits.operations)  # not shipped
    if not thorough:
        with Writer(place.spool_url) as writer:
            known = {there.stream.stream_id: (2, 2)}
            writer.carry_out(partial(note_shipped, known=known, at_us=START_US)).result()
    seen = look(place.url, tmp_path, thorough=thorough)
    assert [each.stream.stream_id for each in seen.standings] == [there.stream.stream_id]
    assert [(each.stream_id, each.missing) for each in seen.waiting] == [(waits.stream.stream_id, 4)]
    assert seen.away is None
    postgres.drop(name)
    away = look(f"postgresql://recorder@/none?host={tmp_path}", tmp_path, thorough=thorough)
    assert isinstance(away.away, DatabaseAway)
    assert {each.stream.stream_id for each in away.standings} == {there.stream.stream_id, waits.stream.stream_id}


def test_nothing_to_look_at(tmp_path: Path) -> None:
    """Without an archive nothing is made up; without a spool a database that is away is an error."""
    with pytest.raises(UsageError, match=str(tmp_path)):
        look(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(DatabaseAway):
        look(f"postgresql://recorder@/none?host={tmp_path}", tmp_path)
    assert list(tmp_path.iterdir()) == []
