"""Killed at any moment, a prune leaves every match whole here or marked and in the lake; run again, it is done."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable

from recorder.export.selecting import Wanted
from recorder.pruning.pruning import Asked, prune
from recorder.publishing.checking import check
from recorder.publishing.keeping import check_pruned
from recorder.publishing.publishing import DEADLINE_S, publish
from tests.archive.filling import Filled
from tests.lake.conftest import small
from tests.pruning.conftest import counted, verdicts

KILLS = 3
MATCHES = 20


def filled(archive: Filled) -> dict[int, int]:
    """Store matches; return how many rows each of them has."""
    told = [small(5) for _ in range(MATCHES)]
    archive.write(*(operation for one in told for operation in one.operations))
    rows = counted(archive)
    return {one.stream.stream_id: rows[one.stream.stream_id] for one in told}


def begun(archive: Filled, lake: str) -> subprocess.Popen[str]:
    """Start a process that prunes, and return it when it is about to."""
    arguments = [sys.executable, "-m", "tests.pruning.child", archive.url, lake]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "begin\n"
    return child


def assert_whole_or_marked(archive: Filled, lake: str, rows: dict[int, int]) -> set[int]:
    """Return what has its mark; all of that is in the lake, and all else is here."""
    marked = {stream_id for (stream_id,) in archive.select("SELECT stream_id FROM tombstone")}
    held = counted(archive)
    assert {one: held[one] for one in rows} == {one: 0 if one in marked else rows[one] for one in rows}
    assert {one for one, verdict in verdicts(archive).items() if verdict == "pruned"} == marked
    assert {one.verdict for one in check(archive.url, lake, deadline_s=DEADLINE_S)} <= {"equal"}
    kept = list(check_pruned(archive.url, lake))
    assert ({one.stream_id for one in kept}, {one.verdict for one in kept} - {"equal"}) == (marked, set())
    return marked


def test_a_prune_killed_at_random_moments_leaves_each_match_here_or_marked(archive: Filled, lake: str) -> None:
    rows = filled(archive)
    publish(archive.url, lake)
    chance = random.Random(seed := random.randrange(2**32))
    seconds, marked = 1.0, set[int]()
    for number in range(KILLS):
        child = begun(archive, lake)
        moment = chance.uniform(0, seconds)
        time.sleep(moment)  # the moment is what is random here: nothing is waited for
        child.kill()
        child.communicate()
        before, marked = marked, assert_whole_or_marked(archive, lake, rows)
        assert before <= marked, f"kill {number} of seed {seed}, after {moment:.4f} s"
        publish(archive.url, lake)
    assert {one.outcome for one in prune(Asked(archive.url, lake, 86_400.0, DEADLINE_S, Wanted()))} <= {"pruned"}
    assert assert_whole_or_marked(archive, lake, rows) == set(rows)


def test_a_prune_killed_between_any_two_matches_goes_on(archive: Filled, lake: str) -> None:
    rows = filled(archive)
    publish(archive.url, lake)
    asked = Asked(archive.url, lake, 86_400.0, DEADLINE_S, Wanted())
    for count in (1, 7, MATCHES):
        _some(lambda: prune(asked), count)
        assert_whole_or_marked(archive, lake, rows)
    assert {stream_id for (stream_id,) in archive.select("SELECT stream_id FROM tombstone")} == set(rows)


def _some(run: Callable[[], object], count: int) -> None:
    """Let a run do so many matches, and stop it there."""
    going = run()
    for _, _ in zip(range(count), going, strict=False):  # type: ignore[call-overload]
        pass
    going.close()  # type: ignore[attr-defined]
