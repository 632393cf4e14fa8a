"""Damaged archives: what is saved is what was there, verifies, and what is not saved is told."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.archive import migrate, tables
from recorder.archive.dialect import parse_url
from recorder.archive.purging import purge
from recorder.archive.writer import Writer
from recorder.errors import ArchiveHeld, DamagedArchive, Doubt, NewerArchive, UsageError
from recorder.salvage.recovering import recover
from tests.archive.filling import recorded, stream_of
from tests.recording import Recording
from tests.salvage.damaging import NOW_US, PAGE, Source, damage, flipped, noise, places, rows_of, saved, source, ways
from tests.vendor import load, names


def test_a_healthy_archive_comes_out_the_same(tmp_path: Path) -> None:
    """The beginning of each of the ten matches: every row of every table, and nothing to tell."""
    healthy = source(tmp_path / "a.db", [row for name in names() for row in recorded(load(name), first=30)])
    outcome, rows = saved(healthy, healthy.data, tmp_path)
    assert (outcome.is_whole, outcome.losses, outcome.notes) == (True, [], [])
    assert rows == healthy.rows


@pytest.mark.campaign
def test_ten_whole_matches_come_out_the_same(tmp_path: Path) -> None:
    healthy = source(tmp_path / "a.db", [row for name in names() for row in recorded(load(name))])
    outcome, rows = saved(healthy, healthy.data, tmp_path)
    assert (outcome.losses, rows) == ([], healthy.rows)


# -- one page ----------------------------------------------------------------------------------------------------------


def page_of(whole: Source, table: Any, index: int) -> int:
    return places(whole.path, table)[index]


@pytest.mark.parametrize("index", [0, 1, -1])
def test_a_page_of_actions_is_made_again(whole: Source, tmp_path: Path, index: int) -> None:
    """Its root, or a leaf: the frames have all that was on it, and the chains prove that it is all."""
    broken = damage(whole.data, page_of(whole, tables.action, index), noise(index))
    outcome, rows = saved(whole, broken, tmp_path)
    assert rows == whole.rows
    assert outcome.is_whole
    assert outcome.count("put back", "action") > 0


@pytest.mark.parametrize("index", [0, 3])
def test_a_page_of_frames_is_lost_and_told(whole: Source, tmp_path: Path, index: int) -> None:
    """What stood on it is gone, by number; the lists close up, and gaps mark the seams."""
    broken = damage(whole.data, page_of(whole, tables.frame, index), bytes(PAGE))
    outcome, rows = saved(whole, broken, tmp_path)
    gone = len(whole.rows["frame"]) - len(rows["frame"])
    assert not outcome.is_whole
    assert outcome.count("lost", "frame") == gone > 0
    assert outcome.count("lost", "action") == len(whole.rows["action"]) - len(rows["action"]) >= gone
    seams = [row for row in rows["gap"] if row[3] == "damaged"]
    assert len(seams) == sum(loss.table == "action" and loss.what == "lost" for loss in outcome.losses)


@pytest.mark.parametrize(
    "table", [tables.stream, tables.epoch, tables.session, tables.gap], ids=lambda table: table.name
)
def test_rows_that_others_need_are_stood_in_for(whole: Source, tmp_path: Path, table: Any) -> None:
    """No frame and no action is lost with the few rows around them, and the exit code says that something is."""
    outcome, rows = saved(whole, damage(whole.data, page_of(whole, table, 0), bytes(PAGE)), tmp_path)
    assert not outcome.is_whole
    for kept in ("frame", "action"):
        assert [row[:8] for row in rows[kept]] == [row[:8] for row in whole.rows[kept]]


@pytest.mark.parametrize("name", ["sqlite_master", "its first leaf", "alembic_version", "ix_stream_fixture_id"])
def test_pages_without_rows_cost_nothing(whole: Source, tmp_path: Path, name: str) -> None:
    """SQLite's table of tables, Alembic's, an index: rows are found, and told apart, without them."""
    with closing(sqlite3.connect(whole.path)) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_master"))
    # The views' texts do not fit into one page: the first that is no root goes on with the table of tables.
    number = (roots | {"sqlite_master": 1, "its first leaf": max(roots.values()) + 1})[name]
    outcome, rows = saved(whole, damage(whole.data, number, noise(number)), tmp_path)
    assert rows == whole.rows
    assert outcome.is_whole
    assert outcome.notes


@pytest.mark.parametrize("table", [tables.frame, tables.action], ids=lambda table: table.name)
@pytest.mark.parametrize("at", [0, 9])
def test_a_flipped_byte_in_the_head_of_a_page_costs_nothing(whole: Source, tmp_path: Path, table: Any, at: int) -> None:
    """The kind, the count, where the content begins, where a cell is: the rows are found byte by byte."""
    begin = (page_of(whole, table, 2) - 1) * PAGE
    outcome, rows = saved(whole, flipped(whole.data, begin + at), tmp_path)
    assert rows == whole.rows
    assert outcome.is_whole


def test_payloads_that_somebody_made_text(whole: Source, tmp_path: Path) -> None:
    """SQLite's own functions do (`replace`, CAST): the same bytes, of another kind, which their digest proves."""
    edited = tmp_path / "edited.db"
    edited.write_bytes(whole.data)
    with closing(sqlite3.connect(edited)) as connection, connection:
        connection.execute("UPDATE frame SET payload = CAST(payload AS TEXT) WHERE frame_number % 2")
    outcome, rows = saved(whole, edited.read_bytes(), tmp_path)
    assert rows == whole.rows
    assert outcome.is_whole


def test_a_flipped_byte_in_a_frame_costs_that_frame(whole: Source, tmp_path: Path) -> None:
    """Its bytes do not make its digest: it is told by its number, with its actions."""
    at = whole.data.index(whole.rows["frame"][30][9]) + 300
    outcome, rows = saved(whole, flipped(whole.data, at, 1), tmp_path)
    assert len(rows["frame"]) == len(whole.rows["frame"]) - 1
    lost = [loss for loss in outcome.losses if (loss.what, loss.table) == ("lost", "frame")]
    assert [(loss.session_id, loss.first, loss.last) for loss in lost] == [
        (*whole.rows["frame"][30][1:3], lost[0].last)
    ]


def test_a_flipped_byte_in_a_column_of_an_action_is_mended(whole: Source, tmp_path: Path) -> None:
    """What its frame says stands in the new archive."""
    row = whole.rows["action"][50]
    at = whole.data.index(row[9], whole.data.index(row[8])) + 18  # behind the digests: the action's id
    outcome, rows = saved(whole, flipped(whole.data, at, 1), tmp_path)
    assert rows == whole.rows
    assert [(loss.what, loss.table) for loss in outcome.losses] == [("mended", "action")]


@pytest.mark.parametrize("mask", [2, 64], ids=["another's", "far away"])
@pytest.mark.parametrize("table", ["frame", "action"])
def test_a_flipped_bit_in_a_number_is_taken_back(whole: Source, tmp_path: Path, table: str, mask: int) -> None:
    """A frame's number, or a position: what the other of the two says, and the order, tell what it was."""
    row = next(row for row in whole.rows[table] if row[2] == 5)
    at = whole.data.index(struct.pack(">qqB", *row[:3]) if table == "frame" else struct.pack(">qBq", row[0], 5, row[3]))
    _, rows = saved(whole, flipped(whole.data, at + (16 if table == "frame" else 8), mask), tmp_path)
    assert rows["action"] == whole.rows["action"]
    assert rows["frame"] == whole.rows["frame"]


@pytest.mark.campaign
@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in ways()])
def test_every_page_in_every_way(whole: Source, tmp_path: Path, way: Any) -> None:
    """Each page of the file in turn."""
    for number in range(1, whole.pages + 1):
        directory = tmp_path / str(number)
        directory.mkdir()
        data = way(whole.data, number)
        if len(data) >= 4 * PAGE:
            saved(whole, data, directory)
        else:  # nothing but the table of tables is left
            with pytest.raises(DamagedArchive, match=r"no row|no page"):
                saved(whole, data, directory)
        shutil.rmtree(directory)


# -- the whole file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", [8, 22.4, 34])
def test_a_file_that_was_cut(whole: Source, tmp_path: Path, pages: float) -> None:
    """What stands before the end is saved; that something is missing is seen even where no row tells of it."""
    outcome, rows = saved(whole, whole.data[: int(pages * PAGE)], tmp_path)
    assert not outcome.is_whole
    assert rows["stream"] == whole.rows["stream"]


@pytest.mark.parametrize("size", [16, 100])
def test_a_file_without_its_header(whole: Source, tmp_path: Path, size: int) -> None:
    """The size of its pages is found from the pages."""
    outcome, rows = saved(whole, bytes(size) + whole.data[size:], tmp_path)
    assert outcome.is_whole
    assert rows == whole.rows


@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 3 * PAGE), st.booleans()), min_size=1, max_size=4
    )
)
def test_whatever_is_saved_verifies_and_was_there(
    whole: Source, tmp_path_factory: pytest.TempPathFactory, wounds: list[tuple[float, int, bool]]
) -> None:
    """Pieces of any length at any place become zeros or noise."""
    data = bytearray(whole.data)
    for place, length, is_noise in wounds:
        begin = int(place * len(data))
        piece = noise(begin, length) if is_noise else bytes(length)
        data[begin : begin + length] = piece[: len(data) - begin]
    saved(whole, bytes(data), tmp_path_factory.mktemp("wounds"))


def no_database(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7 and so on\n" * 5000)


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def other_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE note (text)")
        connection.execute("INSERT INTO note VALUES ('of somebody else')")


@pytest.mark.parametrize("make", [no_database, nothing, other_program])
def test_what_holds_no_row_of_ours_is_refused(tmp_path: Path, make: Any) -> None:
    """65, and no new file."""
    make(tmp_path / "a.db")
    with pytest.raises(DamagedArchive):
        recover(tmp_path / "a.db", tmp_path / "b.db", NOW_US)
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def test_nothing_is_overwritten(whole: Source, tmp_path: Path) -> None:
    """Neither what is there, nor what an interrupted recovery has left."""
    for name in ("there.db", "half.db.part"):
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(UsageError, match=name):
            recover(whole.path, tmp_path / name.removesuffix(".part"), NOW_US)
        assert (tmp_path / name).read_bytes() == b"mine"
    with pytest.raises(UsageError, match="no file"):
        recover(tmp_path / "nothing.db", tmp_path / "b.db", NOW_US)


def test_not_while_it_is_recorded(tmp_path: Path) -> None:
    """Pages that change while they are read would be damage of our own making."""
    with Writer(f"sqlite:///{tmp_path / 'a.db'}"), pytest.raises(ArchiveHeld):
        recover(tmp_path / "a.db", tmp_path / "b.db", NOW_US)


def test_an_archive_of_a_newer_recorder_is_left_to_it(whole: Source, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole.path, tmp_path / "a.db"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerArchive):
        recover(path, tmp_path / "b.db", NOW_US)


def test_an_archive_of_an_older_recorder_is_brought_up(whole: Source, tmp_path: Path) -> None:
    """Rows without the columns that came later are whole rows."""
    path = Path(shutil.copy(whole.path, tmp_path / "a.db"))
    url, dialect = parse_url(f"sqlite:///{path}")
    engine = dialect.writer(url)
    with engine.begin() as connection:
        migrate.downgrade(connection, dialect, "0004")
    engine.dispose()
    outcome = recover(path, tmp_path / "b.db", NOW_US)
    assert (outcome.is_whole, outcome.losses) == (True, [])
    rows = rows_of(tmp_path / "b.db")
    assert (rows["frame"], rows["action"]) == (whole.rows["frame"], whole.rows["action"])


# -- what must not come back, and what goes on -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 100], ids=["with its header", "without"])
def test_what_was_purged_stays_away(whole: Source, tmp_path: Path, size: int) -> None:
    """Neither free pages nor pages that nothing leads to bring it back."""
    path = Path(shutil.copy(whole.path, tmp_path / "a.db"))
    stream_id = stream_of(load("snooker-1")).stream_id
    purge(f"sqlite:///{path}", [stream_id], "asked to", vacuum=False)
    with path.open("r+b") as file:
        file.write(bytes(size))
    recover(path, tmp_path / "b.db", NOW_US)
    rows = rows_of(tmp_path / "b.db")
    assert [row[0] for row in rows["tombstone"]] == [stream_id]
    for table in ("stream", "frame", "action", "session", "epoch"):
        assert stream_id not in {row[0] for row in rows[table]}
        assert rows[table]


def test_a_stream_s_name_is_found_again(whole: Source, tmp_path: Path) -> None:
    """Of its row and its index nothing is left: its packets and its sessions tell what it was, and its id proves it."""
    broken = damage(whole.data, page_of(whole, tables.stream, 0), noise(1))
    outcome, rows = saved(whole, damage(broken, 5, noise(2)), tmp_path)
    assert [row[:5] for row in rows["stream"]] == [row[:5] for row in whole.rows["stream"]]
    assert outcome.count("stand-in", "stream") == 2


def test_recording_goes_on_in_what_was_saved(recording: Recording, tmp_path: Path) -> None:
    """The vendor still has what was lost: the next run sees that the list is not the same, and gets it all again."""
    match = load("snooker-1")
    recording.server.serve(match)
    recording.run(match)
    data = recording.path.read_bytes()
    leaf = places(recording.path, tables.frame)[2]
    recording.path.rename(tmp_path / "damaged.db")
    (tmp_path / "damaged.db").write_bytes(damage(data, leaf, bytes(PAGE)))
    outcome = recover(tmp_path / "damaged.db", recording.path, NOW_US)
    assert outcome.count("lost", "action") > 0
    with pytest.raises(Doubt, match="1 new epoch"):
        recording.run(match)
    recording.assert_complete(match)
    assert "damaged" in recording.causes()
