"""When each message of a replay is due."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import UsageError
from recorder.replay.pace import Axis, Clocks, Pace, Schedule, happened, last_due, next_due, schedule
from tests.replay.making import BEGAN_US, US, recording

_TIMES = st.lists(st.integers(0, 10_000_000), min_size=1, max_size=30).map(sorted)
_GAPS = st.none() | st.floats(0.0, 5.0)
_CLOSE = 1e-5  # seconds; what is recorded is exact to the microsecond


def planned(streams: list[list[int]], max_gap_s: float | None) -> tuple[list[list[int]], Schedule]:
    """Return milliseconds of streams as microseconds of recordings, and when they are due."""
    recordings = [recording([at / 1000 for at in times], number=n) for n, times in enumerate(streams)]
    return [list(each.received_us) for each in recordings], schedule(recordings, Pace(max_gap_s=max_gap_s))


@given(st.lists(_TIMES, min_size=1, max_size=4), _GAPS)
def test_one_clock(streams: list[list[int]], max_gap_s: float | None) -> None:
    """All streams lie on one axis: what came first is due first, whatever gaps are shortened; it begins at 0."""
    times, due = planned(streams, max_gap_s)
    pairs = sorted((at, s) for own, dues in zip(times, due.dues, strict=True) for at, s in zip(own, dues, strict=True))
    assert pairs[0][1] == due.begin_s == 0.0
    assert pairs[-1][1] == due.end_s
    for (at, s), (later, later_s) in pairwise(pairs):
        assert s <= later_s
        assert (s == later_s) or at < later
        passed = (later - at) / US
        expected = passed if max_gap_s is None else min(passed, max_gap_s)
        assert later_s - s == pytest.approx(expected, abs=_CLOSE)


@given(_TIMES, _GAPS, st.integers(-1_000_000_000, 11_000_000_000))
def test_there_and_back(times: list[int], max_gap_s: float | None, at_us: int) -> None:
    """Recorded and replayed time are each other's inverse, but for what was cut out of a gap."""
    moments = [at * 1000 for at in times]
    axis = Axis(moments, max_gap_s)
    back = axis.recorded_us(axis.seconds(at_us))
    gap = next(((a, b) for a, b in pairwise(moments) if a <= at_us < b), None)
    if gap is not None and max_gap_s is not None and (gap[1] - gap[0]) / US > max_gap_s:
        assert back >= gap[0]
        assert axis.seconds(back) == pytest.approx(axis.seconds(at_us), abs=_CLOSE)
    else:
        assert abs(back - at_us) <= 1


@given(_TIMES, _GAPS, st.lists(st.integers(-1_000_000_000, 11_000_000_000), max_size=10).map(sorted))
def test_any_moment(times: list[int], max_gap_s: float | None, moments: list[int]) -> None:
    """Time never runs backwards, also between messages and in a gap that was shortened."""
    axis = Axis([at * 1000 for at in times], max_gap_s)
    seconds = [axis.seconds(at) for at in moments]
    assert seconds == sorted(seconds)


def test_gap_of_all() -> None:
    """A gap is one of all streams: while one is silent and another is not, nothing is shortened."""
    quiet, busy = recording([0, 10], number=1), recording([0, 3, 6, 9], number=2)
    due = schedule([quiet, busy], Pace(max_gap_s=4.0))
    assert [list(each) for each in due.dues] == [[0, 10], [0, 3, 6, 9]]
    assert list(schedule([quiet], Pace(max_gap_s=4.0)).dues[0]) == [0, 4]


def test_every() -> None:
    """At fixed distances the messages of each stream come in step, whenever they came."""
    due = schedule([recording([0, 100, 101], number=1), recording([50, 51], number=2)], Pace(every_s=0.5))
    assert [list(each) for each in due.dues] == [[0, 0.5, 1.0], [0, 0.5]]
    assert (due.end_s, due.axis) == (1.0, None)


def test_vendor_times() -> None:
    """The vendor's own times place what came late; where one is unknown or goes back, time stands."""
    late = recording([100, 100, 100, 100, 103], vendor_s=[None, 10, 5, None, 12])
    assert list(schedule([late], Pace(times="vendor")).dues[0]) == [0, 0, 0, 0, 2]


def test_no_vendor_times() -> None:
    """Where no packet tells its time the vendor's times are no choice; a channel without packets keeps its own."""
    silent = recording([0, 1], vendor_s=[None, None])
    with pytest.raises(UsageError, match="tell no times of the vendor's"):
        schedule([silent], Pace(times="vendor"))
    raw = recording([0, 7], vendor_s=[None, None], channel="statistics")
    assert list(schedule([raw], Pace(times="vendor")).dues[0]) == [0, 7]


UP: Clocks = [(0, 0), (0, None), (1, 0), (1, 30), (None, None), (1, 45), (1, 47), (2, 45), (2, 60), (3, None)]
DOWN: Clocks = [(0, None), (1, 600), (1, 570), (1, 571), (1, 200), (1, 0), (2, 600), (2, 100)]


@pytest.mark.parametrize(
    ("clocks", "begin", "index"),
    [
        (UP, "first", 0),
        (UP, "kickoff", 2),
        (UP, "00:00", 2),
        (UP, "00:30", 3),
        (UP, "00:31", 5),
        (UP, "00:46", 6),
        (UP, "00:50", 8),
        (UP, "1/00:30", 3),
        (UP, "1/00:31", 5),
        (UP, "1/00:50", 7),
        (UP, "2/00:00", 7),
        (UP, "2/00:50", 8),
        (UP, "2/01:30", 9),
        (UP, "3/00:00", None),
        (UP, "01:30", None),
        (UP, "4/00:00", None),
        (DOWN, "kickoff", 1),
        (DOWN, "10:00", 1),
        (DOWN, "09:45", 2),
        (DOWN, "05:00", 4),
        (DOWN, "2/05:00", 7),
        (DOWN, "1/00:00", 5),
        (DOWN, "43:00", None),
        ([(None, None)], "kickoff", None),
        ([(None, None)], "00:00", None),
    ],
)
def test_begin_at_the_matchs_clock(clocks: Clocks, begin: str, index: int | None) -> None:
    """A replay begins at the first message at which the match's clock, up or down, has come to a point."""
    match = recording(range(len(clocks)), clocks=clocks)
    if index is None:
        with pytest.raises(UsageError, match=f"no match here comes to {begin}"):
            schedule([match], Pace(begin=begin))
    else:
        assert schedule([match], Pace(begin=begin)).begin_s == index
        assert schedule([match], Pace(begin=begin, every_s=2.0)).begin_s == index * 2.0


def test_begin_of_several() -> None:
    """Of several matches it begins where the first of them comes to that point; one that never does has no say."""
    late = recording([0, 50], number=1, clocks=[(0, 0), (1, 0)])
    early = recording([10, 40], number=2, clocks=[(0, 0), (1, 0)])
    never = recording([0, 60], number=3)
    assert schedule([late, early, never], Pace(begin="kickoff")).begin_s == 40


@pytest.mark.parametrize(
    ("begin", "begin_s"),
    [
        ("2016-06-10T19:00:10Z", 10),
        ("2016-06-10T21:00:10.5+02:00", 10.5),
        ("2016-06-10 19:01:40Z", 16),
        ("2016-06-10T19:03:20Z", 16),
        ("2016-06-10T19:00:00Z", 0),
    ],
)
def test_begin_at_a_time(begin: str, begin_s: float) -> None:
    """A time with an offset is a moment of the recording, also inside of a gap that is shortened."""
    assert schedule([recording([0, 5, 10, 11, 200])], Pace(begin=begin, max_gap_s=5.0)).begin_s == begin_s


@pytest.mark.parametrize(
    ("begin", "why"),
    [
        ("2016-06-10T19:00:00", "has no offset"),
        ("yesterday", "is no moment; expected MM:SS or PERIOD/MM:SS"),
        ("43:60", "is no moment; expected MM:SS"),
        ("1/43", "is no moment; expected MM:SS"),
        ("", "is no moment; expected MM:SS"),
        ("2016-06-11T19:00:00Z", "outside of what was received, which is from 2016-06-10T19:00:00"),
        ("2016-06-09T19:00:00Z", "outside of what was received, which is from 2016-06-10T19:00:00"),
    ],
)
def test_no_beginning(begin: str, why: str) -> None:
    """What is no beginning is told in one sentence, with what would be one."""
    with pytest.raises(UsageError, match=why):
        schedule([recording([0, 11])], Pace(begin=begin))


def test_time_and_every() -> None:
    """With fixed distances a recorded time has no place."""
    with pytest.raises(UsageError, match="no recorded time has a place"):
        schedule([recording([0])], Pace(begin="2016-06-10T19:00:00Z", every_s=1.0))


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_impossible_pace(seconds: float) -> None:
    """Seconds that cannot be are refused."""
    with pytest.raises(UsageError, match="expected 0 or more"):
        Pace(every_s=seconds)
    with pytest.raises(UsageError, match="expected 0 or more"):
        Pace(max_gap_s=seconds)


@pytest.mark.parametrize("pace", [Pace(), Pace(every_s=1.0), Pace(max_gap_s=1.0), Pace(begin="2016-06-10T19:00:00Z")])
def test_nothing(pace: Pace) -> None:
    """Nothing to replay is due at once and ends at once."""
    for recordings in ([], [recording([])]):
        due = schedule(recordings, pace)
        assert due.end_s == 0.0
        assert [list(each) for each in due.dues] == [[] for _ in recordings]


def test_late_years_are_exact() -> None:
    """Years between two matches cost no microsecond."""
    years_s = 20 * 365 * 86_400.0
    axis = Axis([BEGAN_US, BEGAN_US + round(years_s * US) + 1], None)
    assert axis.recorded_us(axis.seconds(BEGAN_US + round(years_s * US) + 1)) == BEGAN_US + round(years_s * US) + 1


@given(st.lists(_TIMES, min_size=1, max_size=4), st.floats(-1.0, 10_001.0))
def test_where_it_stands(streams: list[list[int]], at_s: float) -> None:
    """At any moment what has happened, what is next and what was last fit together."""
    _, due = planned(streams, None)
    everything = sorted(each for dues in due.dues for each in dues)
    assert sum(happened(dues, at_s) for dues in due.dues) == sum(each <= at_s for each in everything)
    assert next_due(due.dues, at_s) == next((each for each in everything if each > at_s), None)
    assert last_due(due.dues, at_s) == next((each for each in reversed(everything) if each < at_s), None)
