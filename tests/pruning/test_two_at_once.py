"""What comes between the check and the removal is seen: then the match stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from recorder import clock
from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging.copying import survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.refusals import Purged
from recorder.errors import TemporaryError
from recorder.export.selecting import Wanted
from recorder.model import Kind
from recorder.pruning.pruning import CHANGED, Asked, prune
from recorder.pruning.removing import remove
from recorder.publishing.checking import Checked, check
from recorder.publishing.places import held, place_of
from recorder.publishing.publishing import DEADLINE_S, publish
from tests.archive.filling import Filled
from tests.export.making import Told, packet
from tests.lake.conftest import ended
from tests.postgres import PostgresServer
from tests.pruning.conftest import rows_of


@contextmanager
def writing(archive: Filled) -> Iterator[Connection]:
    url, dialect = parse_url(archive.url)
    engine = dialect.writer(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def published(archive: Filled, lake: str) -> tuple[Told, Checked]:
    """Publish a match; return it, and that it was found equal."""
    told = ended(Told().add(packet(1)).add(packet(2)))
    archive.write(*told.operations)
    publish(archive.url, lake)
    (found,) = check(archive.url, lake, deadline_s=DEADLINE_S)
    assert found.verdict == "equal"
    told.operations.clear()
    return told, found


def removed(archive: Filled, found: Checked, lake: str) -> bool:
    _, dialect = parse_url(archive.url)
    with writing(archive) as connection, connection.begin():
        return remove(connection, dialect, found, lake) is not None


def test_a_frame_that_came_since_the_check_keeps_it(archive: Filled, lake: str) -> None:
    told, found = published(archive, lake)
    before = rows_of(archive, found.stream_id)
    told.frame(Kind.UNKNOWN, b"late")
    archive.write(*told.operations)
    assert not removed(archive, found, lake)
    assert rows_of(archive, found.stream_id) == before + 1
    assert archive.select("SELECT 1 FROM tombstone") == []


def test_what_came_since_the_check_is_told(archive: Filled, lake: str) -> None:
    told, _ = published(archive, lake)
    other = ended(Told().add(packet(3)))
    archive.write(*other.operations)
    publish(archive.url, lake)
    going = prune(Asked(archive.url, lake, 86_400.0, DEADLINE_S, Wanted()))
    first = next(going)  # both are checked by now
    told_of = {told.stream.stream_id: told, other.stream.stream_id: other}
    (late,) = (one for stream_id, one in told_of.items() if stream_id != first.stream_id)
    with writing(archive) as connection, connection.begin():
        closed = tables.session.c.closed_us
        connection.execute(tables.session.update().where(tables.session.c.stream_id == late.stream.stream_id).values({
            closed: closed + 1
        }))  # fmt: skip
    (second,) = going
    assert (first.outcome, second.outcome, second.why) == ("pruned", "kept", CHANGED)
    assert rows_of(archive, late.stream.stream_id) > 0


def test_it_is_removed_once(archive: Filled, lake: str) -> None:
    _, found = published(archive, lake)
    assert removed(archive, found, lake)
    before = archive.select("SELECT * FROM tombstone")
    assert not removed(archive, found, lake)
    assert archive.select("SELECT * FROM tombstone") == before


def test_while_somebody_publishes_nothing_is_removed(archive: Filled, lake: str) -> None:
    _, found = published(archive, lake)
    with held(place_of(lake)), pytest.raises(TemporaryError):
        list(prune(Asked(archive.url, lake, 86_400.0, DEADLINE_S, Wanted())))
    assert rows_of(archive, found.stream_id) > 0


def test_a_recorder_that_has_it_to_itself_keeps_it(archive: Filled, lake: str) -> None:
    _, found = published(archive, lake)
    lease = {"stream_id": found.stream_id, "owner": "one", "term": 1, "expires_us": clock.wall_us() + 10**9}
    with writing(archive) as connection, connection.begin():
        connection.execute(tables.lease.insert().values(lease))
    (one,) = prune(Asked(archive.url, lake, 86_400.0, DEADLINE_S, Wanted()))
    assert (one.outcome, one.why) == ("kept", "a recorder has it to itself just now")


def test_what_is_landing_is_waited_for(postgres: PostgresServer, tmp_path: Path, lake: str) -> None:
    """On Postgres rows may be landing: the removal waits for these, sees them, and leaves the match alone."""
    archive = Filled(tmp_path / "spool.db", postgres.url(postgres.archive()))
    told, found = published(archive, lake)
    told.frame(Kind.UNKNOWN, b"late")
    spool = Filled(archive.path)
    spool.write(*told.operations)
    url, dialect = parse_url(spool.url)
    done = threading.Event()
    outcome: list[bool] = []

    def pruning() -> None:
        outcome.append(removed(archive, found, lake))
        done.set()

    other = threading.Thread(target=pruning)
    with dialect.reader(url).connect() as source, writing(archive) as target, source.begin(), target.begin():
        copy = survey(source, target, found.stream_id, 0)
        assert copy is not None
        load, _ = copy.next(source, None)
        land(target, parse_url(archive.url)[1], load)
        other.start()
        assert not done.wait(0.3)
    other.join()
    assert outcome == [False]
    assert archive.select("SELECT 1 FROM tombstone") == []
    assert archive.value("SELECT count(*) FROM frame WHERE payload = CAST('late' AS bytea)") == 1


def test_what_comes_after_the_removal_is_refused(archive: Filled, lake: str) -> None:
    told, found = published(archive, lake)
    spool = Filled(archive.path) if archive.is_shipped else Filled(archive.path.with_name("other.db"))
    if not archive.is_shipped:
        archive.path.with_name("other.db").write_bytes(archive.path.read_bytes())
    assert removed(archive, found, lake)
    told.frame(Kind.UNKNOWN, b"late")
    spool.write(*told.operations)
    url, dialect = parse_url(spool.url)
    with (
        dialect.reader(url).connect() as source,
        writing(archive) as target,
        source.begin(),
        target.begin(),
        pytest.raises(Purged) as refused,
    ):
        survey(source, target, found.stream_id, 0)
    assert refused.value.to is not None
    assert refused.value.to.lake == lake
