"""What a merge seldom meets: archives that lost something, somebody who was faster, lists longer than a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, text, update

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging import comparing, copying
from recorder.archive.merging.copying import Changes, Marks, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.load import Load
from recorder.archive.merging.proving import prove
from recorder.archive.merging.refusals import Conflict
from recorder.archive.merging.report import report
from recorder.archive.merging.whole import merge
from recorder.errors import DamagedArchive, IdentityClash, NewerArchive, UsageError
from recorder.model import Kind, Stream
from recorder.operations import PlaceFrame
from tests.archive.filling import START_US, Filled
from tests.merging.conftest import Places
from tests.merging.making import Recording, change, column, lists, lose, new_stream, rows_of
from tests.merging.test_landing import load_of

ACTION, EPOCH, STREAM = tables.action, tables.epoch, tables.stream

both = pytest.mark.parametrize("kind", ["sqlite", "postgres"])


def put(target: Filled, load: Load) -> None:
    url, dialect = parse_url(target.url)
    engine = dialect.writer(url)
    try:
        with engine.begin() as connection:
            land(connection, dialect, load)
    finally:
        engine.dispose()


@both
def test_pages_of_a_list_that_is_there_already(places: Places, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists and frames are compared page by page, also where the last page is full; nothing is sent again."""
    monkeypatch.setattr(comparing, "_PAGE", 2)
    stream, source, target = new_stream(), places.new("sqlite"), places.new(kind)
    part = Recording(stream, 1).add("ABCD")
    source.write(*part.taken())
    merge(source.url, target.url)
    source.write(*part.add("E").taken())
    assert merge(source.url, target.url).rows == 2
    assert lists(rows_of(target.url)) == ["ABCDE"]


def test_large_frames_are_sent_few_at_once(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction is bounded by its bytes too."""
    monkeypatch.setattr(copying, "BYTES_AT_ONCE", 1)
    stream, source, target = new_stream(), places.new("sqlite"), places.new("sqlite")
    source.write(*Recording(stream, 1).add("ABC").taken())
    assert len(load_of(source, target, stream).rows[tables.frame]) == 1
    merge(source.url, target.url)
    assert lists(rows_of(target.url)) == ["ABC"]


def test_a_hole_in_what_is_there_already(places: Places) -> None:
    """The source has lost an action that the target has: it is told as damaged, and nothing is changed."""
    stream, source, target = new_stream(), places.new("sqlite"), places.new("sqlite")
    source.write(*Recording(stream, 1).add("ABC").taken())
    merge(source.url, target.url)
    lose(source.url, stream, ACTION, ACTION.c.position == 1)
    with pytest.raises(DamagedArchive, match="position 1 is missing before 2"):
        merge(source.url, target.url)
    assert lists(rows_of(target.url)) == ["ABC"]


def test_an_epoch_that_begins_meanwhile(places: Places) -> None:
    """The vendor has changed its list since the archives were compared: they have to be compared again."""
    stream, source, target = new_stream(), places.new("sqlite"), places.new("sqlite")
    part = Recording(stream, 1).add("ABC")
    source.write(*part.taken())
    with pytest.raises(Conflict):
        load_of(source, target, stream, lambda: source.write(*part.fork(1, "x", at_us=START_US).taken()))


@both
def test_a_stream_that_is_gone_meanwhile(places: Places, kind: str) -> None:
    """What follows of a stream whose row is not there does not land."""
    stream, source, target = new_stream(), places.new("sqlite"), places.new(kind)
    source.write(*Recording(stream, 1).add("ABC").taken())
    load = load_of(source, target, stream)
    load.rows[STREAM].clear()
    with pytest.raises(Conflict):
        put(target, load)
    assert rows_of(target.url)["frame"] == []


@both
def test_an_epoch_that_was_brought_meanwhile(places: Places, kind: str) -> None:
    """Two bring a list that was new to both: the second has to compare again."""
    stream, target = new_stream(), places.new(kind)
    loads = []
    for session_id, letters in ((1, "AB"), (2, "xy")):
        source = places.new("sqlite")
        source.write(*Recording(stream, session_id).add(letters).taken())
        loads.append(load_of(source, target, stream))
    put(target, loads[0])
    with pytest.raises(Conflict):
        put(target, loads[1])
    assert lists(rows_of(target.url)) == ["AB"]


@both
def test_one_id_for_two_streams_that_came_meanwhile(places: Places, kind: str) -> None:
    """The id stands for another stream by the time that the rows land: nothing lands."""
    stream, source, target = new_stream(), places.new("sqlite"), places.new(kind)
    source.write(*Recording(stream, 1).add("A").taken())
    load = load_of(source, target, stream)
    put(target, load)
    change(target.url, update(STREAM).values(fixture_id="another"))
    load.fresh.clear()
    with pytest.raises(IdentityClash, match="another"):
        put(target, load)


@both
def test_frames_that_were_placed_since(places: Places, kind: str) -> None:
    """A copy that has got past a frame sends it once more when its position has been found."""
    stream, source, target = new_stream(), places.new("sqlite"), places.new(kind)
    part = Recording(stream, 1).add("A")
    part.frame("B", START_US, Kind.UNPLACED)
    source.write(*part.taken())
    url, dialect = parse_url(source.url)
    there, target_dialect = parse_url(target.url)
    engine, reader = target_dialect.writer(there), dialect.reader(url)
    with engine.connect() as target_connection, reader.connect() as here:
        with target_connection.begin():
            copy = survey(here, target_connection, stream.stream_id, START_US)
            assert copy is not None
            load, marks = copy.next(here, None)
            land(target_connection, target_dialect, load)
        assert copy.landed(marks)
    source.write(PlaceFrame(stream.stream_id, 1, 1))
    with engine.begin() as target_connection, reader.connect() as here:
        load, again = copy.next(here, Changes(placed={(1, 1), (9, 9)}))
        land(target_connection, target_dialect, load)
    engine.dispose()
    assert again == marks == Marks((1, 1), (0, 0))
    assert column(rows_of(target.url), tables.frame, "kind") == ["action", "action"]


def test_a_stream_that_the_source_does_not_know(places: Places) -> None:
    """There is nothing to copy, and a merge that was asked for it says so."""
    source, target = places.new("sqlite"), places.new("sqlite")
    with pytest.raises(UsageError, match="there is no stream 7"):
        merge(source.url, target.url, [7])


def test_a_source_of_a_newer_recorder(places: Places) -> None:
    """It is told as such, without the advice to change the source."""
    source, target = places.new("sqlite"), places.new("sqlite")
    change(source.url, text("UPDATE alembic_version SET version_num = '9999'"))
    change(source.url, delete(tables.compatible))
    with pytest.raises(NewerArchive) as told:
        merge(source.url, target.url)
    assert "source of the merge" not in str(told.value)


def missing(source: Filled, target: Filled, stream: Stream) -> str | None:
    (url, dialect), (there, target_dialect) = parse_url(source.url), parse_url(target.url)
    with dialect.reader(url).connect() as here, target_dialect.reader(there).connect() as target_connection:
        return prove(here, target_connection, target_dialect, stream.stream_id).missing


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        pytest.param(lambda: delete(EPOCH).where(EPOCH.c.epoch == 1), "epoch 1", id="epoch"),
        pytest.param(lambda: delete(ACTION).where(ACTION.c.position == 2), "an action of epoch 0", id="action"),
    ],
)
@both
def test_a_list_that_was_lost(places: Places, kind: str, lost: Callable[[], object], told: str) -> None:
    """Every frame is there, and a list is not, or its end: the proof names it."""
    stream, source, target = new_stream(), places.new("sqlite"), places.new(kind)
    source.write(*Recording(stream, 1).add("ABC").fork(1, "xyz", at_us=START_US + 9).taken())
    merge(source.url, target.url)
    assert missing(source, target, stream) is None
    change(target.url, delete(ACTION).where(ACTION.c.epoch == 1), lost())
    found = missing(source, target, stream)
    assert found is not None
    assert found.startswith(told)


def test_two_lists_of_equal_content_whose_numbers_cross(places: Places) -> None:
    """A list that is there under the number of another one with the same content is still that list."""
    stream, target = new_stream(), places.new("sqlite")
    before = [Recording(stream, 1).add("AB"), Recording(stream, 21).fork(0, "CBA", at_us=START_US + 102)]
    again = Recording(stream, 11, START_US - 5).add("CC")
    again.fork(0, "AAB", at_us=START_US + 95, current=False).fork(0, "CC", at_us=START_US + 96, current=False)
    for part in (*before, again):
        source = places.new("sqlite")
        source.write(*part.taken())
        merge(source.url, target.url)
    assert sorted(lists(rows_of(target.url))) == ["AAB", "AB", "CBA", "CC", "CC"]
    assert merge(source.url, target.url).rows == 0


def test_a_report_of_a_fixture_that_nobody_knows(places: Places) -> None:
    """It is no empty report, but a mistake of whoever asked."""
    source, target = places.new("sqlite"), places.new("sqlite")
    with pytest.raises(UsageError, match="neither archive knows nobody"):
        list(report(source.url, target.url, ["nobody"]))


def test_a_report_of_a_list_that_the_vendor_changed(places: Places) -> None:
    """One archive has the list from before; what did not arrive live counts for no lead of live ones."""
    stream, source, target = new_stream(), places.new("sqlite"), places.new("sqlite")
    part = Recording(stream, 1).add("ABC")
    source.write(*part.taken())
    merge(source.url, target.url)
    target.write(*part.fork(2, "x", at_us=START_US).taken())
    change(source.url, update(ACTION).values(arrival="catch_up"))
    [row] = report(source.url, target.url)
    assert (row["verdict"], row["differs_at"], row["in_both"], row["live"]) == ("changed by the vendor", 2, 2, 0)


def test_nothing_to_land(places: Places) -> None:
    """A load without rows costs nothing, and stores nothing."""
    url, dialect = parse_url(places.new("sqlite").url)
    engine = dialect.writer(url)
    with engine.begin() as connection:
        assert land(connection, dialect, Load()) == 0
    engine.dispose()
