"""What has changed since two archives were compared: noticed when rows are read, and when they land."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging.copying import Changes, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.load import Load
from recorder.archive.merging.refusals import Conflict
from recorder.errors import DamagedArchive
from recorder.model import Stream, digest
from tests.archive.filling import START_US, Filled
from tests.merging.conftest import Places
from tests.merging.making import Recording, change, lose, new_stream, rows_of


def load_of(source: Filled, target: Filled, stream: Stream, meanwhile: Callable[[], None] = lambda: None) -> Load:
    """What is sent of a stream, as it was compared before something happened."""
    source_url, source_dialect = parse_url(source.url)
    url, dialect = parse_url(target.url)
    with dialect.writer(url).connect() as there:
        with source_dialect.reader(source_url).connect() as here:
            copy = survey(here, there, stream.stream_id, START_US)
        assert copy is not None
        meanwhile()
        with source_dialect.reader(source_url).connect() as here:
            return copy.next(here, Changes())[0]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_other_bytes_that_came_meanwhile(places: Places, kind: str) -> None:
    """Two bring one frame in other bytes: the second is refused, and nothing of it is stored."""
    stream, target, sources = new_stream(), places.new(kind), [places.new("sqlite"), places.new("sqlite")]
    target.write(*Recording(stream, 1).add("A").taken())
    for source in sources:
        source.write(*Recording(stream, 1).add("ABC").taken())
    other = update(tables.frame).where(tables.frame.c.frame_number == 1)
    change(sources[1].url, other.values(payload=b"other", digest=digest(b"other")))
    loads = [load_of(source, target, stream) for source in sources]
    url, dialect = parse_url(target.url)
    engine = dialect.writer(url)
    with engine.begin() as connection:
        land(connection, dialect, loads[0])
    before = rows_of(target.url)
    with pytest.raises(DamagedArchive, match="frame 1 of session 1"), engine.begin() as connection:
        land(connection, dialect, loads[1])
    engine.dispose()
    assert rows_of(target.url) == before


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_other_content_that_came_meanwhile(places: Places, kind: str) -> None:
    """Two bring other actions at the same positions: the second has to compare again, and overwrites nothing."""
    stream, target, sources = new_stream(), places.new(kind), [places.new("sqlite"), places.new("sqlite")]
    target.write(*Recording(stream, 1).add("A").taken())
    for session_id, (source, letters) in enumerate(zip(sources, ("ABC", "Axy"), strict=True), 1):
        source.write(*Recording(stream, session_id).add(letters).taken())
    loads = [load_of(source, target, stream) for source in sources]
    url, dialect = parse_url(target.url)
    engine = dialect.writer(url)
    with engine.begin() as connection:
        land(connection, dialect, loads[0])
    before = rows_of(target.url)
    with pytest.raises(Conflict), engine.begin() as connection:
        land(connection, dialect, loads[1])
    engine.dispose()
    assert rows_of(target.url) == before


def test_a_hole_that_came_meanwhile(places: Places) -> None:
    """The source has lost a row since it was compared: nothing behind the hole is sent."""
    stream, source, target = new_stream(), places.new("sqlite"), places.new("sqlite")
    source.write(*Recording(stream, 1).add("ABC").taken())
    with pytest.raises(DamagedArchive, match="position 1 is missing before 2"):
        load_of(source, target, stream, lambda: lose(source.url, stream, tables.action, tables.action.c.position == 1))
