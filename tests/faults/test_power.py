"""The power goes, K5 and K6 of docs/faults.md: what was acknowledged was synced, and the archive opens."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from recorder.archive.writer import Writer
from tests.archive.filling import Filled
from tests.faults.injecting import python
from tests.faults.power import Call, Disk, calls_of
from tests.faults.storing import ACTIONS, OPERATIONS, SCRIPT, acknowledged, assert_kept, files_of, kept
from tests.rig.oracle import Judgement
from tests.rig.tally import Tally, fresh_seed, how_many

KEEPS = (0.0, 0.5, 0.9)
"""Of what was not synced: nothing is there, half of it, most of it."""


@pytest.fixture(scope="module")
def recorded_calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """What a process does to the disk that makes an archive and stores frames in it."""
    directory = tmp_path_factory.mktemp("power")
    file = directory / "archive.db"
    return calls_of(python(SCRIPT, f"sqlite:///{file}"), directory, files_of(file))


def after_the_cut(calls: list[Call], cut: int) -> Disk:
    """Return the disk as it is before a call is made."""
    disk = Disk(str(Path(next(call.path for call in calls if call.what == "create")).parent))
    for call in calls[:cut]:
        disk.do(call)
    return disk


def assert_survives(disk: Disk, files: dict[str, bytes], directory: Path) -> int:
    """Assert that what was acknowledged is in these files, and that the rest can follow; return how many frames."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for path, content in files.items():
        (directory / Path(path).name).write_bytes(content)
    file = Filled(directory / "archive.db")
    assert_kept(file, acknowledged(disk.said.decode()))
    with Writer(file.url) as writer:
        writer.submit(OPERATIONS[kept(file.url) :])
    assert_kept(file, len(OPERATIONS))
    return ACTIONS


def cut_somewhere(calls: list[Call], chance: random.Random) -> tuple[Disk, dict[str, bytes]]:
    """Cut the power at a random moment at which it costs something; return the disk, and the files found on it."""
    while True:
        disk = after_the_cut(calls, chance.randrange(1, len(calls) + 1))
        files = disk.without_power(chance, keep=chance.choice(KEEPS))
        if files != disk.with_power():
            return disk, files


def play(calls: list[Call], directory: Path, seeds: Iterable[int], tally: Tally) -> None:
    """Cut the power once for each seed."""
    for seed in seeds:
        tally.planned += 1
        disk, files = cut_somewhere(calls, random.Random(seed))
        try:
            frames = assert_survives(disk, files, directory / "image")
        except BaseException:
            print("seed", seed)
            raise
        tally.fired += files != disk.with_power()
        tally.judged += Judgement(frames)


def test_power_cut(recorded_calls: list[Call], tmp_path: Path) -> None:
    """Twenty seeds: nothing, half or most of what was not synced is there, torn and in any order."""
    tally = Tally("power cuts")
    first = fresh_seed()
    print("seeds from", first)
    play(recorded_calls, tmp_path, range(first, first + how_many(20)), tally)
    tally.prove()


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_power_cut_by_a_thousand_seeds(recorded_calls: list[Call], tmp_path: Path) -> None:
    """The same a thousand times."""
    tally = Tally("power cuts")
    first = fresh_seed()
    print("seeds from", first)
    play(recorded_calls, tmp_path, range(first, first + how_many(1000)), tally)
    tally.prove()


def test_what_is_said_was_synced(recorded_calls: list[Call]) -> None:
    """Before each word there is a sync of the log, and nothing of it is written in between."""
    unsynced = False
    words = 0
    for call in recorded_calls:
        if call.path.endswith("-wal") and call.what == "write":
            unsynced = True
        elif call.path.endswith("-wal") and call.what == "sync":
            unsynced = False
        elif call.what == "said":
            assert not unsynced
            words += 1
    assert words > 50


@pytest.mark.campaign
def test_power_cut_at_each_call(recorded_calls: list[Call], tmp_path: Path) -> None:
    """Before every single call, in each of the three ways."""
    chance, images = random.Random(seed := fresh_seed()), 0
    print("seed", seed)
    for cut in range(1, len(recorded_calls) + 1):
        for keep in KEEPS:
            disk = after_the_cut(recorded_calls, cut)
            assert_survives(disk, disk.without_power(chance, keep=keep), tmp_path / "image")
            images += 1
    print("images", images)
    assert images == len(KEEPS) * len(recorded_calls)
