"""Any archive into any: everything arrives, nothing changes the second time, and a merge may be stopped anywhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging import copying, whole
from recorder.archive.merging.copying import Changes, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.load import CARRIED
from recorder.archive.merging.proving import prove
from recorder.archive.merging.whole import merge
from recorder.archive.writer import Writer
from recorder.errors import (
    ArchiveHeld,
    ConfigurationError,
    DamagedArchive,
    DatabaseAway,
    IdentityClash,
    RecorderError,
    UsageError,
)
from recorder.model import Kind, digest
from recorder.operations import OpenGap, PlaceFrame, ResolveGaps
from tests.archive.filling import START_US, Filled, recorded
from tests.merging.conftest import NewPlace, Places
from tests.merging.making import (
    SECOND,
    Recording,
    Rows,
    causes,
    change,
    column,
    keys,
    lists,
    lose,
    new_stream,
    rows_of,
    shown,
)
from tests.vendor import load

FRAME, ACTION, SESSION, GAP = tables.frame, tables.action, tables.session, tables.gap


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows at once, so that a short list takes many transactions."""
    monkeypatch.setattr(copying, "FRAMES_AT_ONCE", 3)
    monkeypatch.setattr(copying, "ACTIONS_AT_ONCE", 2)


def merged(source: Filled, target: Filled) -> Rows:
    """Merge, and merge again, which changes nothing."""
    merge(source.url, target.url)
    rows = rows_of(target.url)
    again = merge(source.url, target.url)
    assert rows_of(target.url) == rows
    assert (again.rows, again.new_epochs, again.clashes) == (0, 0, 0)
    return rows


# Everything arrives


def test_two_real_matches_arrive_and_come_back(source: Filled, new_target: NewPlace, new_source: NewPlace) -> None:
    """Into an empty archive, again, and from there into an empty one: the same rows, in every table."""
    names = ("snooker-1", "soccer-uruguay-portugal")
    source.write(*(operation for name in names for operation in recorded(load(name))))
    there, back = new_target(), new_source()
    assert merged(source, there) == rows_of(source.url)
    assert merged(there, back) == rows_of(source.url)


def test_parts_of_a_match_come_together(new_source: NewPlace, target: Filled) -> None:
    """Beginnings of any length, in any order, are the whole."""
    match = load("snooker-1")
    whole_one = new_source()
    whole_one.write(*recorded(match))
    for first in (100, 300, 20):
        part = new_source()
        part.write(*recorded(match, first=first, end=False))
        merged(part, target)
    assert merged(whole_one, target) == rows_of(whole_one.url)


def test_small_portions_are_the_same(source: Filled, target: Filled, small: None) -> None:
    """However little goes into one transaction."""
    source.write(*Recording(new_stream(), 1).add("ABCDEFGHIJ").reconnect(2).add("KLM").close().taken())
    assert merged(source, target) == rows_of(source.url)


@pytest.mark.parametrize("stop_before", range(1, 9))
def test_stopped_anywhere_it_goes_on(
    source: Filled, target: Filled, small: None, stop_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two transactions, or in the middle of one, and run again."""
    source.write(*Recording(new_stream(), 1).add("ABCDEFGHIJ").fork(3, "xyz", at_us=START_US + 60 * SECOND).taken())
    calls = 0

    def dies(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        new = land(*arguments)
        if calls == stop_before:
            raise KeyboardInterrupt
        return new

    monkeypatch.setattr(whole, "land", dies)
    try:
        merge(source.url, target.url)
    except KeyboardInterrupt:
        calls = -1000
    assert merged(source, target) == rows_of(source.url)


def test_only_some_streams(source: Filled, target: Filled) -> None:
    one, other = new_stream(), new_stream()
    source.write(*Recording(one, 1).add("AB").taken(), *Recording(other, 1).add("C").taken())
    assert merge(source.url, target.url, [one.stream_id]).streams == 1
    assert rows_of(target.url) == rows_of(source.url, one.stream_id)


# Two recorders


def test_two_recorders_of_one_match(new_source: NewPlace, target: Filled) -> None:
    """Sessions and frames of both are kept; the earliest receipt of each action stands, with its frame."""
    stream = new_stream()
    one, other = new_source(), new_source()
    one.write(*Recording(stream, 1).add("ABCDE").close().taken())
    late = Recording(stream, 2, START_US - 1)
    late.add("AB", every_us=2 * SECOND).add("CDEFG").close()
    other.write(*late.taken())
    merged(one, target)
    rows = merged(other, target)
    assert lists(rows) == ["ABCDEFG"]
    assert column(rows, ACTION, "session_id") == [2, 1, 2, 2, 2, 2, 2]
    received = {tuple(row[1:3]): row[3] for row in rows["frame"]}
    bearers = zip(column(rows, ACTION, "session_id"), column(rows, ACTION, "frame_number"), strict=True)
    assert column(rows, ACTION, "received_us") == [received[bearer] for bearer in bearers]
    both = rows_of(one.url), rows_of(other.url)
    assert rows["frame"] == sorted(both[0]["frame"] + both[1]["frame"])
    assert rows["session"] == both[0]["session"] + both[1]["session"]
    assert rows["stream"][0][10] == START_US - 1


def test_the_order_does_not_matter(new_source: NewPlace, new_target: NewPlace, small: None) -> None:
    stream = new_stream()
    parts = [Recording(stream, 1).add("ABCDEFGH"), Recording(stream, 2, START_US - 5).add("ABC"),
             Recording(stream, 3, START_US - 2 * SECOND).add("ABCDEFGHIJ").reconnect(4).add("K")]  # fmt: skip
    sources = [new_source() for _ in parts]
    for archive, part in zip(sources, parts, strict=True):
        archive.write(*part.taken())
    forward, backward = new_target(), new_target()
    for archive in sources:
        merge(archive.url, forward.url)
    for archive in reversed(sources):
        merge(archive.url, backward.url)
    found = rows_of(forward.url), rows_of(backward.url)
    assert [found[0][name] for name in ("session", "frame", "action")] == [
        found[1][name] for name in ("session", "frame", "action")
    ]
    assert lists(found[0]) == ["ABCDEFGHIJK"]


# Epochs


def test_the_same_fork_on_both_sides(new_source: NewPlace, target: Filled) -> None:
    stream, later = new_stream(), START_US + 60 * SECOND
    for session in (1, 2):
        source = new_source()
        source.write(*Recording(stream, session).add("ABCD").fork(2, "xD", at_us=later + session).taken())
        rows = merged(source, target)
        assert lists(rows) == ["ABCD", "ABxD"]
    assert causes(rows) == []
    assert shown(rows) == "ABxD"


def test_different_forks_are_all_kept(new_source: NewPlace, target: Filled) -> None:
    stream, later = new_stream(), START_US + 60 * SECOND
    for session, letters in ((1, "xD"), (2, "yz")):
        source = new_source()
        source.write(*Recording(stream, session).add("ABCD").fork(2, letters, at_us=later + session).taken())
        rows = merged(source, target)
    assert lists(rows) == ["ABCD", "ABxD", "AByz"]
    assert causes(rows) == [("recordings_differ", True, True)]
    assert shown(rows) == "AByz", "which became the current one later"


@pytest.mark.parametrize("forked_first", [False, True])
def test_only_one_side_forked(new_source: NewPlace, target: Filled, forked_first: bool) -> None:
    """No doubt: the one knows what the other has, and what the vendor made of it."""
    stream = new_stream()
    parts = [Recording(stream, 1).add("ABCD"), Recording(stream, 2).add("ABCD").fork(1, "xy", at_us=START_US + 9)]
    for part in reversed(parts) if forked_first else parts:
        source = new_source()
        source.write(*part.taken())
        rows = merged(source, target)
    assert lists(rows) == ["ABCD", "Axy"]
    assert (causes(rows), shown(rows)) == ([], "Axy")


def test_an_empty_list_is_the_beginning_of_any(source: Filled, target: Filled) -> None:
    stream = new_stream()
    target.write(*Recording(stream, 1).taken())
    source.write(*Recording(stream, 2).add("ABC").taken())
    assert lists(merged(source, target)) == ["ABC"]


def test_an_older_source_adds_only_its_frames(source: Filled, target: Filled) -> None:
    stream = new_stream()
    target.write(*Recording(stream, 1).add("ABCD").fork(2, "xyz", at_us=START_US + 9 * SECOND).taken())
    source.write(*Recording(stream, 2, START_US + 1).add("ABC").taken())
    before = rows_of(target.url)
    rows = merged(source, target)
    assert rows["action"] == before["action"]
    assert (shown(rows), causes(rows), len(rows["session"])) == ("ABxyz", [], 2)


def test_a_list_that_changed_while_it_was_behind(source: Filled, target: Filled) -> None:
    """One recorder saw the old list, the other only the new one."""
    stream = new_stream()
    target.write(*Recording(stream, 1, START_US + 9 * SECOND).add("AxC").taken())
    source.write(*Recording(stream, 2).add("ABC").fork(1, "xC", at_us=START_US + 8 * SECOND).taken())
    rows = merged(source, target)
    assert sorted(lists(rows)) == ["ABC", "AxC"]
    assert (shown(rows), causes(rows)) == ("AxC", [])


@pytest.mark.parametrize("live_only_later", [False, True])
def test_recordings_that_differ_are_both_kept(
    source: Filled, target: Filled, new_target: NewPlace, live_only_later: bool
) -> None:
    """A server that sent only what was new made other positions; the list that became current last is shown."""
    stream = new_stream()
    target.write(*Recording(stream, 1).add("ABCDE").taken())
    source.write(*Recording(stream, 2, START_US + (1 if live_only_later else -1)).add("DE").taken())
    rows = merged(source, target)
    assert lists(rows) == ["ABCDE", "DE"]
    assert shown(rows) == ("DE" if live_only_later else "ABCDE")
    assert causes(rows) == [("recordings_differ", True, True)]
    assert rows["gap"][0][2:3] == (1,)
    third = new_target()
    elsewhere = merged(target, third)
    assert elsewhere == rows, "what was told is carried on"


def test_clashes_both_ways_come_to_the_same(source: Filled, target: Filled) -> None:
    """One into the other, then back: both show the same list, and tell of it once."""
    stream = new_stream()
    target.write(*Recording(stream, 1).add("ABCDE").taken())
    source.write(*Recording(stream, 2, START_US - 1).add("DE").taken())
    there = merged(source, target)
    here = merged(target, source)
    assert (shown(here), shown(there)) == ("ABCDE", "ABCDE")
    assert causes(here) == causes(there) == [("recordings_differ", True, True)]
    assert merged(source, target) == there


def test_a_list_that_grows_after_a_clash(source: Filled, target: Filled) -> None:
    stream = new_stream()
    target.write(*Recording(stream, 1, START_US + 1).add("ABCDE").taken())
    live = Recording(stream, 2).add("DE")
    source.write(*live.taken())
    merged(source, target)
    source.write(*live.add("FG").taken())
    rows = merged(source, target)
    assert (lists(rows), shown(rows), len(causes(rows))) == (["ABCDE", "DEFG"], "ABCDE", 1)


def test_an_epoch_that_becomes_current_later(source: Filled, target: Filled) -> None:
    from recorder.operations import MakeEpochCurrent

    stream = new_stream()
    part = Recording(stream, 1).add("ABC").fork(1, "x", at_us=START_US + 9, current=False)
    source.write(*part.taken())
    assert shown(merged(source, target)) == "ABC"
    source.write(*part.add("y").taken(), MakeEpochCurrent(stream.stream_id, 1, START_US + 10))
    assert merged(source, target) == rows_of(source.url)


# What changes


def test_a_frame_that_is_placed_later(source: Filled, target: Filled) -> None:
    stream = new_stream()
    part = Recording(stream, 1).add("AB")
    part.frame("C", START_US + 5, Kind.UNPLACED)
    source.write(*part.taken())
    assert column(merged(source, target), FRAME, "kind") == ["action", "action", "unplaced"]
    source.write(PlaceFrame(stream.stream_id, 1, 2))
    assert merged(source, target) == rows_of(source.url)


def test_what_was_placed_stays_so(new_source: NewPlace, target: Filled) -> None:
    """An older copy of the archive comes in behind the newer one."""
    stream, placed, older = new_stream(), new_source(), new_source()
    for archive in (placed, older):
        part = Recording(stream, 1).add("AB")
        part.frame("C", START_US + 5, Kind.UNPLACED)
        archive.write(*part.taken())
    placed.write(PlaceFrame(stream.stream_id, 1, 2))
    merged(placed, target)
    assert column(merged(older, target), FRAME, "kind") == ["action", "action", "action"]


def test_a_session_that_is_closed_later(source: Filled, target: Filled) -> None:
    part = Recording(new_stream(), 1).add("AB").count()
    source.write(*part.taken())
    merged(source, target)
    source.write(*part.add("C").close(START_US + 7).taken())
    assert merged(source, target) == rows_of(source.url)


@pytest.mark.parametrize("others_first", [True, False])
def test_a_session_that_others_took_for_dead(new_source: NewPlace, target: Filled, others_first: bool) -> None:
    """Its own recorder, which was only slow, closes it properly."""
    stream, own, others = new_stream(), new_source(), new_source()
    others.write(*Recording(stream, 1).add("AB").close(START_US + 5, outcome="recorder_died", close_code=None).taken())
    own.write(*Recording(stream, 1).add("ABC").close(START_US + 9).taken())
    for archive in (others, own) if others_first else (own, others):
        rows = merged(archive, target)
    assert rows["session"] == rows_of(own.url)["session"]


@pytest.mark.parametrize("longer_first", [True, False])
def test_two_who_took_it_for_dead(new_source: NewPlace, target: Filled, longer_first: bool) -> None:
    """Who knows more of its frames knows better when it ended."""
    stream, longer, shorter = new_stream(), new_source(), new_source()
    longer.write(*Recording(stream, 1).add("ABC").close(START_US + 9, outcome="recorder_died").taken())
    shorter.write(*Recording(stream, 1).add("A").close(START_US + 5, outcome="recorder_died").taken())
    for archive in (longer, shorter) if longer_first else (shorter, longer):
        rows = merged(archive, target)
    assert rows["session"] == rows_of(longer.url)["session"]


def test_a_gap_that_is_resolved_later(source: Filled, target: Filled) -> None:
    from recorder.model import Gap

    stream = new_stream()
    gap = Gap(stream.stream_id, 5, 0, "network", True, "why", 1, None, START_US, None)
    source.write(*Recording(stream, 1).add("AB").taken(), OpenGap(gap))
    assert causes(merged(source, target)) == [("network", True, True)]
    source.write(ResolveGaps(stream.stream_id, ("network",), START_US + 8))
    assert merged(source, target) == rows_of(source.url)


# A target that has lost something


def losses(stream: Any) -> Iterator[Any]:
    yield FRAME, FRAME.c.frame_number >= 4
    yield FRAME, FRAME.c.frame_number == 2
    yield FRAME, FRAME.c.session_id == 1
    yield ACTION, ACTION.c.position >= 3
    yield ACTION, ACTION.c.position.in_([2, 5])
    yield ACTION, ACTION.c.epoch == 1
    yield ACTION, ACTION.c.epoch == 0
    yield SESSION, SESSION.c.session_id == 2
    yield GAP, GAP.c.gap_id == 5
    yield tables.epoch, tables.epoch.c.epoch == 1
    yield tables.stream, tables.stream.c.stream_id == stream.stream_id


def test_what_was_lost_comes_again(source: Filled, target: Filled, small: None) -> None:
    """Behind some row, or in the middle; each table alone, and all at once."""
    from recorder.model import Gap

    stream = new_stream()
    part = Recording(stream, 1).add("ABCDEFGH").reconnect(2).add("IJ").fork(6, "xyz", at_us=START_US + 99 * SECOND)
    source.write(*part.taken(), OpenGap(Gap(stream.stream_id, 5, 1, "network", True, "why", 1, None, START_US, None)))
    all_of_it = merged(source, target)
    for table, condition in losses(stream):
        lose(target.url, stream, table, condition)
        merge(source.url, target.url)
        assert rows_of(target.url) == all_of_it, (table.name, str(condition))
    for table in (FRAME, ACTION, SESSION):
        lose(target.url, stream, table, *([table.c.session_id == 2] if "session_id" in table.c else []))
    assert merged(source, target) == all_of_it


def test_equal_numbers_of_other_frames(new_source: NewPlace, target: Filled) -> None:
    """Each has lost one: what each still has comes together."""
    stream = new_stream()
    one, other = new_source(), new_source()
    for archive, lost in ((one, 3), (other, 1)):
        archive.write(*Recording(stream, 1).add("ABCDE").taken())
        lose(archive.url, stream, FRAME, FRAME.c.frame_number == lost)
    merge(one.url, target.url)
    merge(other.url, target.url)
    assert column(rows_of(target.url), FRAME, "frame_number") == [0, 1, 2, 3, 4]


# Refusals


def test_other_bytes_under_a_frames_key(source: Filled, target: Filled, small: None) -> None:
    """One archive is damaged, nobody knows which: nothing is changed."""
    stream = new_stream()
    target.write(*Recording(stream, 1).add("ABCDEFGH").taken())
    source.write(*Recording(stream, 1).add("ABCDEFGHIJKL").taken())
    change(
        source.url,
        update(FRAME)
        .where(FRAME.c.stream_id == stream.stream_id, FRAME.c.frame_number == 6)
        .values(payload=b"other", digest=digest(b"other")),
    )
    before = rows_of(target.url)
    with pytest.raises(DamagedArchive, match="frame 6 of session 1") as caught:
        merge(source.url, target.url)
    assert caught.value.exit_code == 65
    assert rows_of(target.url) == before


def test_a_damaged_source_does_not_spread(source: Filled, target: Filled) -> None:
    """Bytes that are not those of their digest do not land, where another archive may bring the right ones."""
    stream = new_stream()
    source.write(*Recording(stream, 1).add("ABC").taken())
    change(source.url, update(FRAME).where(FRAME.c.frame_number == 1).values(payload=b"rotten"))
    with pytest.raises(DamagedArchive, match=r"frame 1 of session 1.* is not what was received"):
        merge(source.url, target.url)
    assert rows_of(target.url)["frame"] == []


def test_a_hole_in_the_source(source: Filled, target: Filled) -> None:
    stream = new_stream()
    source.write(*Recording(stream, 1).add("ABCDE").taken())
    lose(source.url, stream, ACTION, ACTION.c.position == 2)
    with pytest.raises(DamagedArchive, match="position 2 is missing before 3"):
        merge(source.url, target.url)


def test_an_action_without_its_frame(source: Filled, target: Filled) -> None:
    stream = new_stream()
    source.write(*Recording(stream, 1).add("ABC").taken())
    lose(source.url, stream, FRAME, FRAME.c.frame_number == 2)
    with pytest.raises(DamagedArchive, match="behind position 1"):
        merge(source.url, target.url)


def test_an_action_of_no_epoch(source: Filled, target: Filled) -> None:
    stream = new_stream()
    source.write(*Recording(stream, 1).add("ABC").taken())
    lose(source.url, stream, tables.epoch)
    with pytest.raises(DamagedArchive, match="epoch 0"):
        merge(source.url, target.url)


def test_the_proof_digests_the_bytes_anew(source: Filled, target: Filled) -> None:
    """A payload that has rotted in the target, below its digest, is noticed."""
    stream = new_stream()
    source.write(*Recording(stream, 1).add("ABC").taken())
    merge(source.url, target.url)
    change(target.url, update(FRAME).where(FRAME.c.frame_number == 1).values(payload=b"rotten"))
    with pytest.raises(DamagedArchive, match="frame 1 of session 1 is not in"):
        merge(source.url, target.url)


def test_one_id_for_two_streams(source: Filled, target: Filled) -> None:
    stream = new_stream()
    for archive in (source, target):
        archive.write(*Recording(stream, 1).add("A").taken())
    change(source.url, update(tables.stream).values(sport="snooker"))
    with pytest.raises(IdentityClash) as caught:
        merge(source.url, target.url)
    assert caught.value.exit_code == 78


def test_a_purged_stream_stays_away(source: Filled, target: Filled) -> None:
    purged, other = new_stream(), new_stream()
    source.write(*Recording(purged, 1).add("AB").taken(), *Recording(other, 1).add("C").taken())
    target.write(*Recording(new_stream(), 1).taken())
    change(target.url, insert(tables.tombstone).values(stream_id=purged.stream_id, purged_us=1))
    done = merge(source.url, target.url)
    assert (done.purged, done.streams) == (1, 1)
    assert rows_of(target.url, purged.stream_id) == {table.name: [] for table in CARRIED}


def test_into_itself(source: Filled, tmp_path: Path) -> None:
    source.write(*Recording(new_stream(), 1).taken())
    with pytest.raises(UsageError, match="both source and target"):
        merge(source.url, source.url)


def test_into_itself_by_another_name(places: Places, tmp_path: Path) -> None:
    archive = places.new("sqlite")
    archive.write(*Recording(new_stream(), 1).taken())
    (tmp_path / "link.db").symlink_to(archive.path)
    with pytest.raises(UsageError, match="both source and target"):
        merge(archive.url, f"sqlite:///{tmp_path / 'link.db'}")


def test_no_source(target: Filled, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no archive at") as caught:
        merge(f"sqlite:///{tmp_path / 'nothing.db'}", target.url)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "nothing.db").exists()


def test_a_target_that_a_recorder_holds(source: Filled, places: Places) -> None:
    source.write(*Recording(new_stream(), 1).taken())
    target = places.new("sqlite")
    with Writer(target.url), pytest.raises(ArchiveHeld) as caught:
        merge(source.url, target.url)
    assert caught.value.exit_code == 75


def test_a_source_at_an_older_schema(source: Filled, target: Filled) -> None:
    from recorder.archive import migrate

    source.write(*Recording(new_stream(), 1).taken())
    url, dialect = parse_url(source.url)
    with dialect.writer(url).begin() as connection:
        migrate.downgrade(connection, dialect, "-1")
    with pytest.raises(ConfigurationError, match=r"older schema.*recorder db upgrade.*source"):
        merge(source.url, target.url)


def test_a_foreign_target_is_left_as_it_is(source: Filled, tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    source.write(*Recording(new_stream(), 1).taken())
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = foreign.read_bytes()
    with pytest.raises(ConfigurationError, match="no archive of recorder's"):
        merge(source.url, f"sqlite:///{foreign}")
    assert foreign.read_bytes() == before


def test_a_source_that_is_being_recorded(places: Places, target: Filled, small: None) -> None:
    """It is merged as it was when its stream was begun with; what comes meanwhile is for the next time."""
    source = places.new("sqlite")
    part = Recording(new_stream(), 1).add("ABCDEF")
    with Writer(source.url) as writer:
        writer.submit(part.taken())
        writer.flushed().result()

        def grow(done: int, _of: int) -> None:
            writer.submit(part.add("GH").taken())
            writer.flushed().result()

        merge(source.url, target.url, progress=grow)
        assert lists(rows_of(target.url))[0].startswith("ABCDEF")
        merge(source.url, target.url)
        assert rows_of(target.url) == rows_of(source.url)


# At the same moment


def at_once(*work: Any) -> list[BaseException]:
    """Run functions in threads, which begin together; return what they raised."""
    barrier, raised = threading.Barrier(len(work)), list[BaseException]()

    def run(function: Any) -> None:
        barrier.wait()
        try:
            function()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


@pytest.mark.parametrize("differ", [False, True])
def test_merges_into_one_server_at_the_same_moment(places: Places, differ: bool, small: None) -> None:
    """Of the same and of different recordings of the same streams, in other orders: nothing lost, nothing doubled."""
    streams = [new_stream() for _ in range(3)]
    sources = [places.new("sqlite") for _ in range(3)]
    for number, archive in enumerate(sources, 1):
        letters = "ABCDEFGHIJ"[number - 1 :] if differ else "ABCDEFGHIJ"[: 6 + number]
        for stream in streams if number % 2 else reversed(streams):
            archive.write(*Recording(stream, number, START_US + number).add(letters).close().taken())
    target = places.new("postgres")
    work = [lambda url=archive.url: merge(url, target.url) for archive in [*sources, *sources]]
    assert at_once(*work) == []
    rows = rows_of(target.url)
    for archive in sources:
        merge(archive.url, target.url)
    assert rows_of(target.url) == rows
    for stream in streams:
        found = rows_of(target.url, stream.stream_id)
        assert sorted(lists(found)) == (["ABCDEFGHIJ", "BCDEFGHIJ", "CDEFGHIJ"] if differ else ["ABCDEFGHI"])
        assert len(causes(found)) == (2 if differ else 0)
        assert column(found, SESSION, "session_id") == [1, 2, 3]
    frames = [frame for archive in sources for frame in rows_of(archive.url)["frame"]]
    assert keys(rows["frame"]) == keys(frames)
    assert len(rows["frame"]) == len(frames)


def test_one_that_waits_finds_what_the_other_has_made(places: Places) -> None:
    """Two have looked at the same moment, and both want to add a list of the same number."""
    stream = new_stream()
    target = places.new("postgres")
    sources = [places.new("sqlite") for _ in range(2)]
    for session, archive in enumerate(sources, 1):
        archive.write(*Recording(stream, session).add("ABC" if session == 1 else "xyz").taken())
    loads = []
    url, dialect = parse_url(target.url)
    there = dialect.writer(url)
    for archive in sources:
        source_url, source_dialect = parse_url(archive.url)
        with source_dialect.reader(source_url).connect() as here, there.connect() as connection:
            copy = survey(here, connection, stream.stream_id, START_US)
            assert copy is not None
            loads.append(copy.next(here, Changes())[0])
    with there.begin() as connection:
        land(connection, dialect, loads[0])
    from recorder.archive.merging.refusals import Conflict

    with pytest.raises(Conflict), there.begin() as connection:
        land(connection, dialect, loads[1])
    merge(sources[1].url, target.url)
    assert lists(rows_of(target.url)) == ["ABC", "xyz"]


def test_no_hole_behind_what_was_lost(places: Places) -> None:
    """An archive that fails over below a connection that stays (a pooler): what follows does not land."""
    from recorder.archive.merging.refusals import Conflict

    stream, source, target = new_stream(), places.new("sqlite"), places.new("postgres")
    part = Recording(stream, 1).add("ABC")
    source.write(*part.taken())
    merge(source.url, target.url)
    url, dialect = parse_url(target.url)
    source_url, source_dialect = parse_url(source.url)
    with source_dialect.reader(source_url).connect() as here, dialect.writer(url).connect() as there:
        with there.begin():
            copy = survey(here, there, stream.stream_id, START_US)
            assert copy is not None
        source.write(*part.add("D").taken())
        lose(target.url, stream, ACTION, ACTION.c.position >= 1)
        load_, _ = copy.next(here, Changes())
        with pytest.raises(Conflict), there.begin():
            land(there, dialect, load_)
    assert lists(rows_of(target.url)) == ["A"]


def test_others_that_are_always_faster(source: Filled, target: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives up, says so, and has changed nothing by halves."""
    from recorder.archive.merging.refusals import Conflict

    stream = new_stream()
    source.write(*Recording(stream, 1).add("A").taken())

    def conflict(*_arguments: Any) -> int:
        raise Conflict([stream.stream_id])

    monkeypatch.setattr(whole, "land", conflict)
    with pytest.raises(DatabaseAway):
        merge(source.url, target.url)


def test_whose_database_failed_is_said(places: Places) -> None:
    """Two of the same kind: the message names the one that failed."""
    source, target = places.new("postgres"), places.new("postgres")
    source.write(*Recording(new_stream(), 1).add("A").taken())
    parsed, dialect = parse_url(source.url)
    with dialect.writer(parsed).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE frame RENAME TO elsewhere")
    with pytest.raises(Exception, match="frame") as caught:
        merge(source.url, target.url)
    assert not isinstance(caught.value, RecorderError) or source.url.rpartition("/")[0] in str(caught.value)


def test_prove_says_what_is_missing(source: Filled, target: Filled) -> None:
    """Frames, actions, sessions, gaps, and what is closed here and open there."""
    from recorder.model import Gap

    stream = new_stream()
    part = Recording(stream, 1).add("ABC").close(START_US + 5)
    source.write(*part.taken(), OpenGap(Gap(stream.stream_id, 5, 0, "network", True, "why", 1, None, START_US, None)))
    merge(source.url, target.url)
    url, dialect = parse_url(target.url)
    source_url, source_dialect = parse_url(source.url)

    def missing() -> str | None:
        with source_dialect.reader(source_url).connect() as here, dialect.writer(url).connect() as there:
            return prove(here, there, dialect, stream.stream_id).missing

    assert missing() is None
    change(target.url, update(SESSION).values(closed_us=None, outcome=None))
    assert missing() == "the end of session 1"
    lose(target.url, stream, GAP)
    merge(source.url, target.url)
    lose(target.url, stream, GAP)
    assert missing() == "gap 5"
    lose(target.url, stream, SESSION)
    assert missing() == "session 1"
    lose(target.url, stream, ACTION, ACTION.c.position == 1)
    assert missing() == "an action of epoch 0 behind position 0"
    lose(target.url, stream, FRAME, FRAME.c.frame_number == 2)
    assert missing() == "frame 2 of session 1"
