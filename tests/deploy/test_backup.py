"""deploy/backup, which the backup's unit and cron run."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.archive.filling import fill
from tests.vendor import load

BACKUP = Path(__file__).parents[2] / "deploy" / "backup"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A match, in an archive that a recorder goes on writing."""
    path = tmp_path / "recorder.db"
    fill(path, load("snooker-1"))
    return path


def backup(archive: Path, directory: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it as a service's user would, with the recorder of the tests."""
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(archive.parent), **more}
    return subprocess.run(
        [BACKUP, archive, directory], capture_output=True, text=True, env=environment, timeout=90, check=False
    )


def test_a_copy_while_it_is_written(archive: Path, tmp_path: Path) -> None:
    """Whole, private, alone in its folder but for the newest of the others."""
    copies = tmp_path / "copies"
    copies.mkdir()
    for year in range(2001, 2006):
        (copies / f"recorder-{year}0101T000000Z.db").touch()
    writer = sqlite3.connect(archive, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    done = backup(archive, copies, KEEP="3")
    writer.execute("ROLLBACK")
    assert (done.returncode, done.stderr) == (0, "")
    *old, made = sorted(path.name for path in copies.iterdir())
    assert old == ["recorder-20040101T000000Z.db", "recorder-20050101T000000Z.db"]
    assert done.stdout == f"{copies / made}\n"
    assert (copies / made).stat().st_mode & 0o777 == 0o600
    count = "SELECT count(*) FROM actions"
    copy = sqlite3.connect(copies / made)
    assert copy.execute(count).fetchall() == writer.execute(count).fetchall() != [(0,)]
    copy.close()
    writer.close()


def test_a_bad_copy_is_none(archive: Path, tmp_path: Path) -> None:
    """What `recorder verify` finds damaged is no backup, and pushes no good one out; the newest such copy is kept."""
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("recorder-20010101T000000Z.db", "recorder-20010101T000000Z.db.damaged"):
        (copies / name).touch()
    connection = sqlite3.connect(archive)
    connection.execute("UPDATE frame SET payload = zeroblob(length(payload)) WHERE frame_number = 5")
    connection.commit()
    connection.close()
    done = backup(archive, copies, KEEP="1")
    assert done.returncode == 65, done.stderr
    good, bad = sorted(path.name for path in copies.iterdir())
    assert good == "recorder-20010101T000000Z.db"
    assert bad.endswith("Z.db.damaged")
    assert bad not in done.stdout
    assert bad in done.stderr


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    """Is not made, and neither is a copy of it."""
    done = backup(tmp_path / "nothing.db", tmp_path)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
