"""What a list leads to, and when: plans, overlaps, the rush of many openings, and when a run has to be started."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import FixtureListError
from recorder.fixtures import Entry, parse_list
from recorder.model import Stream
from recorder.schedule import Rush, Terms, greatest_rush, most_at_once, plan, starts

S = 1_000_000
H = 3600 * S
NOW_US = 1_800_000_000 * S
TERMS = Terms(lead_s=900, linger_s=900, give_up_s=6 * 3600)


def entry(starts_us: int | None, name: str = "a", line: int = 1) -> Entry:
    return Entry(Stream("betting", "soccer", name), line, starts_us=starts_us)


def opened(*starts_us: int | None) -> list[tuple[int, bool]]:
    """Return when each stream is opened, in hours from now, and whether that is at once."""
    entries = [entry(at_us, f"{number}", number) for number, at_us in enumerate(starts_us)]
    return [((each.opens_us - NOW_US) // S, each.opens_at_once) for each in plan(entries, TERMS, NOW_US)]


def test_a_stream_opens_before_its_start() -> None:
    """The lead before it; at once when that has passed, or when nobody knows the start."""
    assert opened(NOW_US + 2 * H, NOW_US + 600 * S, NOW_US - H, None) == [
        (0, True), (0, True), (0, True), (6300, False)
    ]  # fmt: skip


def test_a_stream_is_given_up() -> None:
    """So long after its start; after we came, when that was later."""
    (ahead,) = plan([entry(NOW_US + 2 * H)], TERMS, NOW_US)
    (late,) = plan([entry(NOW_US - 2 * H)], TERMS, NOW_US)
    (undated,) = plan([entry(None)], TERMS, NOW_US)
    assert [(each.gives_up_us - NOW_US) // H for each in (ahead, late, undated)] == [8, 6, 6]
    assert [each.was_due(NOW_US) for each in (ahead, late, undated)] == [False, True, False]


@pytest.mark.parametrize(
    ("starts_h", "most"),
    [([], 0), ([1], 1), ([1, 2, 3], 3), ([1, 9], 1), ([1, 2, 9, 10, 11], 3), ([1, 7.5, 14], 1), ([1, 7.4], 2)],
)
def test_how_many_at_most(starts_h: list[float], most: int) -> None:
    """As if every match lasted until it would be given up, and lingered: six and a half hours from its opening."""
    planned = plan([entry(NOW_US + round(at * H), f"{at}") for at in starts_h], TERMS, NOW_US)
    count, since_us = most_at_once(planned, TERMS)
    assert count == most
    assert (since_us is None) == (most == 0)


def test_a_rush_of_openings() -> None:
    """Five a second: the last of 40 that open together is dialled after 39 fifths of a second."""
    together = [entry(NOW_US + H, f"{number}") for number in range(40)]
    alone = entry(NOW_US + 3 * H, "alone")
    planned = plan([*together, alone], TERMS, NOW_US)
    assert greatest_rush(planned, 5) == Rush(40, NOW_US + H - 900 * S, 7.8)
    assert greatest_rush([], 5) is None


def test_openings_soon_after_a_rush_wait_too() -> None:
    """Who comes while the others still wait for their turn comes behind them."""
    first = [entry(NOW_US + H, f"{number}") for number in range(50)]
    soon = [entry(NOW_US + H + 5 * S, f"soon {number}") for number in range(10)]
    rush = greatest_rush(plan([*first, *soon], TERMS, NOW_US), 5)
    assert rush is not None
    assert (rush.streams, rush.seconds) == (50, 9.8)
    rush = greatest_rush(
        plan([*first, *soon, *[entry(NOW_US + H + 6 * S, f"{n}!") for n in range(30)]], TERMS, NOW_US), 5
    )
    assert rush is not None
    assert (rush.streams, rush.seconds) == (30, 11.8)


def test_one_start_for_what_may_overlap() -> None:
    """A run that goes on records what begins meanwhile; what is there at once needs no start."""
    entries = [entry(at_us, f"{at_us}") for at_us in (None, NOW_US + H, NOW_US + 5 * H, NOW_US + 40 * H)]
    found = list(starts(plan(entries, TERMS, NOW_US), TERMS))
    assert [((start.at_us - NOW_US) // S, len(start.streams)) for start in found] == [
        (3600 - 900, 2), (40 * 3600 - 900, 1)
    ]  # fmt: skip


@given(st.lists(st.none() | st.integers(-20, 200), max_size=12))
def test_every_opening_ahead_belongs_to_one_start(starts_h: list[int | None]) -> None:
    """Starts come in order, none is before now, and together they hold each stream that does not open at once."""
    entries = [entry(at and NOW_US + at * H, f"{number}") for number, at in enumerate(starts_h)]
    planned = plan(entries, TERMS, NOW_US)
    found = list(starts(planned, TERMS))
    assert [each for start in found for each in start.streams] == [each for each in planned if not each.opens_at_once]
    assert all(start.at_us == min(each.opens_us for each in start.streams) > NOW_US for start in found)
    assert [each.opens_us for each in planned] == sorted(each.opens_us for each in planned)
    assert most_at_once(planned, TERMS)[0] <= len(planned)


@pytest.mark.parametrize("said", ["2026-03-29T02:30:00", "2026-03-29 02:30"])
def test_a_local_time_is_refused_with_both_readings(said: str) -> None:
    """A start without an offset is bad, and the two things that it may mean are told."""
    line = f'soccer/433eac65-2c3c-4164-bcae-b6f27db27d0c "starts={said}"'
    with pytest.raises(FixtureListError) as refused:
        parse_list(line, "list.txt")
    assert "2026-03-29T02:30:00Z (UTC)" in str(refused.value)
    assert "2026-03-29T02:30:00+01:00 (with the offset of your zone)" in str(refused.value)
