"""What a killed backup leaves: the next one takes it away, and nothing else that may have such a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.salvage.places import part_of
from tests.archive.filling import Filled, recorded
from tests.cli.conftest import Call
from tests.kept import state
from tests.merging.making import rows_of
from tests.postgres import PostgresServer
from tests.recording import Shell
from tests.rig.stage import shared
from tests.rig.tracing import SYNCS, Fault, is_possible
from tests.vendor import load


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    archive = Filled(tmp_path / "recorder.db")
    archive.write(*recorded(load("snooker-1"), first=20))
    return archive


def copies(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("recorder.db"))


def kill_a_backup(directory: Path, url: str, destination: str) -> None:
    """Kill it when it has begun its copy, and is about to have it on the disk."""
    if not is_possible():
        pytest.skip("only x86-64 Linux is traced")
    command = ["recorder", "backup", destination, "--database-url", url]
    left = shared().run(command, directory, Shell(directory).environment, trace=SYNCS, fault=Fault("kill", 1))
    assert left.fired == [1], left.err


def test_the_next_one_takes_its_place(filled: Filled, tmp_path: Path, call: Call) -> None:
    """The same command again is all that is needed."""
    kill_a_backup(tmp_path, filled.url, "copy.db")
    assert "copy.db.part" in copies(tmp_path)
    left = call("backup", "copy.db", database=filled)
    assert left.code == 0, left.err
    assert copies(tmp_path) == ["copy.db"]
    assert rows_of(f"sqlite:///{tmp_path / 'copy.db'}") == rows_of(filled.url)


def test_of_postgres_its_log_and_lock_go_too(tmp_path: Path, postgres: PostgresServer, call: Call) -> None:
    """A copy of Postgres is written as an archive is, with files beside it."""
    name = postgres.archive()
    archive = Filled(tmp_path / "recorder.db", postgres.url(name))
    archive.write(*recorded(load("snooker-1"), first=20))
    kill_a_backup(tmp_path, archive.url, "copy.db")
    assert "copy.db.part.lock" in copies(tmp_path)
    left = call("backup", "copy.db", database=archive)
    assert left.code == 0, left.err
    assert copies(tmp_path) == ["copy.db"]
    postgres.drop(name)


def test_in_a_directory_too(filled: Filled, tmp_path: Path, call: Call) -> None:
    """There the next copy has another name; killed every night, backups would fill the disk."""
    directory = tmp_path / "copies"
    directory.mkdir()
    kill_a_backup(tmp_path, filled.url, "copies")
    (directory / "recorder-of-mine.part").touch(0o600)
    assert call("backup", "copies", database=filled).code == 0
    copy, other = copies(directory)
    assert (copy.endswith("Z.db"), other) == (True, "recorder-of-mine.part")


@pytest.mark.parametrize("size", [0, 16, 4096])
def test_while_it_runs_another_waits(filled: Filled, tmp_path: Path, call: Call, size: int) -> None:
    """75: what a living process writes is left alone."""
    with part_of(tmp_path / "copy.db") as part:
        part.write_bytes(filled.path.read_bytes()[:size])
        left = call("backup", "copy.db", database=filled)
        assert (left.code, str(part) in left.err) == (75, True)
        assert part.stat().st_size == size
    assert copies(tmp_path) == []


@pytest.mark.parametrize("kind", ["text", "shared", "directory", "link"])
def test_what_is_no_such_thing_stays(filled: Filled, tmp_path: Path, call: Call, kind: str) -> None:
    """2: a user's own file is never removed for its name."""
    part = tmp_path / "copy.db.part"
    if kind == "text":
        part.touch(0o600)
        part.write_bytes(b"of my own, and longer than 16 bytes")
    elif kind == "shared":
        part.touch()
        part.chmod(0o644)
    elif kind == "directory":
        part.mkdir()
    else:
        part.symlink_to(filled.path)
    before = state(part)
    left = call("backup", "copy.db", database=filled)
    assert (left.code, str(part) in left.err) == (2, True)
    assert state(part) == before
