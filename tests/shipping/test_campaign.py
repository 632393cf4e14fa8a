"""Fifty shutdowns, twenty kills, ten fail-overs; half an hour of frames with Postgres down. Nothing lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tests.rig.oracle import Judgement
from tests.rig.tally import Tally
from tests.shipping.flood import WARM
from tests.shipping.rig import ALL, Rig, wait_for
from tests.shipping.test_faults import answers

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Harm:
    shutdowns: int
    kills: int
    fail_overs: int


SHORT = Harm(2, 2, 1)
LONG = pytest.param(Harm(50, 20, 10), marks=[pytest.mark.campaign, pytest.mark.timeout(1800)], id="long")


def backends(rig: Rig) -> list[int]:
    """Return the processes of the server that serve the shipper."""
    others = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    return [pid for (pid,) in rig.server.execute(others, rig.database)]


def killed(pid: int) -> bool:
    """Kill a process; return whether it was still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("harm", [pytest.param(SHORT, id="short"), LONG])
def test_harm_upon_harm(rig: Rig, harm: Harm) -> None:
    """One thing after the other, under load, every row compared at the end."""
    server = rig.server
    tally = Tally("harm to Postgres", planned=harm.shutdowns + harm.kills + harm.fail_overs)
    with rig.under_load(ALL) as load:
        load.more()
        copy = server.base_copy()
        for number in range(harm.shutdowns):
            server.stop("immediate")
            tally.fired += not answers(server)
            load.more(10)
            server.start()
            load.more(10 + 7 * (number % 5))
        for number in range(harm.kills):
            wait_for(lambda: answers(server) and backends(rig))
            tally.fired += sum(killed(pid) for pid in backends(rig)) > 0
            load.more(10 + 7 * (number % 5))
        wait_for(lambda: answers(server))
        for number in range(harm.fail_overs):
            load.more(30)
            if number % 2:  # an older copy each time, or a newer one
                rig.settle()
                copy = server.base_copy()
                load.more(50)
            rig.settle()
            server.execute("CREATE TABLE gone_after_the_fail_over ()")
            server.restore(copy)
            tally.fired += server.execute("SELECT to_regclass('gone_after_the_fail_over')") == [(None,)]
        load.more()
    tally.judged = Judgement(rig.check())
    tally.prove()


@pytest.mark.parametrize(
    ("frames", "mib"),
    [
        pytest.param(2_000, 64, id="short"),
        pytest.param(1_800_000, 64, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)], id="half-an-hour"),
    ],
)
def test_memory_while_postgres_is_down(breakable: PostgresServer, tmp_path: Path, frames: int, mib: int) -> None:
    """The spool grows on the disk; the process does not, neither while it waits nor while it catches up."""
    database = breakable.archive()
    command = [sys.executable, "-m", "tests.shipping.flood", str(tmp_path), breakable.url(database), "200", str(frames)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as recorder:
        assert recorder.stdin is not None
        assert recorder.stdout is not None

        def do(what: str) -> tuple[int, int]:
            assert recorder.stdin is not None
            assert recorder.stdout is not None
            recorder.stdin.write(f"{what}\n")
            recorder.stdin.flush()
            now, most = recorder.stdout.readline().split()
            return int(now), int(most)

        before, _ = do("warm")
        breakable.stop("immediate")
        _, while_down = do("flood")
        breakable.start()
        _, while_catching_up = do("settle")
        recorder.stdin.close()
        recorder.wait(60)
    rise = [(most - before) / 1024 for most in (while_down, while_catching_up)]
    print(f"{frames} frames: {before / 1024:.0f} MiB before, {rise[0]:+.1f} while down, {rise[1]:+.1f} catching up")
    counted = "SELECT count(*), count(DISTINCT (stream_id, frame_number)) FROM frame"
    assert breakable.execute(counted, database=database) == [(frames + min(frames, WARM),) * 2]
    whole = "SELECT stream_id FROM action GROUP BY 1 HAVING max(position) + 1 = count(*)"
    assert len(breakable.execute(whole, database=database)) == 200
    assert max(rise) < mib
    breakable.drop(database)
