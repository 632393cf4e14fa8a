"""What may leave the spool: a stream that is over, and was found whole in Postgres long enough ago."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from recorder.archive.dialect import parse_url
from recorder.archive.merging.proving import Proof
from recorder.archive.spool import note_proof, note_shipped, proven_before
from recorder.operations import EndStream
from tests.archive.filling import START_US, Filled, History, close_session

DAY_US = 86_400_000_000
WEEK_LATER_US = START_US + 7 * DAY_US


@contextmanager
def spool_with(file: Filled, history: History) -> Iterator[Connection]:
    """A spool that holds a match which is over since `START_US`."""
    history.add()
    end = EndStream(history.stream.stream_id, "finished", "over")
    file.write(*history.taken(), close_session(history.stream), end)
    url, dialect = parse_url(file.url)
    engine = dialect.writer(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_the_age_counts_from_the_proof(file: Filled) -> None:
    """Of a match of last week that was found whole a moment ago nothing leaves yet."""
    history = History()
    with spool_with(file, history) as spool:
        note_proof(spool, history.stream.stream_id, Proof(1, 1), WEEK_LATER_US + 1)
        assert proven_before(spool, WEEK_LATER_US) == []
        assert proven_before(spool, WEEK_LATER_US + 1) == [history.stream.stream_id]


def test_what_was_only_shipped_stays(file: Filled) -> None:
    """That all of it was sent is no proof that it is there."""
    history = History()
    with spool_with(file, history) as spool:
        note_shipped(spool, {history.stream.stream_id: (1, 1)}, START_US)
        assert proven_before(spool, WEEK_LATER_US) == []
