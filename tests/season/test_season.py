"""A season in virtual time: the real logic of the feed against vendors, networks and disks that a seed makes."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.season.capturing import CapturedSimulation
from tests.season.faults import ALL
from tests.season.simulation import Simulation
from tests.season.tables import Tables

FIRST = int(os.environ.get("RECORDER_TEST_SEED") or 900_000)
"""The seed of the first match; those behind it have the next ones. CI plays the same season every time."""

MATCHES = 2_000
PARTS = 4
"""So that several processes can share the season."""

CAMPAIGN_FIRST = int(os.environ.get("RECORDER_TEST_SEED") or random.SystemRandom().randrange(2**32))
CAMPAIGN = 100_000
CAMPAIGN_PARTS = 20

SAMPLE = 40
"""One match of so many is stored in a real archive as well."""

CAPTURED = 16
"""Matches that the real `Capture` records, limiter, account and all, on a loop of virtual time."""

STARTS = ("start 0", "start -1", "start 1", "start 2", "start -2", "start ignored", "start live")
DIALECTS = (
    *STARTS,
    "unnumbered",
    "no reply to the token",
    "arrays",
    "wrapped",
    "other bytes each time",
    "not there yet",
    "closes after the end",
)


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    """A real archive."""
    opened = Tables(tmp_path)
    yield opened
    opened.close()


def play(seed: int, simulation: Simulation, tables: Tables | None = None) -> Counter[str]:
    """Play one match; say how to play it again if it was not recorded as it should be."""
    try:
        fired = simulation.play()
        if tables is not None:
            for stream in simulation.streams:
                tables.compare(stream.stream_id)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}; once more: make season SEED={seed}") from error
    return fired


def season(first: int, matches: int, tables: Tables) -> Counter[str]:
    """Play so many matches, and return what happened in them."""
    print("seeds from", first, "on")
    fired: Counter[str] = Counter()
    for seed in range(first, first + matches):
        is_stored = seed % SAMPLE == 0
        simulation = Simulation(seed, tables.before) if is_stored else Simulation(seed)
        fired += play(seed, simulation, tables if is_stored else None)
    print(*(f"{kind}: {count}" for kind, count in sorted(fired.items())), sep="\n")
    return fired


def captured(first: int, matches: int, directory: Path, tables: Tables) -> None:
    """Play so many matches with the real capture."""
    print("seeds from", first, "on")
    token = directory / "token"
    token.touch(mode=0o600)
    token.write_text("a-secret-of-this-season")
    for seed in range(first, first + matches):
        play(seed, CapturedSimulation(seed, token, tables.before), tables)


def assert_all_fired(fired: Counter[str], matches: int) -> None:
    """Assert that nothing was left out: each kind of fault and of server at least once in 50 matches."""
    assert set(fired) == {*ALL, *DIALECTS}
    rare = {kind: count for kind, count in fired.items() if count < matches // 50}
    assert not rare, rare


@pytest.mark.parametrize("part", range(PARTS))
def test_a_season(tables: Tables, part: int) -> None:
    """Nothing lost, doubled or invented; every doubt told and no other; the vendor's door is never crowded."""
    matches = MATCHES // PARTS
    assert_all_fired(season(FIRST + part * matches, matches, tables), matches)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(CAMPAIGN_PARTS))
def test_fifty_seasons(tables: Tables, part: int) -> None:
    """The same, for as many matches as are played in all the world in a year or two."""
    matches = CAMPAIGN // CAMPAIGN_PARTS
    assert_all_fired(season(CAMPAIGN_FIRST + part * matches, matches, tables), matches)


def test_matches_by_the_real_capture(tmp_path: Path, tables: Tables) -> None:
    """The same verdict on all that stands between feed and archive; no handshake ever takes a back-off back."""
    captured(FIRST, CAPTURED, tmp_path, tables)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_many_matches_by_the_real_capture(tmp_path: Path, tables: Tables) -> None:
    """The same for a hundred times as many."""
    captured(CAMPAIGN_FIRST, 100 * CAPTURED, tmp_path, tables)


def test_a_seed_is_a_match() -> None:
    """The same seed plays the same match, row by row: whoever finds something can look at it again."""
    first, second = (Simulation(FIRST) for _ in range(2))
    assert first.play() == second.play()
    assert first.shelf.rows == second.shelf.rows
