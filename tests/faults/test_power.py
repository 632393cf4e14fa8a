"""The power goes, K5 and K6 of docs/faults.md: what was acknowledged was synced, and the archive opens."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.archive.filling import Filled
from tests.faults.injecting import python
from tests.faults.power import Call, Disk, calls_of
from tests.faults.storing import SCRIPT, acknowledged, assert_kept, files_of

KEEPS = (0.0, 0.5, 0.9)
"""Of what was not synced: nothing is there, half of it, most of it."""


@pytest.fixture(scope="module")
def recorded_calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """What a process does to the disk that makes an archive and stores frames in it."""
    directory = tmp_path_factory.mktemp("power")
    file = directory / "archive.db"
    return calls_of(python(SCRIPT, f"sqlite:///{file}"), directory, files_of(file))


def assert_survives(calls: list[Call], cut: int, keep: float, directory: Path, chance: random.Random) -> None:
    """Cut the power before a call; assert that what was acknowledged is there, and that the archive is whole."""
    disk = Disk(str(Path(next(call.path for call in calls if call.what == "create")).parent))
    for call in calls[:cut]:
        disk.do(call)
    directory.mkdir()
    for path, content in disk.without_power(chance, keep=keep).items():
        (directory / Path(path).name).write_bytes(content)
    assert_kept(Filled(directory / "archive.db"), acknowledged(disk.said.decode()))


def seeded() -> random.Random:
    """Return a new seed's numbers each time; ``RECORDER_TEST_SEED`` repeats one."""
    seed = int(os.environ.get("RECORDER_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print("seed", seed)
    return random.Random(seed)


def test_power_cut(recorded_calls: list[Call], tmp_path: Path) -> None:
    """At twenty random moments, with nothing, half or most of what was not synced: torn, in any order."""
    chance = seeded()
    for number in range(20):
        cut = chance.randrange(1, len(recorded_calls) + 1)
        print("cut", cut)
        assert_survives(recorded_calls, cut, chance.choice(KEEPS), tmp_path / str(number), chance)


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
    chance, number = seeded(), 0
    for cut in range(1, len(recorded_calls) + 1):
        for keep in KEEPS:
            number += 1
            assert_survives(recorded_calls, cut, keep, tmp_path / str(number), chance)
    print("images", number)
