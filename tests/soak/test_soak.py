"""A day of two hundred streams, in virtual time: what a process holds must not grow with the days that it runs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.looking import assert_all_complete
from tests.recording import Recording
from tests.soak.rig import Plan
from tests.soak.virtual import VirtualLoop
from tests.vendor import Script, VendorServer

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Soaked:
    """What the rig measured: a sample for each period, then the totals; and how many bytes it logged."""

    samples: list[dict[str, Any]]
    totals: dict[str, Any]
    log_bytes: int


def soak(directory: Path, plan: Plan) -> Soaked:
    """Record as planned in a process of its own, which makes way for others."""
    directory.mkdir(exist_ok=True)
    numbers = (plan.streams, plan.hours, plan.every_minutes)
    command = [sys.executable, "-m", "tests.soak.rig", str(directory), *map(str, numbers)]
    with (directory / "out").open("wb") as out, (directory / "log").open("wb") as log:
        subprocess.run(command, cwd=ROOT, stdout=out, stderr=log, preexec_fn=lambda: os.nice(5), check=True)
    *samples, totals = [json.loads(line) for line in (directory / "out").read_text().splitlines()]
    print(*samples, totals, (directory / "log").stat().st_size, sep="\n")
    return Soaked(samples, totals, (directory / "log").stat().st_size)


def assert_steady(soaked: Soaked, plan: Plan, *, warm_up: int) -> None:
    """Assert that from period ``warm_up`` on nothing grows but what was recorded."""
    samples = soaked.samples[warm_up:]
    first, last = samples[0], samples[-1]
    assert {sample["open_connections"] for sample in samples} == {plan.streams}
    assert len({sample["descriptors"] for sample in samples}) == 1
    assert len({sample["tasks"] for sample in samples}) == 1
    assert last["rss"] < 1.03 * first["rss"], (first, last)
    assert soaked.log_bytes < 1_000_000
    # One for each drop, and one more of a stream to read its list whole: no connection was given up for nothing.
    assert soaked.totals["attempts"] <= 2 * plan.streams + plan.drops


def assert_recorded(directory: Path, plan: Plan) -> None:
    """Assert that the archive has all that the vendor had in the end."""
    with VendorServer() as server:
        matches = plan.matches()
        for match in matches:
            server.serve(match, Script(match.packets[: plan.periods + 1]))
        assert_all_complete(Recording(directory, server), matches)


def test_some_hours_of_some_streams(tmp_path: Path) -> None:
    """The short form: an hour and a half of eight streams."""
    plan = Plan(tmp_path / "soak", streams=8, hours=1.5, every_minutes=15)
    assert_steady(soak(plan.directory, plan), plan, warm_up=1)
    assert_recorded(plan.directory, plan)


@pytest.mark.campaign
@pytest.mark.timeout(3 * 3600)
def test_a_day_of_200_streams(tmp_path: Path) -> None:
    """24 h with 1.7 million heartbeats, 4,800 actions and 1,200 drops."""
    plan = Plan(tmp_path / "soak", streams=200, hours=24, every_minutes=60)
    assert_steady(soak(plan.directory, plan), plan, warm_up=3)
    assert_recorded(plan.directory, plan)


def test_virtual_time_jumps() -> None:
    """A day of sleep takes no time, and a thread's work takes no virtual time."""
    loop = VirtualLoop()
    began_s = loop.time()

    async def sleep() -> float:
        await asyncio.gather(*(asyncio.sleep(hour * 3600) for hour in range(25)))
        slept_s = loop.time() - began_s
        await asyncio.to_thread(time.sleep, 0.05)
        assert loop.time() - began_s - slept_s < 0.05
        return slept_s

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert 86_400 <= runner.run(sleep()) < 86_401
