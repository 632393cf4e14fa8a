"""Fair shares, and what one recorder chooses from what it sees, without a database."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from recorder.sharing.choosing import Chooser
from recorder.sharing.shares import fair_shares
from recorder.sharing.table import Row, Seen, Valid

NOW, LATER, LONG_AGO = 1_000_000_000, 1_010_000_000, 1
HELD = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 50), min_size=1)


@given(held=HELD, free=st.integers(0, 50))
def test_all_is_shared_and_nobody_has_two_more(held: dict[str, int], free: int) -> None:
    """Shares add up to what there is, and differ by one at most."""
    shares = fair_shares(held, free)
    assert sum(shares.values()) == sum(held.values()) + free
    assert max(shares.values()) - min(shares.values()) <= 1


@given(held=HELD, free=st.integers(0, 50))
def test_what_is_fair_stays(held: dict[str, int], free: int) -> None:
    """Who holds his share keeps it."""
    shares = fair_shares(held, free)
    assert fair_shares(shares, 0) == shares


@given(held=HELD)
def test_nobody_gives_to_one_who_has_nearly_as_many(held: dict[str, int]) -> None:
    """A recorder gives only while another has at least two fewer."""
    shares = fair_shares(held, 0)
    for name, number in held.items():
        assert shares[name] >= number or min(held.values()) <= number - 2


def seen(*rows: Row, **holders: int) -> Seen:
    """Return what a beat of "me" is told of these."""
    kept = Counter(row.owner for row in rows if row.is_valid(NOW) and row.owner not in (None, "me"))
    elsewhere = {owner: Valid(number, LATER) for owner, number in kept.items() if owner is not None}
    mine = tuple(row for row in rows if not row.is_valid(NOW) or row.owner == "me")
    return Seen(NOW, LONG_AGO, frozenset(), mine, elsewhere, holders)


def free(stream_id: int) -> Row:
    return Row(stream_id, None, LONG_AGO, None)


def test_an_expired_lease_is_left_to_its_owner_for_a_while() -> None:
    """Only `inherit` lets it be taken; one that was set before the server's clock stepped back counts as expired."""
    rows = [Row(1, "other", LONG_AGO, None), Row(2, "other", NOW + 86_400_000_000, None), Row(3, "other", LATER, None)]
    for inherit, wanted in [(False, set()), (True, {1, 2})]:
        choice = Chooser("me").choose(seen(*rows, me=0), {}, (), (), inherit=inherit)
        assert choice.by_share == wanted


def test_what_others_leave_is_taken_at_the_third_beat() -> None:
    """A stream that is free for longer than every other needs to see it may be on our list alone."""
    held = range(10, 15)
    chooser, now = Chooser("me"), seen(free(1), *(Row(each, "me", LATER, None) for each in held), me=5, other=0)
    found = [chooser.choose(now, held, (), (), inherit=True) for _ in range(3)]
    assert [choice.room for choice in found] == [0, 0, 0]
    assert [set(choice.left_over) for choice in found] == [set(), set(), {1}]


def test_few_are_handed_over_at_once() -> None:
    """As many as may connect in a beat, and no more before somebody has taken those."""
    chooser = Chooser("me")
    held, rows = set(range(100)), [Row(each, "me", LATER, None) for each in range(100)]
    first = chooser.choose(seen(*rows, me=100, other=0), held, (), (), inherit=True).surplus
    assert len(first) == 10
    for stream_id in first:
        chooser.gave(stream_id)
        rows[stream_id] = free(stream_id)
    left = held - set(first)
    assert chooser.choose(seen(*rows, me=90, other=0), left, (), (), inherit=True).surplus == ()
    for stream_id in first:
        rows[stream_id] = replace(free(stream_id), owner="other", expires_us=LATER)
    assert len(chooser.choose(seen(*rows, me=90, other=10), left, (), (), inherit=True).surplus) == 10


def test_what_came_back_is_offered_again_to_a_newcomer_only() -> None:
    """For thirty beats nothing is handed over after nobody wanted it, unless somebody new is there."""
    chooser = Chooser("me")
    rows = [Row(each, "me", LATER, None) for each in range(4)]
    pair, trio = seen(*rows, me=4, other=0), seen(*rows, me=4, other=0, third=0)

    def surplus(now: Seen) -> tuple[int, ...]:
        return chooser.choose(now, range(4), (), (), inherit=True).surplus

    assert surplus(pair) == (3, 2)
    for stream_id in (3, 2):
        chooser.gave(stream_id)
    chooser.took([3, 2])
    assert [surplus(pair) for _ in range(30)] == [()] * 30
    assert surplus(pair) == (1, 0)
    chooser.gave(1)
    chooser.took([1])
    assert surplus(pair) == ()
    assert surplus(trio) == (3, 2)
