"""When each message of a replay is due: all streams on one time axis, in seconds. Pure: recordings in, moments out."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, chain, pairwise
from operator import ge, le
from typing import Literal

from recorder.errors import UsageError
from recorder.model import ACTIONS
from recorder.query.moments import at_time
from recorder.replay.recordings import UNKNOWN_US, MatchClock, Recording

Times = Literal["received", "vendor"]
Clocks = Sequence[MatchClock]
"""Period and seconds of the match's clock at each message."""

_CLOCK = re.compile(r"(?:(\d{1,3})/)?(\d{1,4}):([0-5]\d)")
_FORMS = "MM:SS or PERIOD/MM:SS of the match's clock, or a time such as 2016-06-10T19:02:00Z"


@dataclass(frozen=True, slots=True)
class Pace:
    """Which times count.

    ``times``: those at which messages were received, or the vendor's own. ``every_s``: instead of either, so many
    seconds between two messages of a stream. ``begin``: where the replay begins: ``first`` message, ``kickoff``,
    ``MM:SS`` or ``PERIOD/MM:SS`` of the match's clock, or a time; what came before has happened by then.
    ``max_gap_s``: the longest time in which nothing happens on any stream; what is longer is shortened.
    """

    times: Times = "received"
    every_s: float | None = None
    begin: str = "first"
    max_gap_s: float | None = None

    def __post_init__(self) -> None:
        for name, seconds in (("between two messages", self.every_s), ("in a gap", self.max_gap_s)):
            if seconds is not None and not 0 <= seconds < float("inf"):
                raise UsageError(f"there cannot be {seconds:g} s {name}; expected 0 or more")


class Axis:
    """Recorded time (microseconds UTC) against replayed time (seconds from the first message on), gaps shortened.

    ``moments``: when something happens, in order; ``max_gap_s`` as in `Pace`.
    """

    def __init__(self, moments: Sequence[int], max_gap_s: float | None) -> None:
        limit = float("inf") if max_gap_s is None else max_gap_s
        # Only where the two drift apart a knot is needed: at both ends of what was shortened.
        knots = [(moments[0], 0.0)] if moments else [(0, 0.0)]
        for earlier, later in pairwise(moments):
            if (later - earlier) / 1e6 > limit:
                before = knots[-1][1] + (earlier - knots[-1][0]) / 1e6
                knots += [(earlier, before), (later, before + limit)]
        self._at_us = [at_us for at_us, _ in knots]
        self._at_s = [at_s for _, at_s in knots]

    def seconds(self, at_us: int) -> float:
        """Return when a recorded moment is replayed; below 0 what lies before the first message."""
        knot = max(0, bisect_right(self._at_us, at_us) - 1)
        passed = (at_us - self._at_us[knot]) / 1e6
        if knot + 1 < len(self._at_us):
            # Inside a gap that was shortened time stands still once it has been used up.
            passed = min(passed, self._at_s[knot + 1] - self._at_s[knot])
        return self._at_s[knot] + passed

    def recorded_us(self, at_s: float) -> int:
        """Return the recorded moment that is replayed then."""
        knot = max(0, bisect_right(self._at_s, at_s) - 1)
        return self._at_us[knot] + round((at_s - self._at_s[knot]) * 1e6)


@dataclass(frozen=True, slots=True)
class Schedule:
    """``dues``: for each recording when each of its messages comes to be, in seconds, never falling.

    ``begin_s``: where the replay begins. ``end_s``: the last message's. ``axis``: None when messages are due at fixed
    distances and recorded moments have no place.
    """

    dues: Sequence[Sequence[float]]
    begin_s: float
    end_s: float
    axis: Axis | None


def schedule(recordings: Sequence[Recording], pace: Pace) -> Schedule:
    """Return when everything is due. Raises UsageError for a beginning that no recording has."""
    began = _beginning(recordings, pace.begin)
    if pace.every_s is not None:
        if _time(pace.begin) is not None:
            raise UsageError(f"with a fixed time between messages no recorded time has a place: {pace.begin}")
        every_s = pace.every_s
        dues = [array("d", (index * every_s for index in range(len(each.firsts)))) for each in recordings]
        begin_s = min((dues[stream][index] for stream, index in began), default=0.0)
        return Schedule(dues, begin_s, max((each[-1] for each in dues if each), default=0.0), None)
    times = [_times(recording, pace.times) for recording in recordings]
    if pace.max_gap_s is None:
        moments: Sequence[int] = sorted(each[0] for each in times if each)[:1]
    else:
        moments = times[0] if len(times) == 1 else sorted(set(chain.from_iterable(times)))
    axis = Axis(moments, pace.max_gap_s)
    dues = [array("d", map(axis.seconds, each)) for each in times]
    begin_s = min((dues[stream][index] for stream, index in began), default=0.0)
    if (at_us := _time(pace.begin)) is not None:
        begin_s = max(0.0, axis.seconds(at_us))
        _check_within(pace, at_us, [each for each in times if each])
    return Schedule(dues, begin_s, max((each[-1] for each in dues if each), default=0.0), axis)


def _check_within(pace: Pace, at_us: int, times: Sequence[Sequence[int]]) -> None:
    """Raise UsageError for a beginning before the first message, or behind the last one."""
    if not times:
        return
    first, last = min(each[0] for each in times), max(each[-1] for each in times)
    if not first <= at_us <= last:
        began, ended = (datetime.fromtimestamp(each // 1_000_000, UTC).isoformat() for each in (first, last))
        whose = "the vendor sent" if pace.times == "vendor" else "was received"
        raise UsageError(f"{pace.begin} lies outside of what {whose}, which is from {began} to {ended}")


def _times(recording: Recording, which: Times) -> Sequence[int]:
    """Return recorded times that never fall. A packet without a time of the vendor's came with the one before it.

    Messages of channels without packets have none at all: they keep those of receipt.
    """
    if which == "received" or recording.stream.channel != ACTIONS:
        return recording.received_us
    known = [each for each in recording.occurred_us if each != UNKNOWN_US]
    if not known:
        raise UsageError(f"{recording.title}: its packets tell no times of the vendor's; take those of receipt")
    return array("q", accumulate(recording.occurred_us, max, initial=known[0]))[1:]


def _beginning(recordings: Sequence[Recording], said: str) -> list[tuple[int, int]]:
    """Return for each recording that has such a beginning its number and the index of the message."""
    if said == "first" or _time(said) is not None:
        return [(number, 0) for number, each in enumerate(recordings) if len(each.firsts)]
    found = [
        (number, each.kickoff if said == "kickoff" else _index(each.clocks, said))
        for number, each in enumerate(recordings)
    ]
    known = [(number, index) for number, index in found if index is not None]
    if not known:
        raise UsageError(f"no match here comes to {said}" + ("" if said == "kickoff" else f"; expected {_FORMS}"))
    return known


def _time(said: str) -> int | None:
    """Return a time in microseconds UTC; None when a clock or a word is meant."""
    if said in ("first", "kickoff") or _CLOCK.fullmatch(said):
        return None
    try:
        return at_time(said).as_of_us
    except UsageError as error:
        if "offset" in str(error):
            raise
        raise UsageError(f"{said!r} is no moment; expected {_FORMS}") from None


def _index(clocks: Clocks, said: str) -> int | None:
    """Return the first message at which the match has come to a point of its clock, None when it never does."""
    found = _CLOCK.fullmatch(said)
    assert found is not None
    seconds = int(found[2]) * 60 + int(found[3])
    if found[1] is None:
        periods = sorted({at for at, _ in clocks if at is not None and at >= 1})
        reached = (_reached(clocks, period, seconds) for period in periods if seconds <= _highest(clocks, period))
        return next((index for index in reached if index is not None), None)
    period = int(found[1])
    ways = (_reached(clocks, period, seconds), _first((at or 0) > period for at, _ in clocks))
    return min((index for index in ways if index is not None), default=None)


def _reached(clocks: Clocks, period: int, seconds: int) -> int | None:
    """Return the first message at which the clock of a period stands at ``seconds`` or has passed them.

    It counts down in a period in which it falls more often than it rises.
    """
    known = [clock for at, clock in clocks if at == period and clock is not None]
    falls = sum((later > earlier) - (later < earlier) for earlier, later in pairwise(known)) < 0
    passed = ge if not falls else le
    return _first(at == period and clock is not None and passed(clock, seconds) for at, clock in clocks)


def _highest(clocks: Clocks, period: int) -> int:
    return max((clock for at, clock in clocks if at == period and clock is not None), default=-1)


def _first(holds: Iterable[bool]) -> int | None:
    return next((index for index, each in enumerate(holds) if each), None)


def happened(dues: Sequence[float], at_s: float) -> int:
    """Return how many messages there are at a moment."""
    return bisect_right(dues, at_s)


def next_due(dues: Sequence[Sequence[float]], at_s: float) -> float | None:
    """Return when the next message of any stream is due behind a moment, None when nothing is left."""
    left = (each[index] for each in dues if (index := bisect_right(each, at_s)) < len(each))
    return min(left, default=None)


def last_due(dues: Sequence[Sequence[float]], at_s: float) -> float | None:
    """Return when the last message of any stream before a moment was due, None before the first."""
    gone = (each[index - 1] for each in dues if (index := bisect_left(each, at_s)) > 0)
    return max(gone, default=None)
