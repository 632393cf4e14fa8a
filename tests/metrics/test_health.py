"""Two verdicts: what a restart would mend, and what hinders recording."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recorder.disk import Level
from recorder.metrics.health import Facts, health, readiness
from tests.metrics.conftest import FINE


def test_well() -> None:
    """Nothing to say of a run that gets on."""
    assert health(FINE, 0.5).is_well
    assert readiness(FINE, 0.5).is_well


@pytest.mark.parametrize(
    ("changes", "age_s", "word"),
    [
        ({}, 16.0, "event loop"),
        ({"archive_failed": True}, 0.0, "refused a write"),
        ({"stalled": "the writer has finished nothing of what it was given"}, 0.0, "the writer"),
    ],
)
def test_stuck(changes: dict[str, Any], age_s: float, word: str) -> None:
    """What does not get on is neither healthy nor ready, and a sentence says why."""
    facts = replace(FINE, **changes)
    for verdict in (health(facts, age_s), readiness(facts, age_s)):
        [said] = verdict.because
        assert word in said


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"is_leaving": True}, "ending"),
        ({"disk_level": Level.full}, "full"),
        ({"reached": False}, "not reached"),
        ({"limited": True}, "token"),
        ({"away_s": 61.0, "backlog_frames": 9}, "Postgres"),
    ],
)
def test_hindered(changes: dict[str, Any], word: str) -> None:
    """Not ready, and no reason to be restarted."""
    facts = replace(FINE, **changes)
    [said] = readiness(facts, 0.0).because
    assert word in said
    assert health(facts, 0.0).is_well


@pytest.mark.parametrize(
    "changes",
    [
        {"tried": False, "reached": False},
        {"away_s": 30.0, "backlog_frames": 500},
        {"disk_level": Level.very_low},
        {"pending_bytes": 10**9},
    ],
)
def test_ready_all_the_same(changes: dict[str, Any]) -> None:
    """Nothing was due yet; a restart of Postgres; a disk that still has room; a backlog at the start of a match."""
    assert readiness(replace(FINE, **changes), 0.0).is_well


def test_all_of_it_is_said() -> None:
    """Several things may be wrong at once."""
    verdict = readiness(Facts(archive_failed=True, tried=True, limited=True, is_leaving=True), 20.0)
    assert len(verdict.because) == 5
