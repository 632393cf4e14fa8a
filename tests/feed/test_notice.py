"""What only a mutant had asked for: each test is the only quick one that notices its bug (tests/mutants)."""

from __future__ import annotations

import json

import pytest

from recorder.feed.alignment import Match
from recorder.model import Kind
from tests.feed.alignment.test_decision_table import holding, items, kinds
from tests.feed.test_ledger import Book, packet, stored
from tests.feed.test_session import AUTH, HEARTBEAT, Play
from tests.feed.test_session import packet as sent


def test_an_unreadable_frame_accounts_for_one_item() -> None:
    """Aligned, one unreadable frame, then the item two places on: a hole that it does not explain (rule 6)."""
    x = items(10)
    resume = holding(x, overlap=5)
    resume.ask()
    assert resume.item(x[5]) == [Match(5, x[5])]
    resume.unreadable()
    assert kinds(resume.item(x[8])) == ["Reconnect"]


def test_only_new_actions_are_progress() -> None:
    """Heartbeats, what is known, and what is no action are nothing that takes a back-off back."""
    book = Book(stored([packet(1)]))
    book.take(HEARTBEAT, packet(1), b'{"x": 1}', packet(2))
    assert [entry.new for entry in book.entries] == [0, 0, 0, 1]


def test_a_torn_packet_is_kept() -> None:
    """A message that speaks of an action and cannot be read is stored, and takes no position."""
    play = Play()
    play.receive(AUTH, sent(1), b'{"fixtureAction": ', sent(2))
    assert play.kinds()[1:] == [Kind.ACTION, Kind.QUARANTINED, Kind.ACTION]
    assert play.positions() == [0, 1]


@pytest.mark.parametrize("odd", [None, 7, "x", [], True])
def test_an_odd_action_takes_its_position(odd: object) -> None:
    """Whatever stands where the action should: it is one of the vendor's list."""
    play = Play()
    play.receive(AUTH, sent(1), json.dumps({"fixtureAction": odd}).encode(), sent(2))
    assert play.positions() == [0, 1, 2]
