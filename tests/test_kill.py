"""Killed at any moment and started again: the archive ends as if nothing had happened.

At each of its calls on the disk: tests/faults/test_process.py. How a round goes: tests/rig/kills.py.
"""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tests.recording import Shell, ended
from tests.rig.kills import PACE_S, Kills, Start, executed, forked
from tests.rig.oracle import Judgement, judge
from tests.rig.places import FilePlace, places
from tests.rig.sweep import RUN
from tests.rig.tally import Tally, fresh_seed, how_many
from tests.vendor import Script, VendorServer, load, names


def rounds(kills: Kills, directory: Path, count: int, each: int) -> None:
    """Play rounds of so many kills, each with a seed of its own."""
    first = fresh_seed()
    print(f"seeds from {first}, {each} kills each")
    for number in range(how_many(count)):
        kills.round(directory / str(number), each, first + number)
        shutil.rmtree(directory / str(number))
    kills.tally.prove()


@pytest.mark.parametrize(("start", "each"), [(executed, 3), (forked, 7)])
def test_killed_ten_times(tmp_path: Path, start: Start, each: int) -> None:
    """Ten kills, three of them of processes as a user starts them, lose nothing and leave nothing in doubt."""
    kills = Kills([load("snooker-1")], FilePlace, Tally("killed ten times"), start=start)
    rounds(kills, tmp_path, count=1, each=each)


@pytest.mark.parametrize(("kind", "count", "each"), [("file", 3, 29), ("server", 1, 3)])
def test_killed_again_and_again(tmp_path: Path, postgres: PostgresServer, kind: str, count: int, each: int) -> None:
    """Ninety kills more, three of them on the way to Postgres: there a lease of the dead has to run out first."""
    matches = [load("soccer-france-romania"), load("snooker-1")]
    kills = Kills(matches, places(postgres)[kind], Tally(f"random kills, {kind}"))
    rounds(kills, tmp_path, count, each)


def test_killed_while_the_archive_is_made(tmp_path: Path, server: VendorServer) -> None:
    """A kill in the first moments of a new archive, before it has tables, is no obstacle."""
    match = load("snooker-1")
    server.serve(match)
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    process = shell.start_run(*RUN, executed=True)
    while not shell.path.exists() and process.poll() is None:
        pass
    assert ended(process, signal.SIGKILL).code == -signal.SIGKILL
    assert shell.run(*RUN).code == 0
    [held] = FilePlace(tmp_path).held(tmp_path / "copies")
    assert judge(held, match.fixture_id, match.packets, len(match.packets)) == Judgement(len(match.packets))
    assert (held.integrity, held.doubts) == ("ok", 0)


KINDS = {
    "flawless": Script(pace=PACE_S),
    "cut": Script(pace=PACE_S, cut_every=40, cut="abort"),
    "starts-one-earlier": Script(pace=PACE_S, start=-1),
}


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("kind", "vendor", "count"),
    [
        ("file", "flawless", 40),
        ("file", "cut", 20),
        ("file", "starts-one-earlier", 20),
        ("server", "flawless", 20),
    ],
)
def test_killed_two_thousand_times(
    tmp_path: Path, postgres: PostgresServer, kind: str, vendor: str, count: int
) -> None:
    """A hundred rounds of twenty kills over all ten matches, 519,100 frames, from vendors of several kinds."""
    kills = Kills(
        [load(name) for name in names()],
        places(postgres)[kind],
        Tally(f"random kills, {kind}, {vendor}"),
        script=lambda: replace(KINDS[vendor], packets=[], cut_at=[], inject={}),
    )
    rounds(kills, tmp_path, count, each=20)
