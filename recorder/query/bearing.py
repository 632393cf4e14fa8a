"""The stored messages that bear given actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from recorder.query.reading import Reader

Key = tuple[int, int]
"""The session and the number of a frame of one stream."""


def frame_at(reader: Reader, stream_id: int, epoch: int, position: int) -> Row[Any] | None:
    """Return the row of `raw_frames` that bears an action, with its ``epoch``, ``position`` and ``part``; or None."""
    rows = reader.rows(
        """
        SELECT f.*, a.epoch AS epoch, a.position AS position, a.part AS part
        FROM action a JOIN raw_frames f
          ON f.stream_id = a.stream_id AND f.session_id = a.session_id AND f.frame_number = a.frame_number
        WHERE a.stream_id = :id AND a.epoch = :epoch AND a.position = :position AND f.stream_id = :id""",
        {"id": stream_id, "epoch": epoch, "position": position},
    )
    return rows[0] if rows else None


def frames_of(reader: Reader, stream_id: int, keys: Sequence[Key]) -> dict[Key, Row[Any]]:
    """Return the rows of `raw_frames` with these keys. Each takes two parameters: ask for some hundred at once."""
    named = {f"{part}_{at}": value for at, key in enumerate(keys) for part, value in zip("sn", key, strict=True)}
    values = ", ".join(f"(:s_{at}, :n_{at})" for at in range(len(keys)))
    rows = reader.rows(
        f"""
        WITH wanted (session_id, frame_number) AS (VALUES {values})
        SELECT f.* FROM wanted w JOIN raw_frames f
          ON f.session_id = w.session_id AND f.frame_number = w.frame_number
        WHERE f.stream_id = :id""",
        {"id": stream_id, **named},
    )
    return {(row.session_id, row.frame_number): row for row in rows}
