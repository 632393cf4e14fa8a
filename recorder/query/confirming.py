"""How the vendor makes up its mind: revisions per action, and how long a pending one took to be confirmed.

From the first ``Pending`` revision that we received of an action to the first ``Confirmed`` or ``Updated`` one behind
it; both live, since a backlog brings both at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from recorder.archive import views
from recorder.query.percentiles import Spread, spread, spreads
from recorder.query.reading import Reader

_CURRENT = f"FROM stream s JOIN action a ON a.stream_id = s.stream_id AND a.epoch = {views.current_epoch('s')}"


@dataclass(frozen=True, slots=True)
class Revisions:
    """Of one stream's current epoch. ``actions``: revisions; ``distinct``: actions that have an id; ``most`` of one.

    ``identified``: the revisions that have an id; ``delayed``: those with a ``delay_status``.
    """

    actions: int
    identified: int
    distinct: int
    most: int
    delayed: int

    def __add__(self, other: Revisions) -> Revisions:
        """Return both together."""
        return Revisions(
            self.actions + other.actions,
            self.identified + other.identified,
            self.distinct + other.distinct,
            max(self.most, other.most),
            self.delayed + other.delayed,
        )


def revisions(reader: Reader, stream_id: int) -> Revisions:
    """Return how often the vendor revised."""
    row = reader.rows(
        f"""
        SELECT coalesce(sum(n), 0) AS actions, coalesce(sum(delayed), 0) AS delayed,
          coalesce(sum(CASE WHEN action_id IS NOT NULL THEN n END), 0) AS identified,
          count(action_id) AS distinct_ids, coalesce(max(CASE WHEN action_id IS NOT NULL THEN n END), 0) AS most
        FROM (
          SELECT a.action_id, count(*) AS n, count(a.delay_status) AS delayed {_CURRENT}
          WHERE s.stream_id = :id GROUP BY a.action_id
        ) by_action""",
        {"id": stream_id},
    )[0]
    return Revisions(int(row.actions), int(row.identified), row.distinct_ids, row.most, int(row.delayed))


def confirming(reader: Reader, stream_id: int) -> Spread:
    """Return how long pending actions of one stream took to be confirmed, and how many were while we watched."""
    return spread(reader, _waits("s.stream_id = :id"), {"id": stream_id})


def confirming_by_sport(reader: Reader, sport: str | None = None) -> dict[str, Spread]:
    """Return the same over all streams of each sport, or of this one."""
    return spreads(reader, _waits("s.sport = coalesce(:sport, s.sport)"), {"sport": sport})


def _waits(where: str) -> str:
    pending = "CASE WHEN lower(a.send_type) = 'pending' THEN a.received_us END"
    return f"""
        SELECT sport AS kind, min(received_us) - pending_us AS value FROM (
          SELECT s.sport, a.stream_id, a.action_id, a.received_us, lower(a.send_type) AS send_type,
            min({pending}) OVER (PARTITION BY a.stream_id, a.action_id) AS pending_us
          {_CURRENT} WHERE {where} AND a.arrival = 'live' AND a.action_id IS NOT NULL
        ) revisions
        WHERE send_type IN ('confirmed', 'updated') AND received_us >= pending_us
        GROUP BY sport, stream_id, action_id, pending_us"""
