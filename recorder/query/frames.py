"""The stored messages themselves, in the order of the vendor's list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.query.reading import Reader


def frames(reader: Reader, stream_id: int, *, control: bool = False) -> Iterator[Row[Any]]:
    """Yield the frames that bear the current epoch's actions, by position, each frame once.

    With ``control`` every stored frame instead, as received: heartbeats, auth replies, repeats in other bytes too;
    ``position`` is then that of the frame's first action, or None.
    """
    time = reader.dialect.time("f.received_us")
    first_positions = f"""
        SELECT a.stream_id, a.session_id, a.frame_number, min(a.position) AS position
        FROM stream s JOIN action a ON a.stream_id = s.stream_id
        WHERE s.stream_id = :id AND a.epoch = {views.current_epoch("s")}
        GROUP BY a.stream_id, a.session_id, a.frame_number"""
    join = "LEFT JOIN" if control else "JOIN"
    order = "f.session_id, f.frame_number" if control else "p.position"
    yield from reader.stream(
        f"""
        SELECT p.position AS position, f.session_id AS session_id, f.frame_number AS frame_number,
          {time} AS received_at, f.kind AS kind, f.opcode AS opcode, f.reason AS reason, f.payload AS payload
        FROM frame f {join} ({first_positions}) p
          ON p.stream_id = f.stream_id AND p.session_id = f.session_id AND p.frame_number = f.frame_number
        WHERE f.stream_id = :id ORDER BY {order}""",
        {"id": stream_id},
    )
