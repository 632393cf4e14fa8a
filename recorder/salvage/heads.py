"""Heads of chains: those that what was saved still makes are kept, the others are taken away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from recorder.archive.chains import content_link, content_start, frame_link, frame_start
from recorder.model import Stream
from recorder.salvage.losses import Loss, Outcome

_SESSIONS = """
SELECT session_id, chained, chain, closed_us IS NOT NULL AND outcome <> 'recorder_died' FROM session
WHERE stream_id = ? AND (chained IS NOT NULL OR chain IS NOT NULL)"""
_EPOCHS = """
SELECT epoch, chained, chain FROM epoch WHERE stream_id = ? AND (chained IS NOT NULL OR chain IS NOT NULL)"""
_FRAMES = """
SELECT frame_number, received_us, monotonic_ns, kind, opcode, digest, reason FROM frame
WHERE stream_id = ? AND session_id = ? ORDER BY frame_number"""
_CONTENTS = "SELECT content_digest FROM action WHERE stream_id = ? AND epoch = ? ORDER BY position"
_CLEAR = {
    "session": "UPDATE session SET chained = NULL, chain = NULL WHERE stream_id = ? AND session_id = ?",
    "epoch": "UPDATE epoch SET chained = NULL, chain = NULL WHERE stream_id = ? AND epoch = ?",
}


def clear_heads(connection: sqlite3.Connection, stream: Stream, outcome: Outcome) -> None:
    """Take away every head of a stream that its saved rows do not make."""
    key = stream.stream_id
    for session_id, chained, chain, is_closed in connection.execute(_SESSIONS, (key,)).fetchall():
        frames = connection.execute(_FRAMES, (key, session_id))
        behind = _behind(frame_start(key, session_id), frame_link, frames, chained, chain)
        if behind is None or (behind and is_closed):
            _clear(connection, stream, "session", session_id, outcome)
    for epoch, chained, chain in connection.execute(_EPOCHS, (key,)).fetchall():
        contents = connection.execute(_CONTENTS, (key, epoch))
        if _behind(content_start(key), content_link, contents, chained, chain) is None:
            _clear(connection, stream, "epoch", epoch, outcome)


def _behind(chain: bytes, link: Any, rows: Iterable[tuple[Any, ...]], count: int | None, head: bytes) -> int | None:
    """Return how many rows stand behind the head's; None when the head is not what the rows before make."""
    linked = behind = 0
    for row in rows:
        if linked == count:
            behind += 1
        else:
            chain, linked = link(chain, *row), linked + 1
    return behind if linked == count and chain == head else None


def _clear(connection: sqlite3.Connection, stream: Stream, table: str, key: int, outcome: Outcome) -> None:
    connection.execute(_CLEAR[table], (stream.stream_id, key))
    epoch, session_id = (None, key) if table == "session" else (key, None)
    detail = "the head of the chain over its rows: they are not all there as they were"
    outcome.add(Loss("cleared", table, stream.name, epoch, session_id, detail=detail))
