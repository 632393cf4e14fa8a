from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from recorder.archive import views
from recorder.model import Stream
from recorder.query.reading import Reader, reading
from recorder.query.story import entries, revisions
from recorder.web.gathered import gather, stream_row
from recorder.web.match_page import Asked, rows_of
from recorder.web.rows_html import Told, rendered
from tests.archive.filling import START_US, Filled, History, fill
from tests.vendor import load
from tests.web.visiting import Element, elements, rows

TURNED = "\u202eevil"
SCRIPT = "<script>alert('\"')</script>"


def told(reader: Reader, stream_id: int) -> list[Told]:
    """Return what live readers were told of all of a stream."""
    select = views.arrivals(reader.dialect, "a.stream_id = :id")
    return rendered(reader, reader.rows(f"{select} ORDER BY a.epoch, a.position", {"id": stream_id}))


def made(path: Path, *histories: History) -> Filled:
    archive = Filled(path / "archive.db")
    archive.write(*(operation for history in histories for operation in history.taken()))
    return archive


def one_row(path: Path, **fields: Any) -> Element:
    """Return the row of an action that says this."""
    history = History()
    history.add(**{"action_id": "a", "send_type": "Confirmed", "type": "Foul"} | fields)
    with reading(made(path, history).url) as reader:
        (row,) = rows(f"<table>{told(reader, history.stream.stream_id)[0].html}</table>")
    return row


def test_live_readers_end_with_the_rows_of_the_page(tmp_path: Path) -> None:
    archive = fill(tmp_path / "archive.db", load("soccer-france-romania"))
    with reading(archive.url) as reader:
        (stream_id,) = (row.stream_id for row in reader.rows("SELECT stream_id FROM stream"))
        newest = {each.key: each for each in told(reader, stream_id)}
        stream = stream_row(reader, stream_id)
        assert stream is not None
        page = gather(reader, stream, [stream.feed], None)
        shown = rows_of(page, Asked(), page.entries)
    assert "".join(each.html for each in sorted(newest.values(), key=lambda each: each.order)) == shown


def test_a_live_reader_is_told_of_a_goal_that_it_is_pending_then_confirmed_then_taken_away(tmp_path: Path) -> None:
    history = History()
    for second, send_type in ((0, "Pending"), (10, "Confirmed"), (70, "Deleted")):
        history.add(START_US + second * 1_000_000, action_id="goal", send_type=send_type, type="Goal",
                    fixture_seq_num=1, home_score=1, away_score=0)  # fmt: skip
    with reading(made(tmp_path, history).url) as reader:
        found = told(reader, history.stream.stream_id)
    seen = [rows(f"<table>{each.html}</table>")[0] for each in found]
    assert [each.classes & {"pending", "gone"} for each in seen] == [{"pending"}, set(), {"gone"}]
    assert [each.stands for each in found] == [True, True, False]
    assert [each.position for each in found] == [0, 1, 2]
    assert "stood 01:10, deleted" in seen[-1].text
    assert {each.order for each in found} == {found[0].order}


def test_a_live_reader_gets_the_score_line_as_it_is_now(tmp_path: Path) -> None:
    history = History()
    history.add(action_id="a", type="Goal", team="Atlantis", side="home", home_score=1, away_score=0)
    history.add(action_id="b", type="Foul", team="Mu", side="away", current_period=2, current_clock_seconds=3000)
    with reading(made(tmp_path, history).url) as reader:
        head = told(reader, history.stream.stream_id)[-1].head
    text = [each.text for each in elements(head) if each.tag in ("h1", "p")]
    assert text[0] == "Atlantis 1– to 0 Mu"
    assert text[1].startswith("Live Period 2 50:00 last action")


def test_rows_of_many_streams_are_told_with_their_own_names(tmp_path: Path) -> None:
    histories = [History(Stream("betting", "soccer", f"match-{number}")) for number in range(3)]
    for history in histories:
        history.add(action_id="same", type="Goal", team=f"team of {history.stream.fixture_id}")
    with reading(made(tmp_path, *histories).url) as reader:
        found = rendered(reader, reader.rows("SELECT * FROM actions ORDER BY fixture_id"))
    assert [f"team of match-{number}" in each.html for number, each in enumerate(found)] == [True] * 3
    assert [f"/matches/match-{number}/actions/0" in each.html for number, each in enumerate(found)] == [True] * 3


def test_what_is_told_is_json_s_own_kind_of_values(tmp_path: Path) -> None:
    history = History()
    history.add(action_id=None, type=None, parse_error="no JSON")
    with reading(made(tmp_path, history).url) as reader:
        (only,) = told(reader, history.stream.stream_id)
    said = asdict(only)
    assert {name: type(value) for name, value in said.items()} == {
        "stream_id": int, "epoch": int, "position": int, "key": str, "order": str, "stands": bool, "html": str,
        "head": str,
    }  # fmt: skip
    assert only.key == "p0"
    assert "Unreadable action" in only.html


def test_what_a_feed_says_is_escaped_wherever_it_stands(tmp_path: Path) -> None:
    said = dict.fromkeys(("type", "sub_type", "clock", "team", "player", "delay_status", "action_id"), SCRIPT)
    row = one_row(tmp_path, **said, period=1, side="home")
    assert row.attributes["data-key"] == SCRIPT
    assert row.text.count("alert(") == 6


def test_a_name_that_turns_the_text_round_does_so_in_its_own_element_only(tmp_path: Path) -> None:
    history = History()
    history.add(action_id="a", type="Goal", team=TURNED, player=TURNED, sub_type=TURNED)
    with reading(made(tmp_path, history).url) as reader:
        html = told(reader, history.stream.stream_id)[0].html
    isolated = [each.text for each in elements(html) if each.tag == "bdi"]
    assert isolated == [TURNED] * 3
    assert html.count(TURNED) == 3


def test_a_name_of_ten_thousand_letters_is_cut_in_its_row_and_whole_enough_in_its_title(tmp_path: Path) -> None:
    history = History()
    history.add(action_id="a", type="W" * 10_000, team="W" * 10_000, player="V" * 10_000, clock="9" * 10_000, period=1)
    with reading(made(tmp_path, history).url) as reader:
        html = told(reader, history.stream.stream_id)[0].html
    (player,) = [each for each in elements(html) if "player" in each.classes]
    assert player.text == "V" * 79 + "…"
    assert player.attributes["title"] == "V" * 2000
    assert len(html) < 6_000


def test_the_balls_that_fell_are_named(tmp_path: Path) -> None:
    row = one_row(tmp_path, type="Ball Potted", metadata='{"pottedBalls":[{"colour":"Pink","points":6}]}')
    assert "Pink 6" in row.text


@pytest.mark.parametrize("metadata", ['{"pottedBalls":["Pink",7,null]}', '["pottedBalls"]', '{"pottedBalls":7}'])
def test_odd_metadata_does_no_harm(tmp_path: Path, metadata: str) -> None:
    assert "Ball Potted" in one_row(tmp_path, type="Ball Potted", metadata=metadata).text


def test_what_never_stood_is_said_so(tmp_path: Path) -> None:
    row = one_row(tmp_path, send_type="Cancelled")
    assert "never stood, cancelled" in row.text
    assert "gone" in row.classes


def test_what_happened_outside_play_has_no_clock(tmp_path: Path) -> None:
    assert one_row(tmp_path, type="Status Updated", period=0, clock="00:00").text.startswith("–Status Updated")


def test_rows_come_in_the_order_that_their_text_says(tmp_path: Path) -> None:
    archive = fill(tmp_path / "archive.db", load("snooker-1"))
    with reading(archive.url) as reader:
        (stream_id,) = (row.stream_id for row in reader.rows("SELECT stream_id FROM stream"))
        found: Sequence[str] = [entry.order for entry in entries(revisions(reader, stream_id))]
    assert found == sorted(found)
    assert len(set(found)) == len(found)
