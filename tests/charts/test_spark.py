"""A match in two lines of plain text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.charts.spark import can_draw, spark
from recorder.query.reading import reading
from recorder.query.timelines import Question, timeline
from tests.archive.filling import fill, stream_of
from tests.vendor import load


def row(position: int, period: int | None, clock: int | None, home: int | None = 0, away: int | None = 0) -> Any:
    return SimpleNamespace(position=position, period=period, clock_seconds=clock, home_score=home, away_score=away)


def test_density_and_score() -> None:
    """Bars where something happened, a line between the halves, the score where it came about."""
    rows = [row(n, 1, n * 10) for n in range(100)] + [row(100 + n, 2, n * 100, 1, 0) for n in range(10)]
    bars, scores = spark(rows, width=40)
    assert len(bars) == 40
    assert bars.index("|") == 20
    assert set(bars[:20]) == {"▇", "█"}
    assert " " in bars[21:]
    assert (scores.index("0-0"), scores.index("1-0")) == (0, 20)


def test_scores_that_come_close() -> None:
    """One that has no room stands a little later, or not at all."""
    rows = [row(0, 1, 0), row(1, 1, 500, 1), row(2, 1, 520, 2), row(3, 1, 530, 3), row(4, 1, 1000, 3)]
    assert spark(rows, width=40)[1] == "0-0                 1-0 2-0"


def test_plain_text() -> None:
    """For a terminal that cannot do better."""
    for line in spark([row(n, 1, n) for n in range(50)], plain=True):
        line.encode("ascii")


@pytest.mark.parametrize(("encoding", "can"), [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False),
                                               ("no such", False)])  # fmt: skip
def test_who_can_draw(encoding: str | None, can: bool) -> None:
    """By the encoding of the output."""
    assert can_draw(encoding) == can


def test_nothing_to_draw() -> None:
    """No line at all for a match that has not begun."""
    assert spark([]) == spark([row(0, 0, 0), row(1, None, None)]) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(0, 3)),
            st.one_of(st.none(), st.integers(-5, 10**6)),
            st.one_of(st.none(), st.integers(-(2**63), 2**63)),
        ),
        max_size=30,
    ),
    st.integers(0, 100),
)
def test_never_wider_than_asked(said: Sequence[tuple[int | None, int | None, int | None]], width: int) -> None:
    """Whatever the feed says; twenty columns at least."""
    for line in spark([row(n, period, clock, home) for n, (period, clock, home) in enumerate(said)], width=width):
        assert len(line) <= max(width, 20)


def test_a_real_match(tmp_path: Path) -> None:
    """France - Croatia: every score of the match stands under the line, the last one too."""
    match = load("soccer-france-croatia")
    filled = fill(tmp_path / "archive.db", match)
    with reading(filled.url) as reader:
        bars, scores = spark(timeline(reader, Question(stream_of(match).stream_id)), width=100)
    assert len(bars) == 100
    assert scores.split() == ["0-0", "1-0", "1-1", "2-1", "3-1", "4-1", "4-2"]
