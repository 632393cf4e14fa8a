"""One line of time for a whole match."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.charts.match_clock import LONGEST_S, MatchClock

FEW = settings(max_examples=60, deadline=None)
CLOCKS = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(-1, 4)), st.one_of(st.none(), st.integers(-60, 10**10))), max_size=20
)


def test_the_second_half_begins_where_the_first_has_ended() -> None:
    """Added time to 48:03 does not lie on top of the second half, whose clock begins at 45:00."""
    clock = MatchClock([(1, 0), (1, 2883), (2, 2700), (2, 5500)])
    assert clock.at(1, 2883) == clock.at(2, 2700) == 2883
    assert clock.end == 2883 + 2800
    assert clock.at(1, 2800) < clock.at(2, 2701)  # type: ignore[operator]


def test_frames_lie_one_behind_the_other() -> None:
    """Where every period's clock begins at 00:00."""
    clock = MatchClock([(1, 0), (1, 900), (2, 0), (2, 600)])
    assert [(span.period, span.start, span.length) for span in clock.spans] == [(1, 0, 900), (2, 900, 600)]


def test_a_clock_that_counts_down() -> None:
    """Basketball: from 10:00 to 00:00, each quarter."""
    clock = MatchClock([(1, 600), (1, 300), (1, 0), (2, 600), (2, 450)])
    assert [clock.at(1, 600), clock.at(1, 0), clock.at(2, 600), clock.at(2, 450)] == [0, 600, 600, 750]


def test_outside_play_there_is_no_place() -> None:
    """Period 0, a period that was never seen, or no clock."""
    clock = MatchClock([(0, 0), (1, 0), (1, 60)])
    assert (clock.at(0, 0), clock.at(None, 5), clock.at(9, 5), clock.at(1, None)) == (None, None, None, None)


def test_ticks_of_football_are_minutes_of_the_match() -> None:
    """The second half's 45' is left out: the first half's own is near."""
    clock = MatchClock([(1, 0), (1, 2883), (2, 2700), (2, 5700)])
    assert [seconds // 60 for _, seconds in clock.ticks()] == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]


def test_many_frames_have_no_ticks() -> None:
    """Their names are written instead."""
    assert MatchClock((frame, clock) for frame in range(1, 10) for clock in (0, 1200)).ticks() == []


@FEW
@given(told=CLOCKS)
def test_no_clock_leaves_the_line(told: list[tuple[int | None, int | None]]) -> None:
    """Whatever a feed says, places lie on the line, later periods behind earlier ones, and one value hides nothing."""
    clock = MatchClock(told)
    for period, seconds in told:
        place = clock.at(period, seconds)
        assert place is None or 0 <= place <= clock.end
    assert clock.end <= LONGEST_S * len(clock.spans)
    assert all(0 <= place <= clock.end for place, _ in clock.ticks())
    starts = [span.start for span in clock.spans]
    assert starts == sorted(starts)
