from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recorder.model import Gap
from recorder.operations import OpenGap
from recorder.query.reading import reading
from recorder.web.chart_data import chart_data
from recorder.web.gathered import gather, stream_row
from tests.archive.filling import START_US, Filled, History, fill
from tests.vendor import load


def data(archive: Filled, as_of_us: int | None = None) -> dict[str, Any]:
    with reading(archive.url) as reader:
        (stream_id,) = (row.stream_id for row in reader.rows("SELECT stream_id FROM stream"))
        stream = stream_row(reader, stream_id)
        assert stream is not None
        found = chart_data(gather(reader, stream, [stream.feed], as_of_us))
    json.dumps(found, allow_nan=False)
    return found


def minutes(history: History, count: int = 10, **fields: Any) -> None:
    """Let so many minutes of play pass, an action in each."""
    for minute in range(count):
        at = len(history.actions)
        history.add(START_US + at * 60_000_000, action_id=str(at), type="Foul", period=1, clock_seconds=minute * 60,
                    current_period=1, current_clock_seconds=minute * 60, home_score=0, away_score=0,
                    **fields)  # fmt: skip


def filled(path: Path, history: History) -> Filled:
    archive = Filled(path / "archive.db")
    archive.write(*history.taken())
    return archive


def test_a_real_match_ends_with_its_score_and_has_its_periods(tmp_path: Path) -> None:
    match = load("soccer-france-romania")
    found = data(fill(tmp_path / "archive.db", match))
    assert (found["home"][-1], found["away"][-1]) == match.official_score
    assert [each["label"] for each in found["periods"]] == ["1st half", "2nd half"]
    assert found["x"] == sorted(set(found["x"]))
    assert len({len(found[name]) for name in ("x", "home", "away", "density")}) == 1
    assert max(found["home"]) == 2
    assert (found["home_team"], found["away_team"]) == ("France", "Romania")


def test_a_goal_that_was_taken_away_is_a_step_up_and_down(tmp_path: Path) -> None:
    found = data(fill(tmp_path / "archive.db", load("soccer-france-romania")))
    steps = [score for at, score in enumerate(found["home"]) if at == 0 or found["home"][at - 1] != score]
    assert steps == [0, 1, 0, 1, 2, 1, 2]


def test_a_match_of_many_short_periods_is_one_line_of_time(tmp_path: Path) -> None:
    found = data(fill(tmp_path / "archive.db", load("snooker-1")))
    assert [each["label"] for each in found["periods"]] == [f"Frame {number}" for number in range(1, 10)]


def test_a_moment_before_the_end_has_no_later_time(tmp_path: Path) -> None:
    archive = fill(tmp_path / "archive.db", load("soccer-france-romania"))
    assert data(archive, START_US + 3_600_000_000)["x"][-1] < data(archive)["x"][-1]


def test_a_gap_is_a_band_where_it_was(tmp_path: Path) -> None:
    history = History()
    minutes(history)
    history.gap("unplaced")
    found = data(filled(tmp_path, history))
    assert [(each["kind"], each["from"], each["to"]) for each in found["bands"]] == [("gap", 120, 300)]
    assert found["bands"][0]["label"] == "unplaced: why"


def test_an_outage_of_the_vendor_and_a_suspended_collection_are_bands_of_their_own_kind(tmp_path: Path) -> None:
    history = History()
    minutes(history, 4)
    for minute, status in ((4, "CollectionSuspended"), (5, None), (6, "CollectingLive"), (7, "CollectingLive")):
        history.add(START_US + minute * 60_000_000, action_id=f"s{minute}", type="Status Updated", current_period=1,
                    current_clock_seconds=minute * 60, collection_status=status)  # fmt: skip
    gap = Gap(history.stream.stream_id, 9, 0, "vendor_suspended", False, "SUSPENDED", 2, 2, START_US + 60_000_000,
              START_US + 180_000_000)  # fmt: skip
    history.operations.append(OpenGap(gap))
    found = data(filled(tmp_path, history))
    assert {each["kind"] for each in found["bands"]} == {"suspended"}
    assert {"kind": "suspended", "from": 240, "to": 360, "label": "CollectionSuspended"} in found["bands"]


def test_a_suspension_that_goes_on_lasts_to_the_end(tmp_path: Path) -> None:
    history = History()
    minutes(history, 5, collection_status="CollectionSuspended")
    (band,) = data(filled(tmp_path, history))["bands"]
    assert (band["from"], band["to"]) == (0, 240)


def test_the_pace_is_counted_in_actions_a_minute(tmp_path: Path) -> None:
    history = History()
    minutes(history)
    found = data(filled(tmp_path, history))
    assert sum(found["density"]) * 15 / 60 == 10


def test_without_a_clock_in_play_there_is_nothing_to_draw(tmp_path: Path) -> None:
    history = History()
    history.add(action_id="a", type="Status Updated", period=0)
    found = data(filled(tmp_path, history))
    assert [found[name] for name in ("x", "home", "away", "density", "bands", "periods")] == [[]] * 6
