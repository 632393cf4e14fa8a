"""Parts of a long answer, each found by key: what comes behind the last row that was shown, never "skip so many"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row

from recorder.archive import views
from recorder.query.reading import Reader


@dataclass(frozen=True, slots=True)
class End:
    """Where a stream's current list ends: its epoch, and the position of the newest action; -1 when there is none."""

    epoch: int
    newest: int


def end_of(reader: Reader, stream_id: int) -> End:
    """Return where the current list of a stream ends; that of one of which nothing has come is the first, and empty."""
    rows = reader.rows(
        f"""
        SELECT epoch, (SELECT max(a.position) FROM action a WHERE a.stream_id = c.stream_id AND a.epoch = c.epoch)
          AS newest
        FROM (SELECT s.stream_id, {views.current_epoch("s")} AS epoch FROM stream s WHERE s.stream_id = :id) c
        WHERE epoch IS NOT NULL""",
        {"id": stream_id},
    )
    return End(rows[0].epoch, -1 if rows[0].newest is None else rows[0].newest) if rows else End(0, -1)


def stream_row(reader: Reader, stream_id: int) -> Row[Any] | None:
    """Return the row of `streams` with this id, None when there is none."""
    rows = reader.rows("SELECT * FROM streams WHERE stream_id = :id", {"id": stream_id})
    return rows[0] if rows else None


def is_stream(reader: Reader, stream_id: int) -> bool:
    """Say whether there is a stream with this id."""
    return bool(reader.rows("SELECT 1 FROM stream WHERE stream_id = :id", {"id": stream_id}))


def behind(reader: Reader, view: Literal["gaps", "sessions"], stream_id: int, after: int, most: int) -> list[Row[Any]]:
    """Return ``most`` rows of a view of one stream behind the id ``after``, in the order of their ids, that of time."""
    key = {"gaps": "gap_id", "sessions": "session_id"}[view]
    return reader.rows(
        f"SELECT * FROM {view} WHERE stream_id = :stream_id AND {key} > :after ORDER BY {key} LIMIT :most",
        {"stream_id": stream_id, "after": after, "most": most},
    )
