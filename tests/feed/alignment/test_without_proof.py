"""What becomes of a proof that is cut, again and again: its pieces, the end of trying, and a new try."""

from __future__ import annotations

import pytest

from recorder.feed.alignment import Append, Calibration, Fork, Heal, Item, Match, Resent, Resume
from tests.feed.alignment.resume_model import thing
from tests.feed.alignment.test_decision_table import causes, feed, holding, items, kinds, reading

PARKED = ["Park", "OpenGap", "Reconnect"]
"""An item that is kept without a place, and a read from 0 to find it."""


def cut_at_4(resume: Resume, stored: list[Item]) -> None:
    """Read from 0, be cut after four items, and ask for the next piece."""
    feed(resume, *stored[:4])
    resume.ended(authorised=True)
    assert resume.proven_to == 4
    assert resume.ask().start_position == 3


def given_up(stored: list[Item]) -> Resume:
    """A recorder whose proof was cut three times, and whose next piece brought nothing each time."""
    resume = reading(stored)
    for _ in range(3):
        cut_at_4(resume, stored)
        told = resume.quiet()
        resume.ended(authorised=True)
        assert resume.proven_to == 0
        ask = resume.ask()
    assert causes(told) == ["unproven"]
    assert not ask.from_zero
    return resume


def test_three_rounds_that_came_to_nothing() -> None:
    """The proof is given up, a gap says so, and what is near the end is asked for as before."""
    x = items(11)
    resume = given_up(x[:10])
    assert kinds(feed(resume, *x[7:])) == ["Match", "Match", "Match", "Append"]


def test_a_changed_item_without_proof() -> None:
    """aligned, p < n, unknown, given up: a gap says that the list has changed, and the item is appended."""
    x, new = items(10), thing("new", 11)
    resume = given_up(x)
    effects = feed(resume, x[7], new)
    assert causes(effects) == ["list_changed"]
    assert effects[-1] == Append(10, new)


def test_an_item_of_another_place_without_proof() -> None:
    """aligned, p < n, known, given up: a gap says that the list has changed, and reading goes on from there."""
    x = items(10)
    resume = given_up(x)
    effects = feed(resume, x[7], x[5], x[6])
    assert causes(effects) == ["list_changed"]
    assert effects[-2:] == [Match(5, x[5]), Match(6, x[6])]


def test_an_ambiguous_start_without_proof() -> None:
    """R, ambiguous, given up: the last of its places."""
    x = [thing(name) for name in "abcdefgafg"]
    resume = given_up(x)
    assert resume.item(x[0]) == [Match(7, x[0])]


def test_a_vendor_that_lets_us_read_again() -> None:
    """Four new items on one connection: what was given up is tried once more."""
    x = items(14)
    resume = given_up(x[:10])
    feed(resume, *x[7:])
    resume.ended(authorised=True)
    ask = resume.ask()
    assert (ask.from_zero, ask.why) == (True, "a proof that was given up")


def test_the_third_piece_that_differs() -> None:
    """aligned, p < n, any other mismatch in a piece: a round failed; at the third a gap says that the list changed."""
    x, new = items(10), thing("new", 99)
    resume, told = reading(x), []
    for _ in range(3):
        cut_at_4(resume, x)
        told.append(causes(feed(resume, x[3], new)))
        resume.ended(authorised=True)
        resume.ask()
    assert told == [["unplaced"], [], ["unproven", "list_changed"]]


def test_the_same_first_item_twice() -> None:
    """R, the first of two that anchor it comes again: a re-send, and the second is still waited for."""
    x = items(10, seqs=False)
    resume = holding(x, None)
    resume.ask()
    assert feed(resume, x[7], x[7]) == [Resent(x[7], 7)]
    assert kinds(resume.item(x[8])) == ["Reconnect"]


def test_a_piece_that_begins_behind_the_end() -> None:
    """A piece that begins with an unknown item, the one that follows our last: append."""
    x, parked = items(11), thing("parked", 20)
    resume = holding(x[:10], parked=[parked], open_gaps=["unplaced"])
    assert resume.ask().from_zero
    feed(resume, *x[:10])
    resume.ended(authorised=True)
    assert resume.ask().start_position == 9
    assert resume.item(x[10]) == [Append(10, x[10])]


def test_a_piece_that_begins_at_one_of_several_places() -> None:
    """A piece whose first item stands elsewhere, and twice: it says nothing of the start, and a round failed."""
    x = [thing(name) for name in "abcdefgahi"]
    resume = reading(x)
    cut_at_4(resume, x)
    assert kinds(resume.item(x[0])) == ["Reconnect"]
    resume.ended(authorised=True)
    ask = resume.ask()
    assert (ask.from_zero, ask.why) == (True, "asked for 3, and position 3 did not come")


def test_silence_behind_the_last_piece() -> None:
    """A blind piece behind everything, and nothing comes: the vendor's list does not hold what is parked."""
    x = items(10)
    resume = holding(x, parked=[thing("parked", 20)], open_gaps=["unplaced"])
    resume.ask()
    feed(resume, *x)
    resume.ended(authorised=True)
    assert resume.ask().start_position == 9
    resume.item(x[9])
    resume.ended(authorised=True)
    assert resume.ask().start_position == 10
    assert resume.quiet() == []
    resume.ended(authorised=True)
    assert resume.ask().why == "resume"


def test_a_list_that_changes_twice() -> None:
    """A new epoch that changes before it is current: the length to reach is still that of the one that is."""
    x, y, z = items(6), thing("y", 2), thing("z", 2)
    resume = reading(x)
    assert Fork(1, "the vendor's list has changed") in feed(resume, x[0], y)
    resume.ended(authorised=True)
    resume.demand_proof()
    assert resume.ask().from_zero
    effects = feed(resume, x[0], z, *x[2:])
    assert Fork(1, "the vendor's list has changed") in effects
    assert kinds(effects)[-1] == "EpochCurrent"
    assert list(resume.digests) == [item.digest for item in (x[0], z, *x[2:])]


def test_a_calibration_reads_as_its_text() -> None:
    """What is printed is what is kept."""
    assert str(Calibration(frozenset({-1}), zero=True)) == "-1,zero"


def test_a_slow_vendor_catches_up() -> None:
    """It seemed to be behind, and on the same connection shows the rest: then it was slow."""
    x = items(10)
    resume = holding(x)
    resume.ask()
    resume.item(x[7])
    assert causes(resume.quiet()) == ["server_behind"]
    assert Heal(("server_behind",)) in feed(resume, *x[8:])
    resume.ended(authorised=True)
    assert not resume.ask().from_zero


def test_a_start_that_unreadable_frames_explain() -> None:
    """R, as proven but for frames that the vendor counts and we cannot read: align, and read from 0, once."""
    x = items(10)
    resume = holding(x, unreadable=1)
    resume.ask()
    assert kinds(feed(resume, *x[6:])) == ["Match"] * 4
    resume.ended(authorised=True)
    assert resume.ask().why == "a start that unreadable frames may explain"
    feed(resume, *x)
    resume.quiet()
    resume.ended(authorised=True)
    start = resume.ask().start_position
    assert start is not None
    feed(resume, *x[start - 1 :])
    resume.quiet()
    resume.ended(authorised=True)
    assert not resume.ask().from_zero


@pytest.mark.parametrize(("second", "told"), [(8, ["Reconnect"]), (2, ["Reconnect"]), (None, PARKED)])
def test_the_second_item_of_a_resume(second: int | None, told: list[str]) -> None:
    """Without a seq the first item proves no place: what follows does, or nothing known does."""
    x = items(10, seqs=False)
    resume = holding(x, None)
    resume.ask()
    assert resume.item(x[7]) == []
    assert kinds(resume.item(thing("new") if second is None else x[second])) == told
    resume.ended(authorised=True)
    assert resume.ask().from_zero


def test_an_unknown_item_behind_the_anchor() -> None:
    """Without a seq, and the last one came: what follows may be the next, and a read from 0 says whether it is."""
    x = items(11, seqs=False)
    resume = holding(x[:10], None, overlap=1)
    resume.ask()
    assert kinds(feed(resume, x[9], x[10])) == PARKED
    resume.ended(authorised=True)
    resume.ask()
    assert kinds(feed(resume, *x))[-2:] == ["Append", "Heal"]


def test_an_anchor_alone() -> None:
    """Without a seq, cut after the first item: it showed nothing, and the next connection reads from 0."""
    resume = holding(items(10, seqs=False), None)
    resume.ask()
    resume.item(items(10, seqs=False)[7])
    resume.ended(authorised=True)
    assert resume.ask().from_zero


def test_a_read_that_is_cut_while_the_head_is_held() -> None:
    """Three times an unknown head, and nothing behind it: a round failed each time, and then it is given up."""
    resume, told = reading(items(10)), []
    for _ in range(3):
        resume.item(thing("x", 11))
        told.append(causes(resume.ended(authorised=True)))
        ask = resume.ask()
    assert told == [[], [], ["unproven"]]
    assert not ask.from_zero


def test_nothing_came_and_no_start_is_proven() -> None:
    """R, nothing stored was asked for, quiet, no calibration: it may have begun behind something."""
    resume = holding(items(10), None, overlap=0)
    assert resume.ask().start_position == 10
    assert kinds(resume.quiet()) == ["Reconnect"]
