"""Rows that no digest proves, brought in agreement with what was saved; those that agree stay as they are."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.archive.chains import content_chain, content_start
from recorder.model import ACTIONS
from recorder.salvage.mending import Seen, mend_audit, mend_epoch, mend_gap, mend_session

SESSION: dict[str, Any] = {
    "session_id": 7, "opened_us": 10, "closed_us": 90, "outcome": "closed", "url": "wss://v/actions?startPosition=3&x=1",
    "start_position": 3, "frames": 9, "actions": 4, "overlap_checked": 1, "resent": 0, "envelope_differences": 1,
    "heartbeats": 2, "last_heartbeat_us": 80, "calibration": "-1", "proven": 4, "previous_id": 6,
}  # fmt: skip
SEEN = Seen(frames=5, heartbeats=1, last_number=8, last_us=85, actions=4)

GAP: dict[str, Any] = {
    "epoch": 0, "from_position": 2, "to_position": 4, "to_us": None, "resolved_us": None, "cause": "network",
}  # fmt: skip
LISTS = {0: [b"a" * 16, b"b" * 16, b"c" * 16], 1: [b"a" * 16, b"x" * 16]}


@pytest.mark.parametrize(
    ("wrong", "changes"),
    [
        ({}, {}),
        ({"frames": 3}, {"frames": 9}),
        ({"frames": -5, "heartbeats": 50}, {"frames": 9, "heartbeats": 9}),
        ({"actions": 1}, {"actions": 4}),
        ({"heartbeats": 0}, {"heartbeats": 1}),
        ({"last_heartbeat_us": None}, {"last_heartbeat_us": 85}),
        ({"envelope_differences": 77}, {"envelope_differences": 5}),
        ({"proven": 12}, {"proven": None}),
        ({"calibration": "zzz"}, {"calibration": None}),
        ({"start_position": 8}, {"start_position": 3}),
        ({"previous_id": 7}, {"previous_id": None}),
        ({"closed_us": None}, {"closed_us": 85, "outcome": "recovered"}),
    ],
)
def test_a_session_has_counted_what_is_there(wrong: dict[str, Any], changes: dict[str, Any]) -> None:
    assert mend_session(SESSION | wrong, SEEN, 4) == SESSION | wrong | changes


def test_a_session_that_was_never_closed_may_have_counted_less() -> None:
    """Its counts are of a minute ago: that is no damage."""
    left_open = SESSION | {"closed_us": None, "outcome": None, "frames": 2, "actions": 0, "envelope_differences": 0}
    assert mend_session(left_open, SEEN, 4) == left_open


@pytest.mark.parametrize(
    ("wrong", "changes"),
    [
        ({}, {}),
        ({"to_position": 900}, {"to_position": None}),
        ({"from_position": -1}, {"from_position": None}),
        ({"from_position": 5, "to_position": 4}, {"to_position": None}),
        ({"resolved_us": 9}, {"to_us": 9}),
        ({"epoch": 4}, {"epoch": 1, "from_position": None, "to_position": None}),
    ],
)
def test_a_gap_lies_inside_of_its_list(wrong: dict[str, Any], changes: dict[str, Any]) -> None:
    assert mend_gap(GAP | wrong, {0: 5, 1: 2}, ACTIONS) == GAP | wrong | changes


def test_a_raw_channel_s_gaps_count_messages() -> None:
    """There is no list that they could lie outside of."""
    assert mend_gap(GAP | {"to_position": 900}, {0: 0}, "statistics") == GAP | {"to_position": 900}


def test_an_audit_keeps_the_root_that_the_list_still_makes() -> None:
    root = content_chain(content_start(1), LISTS[0])
    audit = {"stream_id": 1, "epoch": 0, "session_id": 7, "listed": 3, "verdict": "equal", "root": root}
    assert mend_audit(audit, LISTS, {7}) == audit
    assert mend_audit(audit, LISTS, {8}) == audit | {"session_id": None}
    assert mend_audit(audit, {0: LISTS[0][1:]}, {7}) == audit | {"root": None}
    assert mend_audit(audit, {1: LISTS[1]}, {7}) is None


def test_a_list_began_where_it_differs_from_the_other() -> None:
    epoch = {"epoch": 1, "parent": 0, "fork_position": 1}
    assert mend_epoch(epoch, LISTS) == epoch
    alone = epoch | {"parent": None, "fork_position": None}
    assert mend_epoch(epoch | {"fork_position": 0}, LISTS) == alone
    assert mend_epoch(epoch | {"fork_position": 2}, LISTS) == alone
    assert mend_epoch(epoch | {"fork_position": None}, LISTS) == alone
    assert mend_epoch(alone, {}) == alone
