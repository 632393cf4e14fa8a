"""The operator, group O of docs/faults.md: cron's bare environment, files deleted, moved and put back."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from recorder.archive.load import load as load_stored
from recorder.archive.writer import Writer
from recorder.errors import DamagedArchive, RecorderError
from tests.faults.made import make
from tests.recording import TOKEN, Ended, Recording, Shell, ended
from tests.shared.party import wait_until
from tests.vendor import Match, Script, VendorServer, load

ROOT = Path(__file__).parents[2]
FAST = ("--until-finished", "--linger", "0", "--connect-rate", "1000")
PAGE = 16384


# O3: cron


def under_cron(directory: Path, *arguments: str) -> Ended:
    """Run ``recorder run`` as cron does at its barest: no PATH, no HOME, no language, no terminal, no stdin."""
    command = ["/usr/bin/env", "-i", f"PYTHONPATH={ROOT}", sys.executable, "-m", "recorder", "run", *arguments]
    process = subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    return ended(process)


def crontab_line(directory: Path, server: VendorServer, *matches: Match | str) -> tuple[str, ...]:
    """Return the arguments of a crontab line: whatever is needed, by its absolute path."""
    shell = Shell(directory)
    shell.write_list(*matches)
    token = directory / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    database = f"sqlite:///{directory / 'recorder.db'}"
    given = {"fixtures": shell.list, "token-file": token, "database-url": database, "endpoint": server.endpoint}
    return tuple(part for name, value in given.items() for part in (f"--{name}", str(value)))


def test_cron_is_quiet_on_success(tmp_path: Path, server: VendorServer) -> None:
    """Not a byte for cron to mail, and 0; also with labels that ASCII cannot say."""
    match = load("snooker-1")
    server.serve(match)
    line = crontab_line(tmp_path, server, f'{match.line} label="Łódź – Ærø ⚽"')
    assert under_cron(tmp_path, *line, *FAST) == Ended(0, "", "")
    with closing(sqlite3.connect(tmp_path / "recorder.db")) as connection:
        assert connection.execute("SELECT label, actions FROM streams").fetchall() == [
            ("Łódź – Ærø ⚽", len(match.packets))
        ]


@pytest.mark.parametrize(("what", "code"), [("token", 77), ("nobody", 75), ("unfinished", 3)])
def test_cron_says_one_line_on_failure(tmp_path: Path, server: VendorServer, what: str, code: int) -> None:
    """One line to mail, and the code is the truth."""
    match = load("snooker-1")
    server.serve(match, Script(available=20))
    line = crontab_line(tmp_path, server, match)
    more: tuple[str, ...] = ("--for", "1s")
    if what == "token":
        (tmp_path / "token").unlink()
    elif what == "nobody":
        more += ("--endpoint", "ws://127.0.0.1:9")
    left = under_cron(tmp_path, *line, *FAST, *more)
    assert (left.code, left.out) == (code, "")
    said = [line for line in left.err.splitlines() if line.startswith("recorder: ")]
    assert len(said) == 1
    assert "Traceback" not in left.err


# O4: files that go


def killed(directory: Path, server: VendorServer) -> tuple[Shell, Match]:
    """A recorder that was killed in mid-match, whose log has what its file has not yet."""
    match = load("snooker-1")
    server.serve(match, Script(available=200))
    shell = Shell(directory, server)
    shell.write_list(match)
    process = shell.start_run(*FAST)
    server.wait_for(lambda: any(attempt.packets_sent == 200 for attempt in server.attempts), timeout=60)
    wait_until(lambda: process.poll() is not None or stored_now(shell.path) == 200)
    assert process.poll() is None
    assert ended(process, signal.SIGKILL).code == -signal.SIGKILL
    assert shell.path.with_name("recorder.db-wal").stat().st_size
    server.release(match)
    return shell, match


def stored_now(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM actions").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # it is being made


def test_files_deleted_after_a_kill(tmp_path: Path, server: VendorServer) -> None:
    """Whichever of the files somebody tidies away: what is left is whole, and the rest is asked for again."""
    shell, match = killed(tmp_path, server)
    left = {end: shell.path.with_name(shell.path.name + end).read_bytes() for end in ("", "-wal", "-shm", ".lock")}
    for number, gone in enumerate([("-wal",), ("-wal", "-shm"), ("-shm",), ("",), ("", "-shm", ".lock")]):
        directory = tmp_path / str(number)
        directory.mkdir()
        recording = Recording(directory, server)
        for end in set(left) - set(gone):
            recording.path.with_name(recording.path.name + end).write_bytes(left[end])
        recording.run(match)
        recording.assert_complete(match)
        assert recording.one("PRAGMA integrity_check") == "ok"
        assert recording.one("SELECT count(*) FROM actions_all WHERE epoch > 0") == 0


def test_moved_while_recording(recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is moved away under the recorder: 74 names it; moved back, it goes on, and nothing is lost."""
    monkeypatch.setattr("recorder.daemon.attending.DISK_LOOK_S", 0.0)
    match = make("moved", 60)
    server.serve(match, Script(available=20))
    elsewhere = recording.path.with_name("elsewhere.db")
    with recording.running(match) as running:
        while not recording.path.exists() or stored_now(recording.path) < 20:
            assert running.error is None
        recording.path.rename(elsewhere)
        running.wait()
    assert isinstance(running.error, RecorderError)
    assert running.error.exit_code == 74
    assert "deleted, moved or replaced" in str(running.error)
    elsewhere.rename(recording.path)
    server.release(match)
    recording.run(match)
    recording.assert_complete(match)


# O7: an old backup


def test_old_backup_is_put_back(recording: Recording, server: VendorServer) -> None:
    """What the copy lacks is asked for again: no hole, nothing twice, no new epoch."""
    match = make("restored", 120)
    server.serve(match, Script(available=40))
    recording.run(match, once=True)
    copy = recording.path.with_name("copy.db")
    shutil.copy(recording.path, copy)
    server.release(match)
    recording.run(match)
    copy.replace(recording.path)
    assert len(recording.positions(match)) == 40
    recording.run(match)
    recording.assert_complete(match)
    assert recording.one("SELECT count(*) FROM actions_all") == 120


# K9, O8: damage that the opening does not see (`verify` and every single row: tests/query/test_verifying.py)


def damaged_for_readers(path: Path, stream_id: int) -> None:
    """Overwrite the first page that opening the archive does not need and resuming the stream does."""
    whole = path.read_bytes()
    for begin in range(PAGE, len(whole), PAGE):
        path.write_bytes(whole[:begin] + b"\xff" * PAGE + whole[begin + PAGE :])
        try:
            with Writer(f"sqlite:///{path}") as writer:
                engine = writer.dialect.reader(writer.url)
                with engine.connect() as connection:
                    load_stored(connection, stream_id)
        except DamagedArchive:
            continue
        except Exception as error:
            if "malformed" in str(error):
                return
    raise AssertionError("no such page")


def test_damage_under_one_stream(recording: Recording, server: VendorServer) -> None:
    """An archive that opens without a word, and one stream of which is damaged: 65, and no trying again for ever."""
    match = make("damaged", 200)
    server.serve(match, Script(available=150))
    recording.run(match, once=True)
    damaged_for_readers(recording.path, recording.one("SELECT stream_id FROM streams"))
    with pytest.raises(DamagedArchive) as told:
        recording.run(match, for_s=20.0)
    assert "restore a backup" in str(told.value)
    assert os.fspath(recording.path) in str(told.value)
