"""`recorder backup` and `recorder recover` as a user calls them: files, what is said, exit codes; and the restore."""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recorder.archive import tables
from recorder.errors import Doubt
from recorder.salvage.backing_up import back_up
from tests.archive.filling import Filled, recorded
from tests.cli.conftest import Call
from tests.merging.making import rows_of
from tests.postgres import PostgresServer
from tests.recording import Recording
from tests.salvage.damaging import PAGE, damage, noise, places
from tests.vendor import load

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    archive = Filled(tmp_path / "recorder.db")
    archive.write(*recorded(load("snooker-1"), first=60), *recorded(load("snooker-2"), first=20))
    return archive


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_copy_while_it_is_written(filled: Filled, tmp_path: Path, call: Call) -> None:
    """Whole, private, one file, beside a transaction that is open; nothing but its path on stdout."""
    with closing(sqlite3.connect(filled.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM action")
        left = call("backup", "copy.db", database=filled)
    copy = tmp_path / "copy.db"
    assert (left.code, left.out) == (0, f"{copy}\n")
    assert (
        left.err.splitlines()[-1]
        == "recorder: the copy holds 2 streams, 80 frames, 80 actions, and was read back whole"
    )
    assert rows_of(f"sqlite:///{copy}") == rows_of(filled.url)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [name for name in names(tmp_path) if name.startswith("copy")] == ["copy.db"]


def test_into_a_directory_with_what_is_in_it(filled: Filled, tmp_path: Path, call: Call) -> None:
    """The file has the time in its name; JSON tells the root of every stream."""
    (tmp_path / "copies").mkdir()
    left = call("backup", "copies", "--format", "json", "--quiet", database=filled)
    told = json.loads(left.out)
    assert (left.code, left.err) == (0, "")
    [name] = names(tmp_path / "copies")
    assert told["path"] == str(tmp_path / "copies" / name)
    datetime.strptime(name, "recorder-%Y%m%dT%H%M%SZ.db").replace(tzinfo=UTC)
    chains = filled.select("SELECT hex(chain) FROM epoch")
    assert sorted(told["roots"].values()) == sorted(chain.lower() for (chain,) in chains)


def test_of_each_kind_of_database(archive: Filled, tmp_path: Path) -> None:
    """A copy of Postgres is a SQLite archive too, with the same rows."""
    archive.write(*recorded(load("snooker-1"), first=40))
    path, proof = back_up(archive.url, tmp_path / "copy.db", NOW)
    assert (proof.damage, proof.actions) == (0, 40)
    assert rows_of(f"sqlite:///{path}") == rows_of(archive.url)
    assert [name for name in names(tmp_path) if name.startswith("copy")] == ["copy.db"]


def test_the_restore(filled: Filled, tmp_path: Path, call: Call, postgres: PostgresServer) -> None:
    """The copy is an archive: its timeline is the same, and it can be merged into Postgres."""
    assert call("backup", "copy.db", database=filled).code == 0
    copy, match = Filled(tmp_path / "copy.db"), load("snooker-1").fixture_id
    asked = ("timeline", match, "--format", "json")
    assert call(*asked, database=copy).out == call(*asked, database=filled).out != "[]\n"
    name = postgres.archive()
    try:
        merged = call("merge", copy.url, env={"RECORDER_DATABASE_URL": postgres.url(name)})
        assert merged.code == 0, merged.err
        assert rows_of(postgres.url(name)) == rows_of(filled.url)
    finally:
        postgres.drop(name)


def test_recording_goes_on_in_a_copy(recording: Recording, tmp_path: Path) -> None:
    """A copy from the middle of a match, put in the archive's place: the next run asks for what came since."""
    match = load("snooker-1")
    path, _ = back_up(fill_beginning(tmp_path / "old.db").url, tmp_path / "copy.db", NOW)
    shutil.move(path, recording.path)
    recording.server.serve(match)
    recording.run(match)
    recording.assert_complete(match)
    assert recording.one("SELECT count(*) FROM sessions") > 1


def fill_beginning(path: Path) -> Filled:
    archive = Filled(path)
    archive.write(*recorded(load("snooker-1"), first=30))
    return archive


def test_a_damaged_archive_is_no_backup(filled: Filled, tmp_path: Path, call: Call) -> None:
    """65: the copy is kept under a name that says so, and told."""
    with closing(sqlite3.connect(filled.path)) as connection, connection:
        connection.execute("UPDATE frame SET payload = zeroblob(length(payload)) WHERE frame_number = 5")
    left = call("backup", "copy.db", database=filled)
    assert (left.code, left.out) == (65, "")
    assert str(tmp_path / "copy.db.damaged") in left.err
    assert [name for name in names(tmp_path) if name.startswith("copy")] == ["copy.db.damaged"]


def test_what_sqlite_cannot_read_is_told_of_the_source(filled: Filled, tmp_path: Path, call: Call) -> None:
    data = filled.path.read_bytes()
    filled.path.write_bytes(damage(data, places(filled.path, tables.frame)[1], noise(1)))
    left = call("backup", "copy.db", database=filled)
    assert left.code == 65
    assert str(filled.path) in left.err
    assert [name for name in names(tmp_path) if name.startswith("copy")] == []


@pytest.mark.parametrize("place", ["recorder.db", "nowhere/copy.db"])
def test_a_place_that_cannot_be(filled: Filled, call: Call, place: str) -> None:
    """Nothing is overwritten, and no directory made."""
    before = filled.path.read_bytes()
    assert call("backup", place, database=filled).code == 2
    assert filled.path.read_bytes() == before


def test_no_archive(tmp_path: Path, call: Call) -> None:
    left = call("backup", "copy.db", database=Filled(tmp_path / "nothing.db"))
    assert left.code == 2
    assert str(tmp_path / "nothing.db") in left.err
    assert names(tmp_path) == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_for_the_copy(filled: Filled, tmp_path: Path, call: Call) -> None:
    """74, and no half of a copy."""
    with files_of_at_most(5 * PAGE):
        left = call("backup", "copy.db", database=filled)
    assert left.code == 74, left.err
    assert "copy.db.part" in left.err
    assert [name for name in names(tmp_path) if name.startswith("copy")] == []


# -- recover -----------------------------------------------------------------------------------------------------------


def test_recover_of_a_whole_archive(filled: Filled, tmp_path: Path, call: Call) -> None:
    """0, and the same rows; the table is empty, and so not printed."""
    left = call("recover", "recorder.db", "saved.db")
    assert (left.code, left.out) == (0, "")
    assert "everything was saved" in left.err
    assert rows_of(f"sqlite:///{tmp_path / 'saved.db'}") == rows_of(filled.url)


def test_recover_tells_what_is_lost(filled: Filled, call: Call) -> None:
    """4: every loss by table, stream and range; ids are text in JSON."""
    leaf = places(filled.path, tables.frame)[1]
    filled.path.write_bytes(damage(filled.path.read_bytes(), leaf, bytes(PAGE)))
    left = call("recover", "recorder.db", "saved.db", "--format", "json")
    assert left.code == Doubt.exit_code
    assert "known to be lost" in left.err
    rows = json.loads(left.out)
    [page] = [row for row in rows if row["what"] == "damaged page"]
    assert (page["table"], page["first"]) == ("frame", leaf)
    frames = [row for row in rows if (row["what"], row["table"]) == ("lost", "frame")]
    assert frames
    assert all(isinstance(row["session_id"], str) for row in frames)
    assert call("verify", "--database-url", "sqlite:///saved.db").code == Doubt.exit_code
    table = call("recover", "recorder.db", "again.db")
    assert (table.code, "damaged page" in table.out) == (4, True)


def test_recover_of_nothing(tmp_path: Path, call: Call) -> None:
    """65 for what is no database, 2 for what is not there."""
    (tmp_path / "a.db").write_bytes(b"no database at all" * 1000)
    assert call("recover", "a.db", "b.db").code == 65
    assert call("recover", "c.db", "b.db").code == 2
    assert names(tmp_path) == ["a.db"]
