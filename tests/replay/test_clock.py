"""The clock that all streams share, by a time that the test sets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import UsageError
from recorder.replay.clock import ReplayClock


class Now:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


def test_stands_until_it_is_started(now: Now) -> None:
    """Before its start it stands where it begins, and nothing will ever be due."""
    clock = ReplayClock(now, 5.0)
    now.at += 10
    assert (clock.read(), clock.is_paused, clock.seconds_until(6.0)) == (5.0, True, math.inf)


def test_goes_at_its_scale(now: Now) -> None:
    """It goes so many times as fast as time does."""
    clock = ReplayClock(now, 5.0, 60.0)
    clock.start()
    now.at += 2
    assert clock.read() == 125.0
    assert clock.seconds_until(185.0) == 1.0
    assert clock.seconds_until(125.0) == clock.seconds_until(3.0) == 0.0


def test_scale_is_changed(now: Now) -> None:
    """Another scale counts from now on, not for what has gone by."""
    clock = ReplayClock(now)
    clock.start()
    now.at += 10
    clock.scale = 4.0
    assert clock.read() == 10.0
    now.at += 1
    assert (clock.read(), clock.scale) == (14.0, 4.0)


def test_pause(now: Now) -> None:
    """While it is paused no time goes by, whatever the scale becomes meanwhile."""
    clock = ReplayClock(now, scale=2.0)
    clock.start()
    now.at += 3
    clock.pause()
    now.at += 100
    clock.scale = 8.0
    assert (clock.read(), clock.seconds_until(7.0)) == (6.0, math.inf)
    clock.start()
    now.at += 1
    assert clock.read() == 14.0


def test_seek(now: Now) -> None:
    """It goes on from where it was set, and stands there when it is paused; there is nothing before 0."""
    clock = ReplayClock(now)
    clock.start()
    now.at += 3
    clock.seek(100.0)
    now.at += 1
    assert clock.read() == 101.0
    clock.pause()
    clock.seek(-5.0)
    now.at += 1
    assert clock.read() == 0.0


def test_all_at_once(now: Now) -> None:
    """Without a scale all is due once it has been started, and nothing before."""
    clock = ReplayClock(now, 5.0, None)
    assert (clock.read(), clock.seconds_until(6.0)) == (5.0, math.inf)
    clock.start()
    assert (clock.read(), clock.seconds_until(1e12)) == (math.inf, 0.0)


def test_tells(now: Now) -> None:
    """Whoever listens is told of every change, and of nothing else."""
    told = []
    clock = ReplayClock(now)
    clock.on_change(lambda: told.append(clock.read()))
    clock.pause()
    clock.start()
    clock.start()
    now.at += 2
    clock.read()
    clock.scale = 3.0
    clock.seek(50.0)
    clock.pause()
    assert told == [0.0, 2.0, 50.0, 50.0]


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan, 1e7])
def test_impossible_scale(now: Now, scale: float) -> None:
    """A scale at which nothing would be replayed is refused, and the old one stays."""
    clock = ReplayClock(now)
    with pytest.raises(UsageError, match="as fast as recorded; expected"):
        clock.scale = scale
    assert clock.scale == 1.0
    with pytest.raises(UsageError):
        ReplayClock(now, scale=scale)


_STEPS = st.tuples(st.sampled_from(["wait", "scale", "pause", "start"]), st.floats(0.01, 100.0))


@given(st.lists(_STEPS, max_size=20))
def test_never_goes_back(steps: list[tuple[str, float]]) -> None:
    """Unless somebody sets it back it never goes back, and is where it said that it would be."""
    now = Now()
    clock = ReplayClock(now)
    for what, value in steps:
        before = clock.read()
        if what == "wait":
            seconds = clock.seconds_until(before + value)
            if seconds < math.inf:
                now.at += seconds
                assert clock.read() == pytest.approx(before + value)
        elif what == "scale":
            clock.scale = value
        elif what == "pause":
            clock.pause()
        else:
            clock.start()
        assert clock.read() >= before
