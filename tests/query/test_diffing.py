"""What changed between two moments, and how long it stood."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from recorder import Archive
from recorder.query.diffing import Change, What, changes, sentence, stands
from recorder.query.rows import Action, kinds
from tests.archive.filling import Filled

START = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)


def action(position: int, action_id: str | None, send_type: str, second: int | None = None, **said: Any) -> Action:
    """Make a revision, received live a second after the one before, or at ``second``."""
    nothing: dict[str, Any] = dict.fromkeys(kinds(Action))
    at = START + timedelta(seconds=position if second is None else second)
    usual: dict[str, Any] = {
        "position": position, "action_id": action_id, "send_type": send_type, "received_at": at, "arrival": "live",
        "sport": "soccer", "type": "Goal", "clock": "23:10", "clock_seconds": 1390, "period": 1, "player": "Pogba",
        "related_action_ids": [], "session_id": 1, "frame_number": position, "part": 0,
    }  # fmt: skip
    return Action(**{**nothing, **usual, **said})


def told(before: int, *revisions: Action) -> list[str]:
    return [sentence(change) for change in changes(revisions[:before], revisions)]


def test_added_and_still_pending() -> None:
    """What was not known before, and what is still in the air."""
    assert told(0, action(0, "a", "Pending"), action(1, "b", "Confirmed", type="Corner")) == [
        "Goal 24' Pogba added, pending",
        "Corner 24' Pogba added",
    ]


def test_confirmed_after_how_long() -> None:
    """From the first moment at which it stood to the confirmation; what changed with it is told too."""
    revisions = (
        action(0, "a", "Pending", 0),
        action(1, "a", "Confirmed", 6),
        action(2, "a", "Updated", 40, player="Payet"),
    )
    assert told(1, *revisions[:2]) == ["Goal 24' Pogba confirmed after 00:06"]
    assert told(1, *revisions) == ["Goal 24' Payet confirmed after 00:06; player: Pogba → Payet"]


def test_corrected() -> None:
    """A yellow card that becomes a red one, with both names; a revision that says the same is no change."""
    yellow, red = action(0, "a", "Confirmed", type="Yellow Card"), action(1, "a", "Updated", type="Red Card")
    assert told(1, yellow, red) == ["Red Card 24' Pogba corrected, type: Yellow Card → Red Card"]
    assert told(1, yellow, action(1, "a", "Updated", type="Yellow Card")) == []


def test_taken_back_after_a_video_check() -> None:
    """How long it stood, and that the check which names it came before."""
    revisions = (
        action(0, "a", "Pending", 0, team="France"),
        action(1, "a", "Confirmed", 5, team="France"),
        action(2, "v", "Confirmed", 90, type="Video Check Result", related_action_ids=["a"]),
        action(3, "a", "Deleted", 96),
    )
    assert told(2, *revisions)[1] == "Goal 24' Pogba (France) stood 01:36, deleted after video check"
    assert told(0, *revisions)[1] == "Goal 24' Pogba (France) stood 01:36, deleted after video check"
    other = (*revisions[:2], action(2, "v", "Confirmed", type="Video Check Result"), revisions[3])
    assert told(2, *other)[1].endswith("stood 01:36, deleted")


def test_cancelled_before_it_was_confirmed() -> None:
    """Came and went between the two moments: it is told, since it was acted upon."""
    assert told(0, action(0, "a", "Pending", 0), action(1, "a", "Cancelled", 8)) == [
        "Goal 24' Pogba stood 00:08, cancelled"
    ]


def test_restored() -> None:
    """A deleted action can come back as Updated, and stands anew from then."""
    revisions = (
        action(0, "a", "Confirmed", 0), action(1, "a", "Deleted", 10),
        action(2, "a", "Updated", 20), action(3, "a", "Deleted", 25),
    )  # fmt: skip
    assert told(2, *revisions[:3]) == ["Goal 24' Pogba restored"]
    assert told(2, *revisions) == ["Goal 24' Pogba stood 00:05, deleted"]


def test_nothing_new() -> None:
    """What never stood, and what did not change, is no change."""
    gone = action(0, "a", "Deleted"), action(1, "a", "Cancelled")
    assert told(0, *gone) == []
    assert told(1, action(0, "a", "Confirmed")) == []


def test_by_the_match_clock_where_it_did_not_come_live() -> None:
    """Of a backlog the receive times say nothing: within one period the match's clock does, else it is unknown."""
    late: dict[str, Any] = {"arrival": "catch_up", "second": 0}
    first = action(0, "a", "Pending", **late, current_period=1, current_clock_seconds=1390)
    same = action(1, "a", "Deleted", **late, current_period=1, current_clock_seconds=1486)
    assert told(1, first, same) == ["Goal 24' Pogba stood 01:36, deleted"]
    other = action(1, "a", "Deleted", **late, current_period=2, current_clock_seconds=2700)
    assert told(1, first, other) == ["Goal 24' Pogba stood for a time unknown, deleted"]


def test_a_changed_list() -> None:
    """In a new epoch: what is the same is no change, what it does not have any more is taken back."""
    goal, corner = action(0, "a", "Confirmed"), action(1, "b", "Confirmed", type="Corner")
    new = [structs.replace(goal, epoch=1), action(1, "c", "Confirmed", 9, epoch=1, frame_number=7, type="Throw In")]
    found = changes([goal, corner], new)
    assert sorted(map(sentence, found)) == [
        "Corner 24' Pogba stood for a time unknown, not in the vendor's list any more",
        "Throw In 24' Pogba added",
    ]
    assert {change.known_at for change in found} == {START + timedelta(seconds=9)}


@pytest.mark.parametrize(("sport", "name"), [("soccer", "24'"), ("snooker", "23:10")])
def test_minutes_are_football(sport: str, name: str) -> None:
    """The running minute in football, the clock in other sports."""
    assert told(0, action(0, "a", "Confirmed", sport=sport)) == [f"Goal {name} Pogba added"]


SEND_TYPES = st.sampled_from(["Pending", "Confirmed", "Updated", "Deleted", "Cancelled", "", "Odd"])
HISTORIES = st.lists(st.tuples(st.sampled_from(["a", "b", None]), SEND_TYPES, st.sampled_from("xy")), max_size=12)


def standing(revisions: Sequence[Action]) -> dict[object, Action]:
    newest = {each.position if each.action_id is None else each.action_id: each for each in revisions}
    return {key: each for key, each in newest.items() if stands(each)}


@given(history=HISTORIES, data=st.data())
def test_a_diff_leads_from_one_moment_to_the_other(
    history: list[tuple[str | None, str, str]], data: st.DataObject
) -> None:
    """Whatever the order of the send types: what stands at first, with the changes applied, is what stands then."""
    revisions = [action(at, name, kind, player=who) for at, (name, kind, who) in enumerate(history)]
    first = data.draw(st.integers(0, len(revisions)))
    found = changes(revisions[:first], revisions)
    keys = [change.action.position if change.action.action_id is None else change.action.action_id for change in found]
    assert len(keys) == len(set(keys))
    state = {key: (each.player, each.send_type == "Pending") for key, each in standing(revisions[:first]).items()}
    for key, change in zip(keys, found, strict=True):
        was_there = key in state
        assert change.what in _possible(was_there), (change.what, was_there)
        state[key] = (change.action.player, change.action.send_type == "Pending")
        if change.what is What.TAKEN_BACK:
            del state[key]
    wanted = {key: (each.player, each.send_type == "Pending") for key, each in standing(revisions).items()}
    assert {key: said[0] for key, said in state.items()} == {key: said[0] for key, said in wanted.items()}


def _possible(was_there: bool) -> set[What]:
    if was_there:
        return {What.CONFIRMED, What.CORRECTED, What.TAKEN_BACK}
    return {What.ADDED, What.RESTORED, What.TAKEN_BACK}


def test_a_real_match(library: Filled) -> None:
    """France - Romania by position: two goals that the video check took away, with how long they stood."""
    with Archive.open(library.url) as archive:
        revisions = archive.revisions("france-romania")
    gone: list[Change] = [
        change for change in changes([], revisions) if change.what is What.TAKEN_BACK and change.action.type == "Goal"
    ]
    assert [sentence(change) for change in gone] == [
        "Goal 1' B. Matuidi (France) stood 01:35, deleted after video check",
        "Goal 81' A. Martial (France) stood 01:35, deleted after video check",
    ]
