"""The oracle notices what it is there for, in real archives that were spoiled."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from recorder.archive import tables
from tests.archive.filling import fill
from tests.faults.made import make
from tests.rig.oracle import Judgement, held_in_file, judge
from tests.rig.tally import Tally

MATCH = make("judged", 12)
OTHERS = ", ".join(column.name for column in tables.frame.columns if column.name != "frame_number")


@pytest.fixture
def spoiled(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The file of an archive that holds the match whole, to be spoiled."""
    path = tmp_path / "archive.db"
    fill(path, MATCH)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def judged(tmp_path: Path, expected: int = 12) -> Judgement:
    return judge(held_in_file(tmp_path / "archive.db", tmp_path / "copies"), MATCH.fixture_id, MATCH.packets, expected)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", Judgement(12)),
        ("DELETE FROM action WHERE position = 11", Judgement(11, lost=1, doubled=1)),
        ("DELETE FROM action WHERE position = 4", Judgement(11, lost=1, doubled=1)),
        ("DELETE FROM frame WHERE frame_number = 3", Judgement(11, lost=1)),
        ("UPDATE frame SET payload = x'00' WHERE frame_number = 3", Judgement(12, altered=1)),
        ("UPDATE action SET frame_number = 3 WHERE position = 4", Judgement(12, altered=1)),
        (
            f"INSERT INTO frame (frame_number, {OTHERS}) SELECT 99, {OTHERS} FROM frame WHERE frame_number = 3",
            Judgement(12, doubled=1),
        ),
    ],
    ids=["whole", "end-lost", "hole", "frame-lost", "altered", "another-frame", "frame-twice"],
)
def test_what_is_wrong_is_counted(
    tmp_path: Path, spoiled: sqlite3.Connection, statement: str, expected: Judgement
) -> None:
    """An action that is missing leaves its frame behind, which belongs to none."""
    spoiled.execute(statement)
    assert judged(tmp_path) == expected


def test_only_what_was_acknowledged_must_be_there(tmp_path: Path, spoiled: sqlite3.Connection) -> None:
    """An end that nobody had seen may be missing."""
    spoiled.execute("DELETE FROM action WHERE position >= 8")
    spoiled.execute("DELETE FROM frame WHERE frame_number >= 8")
    assert judged(tmp_path, expected=8) == Judgement(8)
    assert judged(tmp_path, expected=9) == Judgement(8, lost=1)


def test_a_campaign_with_a_loss_fails() -> None:
    """And says how many."""
    tally = Tally("lossy", planned=1, fired=1, judged=Judgement(7, lost=1))
    with pytest.raises(AssertionError, match="7 frames, 1 lost"):
        tally.prove()
