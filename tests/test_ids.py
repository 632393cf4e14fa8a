"""Ids that grow, whatever the clock does, and that two recorders do not share."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recorder.ids import TimeOrderedIds

CLOCKS = st.lists(st.integers(0, 2**42 * 1000 - 1), min_size=1, max_size=30)


@given(clock=CLOCKS, last=st.integers(0, 2**62))
def test_ids_grow_whatever_the_clock_says(clock: list[int], last: int) -> None:
    """Set back, set forward or standing still: each id is greater than every one before, and than the last stored."""
    ids = TimeOrderedIds(last)
    found = [last, *(ids.next(now_us) for now_us in clock)]
    assert all(before < after for before, after in pairwise(found))


@given(st.integers(0, 2**42 * 1000 - 1))
def test_ids_fit_into_a_signed_column(now_us: int) -> None:
    """63 bits, until the year 2109."""
    assert 0 < TimeOrderedIds().next(now_us) < 2**63


@given(st.integers(0, 2**41 * 1000), st.integers(1, 10**12))
def test_ids_of_different_processes_sort_by_time(now_us: int, later_ms: int) -> None:
    """An id drawn a millisecond later, by whomever, is greater."""
    assert TimeOrderedIds().next(now_us) < TimeOrderedIds().next(now_us + later_ms * 1000)


def test_two_processes_do_not_draw_the_same_id() -> None:
    """In one and the same millisecond a thousand recorders hardly meet."""
    assert len({TimeOrderedIds().next(1_700_000_000_000_000) for _ in range(1000)}) > 990


def test_ids_of_a_burst_are_unique() -> None:
    """One process may draw any number in one moment."""
    ids = TimeOrderedIds()
    assert len({ids.next(1_700_000_000_000_000) for _ in range(10_000)}) == 10_000
