"""What an archive holds, and how each stream stands."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from recorder.query.catalogue import first_occurred, slug
from recorder.query.reading import Reader


@dataclass(frozen=True, slots=True)
class Filter:
    """Which matches: names compared without regard to case, dates (``YYYY-MM-DD``, UTC) inclusive."""

    sport: str | None = None
    team: str | None = None
    since: str | None = None
    until: str | None = None
    competition: str | None = None


def fixtures(reader: Reader, wanted: Filter) -> list[Row[Any]]:
    """Return rows of the `matches` view, with ``first_occurred_at``, the first packet's own time, by that time."""
    first = reader.dialect.time(
        f"(SELECT min({first_occurred('s.stream_id')}) FROM stream s WHERE s.fixture_id = m.fixture_id)"
    )
    rows = reader.rows(
        f"SELECT m.*, {first} AS first_occurred_at FROM matches m ORDER BY first_occurred_at NULLS FIRST, fixture_id"
    )
    return [row for row in rows if _meets(row, wanted)]


def _meets(row: Row[Any], wanted: Filter) -> bool:
    # Names are compared here: a database folds the case of ASCII letters only.
    date = (row.first_occurred_at or "")[:10]
    return (
        (wanted.sport is None or row.sport.casefold() == wanted.sport.casefold())
        and (wanted.team is None or any(_holds(team, wanted.team) for team in (row.home_team, row.away_team)))
        and (wanted.competition is None or (row.competition or "").casefold() == wanted.competition.casefold())
        and (wanted.since is None or date >= wanted.since)
        and (wanted.until is None or (date != "" and date <= wanted.until))
    )


def _holds(name: str | None, part: str) -> bool:
    """Whether a team's name holds ``part``, as written or as typed without accents."""
    typed = slug(part)
    return part.casefold() in (name or "").casefold() or (typed != "" and typed in slug(name or ""))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a stream stands. ``lag_s``: seconds since anything was received, None when nothing more is expected."""

    stream: Row[Any]
    last_action_at: str | None
    open_session: str | None
    """When the open connection was opened, None when there is none."""
    lag_s: float | None
    open_gaps: list[Row[Any]]


def status(reader: Reader) -> list[Standing]:
    """Return how every stream stands, the ones being recorded first."""
    now = time.time()
    rows = reader.rows("SELECT * FROM streams ORDER BY state = 'finished', sport, fixture_id, feed")
    return [_standing(reader, row, now) for row in rows]


def _standing(reader: Reader, stream: Row[Any], now: float) -> Standing:
    key = {"id": stream.stream_id}
    heard = reader.rows(
        """
        SELECT max(opened_at) FILTER (WHERE closed_at IS NULL) AS open_session,
          max(last_heartbeat_at) AS last_heartbeat_at,
          (SELECT max(received_at) FROM actions WHERE stream_id = :id) AS last_action_at
        FROM sessions WHERE stream_id = :id""",
        key,
    )[0]
    heard_at = max(filter(None, (stream.last_received_at, heard.last_heartbeat_at)), default=None)
    gaps = "SELECT * FROM gaps WHERE stream_id = :id AND resolved_at IS NULL ORDER BY from_time"
    return Standing(
        stream=stream,
        last_action_at=heard.last_action_at,
        open_session=heard.open_session,
        lag_s=_lag(heard_at, now) if stream.state != "finished" else None,
        open_gaps=reader.rows(gaps, key),
    )


def _lag(heard_at: str | None, now: float) -> float | None:
    return None if heard_at is None else max(0.0, now - datetime.fromisoformat(heard_at).timestamp())
