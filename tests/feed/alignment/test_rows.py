"""Rows of the decision table that are seldom met: what else a row may find, one a test."""

from __future__ import annotations

import pytest

from recorder.feed.alignment import Append, EpochCurrent, Match, Resume
from tests.feed.alignment.resume_model import thing
from tests.feed.alignment.test_decision_table import causes, feed, holding, items, kinds, reading
from tests.feed.alignment.test_without_proof import PARKED, cut_at_4, given_up


def test_a_late_read_that_goes_on_differently() -> None:
    """Z, first item q > 0, then an unknown one: fork at 0, with what this read has shown."""
    x, new = items(6), thing("new", 9)
    resume = reading(x)
    assert "Fork" in kinds(feed(resume, x[2], new))
    assert list(resume.digests) == [x[2].digest, new.digest]


def test_a_resume_that_goes_back() -> None:
    """aligned, p < n, a mismatch that is stored elsewhere, R: close, Z; nothing is parked."""
    x = items(10)
    resume = holding(x)
    resume.ask()
    assert kinds(feed(resume, x[7], x[5])) == ["Match", "Reconnect"]


def test_a_read_that_was_cut_at_once() -> None:
    """After one item there is nothing to go on from: the next read begins at 0 again."""
    x = items(10)
    resume = reading(x)
    resume.item(x[0])
    resume.ended(authorised=True)
    assert resume.ask().from_zero


@pytest.mark.parametrize("seqs", [True, False])
def test_an_unknown_head_and_silence(seqs: bool) -> None:
    """Z, held, quiet, and it may be another list: close, Z once."""
    resume = reading(items(5, seqs=seqs))
    resume.item(thing("new", 2 if seqs else None))
    assert kinds(resume.quiet()) == ["Reconnect"]
    resume.ended(authorised=True)
    assert resume.ask().from_zero


def test_an_unknown_first_item_without_proof() -> None:
    """R, unknown, given up: append, and go on."""
    x, new = items(10), thing("new", 20)
    resume = given_up(x)
    assert resume.item(new) == [Append(10, new)]


def test_a_piece_that_begins_with_an_item_far_behind_the_end() -> None:
    """A piece at the end, and an item whose seq is not the next one: nothing shows its place, so it is parked."""
    x = items(10)
    resume = holding(x, parked=[thing("parked", 20)], open_gaps=["unplaced"])
    resume.ask()
    feed(resume, *x)
    resume.ended(authorised=True)
    assert resume.ask().start_position == 9
    assert kinds(resume.item(thing("new", 15))) == ["Park", "Reconnect"]


def test_a_piece_that_begins_earlier() -> None:
    """A piece that begins within what is proven: match, and go on from there."""
    x = items(10)
    resume = reading(x)
    cut_at_4(resume, x)
    assert feed(resume, x[1], x[2]) == [Match(1, x[1]), Match(2, x[2])]


def test_a_piece_that_begins_later() -> None:
    """A piece that begins behind what is proven shows another start: a round failed."""
    x = items(10)
    resume = reading(x)
    cut_at_4(resume, x)
    assert kinds(resume.item(x[8])) == ["Reconnect"]


def test_a_piece_that_gets_on() -> None:
    """The next piece begins where this one was cut; one that brought nothing is asked for again."""
    x = items(10)
    resume = reading(x)
    cut_at_4(resume, x)
    resume.ended(authorised=True)
    assert resume.ask().start_position == 3
    feed(resume, *x[3:6])
    resume.ended(authorised=True)
    assert resume.ask().start_position == 5


def test_a_blind_piece_that_gets_no_further() -> None:
    """What follows alone was asked for, and what is known came: a round failed, and the read begins at 0."""
    x = items(10)
    resume = reading(x)
    cut_at_4(resume, x)
    resume.item(x[3])
    resume.ended(authorised=True)
    assert resume.ask().start_position == 4
    resume.item(x[3])
    resume.ended(authorised=True)
    assert resume.ask().from_zero


def test_many_new_items_of_a_proven_list() -> None:
    """Nothing was given up: nothing is tried again."""
    x = items(10)
    resume = Resume()
    resume.ask()
    feed(resume, *x)
    resume.ended(authorised=True)
    assert not resume.ask().from_zero


def test_what_comes_behind_a_reconnect() -> None:
    """It is kept without a place, once; silence on that connection says nothing any more."""
    x, new, newer = items(10), thing("new", 20), thing("newer", 21)
    resume = holding(x)
    resume.ask()
    assert kinds(resume.item(new)) == PARKED
    assert kinds(feed(resume, newer, newer, x[3])) == ["Park"]
    assert resume.quiet() == []
    assert resume.parked == (new, newer)


def test_a_new_list_that_is_read_to_its_end() -> None:
    """There is nothing more: the new epoch, shorter than the one before, is the current one."""
    x = items(6)
    resume = reading(x)
    feed(resume, x[0], thing("new", 2))
    assert resume.complete() == [EpochCurrent()]
    assert resume.complete() == []


def test_no_proof_will_come() -> None:
    """It is told as a doubt of the whole list."""
    assert causes(holding(items(5)).leave_unproven("the account is closed")) == ["unproven"]


def test_a_list_that_is_empty_now() -> None:
    """Z, nothing comes: the vendor is behind, with all of it."""
    [gap] = reading(items(5)).quiet()
    assert (gap.cause, gap.from_position, gap.to_position) == ("server_behind", 0, 5)  # type: ignore[union-attr]


def test_nothing_new_where_nothing_else_was_asked_for() -> None:
    """R, everything that comes should be new, and the start is proven: silence is natural."""
    resume = holding(items(10), overlap=0)
    resume.ask()
    assert resume.quiet() == []


def test_one_disorder_a_connection() -> None:
    """Z: two items came late: one gap tells of it."""
    x = items(6)
    assert causes(feed(reading(x), x[0], x[1], x[2], x[0], x[1])) == ["disorder"]
