from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.errors import DiskError, UsageError
from recorder.model import microseconds
from recorder.query.archive import Archive
from recorder.web.file_page import write_page
from tests.archive.filling import START_US, Filled, History, fill, open_stream
from tests.vendor import load
from tests.web.visiting import Element, by_id, elements, rows

FRANCE_ROMANIA = load("soccer-france-romania")
SCRIPT = "</script><script>window.executed = true</script>"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("library") / "archive.db", FRANCE_ROMANIA, load("snooker-1"))


@pytest.fixture(scope="module")
def page(library: Filled, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a match with two goals that were taken away."""
    out = tmp_path_factory.mktemp("out") / "match.html"
    assert write_page(library.url, "france-romania", None, out) is None
    return out.read_text()


def written(path: Path, history: History) -> str:
    archive = Filled(path / "archive.db")
    archive.write(*history.taken())
    write_page(archive.url, history.stream.fixture_id, None, path / "match.html")
    return (path / "match.html").read_text()


def shown_at(page: str, at_us: int) -> list[Element]:
    """Return the rows that the script shows for a moment, in the order in which it puts them."""
    found = [
        row
        for row in rows(page)
        if int(row.attributes["data-from"]) <= at_us < int(row.attributes.get("data-until", 2**62))
    ]
    state = [each for each in states(page) if each[0] <= at_us][-1:]
    by = "data-order" if state and state[0][5] else "data-live"
    return sorted(found, key=lambda row: row.attributes[by])


def states(page: str) -> list[list[Any]]:
    """Return what the file tells of the match as a whole: from when, scores, period, clock, whether it is over."""
    found: list[list[Any]] = json.loads(by_id(page, "states").text)
    return found


def positions(found: list[Element]) -> list[int]:
    return [int(row.attributes["data-position"]) for row in found if "gone" not in row.classes]


def test_without_a_script_the_file_shows_the_match_as_it_stands(page: str, library: Filled) -> None:
    with Archive.open(library.url) as archive:
        timeline = archive.timeline("france-romania")
    visible = [row for row in rows(page) if "hidden" not in row.attributes]
    assert positions(visible) == [action.position for action in timeline]


def test_at_every_moment_the_file_shows_the_timeline_of_that_moment(page: str, library: Filled) -> None:
    with Archive.open(library.url) as archive:
        received = sorted({microseconds(each.received_at) for each in archive.revisions("france-romania")})
        for at_us in received[::25]:
            at = next(each.received_at for each in archive.revisions("france-romania")
                      if microseconds(each.received_at) == at_us)  # fmt: skip
            timeline = archive.timeline("france-romania", as_of=at)
            assert positions(shown_at(page, at_us)) == [action.position for action in timeline]


def test_the_score_at_every_moment_is_that_of_the_states(page: str, library: Filled) -> None:
    with Archive.open(library.url) as archive:
        for state in archive.states("france-romania")[::40]:
            at_us = microseconds(state.known_from)
            if state.home_score is not None:
                said = [each for each in states(page) if each[0] <= at_us][-1]
                assert said[1:3] == [state.home_score, state.away_score]


def test_a_goal_stands_until_it_is_taken_back_and_is_struck_through_from_then_on(tmp_path: Path) -> None:
    history = History()
    for second, send_type in ((0, "Pending"), (10, "Confirmed"), (96, "Deleted")):
        history.add(START_US + second * 1_000_000, action_id="goal", type="Goal", send_type=send_type)
    page = written(tmp_path, history)
    seen = {second: shown_at(page, START_US + second * 1_000_000) for second in (-1, 0, 10, 95, 96)}
    assert {second: [sorted(row.classes & {"pending", "gone"}) for row in found] for second, found in seen.items()} == {
        -1: [], 0: [["pending"]], 10: [[]], 95: [[]], 96: [["gone"]],
    }  # fmt: skip
    assert "stood 01:36, deleted" in seen[96][0].text


MOMENT = st.integers(0, 5)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "at": MOMENT,
                "action_id": st.sampled_from(["a", "b", None]),
                "send_type": st.sampled_from(["Pending", "Confirmed", "Deleted"]),
                "fixture_seq_num": st.integers(0, 3),
                "finished": st.sampled_from([True, False, None]),
            }
        ),
        min_size=1,
        max_size=7,
    )
)
def test_whenever_packets_came_the_file_shows_what_stood(
    tmp_path_factory: pytest.TempPathFactory, sent: list[dict[str, Any]]
) -> None:
    # An action's number stays the same in all its revisions, as the vendor promises.
    history, numbers = History(), dict[str, int]()
    for each in sorted(sent, key=lambda each: int(each["at"])):
        said = {name: value for name, value in each.items() if name != "at"}
        if said["action_id"] is not None:
            said["fixture_seq_num"] = numbers.setdefault(said["action_id"], said["fixture_seq_num"])
        history.add(START_US + each["at"], **said)
    path = tmp_path_factory.mktemp("any")
    page = written(path, history)
    with Archive.open(f"sqlite:///{path}/archive.db") as archive:
        for second in range(6):
            at = f"2023-11-14T22:13:20.00000{second}Z"
            timeline = archive.timeline(history.stream.fixture_id, as_of=at)
            assert positions(shown_at(page, START_US + second)) == [action.position for action in timeline]


def test_the_file_allows_only_its_own_script_and_style(page: str) -> None:
    (policy,) = [each.attributes["content"] for each in elements(page) if each.attributes.get("http-equiv") is not None]
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_the_file_asks_for_nothing_outside(page: str) -> None:
    assert not [each for each in elements(page) if each.attributes.get("src")]
    assert {each.attributes["href"] for each in elements(page) if "href" in each.attributes} == {"data:,", "#main"}
    assert not re.findall(r"@import|url\((?!\"?data:)", page)


def test_names_that_end_scripts_are_text(tmp_path: Path) -> None:
    history = History()
    history.operations[0] = open_stream(history.stream, label=SCRIPT, competition=SCRIPT)
    history.add(action_id=SCRIPT, type=SCRIPT, team=SCRIPT, player=SCRIPT, current_period=1, home_score=0, away_score=0,
                extra=json.dumps({"fixtureSummary": {"periods": [{"id": 1, "label": SCRIPT}]}}))  # fmt: skip
    history.gap(SCRIPT)
    page = written(tmp_path, history)
    scripts = [each for each in elements(page) if each.tag == "script"]
    assert [each.attributes.get("type") for each in scripts] == ["application/json", None]
    assert states(page)[0][3] == SCRIPT


def test_a_match_of_which_nothing_has_come_is_a_file_too(tmp_path: Path) -> None:
    page = written(tmp_path, History())
    assert rows(page) == []
    assert states(page) == []


def test_the_choice_between_two_feeds_is_told(tmp_path: Path) -> None:
    archive = fill(tmp_path / "archive.db", load("snooker-1", feed="betting"), load("snooker-1", feed="media"))
    note = write_page(archive.url, load("snooker-1").fixture_id, None, tmp_path / "match.html")
    assert note is not None
    assert "showing betting" in note
    assert write_page(archive.url, load("snooker-1").fixture_id, "media", tmp_path / "match.html") is None


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(library: Filled, tmp_path: Path) -> None:
    out = tmp_path / "match.html"
    out.write_text("before")
    write_page(library.url, "france-romania", None, out)
    assert out.read_text().startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [out]


def test_what_names_no_match_or_no_place_is_told_and_nothing_is_written(library: Filled, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recorded fixture"):
        write_page(library.url, "nobody-nowhere", None, tmp_path / "match.html")
    for place in (tmp_path, tmp_path / "nowhere" / "match.html"):
        with pytest.raises(UsageError, match="is no place for a file"):
            write_page(library.url, "france-romania", None, place)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told_with_why(library: Filled, tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="name another file"):
        write_page(library.url, "france-romania", None, tmp_path / f"{'x' * 250}.html")
