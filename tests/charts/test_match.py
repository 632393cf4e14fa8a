"""A match as a picture: what is drawn, where, and that no label covers another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.charts.drawing import draw_match
from recorder.charts.lines import bands, steps
from recorder.charts.look import WIDTH
from recorder.charts.match import match_chart
from recorder.charts.match_clock import MatchClock
from recorder.charts.moments import Moment, moments, placed
from recorder.errors import UsageError
from recorder.model import Fields, Gap
from recorder.operations import OpenGap
from recorder.query.reading import reading
from recorder.query.selecting import select_stream
from recorder.query.timelines import Question
from tests.archive.filling import START_US, Filled, recorded, stream_of
from tests.vendor import load

LEGANES = load("soccer-leganes-valencia")
CLOCK = MatchClock([(1, 0), (1, 1000)])


def action(**said: Any) -> Any:
    usual = {"type": "Goal", "send_type": "Confirmed", "period": 1, "clock": "08:20", "clock_seconds": 500,
             "side": "home", "team": "Here", "player": "A. Player"}  # fmt: skip
    return SimpleNamespace(**dict.fromkeys(Fields.__struct_fields__) | usual | said)


def state(position: int, clock: int | None, home: int | None = 0, away: int | None = 0, period: int = 1) -> Any:
    return SimpleNamespace(position=position, period=period, clock_seconds=clock, home_score=home, away_score=away,
                           known_from=f"2024-01-01T00:00:{position:02}.000000Z")  # fmt: skip


def gap(first: int | None, end: int | None, **said: Any) -> Any:
    usual = {"cause": "network", "ours": True, "detail": "cut", "resolved_at": None, "to_time": None,
             "from_time": "2024-01-01T00:00:01.500000Z"}  # fmt: skip
    return SimpleNamespace(**{"from_position": first, "to_position": end, **usual, **said})


# -- the score ---------------------------------------------------------------------------------------------------------


def test_steps_are_where_the_score_changes() -> None:
    """Each side's first score and every change, a goal that was taken away as well."""
    found = steps([state(0, 0), state(1, 500, 1), state(2, 600, 1), state(3, 700, 0, 1)], CLOCK)
    assert [(step.x, step.side, step.score) for step in found] == [
        (0, "home", 0), (0, "away", 0), (500, "home", 1), (700, "home", 0), (700, "away", 1),
    ]  # fmt: skip


def test_steps_never_go_back() -> None:
    """A packet of an earlier clock that changes the score later is drawn where the match stood by then."""
    found = steps([state(0, 0), state(1, 800), state(2, 300, 1), state(3, None, 2)], CLOCK)
    assert [step.x for step in found] == [0, 0, 800, 800]


# -- gaps --------------------------------------------------------------------------------------------------------------

STATES = [state(0, 0), state(1, 250), state(2, 500), state(3, 750), state(4, 1000)]


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        (gap(2, 4), (250, 1000, "open gap")),
        (gap(2, None), (250, 1000, "open gap")),
        (gap(2, 3, resolved_at="2024-01-01T00:00:09.000000Z"), (250, 750, "gap, closed since")),
        (gap(2, 3, ours=False), (250, 750, "the vendor's outage")),
        (gap(None, None), (250, 1000, "open gap")),
        (gap(None, None, to_time="2024-01-01T00:00:02.500000Z"), (250, 750, "open gap")),
        (gap(2, 2), (250, 500, "open gap")),
        (gap(0, 1), (0, 250, "open gap")),
    ],
)
def test_bands(missing: Any, wanted: tuple[float, float, str]) -> None:
    """From the last thing before it to the first behind it, by positions, or by times where nobody can tell them."""
    (band,) = bands(STATES, [missing], CLOCK)
    assert (band.x, band.x2, band.kind) == wanted


@pytest.mark.parametrize("missing", [gap(6, None), gap(2, 3, cause="clock_step")])
def test_no_band(missing: Any) -> None:
    """What began later than is known, and a step of our clock."""
    assert bands(STATES, [missing], CLOCK) == []


def test_a_gap_of_no_time_is_seen() -> None:
    """Everything that was missed came at one clock: the band has some width."""
    (band,) = bands([state(0, 500), state(1, 500)], [gap(1, 1)], CLOCK)
    assert band.x2 - band.x == pytest.approx(3)


# -- key moments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "lane", "label"),
    [
        ({}, "Goals", "A. Player 08:20"),
        ({"player": None}, "Goals", "Here 08:20"),
        ({"send_type": "Pending"}, "Goals", "A. Player 08:20 (pending)"),
        ({"type": "Own Goal"}, "Goals", "A. Player (own goal) 08:20"),
        ({"type": "Penalty Awarded", "player": None}, "Penalties", "Here awarded 08:20"),
        ({"type": "Second Yellow Card"}, "Cards", "A. Player 08:20"),
        ({"type": "Substitution In"}, "Substitutions", "A. Player in 08:20"),
        ({"type": "Video Check Result"}, "Video checks", "result 08:20"),
        ({"type": "Possible Video Check"}, "Video checks", "possible 08:20"),
    ],
)
def test_moments(said: dict[str, Any], lane: str, label: str) -> None:
    """What happened, to whom and when."""
    (found,) = moments([action(**said), action(type="Throw In"), action(type=None), action(period=0)], CLOCK)
    assert (found.lane, found.label, found.is_pending) == (lane, label, "pending" in label)


def test_what_a_terminal_or_a_reader_would_obey_is_shown() -> None:
    """Control characters and those that turn the writing round stand in a label as text."""
    (found,) = moments([action(player="evil\n\u202eeman")], CLOCK)
    assert found.label == "evil\\n\\u202eeman 08:20"


def test_a_long_name_is_cut() -> None:
    """It would leave no room for anybody else."""
    (found,) = moments([action(player="x" * 500)], CLOCK)
    assert len(found.label or "") == 34


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 34)), max_size=25))
def test_no_label_covers_another(said: list[tuple[int, int]]) -> None:
    """In one row, from the mark to the end of its label, nothing else is written; and every mark is drawn."""
    lane = [Moment("Goals", x, "home", "x" * length, is_pending=False, colour=None, told="")
            for x, length in sorted(said)]  # fmt: skip
    found = placed(lane, 1000, WIDTH)
    assert [moment.x for moment in found] == [moment.x for moment in lane]
    taken: dict[int, list[tuple[float, float]]] = {}
    for moment in found:
        if moment.label is not None:
            at, length = moment.x / 1000 * WIDTH, 9 + 5.6 * len(moment.label)
            taken.setdefault(moment.row, []).append((at - length, at) if moment.flips else (at, at + length))
    for row in taken.values():
        assert all(one[1] <= other[0] for one, other in pairwise(row))


# -- the whole ---------------------------------------------------------------------------------------------------------


def values(chart: Any) -> str:
    return json.dumps(chart.to_dict(), ensure_ascii=False)


def test_a_chart_has_it_all() -> None:
    """Title, both teams with their scores, the moments, the periods by name, the gap."""
    period = SimpleNamespace(period=1, label="1st half", home_score=1, away_score=0)
    rows = [action(side="away", team="There", type="Throw In"), action()]
    drawn = values(match_chart("Here 1-0 There", rows, [*STATES, state(5, 1000, 1)], [gap(2, 3)], [period]))
    for text in ("Here 1-0 There", "Here 1", "There 0", "A. Player 08:20", "1st half", "open gap"):
        assert text in drawn


def test_two_teams_of_one_name() -> None:
    """They are still two lines of two colours."""
    rows = [action(side="away"), action()]
    drawn = values(match_chart("derby", rows, STATES))
    assert "Here (away) 0" in drawn


def test_nothing_to_draw() -> None:
    """A match that has not begun has no time to draw along."""
    with pytest.raises(UsageError, match="nothing to draw"):
        match_chart("Here - There", [], [state(0, 0, period=0)])


def texts(path: Path) -> Sequence[str]:
    svg = path.read_text()
    return [part.partition("<")[0] for part in svg.split(">")]


def test_a_match_of_the_archive(archive: Filled, tmp_path: Path) -> None:
    """Of a real match up to a pending goal, with a gap; and as it was known earlier, without what came later."""
    stream = stream_of(LEGANES)
    missing = Gap(stream.stream_id, 6, 0, "live_only", True, "why", 200, 230, START_US, None)
    archive.write(*recorded(LEGANES, first=310), OpenGap(missing))
    with reading(archive.url) as reader:
        row, _ = select_stream(reader, LEGANES.fixture_id)
        draw_match(reader, row, Question(row.stream_id), tmp_path / "now.svg")
        draw_match(reader, row, Question(row.stream_id, as_of_position=150, types=("Goal",)), tmp_path / "then.svg")
    now, then = texts(tmp_path / "now.svg"), texts(tmp_path / "then.svg")
    assert {"Leganés 0-0 Valencia", "Rodrigo 61:25 (pending)", "1st half", "2nd half", "open gap"} <= set(now)
    assert {"Leganés 0-0 Valencia", "Leganés 0", "1st half"} <= set(then)
    assert "0-0" in now
    assert not {"0-0", "Rodrigo 61:25 (pending)", "2nd half", "open gap"} & set(then)
