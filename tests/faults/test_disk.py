"""The disk, group K of docs/faults.md: full, worn, slow, gone. Each fault is real to the process that meets it."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.disk import DiskWatch, Level, Limit, Limits, Room, level, look
from recorder.errors import DiskError
from recorder.query.reading import reading
from recorder.query.verifying import verify
from tests.archive.filling import Filled, recorded
from tests.faults.injecting import Traced, ext4, tmpfs, traced
from tests.faults.looking import until
from tests.faults.made import make
from tests.faults.storing import ACTIONS, OPERATIONS, SYNCS, WRITES, acknowledged, stored_under, struck
from tests.postgres import PostgresServer
from tests.recording import Recording, Shell, ended
from tests.rig.oracle import Judgement
from tests.rig.places import places
from tests.rig.stage import shared
from tests.rig.sweep import Sweep
from tests.rig.tally import Tally, fresh_seed, how_many
from tests.rig.tracing import SYNCS as SYNC_CALLS
from tests.rig.tracing import WRITES as WRITE_CALLS
from tests.rig.tracing import Fault
from tests.vendor import Match, Script, VendorServer, load

FAST = ("--until-finished", "--linger", "0", "--connect-rate", "1000")
MIB, GIB = 1024**2, 1024**3
NO_LIMITS = Limits(low=Limit(0, 0, 0), very_low=Limit(0, 0, 0), full=Limit(0, 0, 0))
"""Never a word: what is left is for the writer to find out, as when somebody fills the disk between two looks."""


def stored(path: Path) -> list[bytes]:
    """Return the frames in the order of their positions, from a file that SQLite finds to be whole."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return []
        query = "SELECT f.payload FROM actions a JOIN raw_frames f USING (stream_id, session_id, frame_number)"
        return [payload for (payload,) in connection.execute(query + " ORDER BY a.position")]


def assert_goes_on(recording: Recording, match: Match) -> None:
    """Assert that what is there is the beginning of the list, and that the next run completes it."""
    kept = stored(recording.path) if recording.path.exists() else []
    assert kept == match.packets[: len(kept)]
    recording.run(match)
    recording.assert_complete(match)
    assert recording.one("PRAGMA integrity_check") == "ok"
    assert recording.one("SELECT count(*) FROM actions_all WHERE epoch > 0") == 0


def assert_told(error: DiskError, *parts: str) -> None:
    """Assert one sentence with these parts, and what to do."""
    said = str(error)
    assert "\n" not in said
    assert "run again" in said or "mend that" in said
    for part in parts:
        assert part in said
    assert error.exit_code == 74


# The rule


@pytest.mark.parametrize(
    ("size", "free", "expected"),
    [
        (100 * GIB, 50 * GIB, Level.plenty),
        (100 * GIB, 3 * GIB, Level.low),
        (100 * GIB, 1000 * MIB, Level.very_low),
        (100 * GIB, 200 * MIB, Level.full),
        (10_000 * GIB, 5 * GIB, Level.plenty),
        (64 * MIB, 64 * MIB, Level.plenty),
        (64 * MIB, 12 * MIB, Level.low),
        (64 * MIB, 6 * MIB, Level.very_low),
        (64 * MIB, 2 * MIB, Level.full),
        (0, 0, Level.plenty),
    ],
)
def test_levels_scale_with_the_disk(size: int, free: int, expected: Level) -> None:
    """Gigabytes on a disk of today, a part of it on a small one, nothing on one that tells no size."""
    assert level(Room(free, size)) is expected


def test_levels_of_inodes() -> None:
    """Few inodes are as bad as few bytes, unless the file system counts none."""
    room = Room(50 * GIB, 100 * GIB, free_inodes=50, inodes=6_000_000)
    assert level(room) is Level.full
    assert level(replace(room, free_inodes=5_000)) is Level.low
    assert level(replace(room, free_inodes=0, inodes=0)) is Level.plenty


def test_levels_do_not_flap() -> None:
    """A level that was reached is left when there is clearly more room, and a worse one is reached at once."""
    threshold, size = 4 * GIB, 100 * GIB
    assert level(Room(threshold - 1, size)) is Level.low
    assert level(Room(threshold + 1, size)) is Level.plenty
    assert level(Room(threshold + 1, size), before=Level.low) is Level.low
    assert level(Room(threshold * 3 // 2, size), before=Level.low) is Level.plenty
    assert level(Room(100 * MIB, size), before=Level.low) is Level.full
    assert level(Room(2 * GIB, size), before=Level.full) is Level.low


# K1: full


def test_watch_warns_twice_and_stops(tmp_path: Path) -> None:
    """A real disk of 16 MiB that fills by steps: one line at each of two levels, then 74; room again is told once."""
    with tmpfs(tmp_path / "small", "size=16m") as place:
        file = place / "archive.db"
        file.touch()
        watch, told = DiskWatch(file), []
        ballast = place / "ballast"
        with pytest.raises(DiskError) as full, ballast.open("wb", buffering=0) as filling:  # noqa: PT012
            while True:
                told.append(watch.check())
                filling.write(bytes(256 * 1024))
        warnings = [sentence for sentence in told if sentence is not None]
        assert [sentence.split(" room")[0] for sentence in warnings] == ["little", "very little"]
        assert all(str(place) in sentence and "recording stops" in sentence for sentence in warnings)
        assert_told(full.value, str(place), "KiB of 16.0 MiB left", "everything received is stored")
        assert look(place).free_bytes > 0
        os.truncate(ballast, 0)
        assert "room again" in (watch.check() or "")
        assert watch.check() is None


def test_disk_fills_while_recording(tmp_path: Path, server: VendorServer) -> None:
    """74 before anything is lost: all that came is stored, the connection is closed in order; with room it goes on."""
    match = load("snooker-1")
    server.serve(match, Script(available=100))
    with tmpfs(tmp_path / "small", "size=16m") as place:
        shell = Shell(place, server)
        shell.write_list(match)
        process = shell.start_run(*FAST)
        until(lambda: shell.path.exists() and len(stored_now(shell.path)) == 100)
        ballast = place / "ballast"
        ballast.write_bytes(bytes(look(place).free_bytes - 300 * 1024))
        left = ended(process)
        assert left.code == 74, left
        assert "everything received is stored" in left.err.splitlines()[-1]
        assert stored(shell.path) == match.packets[:100]
        with closing(sqlite3.connect(shell.path)) as connection:
            assert connection.execute("SELECT outcome FROM sessions").fetchall() == [("stopped",)]
        ballast.unlink()
        server.release(match)
        assert shell.run(*FAST).code == 0
        assert stored(shell.path) == match.packets


def stored_now(path: Path) -> list[object]:
    """Return the positions that a recorder at work has stored."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            return connection.execute("SELECT position FROM actions").fetchall()
        except sqlite3.OperationalError:
            return []  # it is being made


def test_full_from_the_beginning(tmp_path: Path, server: VendorServer) -> None:
    """A disk that is full already: 74, and nothing is dialled."""
    match = make("no room", 5)
    server.serve(match)
    with tmpfs(tmp_path / "small", "size=64m") as place:
        (place / "ballast").write_bytes(bytes(look(place).free_bytes - 2 * MIB))
        recording = Recording(place, server)
        with pytest.raises(DiskError) as told:
            recording.run(match)
        assert_told(told.value, str(place), "is full")
        assert server.attempts == []


def fill_up(recording: Recording, match: Match, frees: range) -> int:
    """Record on a disk that has ever more room left; return how often it was full. It goes on where it stopped."""
    ballast, stops = recording.path.with_name("ballast"), 0
    for free in frees:
        ballast.write_bytes(bytes(max(0, look(ballast.parent).free_bytes - free)))
        try:
            recording.run(match)
        except DiskError as error:
            assert_told(error, str(recording.path))
            stops += 1
        ballast.unlink()  # SQLite needs some room to read as well: the index of the log
        kept = stored(recording.path) if recording.path.exists() and recording.path.stat().st_size else []
        assert kept == match.packets[: len(kept)]
    return stops


def sweep(directory: Path, server: VendorServer, step: int) -> None:
    """Every size of a disk from nothing to enough; short writes at its end are real ones (K7)."""
    match = make("on a small disk", 400)
    server.serve(match)
    with tmpfs(directory / "small", "size=4m") as place:
        recording = Recording(place, server, disk=NO_LIMITS)
        stops = fill_up(recording, match, range(0, 1300 * 1024, step))
        print("stopped", stops, "times")
        assert stops > 2
        assert_goes_on(recording, match)


def test_every_size_of_a_disk(tmp_path: Path, server: VendorServer) -> None:
    """Somebody fills the disk in one gulp, at any moment: SQLite finds out, 74, nothing acknowledged is lost."""
    sweep(tmp_path, server, 132 * 1024)


@pytest.mark.campaign
def test_every_size_of_a_disk_campaign(tmp_path: Path, server: VendorServer) -> None:
    """In steps of a page of memory."""
    sweep(tmp_path, server, 4096)


# K2: inodes, quota, a limit on files


@pytest.mark.parametrize("inodes", range(2, 8))
def test_few_inodes(tmp_path: Path, server: VendorServer, inodes: int) -> None:
    """Any number of files that are too few: 74; with one more for each that is needed, all goes well."""
    match = make("few inodes", 30)
    server.serve(match)
    token = Recording(tmp_path, server).settings.token_file
    with tmpfs(tmp_path / "small", f"size=16m,nr_inodes={inodes}") as place:
        url = f"sqlite:///{place / 'archive.db'}"
        recording = Recording(tmp_path, server, database_url=url, disk=NO_LIMITS, token_file=token)
        recording.path = place / "archive.db"
        try:
            recording.run(match)
        except DiskError as error:
            assert_told(error, str(place))
            assert inodes < 6  # the directory, the file, its lock, its log and the log's index
            subprocess.run(["mount", "-o", "remount,nr_inodes=20", str(place)], check=True)
        assert_goes_on(recording, match)


def test_no_inode_left(tmp_path: Path, server: VendorServer) -> None:
    """An ext4 on which others have taken every inode: 74; when they give some back the recording is made."""
    match = make("no inode", 30)
    server.serve(match)
    token = Recording(tmp_path, server).settings.token_file
    with ext4(tmp_path, "-N", "32") as place:
        url = f"sqlite:///{place / 'archive.db'}"
        recording = Recording(tmp_path, server, database_url=url, disk=NO_LIMITS, token_file=token)
        recording.path = place / "archive.db"
        taken = [place / f"taken {number}" for number in range(look(place).free_inodes)]
        for file in taken:
            file.touch()
        assert look(place).free_inodes == 0
        with pytest.raises(DiskError) as told:
            recording.run(match)
        assert_told(told.value, str(place), "No space left on device")
        for file in taken:
            file.unlink()
        assert_goes_on(recording, match)


# K2 to K4, K7: system calls that fail


def assert_stopped(left: Traced, *parts: str) -> None:
    """Assert that the fault fired, and ended the process with 74 and one sentence."""
    assert left.injected, left
    assert left.code == 74, left
    [said] = left.err.splitlines()
    for part in ("make room or mend the disk and run again", *parts):
        assert part in said


@pytest.mark.parametrize(
    ("inject", "name"),
    [
        (f"{WRITES}:error=EIO:when=150", "SQLITE_IOERR_WRITE"),
        (f"{SYNCS}:error=EIO:when=3", "SQLITE_IOERR_FSYNC"),
        (f"{SYNCS}:error=EIO:when=25", "SQLITE_IOERR_FSYNC"),
        (f"{SYNCS}:error=EIO:when=25+", "SQLITE_IOERR_FSYNC"),
        (f"{WRITES}:error=EDQUOT:when=150+", "SQLITE_IOERR_WRITE"),
        pytest.param(f"{WRITES}:error=EIO:when=150+", "SQLITE_IOERR_WRITE", marks=pytest.mark.campaign),
        pytest.param(f"{WRITES}:error=ENOSPC:when=150+", "SQLITE_FULL", marks=pytest.mark.campaign),
        pytest.param(f"{WRITES}:error=EROFS:when=150+", "SQLITE_IOERR_WRITE", marks=pytest.mark.campaign),
        pytest.param(f"{WRITES}:error=EAGAIN:when=150", "SQLITE_IOERR_WRITE", marks=pytest.mark.campaign),
    ],
)
def test_call_that_fails(tmp_path: Path, inject: str, name: str) -> None:
    """A write or a sync that fails, once or from then on: 74, what was acknowledged is there, and it can go on.

    A sync is never tried again on the same file: after the first error nothing more is acknowledged (fsyncgate).
    """
    left, _ = stored_under(tmp_path, inject)
    assert_stopped(left, name, str(tmp_path / "archive.db"))


FAULTS = [Fault(what, 0, forever) for what in ("EIO", "ENOSPC", "short") for forever in (False, True)]


def planned(calls: Sequence[str]) -> list[Fault]:
    """Return every fault at each of these calls; a sync cannot be short."""
    return [
        replace(fault, at=number)
        for number, name in enumerate(calls, 1)
        for fault in FAULTS
        if fault.what != "short" or name not in SYNC_CALLS
    ]


def strike(directory: Path, faults: Iterable[Fault], tally: Tally) -> Counter[str]:
    """Let each fault strike a process that stores; return what they were and how it ended, counted.

    A call that fails is 74 and one sentence, or nothing at all where SQLite can do without: then all is stored. A short
    write is made whole.
    """
    ends: Counter[str] = Counter()
    for fault in faults:
        left = struck(directory / "struck", fault)
        tally.planned += 1
        tally.fired += left.fired[:1] == [fault.at]
        tally.judged += Judgement(frames=ACTIONS)
        is_all_stored = acknowledged(left.out) >= len(OPERATIONS)
        assert left.code == 0 or (fault.what != "short" and left.code == 74), (fault, left)
        assert is_all_stored or left.code == 74, (fault, left)
        assert len(left.err.splitlines()) == (left.code == 74), (fault, left)
        ends[f"{fault.what}{'+' * fault.forever} {left.code}"] += 1
    return ends


def test_call_that_fails_at_some_places(tmp_path: Path) -> None:
    """Twelve of all faults at all places: a write or a sync that fails, or is short, once or from then on."""
    tally, chance = Tally("failing calls"), random.Random(seed := fresh_seed())
    print("seed", seed)
    calls = struck(tmp_path / "struck", None).calls
    print(strike(tmp_path, chance.sample(planned(calls), 12), tally))
    tally.prove()


def test_call_that_fails_while_the_writer_connects(tmp_path: Path) -> None:
    """The index of the log cannot be written when the writer's thread opens the archive: 74, as everywhere."""
    calls = struck(tmp_path / "struck", None).calls
    syncs = [number for number, name in enumerate(calls, 1) if name in SYNC_CALLS]
    # Behind the seventh sync (the log's directory) comes its index, once for each connection; then the log itself.
    tally = Tally("failing calls while connecting")
    assert strike(tmp_path, [Fault("EIO", syncs[7] - 3)], tally) == {"EIO 74": 1}
    tally.prove()


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_call_that_fails_at_each_place(tmp_path: Path) -> None:
    """Each of the first 300 writes and syncs, from making the archive on, with each of the faults, in any order."""
    tally, chance = Tally("failing calls"), random.Random(seed := fresh_seed())
    print("seed", seed)
    calls = struck(tmp_path / "struck", None).calls
    assert len(calls) > 300
    faults = planned(calls[:300])
    print(strike(tmp_path, chance.sample(faults, how_many(len(faults))), tally))
    tally.prove()


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_recorder_whose_disk_fails_at_each_place(
    tmp_path: Path, server: VendorServer, postgres: PostgresServer
) -> None:
    """The whole recorder, at each write and sync of a short match: 74 and one sentence, or 0 and everything stored."""
    tally = Tally("failing calls of a recorder")
    calls = WRITE_CALLS | SYNC_CALLS
    points = Sweep(shared(), server, make("failing", 8), tmp_path, places(postgres)["file"], tally, calls)
    ends: Counter[int] = Counter()
    made = len(points.calls())
    for number, left in points.strike_each("EIO"):
        assert left.code in (0, 74), (number, left)
        assert len(left.err.splitlines()) == (left.code == 74), (number, left)
        ends[left.code] += 1
    print(ends)
    tally.prove()
    assert tally.planned > 0.8 * made


def test_call_that_is_interrupted(tmp_path: Path) -> None:
    """Writes that a signal interrupts (EINTR, each seventh) are made again: nothing is lost, nothing is said."""
    left, file = stored_under(tmp_path, f"{WRITES}:error=EINTR:when=5+7")
    assert (left.code, left.err) == (0, "")
    assert left.injected > 20
    assert file.value("SELECT count(*) FROM action") == ACTIONS


def test_recorder_whose_disk_fails(tmp_path: Path, server: VendorServer) -> None:
    """The whole recorder, its token and all, with a sync that fails: 74, and the next run completes the match."""
    match = load("snooker-1")
    server.serve(match, Script(pace=0.001))
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    command = [sys.executable, "-m", "recorder", "run", "--fixtures", str(shell.list), *FAST]
    files = (shell.path, shell.path.with_name(shell.path.name + "-wal"))
    left = traced(command, tmp_path, f"{SYNCS}:error=EIO:when=30", only=files, environment=shell.environment)
    assert_stopped(left, "SQLITE_IOERR_FSYNC", str(shell.path))
    recording = Recording(tmp_path, server, database_url=f"sqlite:///{shell.path}")
    recording.path = shell.path
    assert stored(shell.path)
    assert_goes_on(recording, match)


def test_asked_to_leave_with_a_disk_that_takes_nothing(tmp_path: Path, server: VendorServer) -> None:
    """A flush that fails is never 0 and never 3: SIGTERM while not one byte more can be written is 74 (P2)."""
    match = load("snooker-1")
    server.serve(match, Script(available=50))
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    process = shell.start_run("--connect-rate", "1000")
    until(lambda: shell.path.exists() and len(stored_now(shell.path)) == 50)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    left = ended(process, signal.SIGTERM)
    assert left.code == 74, left
    assert "make room" in left.err.splitlines()[-1]
    assert stored(shell.path) == match.packets[:50]


# K8: read-only, gone, replaced


def test_read_only_from_the_beginning(tmp_path: Path, server: VendorServer) -> None:
    """An archive on a disk that is mounted read-only: 74, and nothing is dialled."""
    match = make("read-only", 20)
    server.serve(match)
    recording = Recording(tmp_path, server)
    with tmpfs(tmp_path / "small", "size=16m") as place:
        recording.path = place / "archive.db"
        recording.settings = replace(recording.settings, database_url=f"sqlite:///{recording.path}")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(DiskError, match="Read-only file system"):
            recording.run(match)
        assert server.attempts == []
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        assert_goes_on(recording, match)


def test_read_only_while_recording(tmp_path: Path, server: VendorServer) -> None:
    """ext4 that gives up after an error of the device, as `errors=remount-ro` does: 74, what was there is there."""
    match = make("given up", 60)
    server.serve(match, Script(available=20))
    recording = Recording(tmp_path, server)
    with ext4(tmp_path) as place:
        recording.path = place / "archive.db"
        recording.settings = replace(recording.settings, database_url=f"sqlite:///{recording.path}")
        with recording.running(match) as running:
            until(lambda: recording.path.exists() and len(stored_now(recording.path)) == 20)
            subprocess.run(["mount", "-o", "remount,abort", str(place)], check=True)
            server.release(match)
            running.wait()
        assert isinstance(running.error, DiskError)
        assert_told(running.error, str(recording.path))
        found = [row[0] for row in recording.select("SELECT position FROM actions ORDER BY position")]
        assert found == list(range(20))


@pytest.mark.parametrize("how", ["deleted", "replaced", "moved", "directory"])
def test_file_that_is_taken_away(tmp_path: Path, how: str) -> None:
    """The file is no longer there under its name: writing on would be for nobody; 74 says what was found."""
    directory = tmp_path / "archive"
    directory.mkdir()
    file = directory / "archive.db"
    file.write_bytes(b"one")
    watch = DiskWatch(file, NO_LIMITS)
    assert watch.check() is None
    if how == "moved":
        file.rename(directory / "elsewhere.db")
    elif how == "directory":
        directory.rename(tmp_path / "elsewhere")
        directory.mkdir()
    elif how == "replaced":
        (directory / "other").write_bytes(b"two")
        (directory / "other").rename(file)
    else:
        file.unlink()
    with pytest.raises(DiskError) as told:
        watch.check()
    assert_told(told.value, str(file), "deleted, moved or replaced")


def test_file_that_is_there_by_a_link(tmp_path: Path) -> None:
    """A symbolic link may be turned: the file that is written is the one that it led to."""
    file, link = tmp_path / "real.db", tmp_path / "link.db"
    file.touch()
    link.symlink_to(file)
    watch = DiskWatch(link, NO_LIMITS)
    link.unlink()
    assert watch.check() is None


def test_disk_that_has_become_read_only(tmp_path: Path) -> None:
    """A mount that takes nothing any more is told as that, and not as a full one."""
    with tmpfs(tmp_path / "small", "size=16m") as place:
        (place / "archive.db").touch()
        watch = DiskWatch(place / "archive.db")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(DiskError) as told:
            watch.check()
    assert_told(told.value, "read-only", "mend the disk")


def test_archive_deleted_while_recording(tmp_path: Path, server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rm -rf` under a running recorder: it leaves with 74 instead of writing into nothing; the next run has all."""
    monkeypatch.setattr("recorder.daemon.attending.DISK_LOOK_S", 0.0)
    match = make("deleted", 60)
    server.serve(match, Script(available=20))
    recording = Recording(tmp_path, server)
    with recording.running(match) as running:
        until(lambda: recording.path.exists() and len(stored_now(recording.path)) == 20)
        for file in tmp_path.glob("archive.db*"):
            file.unlink()
        running.wait()
    assert isinstance(running.error, DiskError)
    assert_told(running.error, str(recording.path), "deleted")
    server.release(match)
    assert_goes_on(recording, match)


# K9: bits that change at rest (every kind of row: tests/query/test_verifying.py)


def assert_flips_are_found(directory: Path, bits: Callable[[int], Iterable[int]]) -> None:
    """Flip bits of a packet in the file itself, one at a time; assert that `verify` names the frame each time."""
    match = make("bits", 40)
    file = Filled(directory / "archive.db")
    file.write(*recorded(match))
    whole, number = bytearray(file.path.read_bytes()), 20
    begin = whole.find(match.packets[number])
    assert begin > 0
    for bit in bits(8 * len(match.packets[number])):
        flipped = bytearray(whole)
        flipped[begin + bit // 8] ^= 1 << bit % 8
        file.path.write_bytes(flipped)
        with reading(file.url) as reader:
            [report] = verify(reader, [])
        assert report.verdict() == "damaged", bit
        assert {finding.frame_number for finding in report.findings} == {number}, bit


def test_some_bits_of_a_frame(tmp_path: Path) -> None:
    """Any single bit that has changed in a stored frame is found, and the frame is named."""
    assert_flips_are_found(tmp_path, lambda count: random.Random(count).sample(range(count), 16))


@pytest.mark.campaign
def test_every_bit_of_a_frame(tmp_path: Path) -> None:
    """Each of some thousand."""
    assert_flips_are_found(tmp_path, range)


# K10: slow


def test_slow_disk(tmp_path: Path, server: VendorServer) -> None:
    """Each sync takes 0.2 s: commits become larger instead of more, nothing is lost, nobody is taken for dead."""
    match = load("soccer-france-romania")
    server.serve(match)
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    command = [sys.executable, "-m", "recorder", "run", "--fixtures", str(shell.list), *FAST, "--dead-after", "2s"]
    left = traced(command, tmp_path, f"{SYNCS}:delay_enter=200000", environment=shell.environment)
    assert (left.code, left.err) == (0, "")
    print(left.calls, "syncs for", len(match.packets), "packets")
    assert left.injected == left.calls
    assert 5 < left.calls < len(match.packets) / 10
    assert stored(shell.path) == match.packets
    with closing(sqlite3.connect(shell.path)) as connection:
        assert not connection.execute("SELECT outcome FROM sessions WHERE outcome LIKE '%no frame%'").fetchall()
