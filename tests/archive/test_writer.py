"""The one thread that writes: what it acknowledged is there, whatever happens next.

It writes SQLite files only (Postgres is filled from such a file), so most of this is about the file; what it stores is
read back from both databases.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import wait
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from recorder import clock
from recorder.archive import writer as writing
from recorder.archive.writer import Writer
from recorder.errors import ArchiveHeld, DamagedArchive, DiskError, IdentityClash, RecorderError
from recorder.model import Kind, Stream
from recorder.operations import (
    AddFrame,
    BeginEpoch,
    CopyAction,
    Counts,
    MakeEpochCurrent,
    Operation,
    PlaceFrame,
    UpdateSession,
)
from recorder.query.reading import reading
from tests.archive.filling import (
    START_US,
    Filled,
    History,
    close_session,
    fill,
    open_session,
    open_stream,
    payloads,
    recorded,
)
from tests.vendor import load

ROOT = Path(__file__).parents[2]


def history(actions: int = 3) -> History:
    made = History()
    for _ in range(actions):
        made.add(type="Pass")
    return made


def run(script: str, *arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run Python code in a process of its own, which it may leave as it likes."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, timeout=60, check=False)


# -- storing -----------------------------------------------------------------------------------------------------------


def test_flushed_means_that_others_see_it(file: Filled) -> None:
    """Once the future has resolved, another connection reads every row that was submitted before."""
    made = history(200)
    with Writer(file.url) as writer:
        writer.submit(made.operations)
        writer.flushed().result()
        assert file.value("SELECT count(*) FROM action") == 200
        assert [row[0] for row in file.select("SELECT payload FROM frame")] == list(payloads(made.operations))


def test_flushed_with_nothing_to_do(file: Filled) -> None:
    """The future resolves when nothing was submitted."""
    with Writer(file.url) as writer:
        assert writer.flushed().result(timeout=30) is None


def test_closing_stores_what_was_submitted(file: Filled) -> None:
    """Leaving stores everything, and empties the write-ahead log into the file."""
    file.write(*history(50).operations)
    assert file.value("SELECT count(*) FROM action") == 50
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["archive.db", "archive.db.lock"]


def test_nothing_is_taken_after_closing(file: Filled) -> None:
    """A closed writer refuses: what it took would be lost in silence."""
    with Writer(file.url) as writer:
        pass
    for late in (lambda: writer.submit(history().operations), writer.flushed):
        with pytest.raises(RecorderError, match="closed"):
            late()


def test_rows_come_in_the_order_of_submission(archive: Filled) -> None:
    """Of two totals for one session the later one stands, though both are in one transaction."""
    stream = Stream("betting", "soccer", "a")
    updates = [UpdateSession(stream.stream_id, 1, Counts(frames=number)) for number in range(300)]
    archive.write(open_stream(stream), open_session(stream), *updates)
    assert archive.select("SELECT frames FROM sessions") == [(299,)]


@pytest.mark.parametrize(
    "operation",
    [
        UpdateSession(1, 1, Counts()),
        PlaceFrame(1, 1, 0),
        MakeEpochCurrent(1, 1, START_US),
        CopyAction(1, 1, 0, from_epoch=0, from_position=0),
        BeginEpoch(1, 1, parent=0, fork_position=3, at_us=START_US, why="a test"),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_an_operation_whose_rows_are_missing_stops_the_writer(file: Filled, operation: Operation) -> None:
    """Doubt about our own data is never silent: 65, and nothing of that transaction is stored."""
    with pytest.raises(DamagedArchive, match=type(operation).__name__):
        file.write(open_stream(Stream("betting", "soccer", "a")), operation)
    assert file.select("SELECT * FROM streams") == []


def test_a_database_that_another_program_keeps_locked(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """75 once the busy time-out is over: nothing is wrong with the archive, somebody else is writing in it."""
    file.write(open_stream(Stream("betting", "soccer", "a")))
    monkeypatch.setattr("recorder.archive.sqlite._BUSY_TIMEOUT_MS", 1)
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ArchiveHeld, match="locked"):
        Writer(file.url)
    other.close()


def test_many_threads_submit(file: Filled) -> None:
    """Streams submit side by side; each one's rows are whole and in order."""
    histories = [history(40) for _ in range(8)]

    def submit(made: History) -> None:
        for operation in made.operations:
            writer.submit([operation])

    with Writer(file.url) as writer:
        threads = [threading.Thread(target=submit, args=(made,)) for made in histories]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert file.select("SELECT count(*), min(position), max(position) FROM action GROUP BY stream_id") == (
        [(40, 0, 39)] * 8
    )


def test_what_gathers_during_one_commit_is_one_transaction(file: Filled) -> None:
    """While another process holds the database, everybody's rows gather, and are committed together."""
    commits: list[object] = []
    with Writer(file.url) as writer:
        event.listen(writer._engine, "commit", commits.append)
        # Another program in a write transaction of its own makes the first commit wait.
        other = writer.dialect.writer(writer.url).connect()
        other.begin()
        for _ in range(10):
            writer.submit(history(20).operations)
        acknowledged = [writer.flushed() for _ in range(3)]
        assert file.value("SELECT count(*) FROM action") == 0
        assert not any(future.done() for future in acknowledged)
        other.rollback()
        other.close()
        wait(acknowledged, timeout=30)
        assert file.value("SELECT count(*) FROM action") == 200
    assert len(commits) <= 2


def test_readers_never_see_half_a_submission(file: Filled) -> None:
    """A frame and its actions are one transaction: whoever reads meanwhile finds as many of one as of the other."""
    differences = "SELECT (SELECT count(*) FROM frame) - (SELECT count(*) FROM action)"
    made = history(0)
    with Writer(file.url) as writer:
        writer.submit(made.taken())
        for _ in range(150):
            made.add(type="Pass")
            writer.submit(made.taken())
            assert file.value(differences) == 0


def test_one_submission_is_stored_whole_or_not_at_all(file: Filled) -> None:
    """What follows a failing operation in a submission, and what stands before it, is not stored."""
    first, second = history(), history()
    writer = Writer(file.url)
    writer.submit(first.operations)
    writer.flushed().result()
    writer.submit([*second.operations, first.operations[-1]])
    with pytest.raises(RecorderError) as told:
        writer.flushed().result()
    assert isinstance(told.value.__cause__, IntegrityError)
    with pytest.raises(RecorderError):
        writer.close()
    assert file.value("SELECT count(*) FROM action") == 3


def test_a_failed_writer_tells_everybody(file: Filled) -> None:
    """The error calls `failed` once, resolves every future, and meets whoever submits afterwards."""
    calls: list[int] = []
    made = history()
    writer = Writer(file.url, lambda: calls.append(threading.get_ident()))
    writer.submit([*made.operations, made.operations[0], made.operations[-1]])
    with pytest.raises(RecorderError):
        writer.flushed().result()
    for late in (lambda: writer.submit([]), writer.flushed, writer.close):
        with pytest.raises(RecorderError) as told:
            late()
        assert told.value is writer.error
    assert len(calls) == 1
    assert calls != [threading.get_ident()]


def test_a_commit_gathers_what_comes_soon_after_another(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes at once after a commit waits for more, and for nothing once somebody waits for it."""
    monkeypatch.setattr(writing, "GATHER_S", 3600.0)
    commits: list[int] = []
    with Writer(file.url) as writer:
        writer.listeners.append(lambda operations, _seconds: commits.append(len(operations)))
        writer.submit([open_stream(Stream("betting", "soccer", "0"))])
        writer.flushed().result(30)
        for number in range(1, 6):
            writer.submit([open_stream(Stream("betting", "soccer", str(number)))])
        writer.flushed().result(30)
    assert commits == [1, 5]


def test_a_slow_commit_is_followed_at_once(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came while one was made durable for longer than commits are apart has waited enough."""
    monkeypatch.setattr(writing, "GATHER_S", 3600.0)
    elapsed_ns, slept = clock.elapsed_ns, [0]
    monkeypatch.setattr(clock, "elapsed_ns", lambda: elapsed_ns() + sum(slept))
    commits: queue.SimpleQueue[int] = queue.SimpleQueue()
    with Writer(file.url) as writer:
        writer.listeners.append(lambda operations, _seconds: commits.put(len(operations)))
        event.listen(writer._engine, "commit", lambda _connection: slept.append(3600 * 10**9))
        for number in range(2):
            writer.submit([open_stream(Stream("betting", "soccer", str(number)))])
            assert commits.get(timeout=30) == 1


def test_enough_for_a_commit_is_not_kept_waiting(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that gathers begins as soon as it is worth while."""
    monkeypatch.setattr(writing, "GATHER_S", 3600.0)
    monkeypatch.setattr(writing, "ENOUGH", 3)
    commits: queue.SimpleQueue[int] = queue.SimpleQueue()
    with Writer(file.url) as writer:
        writer.listeners.append(lambda operations, _seconds: commits.put(len(operations)))
        writer.submit([open_stream(Stream("betting", "soccer", "0"))])
        writer.flushed().result(30)
        for number in range(1, 4):
            writer.submit([open_stream(Stream("betting", "soccer", str(number)))])
        assert [commits.get(timeout=30), commits.get(timeout=30)] == [1, 3]


def test_counts_wait_for_company(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only for so long, and not once there is something else to store or somebody waits."""
    monkeypatch.setattr(writing, "PATIENT_S", 3600.0)
    commits: queue.SimpleQueue[int] = queue.SimpleQueue()
    stream = Stream("betting", "soccer", "1")
    counts = UpdateSession(stream.stream_id, 1, Counts(heartbeats=1))
    with Writer(file.url) as writer:
        writer.listeners.append(lambda operations, _seconds: commits.put(len(operations)))
        writer.submit([open_stream(stream), open_session(stream)])
        assert commits.get(timeout=30) == 2
        for _ in range(3):
            writer.submit([counts])
        writer.submit([open_stream(stream)])
        assert commits.get(timeout=30) == 4
        writer.submit([counts])
        writer.flushed().result(30)
        assert commits.get(timeout=30) == 1
        writer.submit([counts])
    assert commits.get(timeout=30) == 1
    monkeypatch.setattr(writing, "PATIENT_S", 0.01)
    with Writer(file.url) as writer:
        writer.listeners.append(lambda operations, _seconds: commits.put(len(operations)))
        writer.submit([counts])
        assert commits.get(timeout=30) == 1


@pytest.mark.parametrize(("bound", "most"), [("MAX_PENDING_BYTES", 100_000), ("MAX_PENDING", 0)])
def test_room_waits_while_too_much_is_pending(
    file: Filled, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    """Reading of sockets pauses while more than the limit waits for the disk, and goes on when it is stored."""
    monkeypatch.setattr(writing, bound, most)

    began = threading.Event()

    def large() -> list[Operation]:
        made = History()
        made.frame(Kind.UNKNOWN, bytes(200_000))
        return made.operations

    async def pauses() -> None:
        await writer.room()
        event.listen(writer._engine, "before_cursor_execute", lambda *_: began.set())
        other = writer.dialect.writer(writer.url).connect()
        other.begin()
        # The writer takes the first and waits for the database; the second is what is pending.
        writer.submit(large())
        assert began.wait(30)
        writer.submit(large())
        waiting = asyncio.ensure_future(writer.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        other.rollback()
        other.close()
        await waiting

    with Writer(file.url) as writer:
        asyncio.run(pauses())
    assert file.value("SELECT count(*) FROM frame") == 2


def test_who_gave_up_waiting_for_room_keeps_nobody(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """He is not told of the room that is made, and the writer goes on."""
    looks = iter([True, True])
    monkeypatch.setattr(Writer, "is_full", property(lambda _writer: next(looks, False)))
    made = History()
    made.frame(Kind.UNKNOWN, b"one")

    async def gives_up(writer: Writer) -> None:
        waiting = asyncio.ensure_future(writer.room())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])

    with Writer(file.url) as writer:
        asyncio.run(gives_up(writer))
        writer.submit(made.operations)
        writer.flushed().result(30)
    assert file.value("SELECT count(*) FROM frame") == 1


def test_room_that_was_made_meanwhile_is_not_waited_for(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was full when it was looked at, and is taken by the time somebody would wait, keeps nobody waiting."""
    looks = iter([True])
    with Writer(file.url) as writer:
        monkeypatch.setattr(Writer, "is_full", property(lambda _writer: next(looks, False)))
        asyncio.run(asyncio.wait_for(writer.room(), 30))


def test_two_names_in_one_id(archive: Filled) -> None:
    """A stream whose id stands for another one is refused, 78, and that one stays as it is."""
    stream = Stream("betting", "soccer", "a")
    clash = Stream("betting", "soccer", "b")
    object.__setattr__(clash, "stream_id", stream.stream_id)
    archive.write(open_stream(stream, label="first"))
    with pytest.raises(IdentityClash, match=r"betting/soccer/b/actions.*betting/soccer/a/actions") as refused:
        archive.write(open_stream(clash, label="second"))
    assert refused.value.exit_code == 78
    assert archive.select("SELECT fixture_id, label FROM streams") == [("a", "first")]


def test_opening_a_stream_again_keeps_what_is_not_said(file: Filled) -> None:
    """A list without a label does not wipe the label of an earlier one; what it says is brought up to date."""
    stream = Stream("betting", "soccer", "a")
    file.write(open_stream(stream, label="A - B", competition="Cup", origin_host="old"))
    file.write(open_stream(stream, competition="League", speed="fast", at_us=START_US + 1))
    assert file.select("SELECT label, competition, speed, origin_host, created_us FROM stream") == [
        ("A - B", "League", "fast", "old", START_US)
    ]
    assert file.select("SELECT epoch, current_us FROM epoch") == [(0, START_US)]


def test_sessions_are_kept_as_told(archive: Filled) -> None:
    """A session's row has what was said when it was opened, counted, and closed."""
    stream = Stream("media", "soccer", "a")
    counts = Counts(frames=9, actions=5, overlap_checked=3, heartbeats=7, last_heartbeat_us=START_US, calibration="0")
    over = close_session(stream, counts=counts, close_code=1006, close_reason="gone", outcome="cut off")
    archive.write(open_stream(stream), open_session(stream), over)
    found = archive.select(
        "SELECT start_position, frames, actions, overlap_checked, heartbeats, last_heartbeat_at, calibration,"
        " close_code, close_reason, outcome, closed_at, recorder, host, version FROM sessions"
    )
    time = "2023-11-14T22:13:20.000000Z"
    assert found == [(0, 9, 5, 3, 7, time, "0", 1006, "gone", "cut off", time, "r1", "h1", "0.1.0")]


# -- one writer --------------------------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_writes(file: Filled) -> None:
    """75, naming the process; any number may read meanwhile."""
    with Writer(file.url), reading(file.url), reading(file.url):
        with pytest.raises(ArchiveHeld, match=rf"pid {os.getpid()} since 20") as held:
            Writer(file.url)
        assert held.value.exit_code == 75


def test_a_second_process_is_told_who_writes(file: Filled) -> None:
    """The lock holds between processes."""
    script = "import sys; from recorder.archive.writer import Writer; Writer(sys.argv[1])"
    with Writer(file.url):
        told = run(script, file.url)
    assert f"pid {os.getpid()}" in told.stderr.decode()
    assert run(script, file.url).returncode == 0


def test_two_names_of_one_file_are_one_archive(file: Filled, tmp_path: Path) -> None:
    """A symbolic link does not let a second writer in."""
    link = tmp_path / "link.db"
    link.symlink_to(file.path)
    with Writer(file.url), pytest.raises(ArchiveHeld):
        Writer(f"sqlite:///{link}")


def test_an_archive_is_let_go(file: Filled) -> None:
    """After closing, and after a refusal to open, the next writer comes in."""
    with Writer(file.url):
        pass
    file.path.write_bytes(b"no database" * 100)
    for _ in range(2):
        with pytest.raises(DamagedArchive):
            Writer(file.url)
    file.path.unlink()
    file.write()


# -- the disk ----------------------------------------------------------------------------------------------------------

FILLING_DISK = """
import resource, sys
from recorder.archive.writer import Writer
from recorder.errors import RecorderError
from tests.archive.filling import recorded
from tests.vendor import load

operations = recorded(load("snooker-1"))
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
try:
    with Writer(sys.argv[1]) as writer:
        for start in range(0, len(operations), 2):
            writer.submit(operations[start : start + 2])
            writer.flushed().result()
            print(start + 2, flush=True)
except RecorderError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def test_a_full_disk_keeps_what_was_acknowledged(file: Filled) -> None:
    """When the file may not grow the writer stops with 74; every acknowledged row is there, and it can go on."""
    stopped = run(FILLING_DISK, file.url)
    acknowledged = int(stopped.stdout.split()[-1])
    assert stopped.returncode == 74
    assert b"make room" in stopped.stderr
    operations = recorded(load("snooker-1"))
    wanted = list(payloads(operations[:acknowledged]))
    stored = "SELECT payload FROM frame ORDER BY frame_number"
    assert [row[0] for row in file.select(stored)] == wanted
    assert 10 < len(wanted) < 400
    assert file.value("PRAGMA integrity_check") == "ok"
    file.write(*operations[acknowledged:])
    assert [row[0] for row in file.select(stored)] == list(payloads(operations))


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """74 names the path and the reason."""
    with pytest.raises(DiskError, match=r"nowhere/archive\.db cannot be written \(No such file") as told:
        Writer(f"sqlite:///{tmp_path}/nowhere/archive.db")
    assert told.value.exit_code == 74


def test_a_directory_in_place_of_the_file(file: Filled) -> None:
    """A path that is a directory is no disk to write on."""
    file.path.mkdir()
    with pytest.raises(DiskError, match="SQLITE_CANTOPEN"):
        Writer(file.url)


@pytest.mark.parametrize("opening", [Writer, lambda url: reading(url).__enter__()], ids=["writer", "reader"])
def test_a_file_that_is_no_database(file: Filled, opening: type[Writer]) -> None:
    """65, and the file stays as it is for whoever wants to recover it."""
    file.path.write_bytes(b"this is no database, however long it is" * 1000)
    before = file.path.read_bytes()
    with pytest.raises(DamagedArchive, match="SQLITE_NOTADB") as told:
        opening(file.url)
    assert told.value.exit_code == 65
    assert file.path.read_bytes() == before


def damage(file: Filled) -> None:
    """Overwrite every page but the first, which says what there is."""
    filled = file.path.read_bytes()
    file.path.write_bytes(filled[:16384] + b"\xff" * (len(filled) - 16384))


def test_damaged_pages_stop_the_reader(file: Filled) -> None:
    """A page that is not what was written is 65, not an answer."""
    fill(file.path, load("snooker-1"))
    damage(file)
    with pytest.raises(DamagedArchive, match="SQLITE_CORRUPT"), reading(file.url) as reader:
        reader.rows("SELECT * FROM timeline")


def test_damaged_pages_stop_the_writer(file: Filled) -> None:
    """Doubt about our own data stops the capture, loudly: 65."""
    fill(file.path, load("snooker-1"))
    damage(file)
    with pytest.raises(DamagedArchive, match="restore a backup"):
        file.write(*history().operations)


WITHOUT_PRIVILEGES = """
import ctypes, os, struct, sys
from recorder.query.reading import reading
from recorder.archive.writer import Writer
from recorder.errors import DiskError

# Root without capabilities is bound by a directory's mode like everybody else.
ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
assert not os.access(sys.argv[2], os.W_OK)
with reading(sys.argv[1]) as reader:
    print(len(reader.rows("SELECT * FROM actions")))
try:
    Writer(sys.argv[1])
except DiskError as error:
    print(error)
"""


def test_reading_where_nothing_may_be_written(file: Filled) -> None:
    """An archive in a read-only directory, as on a mounted copy, is read; writing it is 74."""
    fill(file.path, load("snooker-1"))
    file.path.with_name("archive.db.lock").unlink()
    file.path.chmod(0o444)
    file.path.parent.chmod(0o555)
    try:
        told = run(WITHOUT_PRIVILEGES, file.url, file.path.parent)
    finally:
        file.path.parent.chmod(0o755)
    assert told.returncode == 0, told.stderr.decode()
    count, refusal = told.stdout.decode().splitlines()
    assert count == "472"
    assert "cannot be written (Permission denied)" in refusal


# -- a recorder that died ----------------------------------------------------------------------------------------------

DYING = """
import os, signal, sys
from recorder.archive.writer import Writer
from tests.archive.filling import recorded
from tests.vendor import load

writer = Writer(sys.argv[1])
writer.submit(recorded(load("snooker-1"), first=100, end=False))
writer.flushed().result()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(file: Filled) -> Filled:
    """An archive whose writer was killed in the middle of a session, with its write-ahead log left behind."""
    assert run(DYING, file.url).returncode == -signal.SIGKILL
    assert file.path.with_name("archive.db-wal").stat().st_size > 0
    return file


def test_a_killed_writer_lost_nothing(killed: Filled) -> None:
    """What was acknowledged is read from the log that it left, even when its index is gone."""
    killed.path.with_name("archive.db-shm").unlink()
    with reading(killed.url) as reader:
        assert [row.payload for row in reader.rows("SELECT payload FROM raw_frames")] == load("snooker-1").packets[:100]


def test_a_session_left_open_is_closed_at_the_next_opening(killed: Filled) -> None:
    """It ended, as far as we know, with its last frame; nothing else is written about it."""
    assert killed.select("SELECT closed_at, outcome FROM sessions") == [(None, None)]
    assert killed.value("SELECT state FROM streams") == "recording"
    killed.write()
    last = killed.value("SELECT max(received_at) FROM raw_frames")
    assert killed.select("SELECT closed_at, outcome, frames, actions FROM sessions") == [
        (last, "recorder_died", 100, 100)
    ]
    assert killed.value("SELECT state FROM streams") == "interrupted"


def test_a_session_without_a_frame_ends_when_it_began(archive: Filled) -> None:
    """Killed while dialling: the moment of dialling is the last that is known. Closed sessions are left alone."""
    stream = Stream("betting", "soccer", "a")
    closed = close_session(stream, 1, START_US + 5)
    archive.write(open_stream(stream), open_session(stream, 1), closed, open_session(stream, 2, START_US + 9))
    archive.write()
    assert archive.select("SELECT session_id, closed_us, outcome FROM session ORDER BY session_id") == [
        (1, START_US + 5, "closed"),
        (2, START_US + 9, "recorder_died"),
    ]


# -- bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"\0", b"\xff\xfe{", "é\n\r\u2028".encode(), bytes(range(256)) * 4000])
def test_bytes_are_the_bytes(archive: Filled, payload: bytes) -> None:
    """Whatever a frame holds comes back byte for byte, and as bytes."""
    made = History()
    made.frame(Kind.UNKNOWN, payload)
    archive.write(*made.operations)
    assert archive.select("SELECT payload, length(payload), opcode, kind FROM raw_frames") == [
        (payload, len(payload), "text", "unknown")
    ]


@pytest.mark.parametrize("count", [1, 3, 4, 63, 64, 65, 85, 200])
def test_any_number_of_rows_in_one_submission(archive: Filled, count: int) -> None:
    """Rows are inserted many at a time; none is left over."""
    archive.write(*history(count).operations)
    assert archive.select("SELECT count(*), max(position) FROM actions") == [(count, count - 1)]
    assert archive.value("SELECT count(*) FROM raw_frames") == count


def test_the_same_frame_twice_is_refused(file: Filled) -> None:
    """A key that is there is never overwritten: a second frame of that number stops the writer, the first stays."""
    made = History()
    frame = made.frame(Kind.UNKNOWN, b"first")
    file.write(*made.operations)
    with pytest.raises(RecorderError, match="unexpected"):
        file.write(AddFrame(structs.replace(frame, payload=b"second")))
    assert file.select("SELECT payload FROM raw_frames") == [(b"first",)]


def test_who_gave_up_waiting_stops_nobody(file: Filled) -> None:
    """A waiter that was cancelled is passed over: what was submitted and asked for is done, and the writer goes on."""
    with Writer(file.url) as writer:
        begin = threading.Event()
        done: list[str] = []
        first = writer.carry_out(lambda _connection: begin.wait(10))
        waiting = writer.flushed()
        errand = writer.carry_out(lambda _connection: done.append("errand"))
        assert waiting.cancel()
        assert errand.cancel()
        begin.set()
        first.result()
        writer.submit(History().operations)
        writer.flushed().result()
        assert writer.error is None
    assert done == ["errand"]
    assert file.value("SELECT count(*) FROM streams") == 1


KILLED_AT_ITS_BEGINNING = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size=1")
connection.execute("BEGIN")
connection.execute("CREATE TABLE begun (x)")
for _ in range(50):
    connection.execute("INSERT INTO begun VALUES (zeroblob(10000))")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_recorder_killed_before_the_log_began(file: Filled) -> None:
    """A journal that only a writer can roll back, left in an archive's first moments, is no obstacle."""
    subprocess.run([sys.executable, "-c", KILLED_AT_ITS_BEGINNING, str(file.path)], check=False)
    assert file.path.with_name(file.path.name + "-journal").stat().st_size
    assert file.path.stat().st_size
    file.write(*History().operations)
    assert file.value("SELECT count(*) FROM streams") == 1
