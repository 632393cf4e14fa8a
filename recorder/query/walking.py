"""All matches on one clock, that of our receive times: what a back-test reads, so that it cannot look ahead."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from recorder.archive import views
from recorder.model import microseconds
from recorder.query.reading import Reader
from recorder.query.rows import Action, State, typed

_AT_ONCE = 200
"""Actions of one stream that are read at a time: many streams are open in a busy hour."""
_LONG_AGO, _NEVER = -(2**63), 2**63 - 1
_FIRST = datetime.min.replace(tzinfo=UTC)


class Step(NamedTuple):
    """One action at the moment when it was received, and the state of its match from then on.

    Nothing here was learned later: ``action.known_until`` and ``state.known_until`` are None.
    """

    known_at: datetime
    action: Action
    state: State


@dataclass(frozen=True, slots=True)
class Route:
    """Which actions: received from ``since_us`` on and before ``until_us`` (microseconds UTC; None: no end)."""

    since_us: int | None = None
    until_us: int | None = None
    sport: str | None = None
    feed: str | None = None
    fixture_id: str | None = None


def walk(reader: Reader, route: Route) -> Iterator[Step]:
    """Yield every action in the order in which it was received, over all streams; at one microsecond by stream.

    An action that a new epoch repeats unchanged comes once. What changed in a new epoch comes when that was received.
    """
    waiting: list[tuple[int, int, Iterator[tuple[int, Step]], Step | None]] = [
        (first_us, stream_id, _steps(reader, stream_id, route), None) for first_us, stream_id in _starts(reader, route)
    ]
    heapq.heapify(waiting)
    while waiting:
        _, stream_id, steps, step = waiting[0]
        if step is not None:
            yield step
        following = next(steps, None)
        if following is None:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (following[0], stream_id, steps, following[1]))


_STARTS = """
SELECT a.stream_id AS stream_id, min(a.received_us) AS first_us
FROM stream s JOIN action a ON a.stream_id = s.stream_id
WHERE a.received_us >= :since AND a.received_us < :until
  AND (CAST(:sport AS TEXT) IS NULL OR lower(s.sport) = lower(:sport))
  AND (CAST(:feed AS TEXT) IS NULL OR s.feed = :feed)
  AND (CAST(:fixture_id AS TEXT) IS NULL OR s.fixture_id = :fixture_id)
GROUP BY a.stream_id"""

# What is unchanged in a new epoch has kept its content and its first time of receipt.
_NEW = """(a.epoch = 0 OR NOT EXISTS (
  SELECT 1 FROM action b WHERE b.stream_id = a.stream_id AND b.epoch < a.epoch
    AND b.content_digest = a.content_digest AND b.received_us = a.received_us))"""

_AHEAD = """a.stream_id = :stream_id AND a.received_us >= :since AND a.received_us < :until
  AND (a.epoch, a.position) > (:epoch, :position)"""


def _bounds(route: Route) -> dict[str, object]:
    return {
        "since": _LONG_AGO if route.since_us is None else route.since_us,
        "until": _NEVER if route.until_us is None else route.until_us,
    }


def _starts(reader: Reader, route: Route) -> list[tuple[int, int]]:
    wanted = {"sport": route.sport, "feed": route.feed, "fixture_id": route.fixture_id}
    return [(row.first_us, row.stream_id) for row in reader.rows(_STARTS, _bounds(route) | wanted)]


def _steps(reader: Reader, stream_id: int, route: Route) -> Iterator[tuple[int, Step]]:
    """Yield the steps of one stream with their times in microseconds.

    They came in the order of the list: where a wall clock was set back, an action is known from the moment on at which
    the one before it was.
    """
    statement = (
        f"{views.arrivals(reader.dialect, f'{_AHEAD} AND {_NEW}')} ORDER BY a.epoch, a.position LIMIT {_AT_ONCE}"
    )
    last: dict[str, object] = {"epoch": -1, "position": -1}
    known_at = _FIRST
    while True:
        found = typed(Action, reader.rows(statement, _bounds(route) | {"stream_id": stream_id} | last))
        for action in found:
            known_at = max(known_at, action.received_at)
            yield microseconds(known_at), Step(known_at, action, _state(action, known_at))
        if len(found) < _AT_ONCE:
            return
        last = {"epoch": found[-1].epoch, "position": found[-1].position}


def _state(action: Action, known_from: datetime) -> State:
    """Return what the view `states` says from this action on."""
    return State(
        stream_id=action.stream_id,
        fixture_id=action.fixture_id,
        known_from=known_from,
        known_until=None,
        position=action.position,
        home_score=action.home_score,
        away_score=action.away_score,
        period=action.current_period,
        clock_seconds=action.current_clock_seconds,
        clock_state=action.clock_state,
        possession=action.possession,
        status=action.status,
        collection_status=action.collection_status,
        finished=action.finished,
    )
