"""The process, group P of docs/faults.md: killed, asked, upgraded, started twice. tests/test_kill.py has P1's loop."""

from __future__ import annotations

import ast
import logging
import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from recorder import roster
from recorder.archive.writer import Writer
from recorder.errors import DiskError
from recorder.feed.ledger import Ledger
from tests.archive.filling import Filled
from tests.faults.injecting import python, strace
from tests.faults.looking import until
from tests.faults.made import make
from tests.postgres import PostgresServer
from tests.recording import Recording, Shell, ended
from tests.rig.places import places
from tests.rig.stage import shared
from tests.rig.sweep import Sweep, sample
from tests.rig.tally import Tally, fresh_seed
from tests.rig.tracing import FILES, SENDS, SYNCS, Fault
from tests.vendor import Script, VendorServer, load

FAST = ("--until-finished", "--linger", "0", "--connect-rate", "1000")
ROOT = Path(__file__).parents[2]


# P1: killed at each system call (at random moments: tests/test_kill.py)


def sweep(directory: Path, server: VendorServer, postgres: PostgresServer, kind: str, calls: frozenset[str]) -> Sweep:
    """Return a sweep over a recorder's calls, into a file or by way of a spool into a server."""
    tally = Tally(f"killed at each call, {kind}")
    return Sweep(shared(), server, make("killed", 8), directory, places(postgres)[kind], tally, calls)


@pytest.mark.parametrize("kind", ["file", "server"])
def test_killed_at_some_calls(tmp_path: Path, server: VendorServer, postgres: PostgresServer, kind: str) -> None:
    """SIGKILL at a write, a sync, an opening, a truncation, a removal, a statement: what was seen is there, it goes on.

    One of each kind, chosen at random from all that a whole recording makes.
    """
    points = sweep(tmp_path, server, postgres, kind, FILES if kind == "file" else SYNCS | SENDS)
    chance = random.Random(seed := fresh_seed())
    print("seed", seed)
    for number in sample(points.calls(), chance):
        left = points.strike(Fault("kill", number))
        assert left.code == -signal.SIGKILL
    points.tally.prove()


PARTS = 4
"""A sweep is played in so many tests, side by side."""


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("kind", "calls"), [("file", FILES), ("server", FILES), ("server", SENDS)])
def test_killed_at_each_call(
    tmp_path: Path, server: VendorServer, postgres: PostgresServer, kind: str, calls: frozenset[str], part: int
) -> None:
    """At every single one, from the first that makes the archive to the last that closes it."""
    points = sweep(tmp_path, server, postgres, kind, calls)
    made = points.calls()
    print(len(made), "calls:", Counter(made))
    for _, left in points.strike_each("kill", 1 + part, PARTS):
        assert left.code == -signal.SIGKILL
    points.tally.prove()
    assert points.tally.planned > max(40, 0.8 * len(made) / PARTS)


# P2: asked to leave


def started_slowly(shell: Shell, delay_ms: int, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start ``recorder run`` with syncs that take long; return strace's process and the recorder's pid."""
    inject = f"fdatasync,fsync:delay_enter={delay_ms * 1000}"
    tracing = ["-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync,fsync", "-e", f"inject={inject}"]
    command = [sys.executable, "-m", "recorder", "run", "--fixtures", str(shell.list), *arguments]
    process = subprocess.Popen(
        [strace(), *tracing, *command],
        cwd=shell.directory,
        env=shell.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return process, pid_in(shell.path.with_name(shell.path.name + ".lock"))


def pid_in(lock: Path) -> int:
    """Return the pid of whoever holds an archive, once he does."""
    until(lambda: lock.exists() and "pid" in lock.read_text(), timeout=60)
    return int(lock.read_text().split("pid ")[1].split()[0])


def test_asked_twice_while_the_disk_is_slow(tmp_path: Path, server: VendorServer) -> None:
    """Two signals in the middle of a commit that takes 0.3 s: the commit is whole, all received is stored, 3."""
    match = load("snooker-1")
    server.serve(match, Script(available=300))
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    process, pid = started_slowly(shell, 300, *FAST)
    server.wait_for(lambda: any(attempt.packets_sent == 300 for attempt in server.attempts), timeout=60)
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGTERM)
    left = ended(process)
    assert left.code == 3, left
    kept = positions(shell.path)
    assert kept == list(range(len(kept)))
    server.release(match)
    assert shell.run(*FAST).code == 0
    assert positions(shell.path) == list(range(len(match.packets)))


def positions(path: Path) -> list[int]:
    """Return the stored positions of a file that SQLite finds to be whole."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row[0] for row in connection.execute("SELECT position FROM actions ORDER BY position")]


@pytest.mark.campaign
def test_asked_at_random_moments(tmp_path: Path, server: VendorServer) -> None:
    """SIGTERM or SIGINT in the middle of a stream of packets: 3 each time, no hole, and in the end all is there."""
    match = load("soccer-france-romania")
    script = server.serve(match, Script(pace=0.002))
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    seed = fresh_seed()
    print("seed", seed)
    moments = random.Random(seed)
    for number in (signal.SIGTERM, signal.SIGINT) * 4:
        sent, more = packets_sent(server), moments.randint(1, len(match.packets) // 16)
        process = shell.start_run(*FAST)
        server.wait_for(lambda: packets_sent(server) >= sent + more, timeout=60)  # noqa: B023
        assert ended(process, number).code == 3
        kept = positions(shell.path)
        assert kept == list(range(len(kept)))
    script.pace = 0
    assert shell.run(*FAST).code == 0
    assert positions(shell.path) == list(range(len(match.packets)))


def packets_sent(server: VendorServer) -> int:
    """Return how many packets have gone out, over all connections."""
    return sum(attempt.packets_sent for attempt in server.attempts)


# P3: an error of our own in one stream


def raising(monkeypatch: pytest.MonkeyPatch, fixture_id: str, times: int) -> list[int]:
    """Let the books of one fixture fail at its 20th message, so many times; return where each failure is noted."""
    fired: list[int] = []
    right = Ledger.actions

    def wrong(self: Ledger, frame: Any, *arguments: Any) -> Any:
        if self.stream.fixture_id == fixture_id and self.length >= 20 and len(fired) < times:
            fired.append(frame.frame_number)
            raise ZeroDivisionError("a mistake of ours")
        return right(self, frame, *arguments)

    monkeypatch.setattr(Ledger, "actions", wrong)
    monkeypatch.setattr(roster, "_AFTER_AN_ERROR_S", 0.0)
    return fired


def test_mistake_in_one_stream(
    recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, its stream begins again from its rows and loses nothing; the others notice nothing."""
    matches = [make(f"mistaken {number}", 40) for number in range(3)]
    for match in matches:
        server.serve(match)
    fired = raising(monkeypatch, matches[1].fixture_id, times=3)
    with caplog.at_level(logging.ERROR):
        recording.run(*matches)
    assert len(fired) == 3
    for match in matches:
        recording.assert_complete(match)
    assert [len(server.attempts_on(match)) for match in (matches[0], matches[2])] == [1, 1]
    assert caplog.text.count(f"{matches[1].fixture_id}: unexpected error") == 3


# P5: memory (over a day: tests/soak; the limit itself: tests/archive/test_writer.py)


def highest_memory(pid: int) -> int:
    """Return the most MiB that a process has had at once; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) // 1024 if found else 0


@pytest.mark.campaign
def test_memory_while_the_disk_is_slow(tmp_path: Path, server: VendorServer) -> None:
    """The vendor sends 600 MiB as fast as we take it, and each sync takes 0.5 s: the recorder holds a part of it."""
    match, size, count = make("much", 5), 1024 * 1024, 600
    server.serve(match, Script(inject={1: [f'{{"much":"{number:{size}}"}}' for number in range(count)]}))
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    process, pid = started_slowly(shell, 500, *FAST)
    highest = 0
    while process.poll() is None:
        highest = max(highest, highest_memory(pid))
    assert ended(process).code == 0
    print("highest", highest, "MiB")
    assert 64 < highest < 400
    with closing(sqlite3.connect(shell.path)) as connection:
        assert connection.execute("SELECT count(*) FROM frame WHERE length(payload) > 1000000").fetchone() == (count,)


# P7: a second copy


def copies(shell: Shell, count: int) -> list[tuple[int, str]]:
    """Start copies at once; return the exit code and the words of each."""
    started = [shell.start_run(*FAST) for _ in range(count)]
    return [(left.code, left.err) for left in (ended(process, timeout=240) for process in started)]


def many_copies(directory: Path, server: VendorServer, count: int) -> None:
    match = load("snooker-1")
    server.serve(match, Script(available=50))
    shell = Shell(directory, server)
    shell.write_list(match)
    holder = shell.start_run(*FAST)
    server.wait_for(lambda: server.open_count() == 1, timeout=60)
    for code, said in copies(shell, count - 1):
        assert code == 75
        assert re.search(rf"pid {holder.pid} since 20\d\d-\d\d-\d\dT", said), said
        assert len(said.splitlines()) == 1
    server.release(match)
    assert ended(holder).code == 0
    assert len({attempt.token for attempt in server.attempts}) == 1
    assert positions(shell.path) == list(range(len(match.packets)))


def test_copies(tmp_path: Path, server: VendorServer) -> None:
    """Of three copies one records and the others leave with 75, naming it by pid and start, without a dial."""
    many_copies(tmp_path, server, 3)


@pytest.mark.campaign
def test_twenty_copies(tmp_path: Path, server: VendorServer) -> None:
    """The same with twenty."""
    many_copies(tmp_path, server, 20)


HOLDING = """
import sys
from recorder.archive.writer import Writer
from recorder.errors import DiskError
writer = Writer(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_lock_dies_with_its_process(file: Filled) -> None:
    """Killed without a word, with the lock file left behind: the next one comes in at once."""
    with subprocess.Popen(python(HOLDING, file.url), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    assert file.path.with_name("archive.db.lock").read_text().startswith(f"recorder pid {holder.pid} since")
    with Writer(file.url):
        pass


def test_lock_is_let_go_when_it_cannot_be_written(file: Filled) -> None:
    """A disk without room for the holder's name: who tries again in the same process does not meet himself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(DiskError, match="cannot be written"):
            Writer(file.url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with Writer(file.url):
        pass


# P11: python -O


def test_without_assertions(tmp_path: Path, server: VendorServer) -> None:
    """Under -O a match that is cut, and that has a packet of another one in it, is recorded and judged the same."""
    match = load("snooker-1")
    foreign = load("snooker-2").packets[0].decode()
    server.serve(match, Script(cut_every=150, inject={7: [foreign]}, inject_once=True))
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    left = shell.run(*FAST, env={"PYTHONOPTIMIZE": "1"})
    assert left.code == 4, left
    assert "1 quarantined frame" in left.err
    assert positions(shell.path) == list(range(len(match.packets)))


def test_no_assertion_does_anything() -> None:
    """What an assertion of the program computes changes nothing, so that leaving it out changes nothing."""
    harmless = {"isinstance", "len", "hasattr", "all", "any"}
    for file in (ROOT / "recorder").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Assert):
                assert doing(node.test) <= harmless, f"{file}:{node.lineno}"


def doing(expression: ast.expr) -> set[str]:
    """Return what an expression calls, awaits or assigns."""
    found: Sequence[ast.AST] = list(ast.walk(expression))
    calls = {ast.unparse(node.func) for node in found if isinstance(node, ast.Call)}
    return calls | {type(node).__name__ for node in found if isinstance(node, ast.NamedExpr | ast.Await)}
