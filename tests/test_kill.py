"""Killed at any moment and started again: the archive ends as if nothing had happened.

The moments are numbers of packets that the server has sent, so nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.recording import Recording, Shell, ended
from tests.vendor import Match, Script, VendorServer, load, names

PACE_S = 0.002
"""Between two packets of a connection: the writer is at work at nearly every moment."""

RUN = ("--until-finished", "--connect-rate", "1000", "--linger", "0")


def kill_again_and_again(
    directory: Path, server: VendorServer, matches: Sequence[Match], kills: int, seed: int
) -> None:
    """Record ``matches``, killed ``kills`` times, then to the end; assert that the archive equals what the server has.

    Between two kills the files are looked at as copies: opening them would mend what the recorder itself must mend.
    """
    print(f"seed {seed}")
    moments = random.Random(seed)
    shell = Shell(directory, server)
    shell.write_list(*matches)
    total = sum(len(match.packets) for match in matches)
    stored = 0
    for number in range(kills):
        # What is not stored has to be sent, so a life always comes to its moment; 0: as soon as it dials.
        moment = min(moments.randint(0, 2 * total // kills), max(1, total - stored))
        attempts, sent = len(server.attempts), packets_sent(server)
        process = shell.start_run(*RUN)
        try:
            server.wait_for(
                lambda: len(server.attempts) > attempts and packets_sent(server) >= sent + moment,  # noqa: B023
                timeout=60,
            )
        finally:
            left = ended(process, signal.SIGKILL)
        assert left.code == -signal.SIGKILL, f"kill {number}, seed {seed}: {left}"
        before, stored = stored, assert_sound(shell.path, directory / "copy", matches, server)
        assert stored >= before, f"kill {number}, seed {seed}: {before - stored} stored actions were lost"
    last = ended(shell.start_run(*RUN), timeout=240)
    assert last.code == 0, f"seed {seed}: {last}"
    assert_as_if_nothing_had_happened(directory, shell, server, matches)


def packets_sent(server: VendorServer) -> int:
    return sum(attempt.packets_sent for attempt in server.attempts)


def assert_sound(path: Path, copy: Path, matches: Sequence[Match], server: VendorServer) -> int:
    """Assert that what a killed recorder left holds the beginning of each list; return how many actions it holds."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in (path, path.with_name(path.name + "-wal")):
        if file.exists():
            shutil.copy(file, copy)
    stored = 0
    with closing(sqlite3.connect(copy / path.name)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for match in matches:
            rows = connection.execute(
                "SELECT a.position, f.payload FROM actions a JOIN raw_frames f "
                "USING (stream_id, session_id, frame_number) WHERE a.fixture_id = ? ORDER BY a.position",
                (match.fixture_id,),
            ).fetchall()
            assert [position for position, _ in rows] == list(range(len(rows)))
            assert [payload for _, payload in rows] == server.packets(match)[: len(rows)]
            stored += len(rows)
    return stored


def assert_as_if_nothing_had_happened(
    directory: Path, shell: Shell, server: VendorServer, matches: Sequence[Match]
) -> None:
    recording = Recording(directory, server)
    recording.path = shell.path
    recording.settings = replace(recording.settings, database_url=f"sqlite:///{shell.path}")
    assert recording.one("PRAGMA integrity_check") == "ok"
    for match in matches:
        recording.assert_complete(match)
        assert recording.sha256(match) == match.sha256
    assert recording.causes() == []
    assert recording.one("SELECT count(*) FROM sessions WHERE closed_at IS NULL") == 0
    assert recording.one("SELECT count(*) FROM actions_all WHERE epoch > 0") == 0


def fresh_seed() -> int:
    """Return another seed each time; ``RECORDER_TEST_SEED`` repeats one."""
    return int(os.environ.get("RECORDER_TEST_SEED") or random.SystemRandom().randrange(2**32))


def test_killed_ten_times(tmp_path: Path, server: VendorServer) -> None:
    """Ten kills in two matches lose nothing, double nothing and leave nothing in doubt."""
    matches = [load("soccer-france-romania"), load("snooker-1")]
    for match in matches:
        server.serve(match, Script(pace=PACE_S))
    kill_again_and_again(tmp_path, server, matches, kills=10, seed=fresh_seed())


def test_killed_while_the_archive_is_made(tmp_path: Path, server: VendorServer) -> None:
    """A kill in the first moments of a new archive, before it has tables, is no obstacle."""
    match = load("snooker-1")
    server.serve(match)
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    process = shell.start_run(*RUN)
    while not shell.path.exists() and process.poll() is None:
        pass
    assert ended(process, signal.SIGKILL).code == -signal.SIGKILL
    assert shell.run(*RUN).code == 0
    assert_as_if_nothing_had_happened(tmp_path, shell, server, [match])


@pytest.mark.campaign
@pytest.mark.parametrize(
    "script",
    [Script(pace=PACE_S), Script(pace=PACE_S, cut_every=40, cut="abort"), Script(pace=PACE_S, start=-1)],
    ids=["flawless", "cut", "starts-one-earlier"],
)
def test_killed_a_hundred_times(tmp_path: Path, server: VendorServer, script: Script) -> None:
    """A hundred kills over all ten matches lose nothing, from vendors of several kinds."""
    matches = [load(name) for name in names()]
    for match in matches:
        server.serve(match, replace(script, packets=match.packets, cut_at=[], inject={}))
    kill_again_and_again(tmp_path, server, matches, kills=100, seed=fresh_seed())
