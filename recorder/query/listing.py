"""What an archive holds, and how each stream stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from recorder import clock
from recorder.archive.dialect import Dialect
from recorder.model import FIXTURE, microseconds
from recorder.query.catalogue import first_occurred, slug
from recorder.query.pruned import Moved, told
from recorder.query.reading import Reader
from recorder.query.rows import StreamRow, kinds

ENDED = frozenset({"finished", "not_played", "pruned"})
"""The states of a stream of which nothing more is expected."""

_MINUTE_US = 60_000_000
_MOST_IN_A_MINUTE = 1_200


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
    """How a stream stands. ``stream``: its row of the `streams` view. Times are as the views write them."""

    stream: Row[Any]
    last_action_at: str | None
    open_session: str | None
    """When the open connection was opened, None when there is none. A recorder that was killed leaves it open."""
    starts_at: str | None
    """The start that the fixture list tells."""
    next_start: str | None
    """The same while it lies ahead and nothing has come yet, else None."""
    dialled_at: str | None
    """When a recorder last dialled, None when none has."""
    lag_s: float | None
    """For how many seconds nothing was received that should have been; None when nothing is expected now (`lag_us`)."""
    messages: int
    """How many messages came over all connections, those included that are not kept: for rates. Up to 30 s old."""
    actions_last_minute: int
    """How many actions came in the last 60 s; of more than 1,200 only these are counted."""
    open_gaps: list[Row[Any]]
    first_occurred_at: str | None
    """The own time of the first packet that tells one."""
    clock_seconds: int | None
    """The match clock that the newest action's packet tells."""
    moved: Moved | None = None
    """Where its rows were moved to, None where they are here."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is expected of the stream."""
        return self.stream.state in ENDED


def status(reader: Reader, stream_ids: Sequence[int] | None = None) -> list[Standing]:
    """Return how every stream stands: those in play or broken off, then those that wait by their start, then the rest.

    Two statements, however many streams there are; the newest rows of each are found by key. ``stream_ids``: of these
    alone.
    """
    now_us = clock.wall_us()
    which = "1 = 1" if stream_ids is None else f"v.stream_id IN ({', '.join(map(str, map(int, stream_ids)))})"
    rows = reader.rows(_statement(reader.dialect, which), {"since_us": now_us - _MINUTE_US})
    gaps: dict[int, list[Row[Any]]] = defaultdict(list)
    for gap in reader.rows(f"SELECT * FROM gaps v WHERE resolved_at IS NULL AND {which} ORDER BY from_time, gap_id"):
        gaps[gap.stream_id].append(gap)
    return sorted((_standing(row, now_us, gaps[row.stream_id]) for row in rows), key=_order)


def lag_us(now_us: int, *, state: str, heard_us: int | None, starts_us: int | None, open_us: int | None) -> int | None:
    """Return for how long a stream has been silent that should talk; None: nothing is expected of it now.

    A connection that stands should talk (``open_us``: since when). Without one the match should talk that has begun:
    from its start on, when the list tells one (``starts_us``), else from the moment on at which something came.
    What has ended is silent by right, and so is what the vendor has never let us see and nobody knows the start of.
    """
    if state in ENDED:
        return None
    if open_us is not None:
        since_us = heard_us or open_us
    elif starts_us is not None:
        since_us = max(starts_us, heard_us or starts_us)
        if starts_us > now_us:
            return None
    elif heard_us is not None:
        since_us = heard_us
    else:
        return None
    return max(0, now_us - since_us)


def _standing(row: Row[Any], now_us: int, open_gaps: list[Row[Any]]) -> Standing:
    heard = [microseconds(at) for at in (row.last_received_at, row.last_heartbeat_at) if at is not None]
    is_ahead = row.starts_us is not None and row.starts_us > now_us and row.state not in ENDED and not row.actions
    lag = lag_us(
        now_us,
        state=row.state,
        heard_us=max(heard, default=None),
        starts_us=row.starts_us,
        open_us=None if row.open_session is None else microseconds(row.open_session),
    )
    return Standing(
        stream=row,
        last_action_at=row.last_action_at,
        open_session=row.open_session,
        starts_at=row.starts_at,
        next_start=row.starts_at if is_ahead else None,
        dialled_at=row.dialled_at,
        lag_s=None if lag is None else lag / 1e6,
        messages=row.messages_closed + max(row.messages_counted, row.messages_numbered),
        actions_last_minute=row.actions_last_minute,
        open_gaps=open_gaps,
        first_occurred_at=row.first_occurred_at,
        clock_seconds=row.clock_seconds,
        moved=told(row.why, row.purged_us),
    )


def _order(standing: Standing) -> tuple[object, ...]:
    stream = standing.stream
    begun = 2 if standing.has_ended else int(stream.state == "waiting")
    is_dated = begun == 1 and standing.starts_at is not None
    return begun, is_dated, standing.starts_at if is_dated else "", stream.sport, stream.fixture_id, stream.feed


def _columns(dialect: Dialect) -> Iterator[str]:
    """Yield the columns of `streams`; those that would read every row of a stream are asked of its newest row."""
    cheap = {
        "actions": f"coalesce({_newest('position')} + 1, 0)",  # they stand without holes: `verify` sees to it
        "first_received_at": dialect.time(_received("ASC")),
        "last_received_at": dialect.time(_received("DESC")),
    }
    return (f"{cheap.get(name, f'v.{name}')} AS {name}" for name in kinds(StreamRow))


def _newest(column: str) -> str:
    """Return SQL for what the newest action of the stream ``v`` has in a column."""
    return (
        f"(SELECT a.{column} FROM action a WHERE a.stream_id = v.stream_id AND a.epoch = v.epoch "
        "ORDER BY a.position DESC LIMIT 1)"
    )


def _received(order: str) -> str:
    """Return SQL for when the first (``ASC``) or the newest (``DESC``) frame of the stream ``v`` came."""
    return (
        "(SELECT f.received_us FROM frame f WHERE f.stream_id = v.stream_id "
        f"ORDER BY f.session_id {order}, f.frame_number {order} LIMIT 1)"
    )


def _statement(dialect: Dialect, which: str = "1 = 1") -> str:
    """Return the SELECT of how the streams ``v`` stand that are meant by ``which``, with ``:since_us``, a minute ago.

    A session's counts are written every 30 s only; frame numbers count every message, so the newest frame says more.
    """
    numbered = (
        "(SELECT max(f.frame_number) + 1 FROM frame f WHERE f.stream_id = x.stream_id AND f.session_id = x.session_id)"
    )
    return f"""
SELECT {", ".join(_columns(dialect))},
  {dialect.time(_newest("received_us"))} AS last_action_at, {_newest("current_clock_seconds")} AS clock_seconds,
  {dialect.time(first_occurred("v.stream_id"))} AS first_occurred_at, t.starts_us AS starts_us,
  {dialect.time("t.starts_us")} AS starts_at, {dialect.time("h.open_us")} AS open_session,
  {dialect.time("h.dialled_us")} AS dialled_at, {dialect.time("h.heartbeat_us")} AS last_heartbeat_at,
  coalesce(h.messages_closed, 0) AS messages_closed, coalesce(h.messages_counted, 0) AS messages_counted,
  coalesce(h.messages_numbered, 0) AS messages_numbered,
  CASE WHEN {_newest("received_us")} >= :since_us THEN (
    SELECT count(a.position) FROM action a WHERE a.stream_id = v.stream_id AND a.epoch = v.epoch
      AND a.position > {_newest("position")} - {_MOST_IN_A_MINUTE} AND a.received_us >= :since_us
  ) ELSE 0 END AS actions_last_minute, d.why AS why, d.purged_us AS purged_us
FROM streams v
JOIN stream t ON t.stream_id = v.stream_id
LEFT JOIN (
  SELECT x.stream_id AS stream_id, max(x.opened_us) AS dialled_us, max(x.last_heartbeat_us) AS heartbeat_us,
    max(x.opened_us) FILTER (WHERE x.closed_us IS NULL) AS open_us,
    CAST(sum(x.frames) FILTER (WHERE x.closed_us IS NOT NULL) AS BIGINT) AS messages_closed,
    CAST(sum(x.frames) FILTER (WHERE x.closed_us IS NULL) AS BIGINT) AS messages_counted,
    CAST(sum({numbered}) FILTER (WHERE x.closed_us IS NULL) AS BIGINT) AS messages_numbered
  FROM session x GROUP BY x.stream_id
) h ON h.stream_id = v.stream_id
LEFT JOIN tombstone d ON d.stream_id = v.stream_id
WHERE v.channel <> '{FIXTURE}' AND {which}"""
