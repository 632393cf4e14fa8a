"""Killed at any moment, a publish leaves every match whole; run again, it ends with the lake of one that was not."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recorder.archive.purging import purge
from recorder.publishing import lakes
from recorder.publishing.forms import Form
from recorder.publishing.places import place_of
from recorder.publishing.publishing import publish
from recorder.publishing.tables import KEYS, NAMES
from tests.archive.filling import Filled
from tests.export.making import Told, packet
from tests.lake.conftest import ended

KILLS = 4
"""Of each form, where it has to be quick."""


class Changing:
    """Ten matches, published once; since then three have changed, three came, and one was purged."""

    def __init__(self, directory: Path, form: str) -> None:
        self.directory, self.form = directory, form
        self.filled = Filled(directory / "archive.db")
        first = [ended(Told().add(packet(1)).add(packet(2))) for _ in range(10)]
        self.filled.write(*(operation for told in first for operation in told.operations))
        publish(self.filled.url, self.place("before"), Form(form))
        for told in first[:3]:
            told.operations.clear()
            self.filled.write(*ended(told.fork(1).add(packet(3)).add(packet(4))).operations)
        for _ in range(3):
            self.filled.write(*ended(Told().add(packet(5))).operations)
        self.purged = first[9].stream.stream_id
        purge(self.filled.url, [self.purged], "a contract")

    def place(self, name: str) -> str:
        return str(self.directory / name)

    def renewed(self, name: str) -> str:
        """Return a new copy of the lake as it was before."""
        shutil.rmtree(self.place(name), ignore_errors=True)
        shutil.copytree(self.place("before"), self.place(name))
        return self.place(name)

    def begun(self, place: str) -> subprocess.Popen[str]:
        """Start a process that publishes, and return it when it is about to."""
        arguments = [sys.executable, "-m", "tests.lake.child", self.filled.url, place, self.form]
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "begin\n"
        return child

    def undisturbed(self) -> tuple[dict[str, Any], float]:
        """Return the lake of a publish that nobody killed, and how many seconds it took."""
        with self.begun(self.renewed("undisturbed")) as child:
            began = time.monotonic()
            assert child.wait() == 0
        return held(self.place("undisturbed")), time.monotonic() - began


def held(where: str) -> dict[str, Any]:
    """Return every row of each table, named or not, in the order of their keys."""
    lake = lakes.required(place_of(where))
    by = {name: [(key, "ascending") for key in KEYS[name]] for name in NAMES}
    return {name: lake.rows(name).sort_by(by[name]) for name in NAMES}


def assert_whole(where: str, purged: int) -> None:
    """Every match that `streams` names is there with each of its actions, in that version and once.

    Only what is being removed may have lost rows before its name.
    """
    lake = lakes.required(place_of(where))
    named = list(lake.named().values())
    seen: dict[int, list[int]] = {}
    for row in lake.rows("actions", named).to_pylist():
        if row["is_current"]:
            seen.setdefault(row["stream_id"], []).append(row["position"])
    for row in lake.rows("streams", named).to_pylist():
        if row["stream_id"] != purged:
            assert sorted(seen.get(row["stream_id"], [])) == list(range(row["actions"]))


def killed(tmp_path: Path, form: str, kills: int) -> None:
    changing = Changing(tmp_path, form)
    wanted, seconds = changing.undisturbed()
    chance = random.Random(seed := random.randrange(2**32))
    for number in range(kills):
        place = changing.renewed("killed")
        child = changing.begun(place)
        moment = chance.uniform(0, seconds)
        time.sleep(moment)  # the moment is what is random here: nothing is waited for
        child.kill()
        child.communicate()
        assert_whole(place, changing.purged)
        publish(changing.filled.url, place)
        found = held(place)
        told = f"kill {number} of seed {seed}, {moment:.4f} of {seconds:.4f} s"
        assert {name: found[name].equals(wanted[name]) for name in NAMES} == dict.fromkeys(NAMES, True), told


def test_a_publish_killed_at_random_moments_ends_with_the_same_lake(tmp_path: Path, form: str) -> None:
    killed(tmp_path, form, KILLS)


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_a_publish_killed_at_fifty_random_moments_ends_with_the_same_lake(tmp_path: Path, form: str) -> None:
    killed(tmp_path, form, 50)
