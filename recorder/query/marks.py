"""What tells whether anything has changed of a stream, for every stream at once: by key, a few rows of each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.model import ACTIONS
from recorder.query.reading import Reader


def _newest(column: str) -> str:
    # Each by key. Joined instead, Postgres would go through all actions.
    return (
        f"(SELECT a.{column} FROM action a WHERE a.stream_id = c.stream_id AND a.epoch = c.epoch "
        "ORDER BY a.position DESC LIMIT 1)"
    )


# `reparse` writes fields anew where they stand, and notes the parser's version.
_MARKS = f"""
SELECT c.stream_id AS stream_id, c.fixture_id AS fixture_id, c.epoch AS epoch,
  {_newest("position")} AS position, {_newest("parser")} AS parser,
  c.ended AS ended, c.ended_why AS ended_why, c.label AS label, c.competition AS competition, c.starts_us AS starts_us,
  c.described_us AS described_us, g.gaps AS gaps, g.resolved AS resolved, x.sessions AS sessions, x.closed AS closed
FROM (SELECT s.*, {views.current_epoch("s")} AS epoch FROM stream s WHERE s.channel = :channel) c
LEFT JOIN (
  SELECT stream_id, count(gap_id) AS gaps, count(resolved_us) AS resolved FROM gap GROUP BY stream_id
) g ON g.stream_id = c.stream_id
LEFT JOIN (
  SELECT stream_id, count(session_id) AS sessions, count(closed_us) AS closed FROM session GROUP BY stream_id
) x ON x.stream_id = c.stream_id"""


def marks(reader: Reader) -> dict[int, Row[Any]]:
    """Return a row for each stream of actions, by its id: while it stays the same, so does all that is told of it.

    But for what only a new frame without an action, or a heartbeat, changes.
    """
    return {row.stream_id: row for row in reader.rows(_MARKS, {"channel": ACTIONS})}
