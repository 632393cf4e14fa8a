"""What a user means by a moment of a match: a time of our own clock, a position, or the match's clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from recorder.errors import UsageError
from recorder.model import microseconds
from recorder.query.reading import Reader

_CLOCK = re.compile(r"(\d{1,3})/(\d{1,4}):([0-5]\d)")
LAST_POSITION = 2**62
"""Behind every list: what databases can still compare."""
_EXAMPLE = "2016-06-10T19:02:00Z"


@dataclass(frozen=True, slots=True)
class Moment:
    """How far what is known goes: up to what had been received by then, or up to a position; without both, all.

    ``as_of_us``: microseconds UTC. ``as_of_position``: the last position that is known; -1: none.
    """

    as_of_us: int | None = None
    as_of_position: int | None = None


def at_time(said: str | datetime, zone: tzinfo | None = None) -> Moment:
    """Return the moment of a time with an offset, RFC 3339 text or an aware datetime.

    UsageError for what is no time, and for a time without an offset, with both its readings: in UTC and in ``zone``
    (None: this machine's).
    """
    try:
        when = datetime.fromisoformat(said) if isinstance(said, str) else said
        if isinstance(when, datetime):
            when.astimezone(zone)  # an offset may lead out of the years that can be written
    except (ValueError, OverflowError):
        when = None
    if not isinstance(when, datetime):
        raise UsageError(f"{said!r} is no time; expected e.g. {_EXAMPLE}")
    if when.tzinfo is None:
        raise UsageError(f"{str(said)!r} has no offset: write {_readings(when, zone)}")
    return Moment(as_of_us=microseconds(when))


def _readings(when: datetime, zone: tzinfo | None) -> str:
    utc = when.replace(tzinfo=UTC)
    local = when.astimezone() if zone is None else when.replace(tzinfo=zone)
    whose = "in this machine's zone" if zone is None else f"in {zone}"
    if local.utcoffset() == utc.utcoffset():
        return f"{_text(utc)} if it is UTC, which is also the time {whose}, or say its offset"
    return f"{_text(utc)} if it is UTC, {_text(local)} if it is the time {whose}"


def _text(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


def at_clock(reader: Reader, stream_id: int, said: str) -> Moment:
    """Return the moment at which the match's clock stood at ``PERIOD/MM:SS``, by the packets' summaries."""
    found = _CLOCK.fullmatch(said.strip())
    if found is None:
        raise UsageError(f"{said!r} is no clock; expected PERIOD/MM:SS, e.g. 2/67:30")
    period, minutes, seconds = map(int, found.groups())
    steps = reader.rows(
        "SELECT position, period, clock_seconds FROM states WHERE stream_id = :id ORDER BY position", {"id": stream_id}
    )
    known = [(row.position, row.period, row.clock_seconds) for row in steps]
    return Moment(as_of_position=last_before(known, period, minutes * 60 + seconds))


def last_before(steps: Sequence[tuple[int, int | None, int | None]], period: int, seconds: int) -> int:
    """Return the last position at which the clock had not passed ``seconds`` of ``period``; -1: it always had.

    ``steps``: position, period and clock (seconds) after each action, by position; None where its packet tells none,
    which passes nothing. A clock may count down: it does in a period in which it falls more often than it rises.
    """
    clocks = [clock for _, at, clock in steps if at == period and clock is not None]
    moves = [later - earlier for earlier, later in pairwise(clocks)]
    falls = sum(move < 0 for move in moves) > sum(move > 0 for move in moves)
    last = -1
    for position, at, clock in steps:
        passed = clock is not None and (clock < seconds if falls else clock > seconds)
        if at is not None and (at > period or (at == period and passed)):
            break
        last = position
    return last


def known_at(
    reader: Reader,
    stream_id: int,
    as_of: str | datetime | None = None,
    as_of_position: int | None = None,
    as_of_clock: str | None = None,
    zone: tzinfo | None = None,
) -> Moment:
    """Return the moment that meets all that is given; with nothing given it is now."""
    positions = [] if as_of_position is None else [min(as_of_position, LAST_POSITION)]
    if as_of_clock is not None:
        clock = at_clock(reader, stream_id, as_of_clock).as_of_position
        positions.append(LAST_POSITION if clock is None else clock)
    as_of_us = None if as_of is None else at_time(as_of, zone).as_of_us
    return Moment(as_of_us, min(positions, default=None))


def at(reader: Reader, stream_id: int, said: str, zone: tzinfo | None = None) -> Moment:
    """Return the moment that is written as a time, as ``PERIOD/MM:SS``, or as a position (a whole number)."""
    if said.strip().isdecimal():
        return Moment(as_of_position=min(int(said), LAST_POSITION))
    return at_clock(reader, stream_id, said) if "/" in said else at_time(said, zone)


def was_connected(reader: Reader, stream_id: int, as_of_us: int) -> bool:
    """Say whether a session of the stream was open at a moment (microseconds UTC): only then could anything come."""
    rows = reader.rows(
        "SELECT 1 FROM session WHERE stream_id = :id AND opened_us <= :at AND coalesce(closed_us, :at) >= :at LIMIT 1",
        {"id": stream_id, "at": as_of_us},
    )
    return bool(rows)
