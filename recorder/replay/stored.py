"""The recordings of an archive. Times are read at once, a stream's messages when somebody wants them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.errors import UsageError
from recorder.feed.messages import read
from recorder.model import ACTIONS, Stream
from recorder.query.reading import Reader, reading
from recorder.query.selecting import select_streams
from recorder.replay.cutting import cut
from recorder.replay.recordings import UNKNOWN_US, Connection, Recording


def stored(database_url: str, wanted: Sequence[str] = (), feed: str | None = None) -> list[Recording]:
    """Return the streams of an archive that hold actions: those that are named, or all.

    ``wanted``: fixtures as every command takes them; both feeds of one unless a path or ``feed`` says which. Raises
    UsageError when there is nothing to serve.
    """
    with reading(database_url) as reader:
        rows = [row for row in select_streams(reader, wanted, feed) if row.channel == ACTIONS]
        found = [_recording(reader, database_url, row) for row in rows]
    held = [recording for recording in found if recording.packets]
    if not held:
        raise UsageError("the archive holds no actions to replay; record a match first")
    return sorted(held, key=lambda recording: (recording.received_us[0], recording.path))


def _recording(reader: Reader, database_url: str, row: Row[Any]) -> Recording:
    stream = Stream(row.feed, row.sport, row.fixture_id, row.channel)
    firsts, received, occurred = array("q"), array("q"), array("q")
    clocks: list[tuple[int | None, int | None]] = []
    packets = 0
    for first, *others in _messages(_actions(reader, stream.stream_id)):
        packets += 1 + len(others)
        firsts.append(first.position)
        # A message placed later than it came does not make time run backwards.
        received.append(max(first.received_us, received[-1] if received else first.received_us))
        occurred.append(UNKNOWN_US if first.occurred_us is None else first.occurred_us)
        clocks.append((first.current_period, first.current_clock_seconds))
    return Recording(
        stream=stream,
        title=_title(reader, stream),
        firsts=firsts,
        packets=packets,
        received_us=received,
        occurred_us=occurred,
        load=lambda: _payloads(database_url, stream.stream_id),
        clocks=clocks,
        connections=_connections(reader, stream.stream_id),
    )


def _title(reader: Reader, stream: Stream) -> str:
    [row] = reader.rows(
        "SELECT label, home_team, away_team FROM streams WHERE stream_id = :id", {"id": stream.stream_id}
    )
    if row.home_team and row.away_team:
        return f"{row.home_team} - {row.away_team}"
    return row.label or str(stream)


def _actions(reader: Reader, stream_id: int) -> Iterable[Row[Any]]:
    return reader.stream(
        f"""
        SELECT a.position, a.session_id, a.frame_number, a.received_us, a.occurred_us, a.current_period,
          a.current_clock_seconds
        FROM stream s JOIN action a ON a.stream_id = s.stream_id AND a.epoch = {views.current_epoch("s")}
        WHERE s.stream_id = :id ORDER BY a.position""",
        {"id": stream_id},
    )


def _payloads(database_url: str, stream_id: int) -> list[bytes]:
    with reading(database_url) as reader:
        rows = reader.stream(
            f"""
            SELECT a.session_id, a.frame_number, a.part, f.payload
            FROM stream s JOIN action a ON a.stream_id = s.stream_id AND a.epoch = {views.current_epoch("s")}
            JOIN frame f ON f.stream_id = a.stream_id AND f.session_id = a.session_id
              AND f.frame_number = a.frame_number
            WHERE s.stream_id = :id ORDER BY a.position""",
            {"id": stream_id},
        )
        return [_message([row.part for row in group], bytes(group[0].payload)) for group in _messages(rows)]


def _messages(actions: Iterable[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """Yield the actions of each message; ``actions`` by position."""
    for _, group in groupby(actions, key=lambda action: (action.session_id, action.frame_number)):
        yield list(group)


def _message(parts: Sequence[int], payload: bytes) -> bytes:
    """Return the message as it came, or what it holds of the list where it bears other packets as well."""
    borne = len(read(payload).packets)
    return payload if len(parts) == borne else cut(payload, parts)


def _connections(reader: Reader, stream_id: int) -> list[Connection]:
    said: dict[int, list[tuple[int, bytes]]] = {}
    replies: dict[int, bytes] = {}
    for row in reader.rows(
        "SELECT session_id, received_us, kind, payload FROM frame "
        "WHERE stream_id = :id AND kind IN ('auth', 'error', 'unknown') ORDER BY session_id, frame_number",
        {"id": stream_id},
    ):
        if row.kind == "auth":
            replies[row.session_id] = bytes(row.payload)
        else:
            said.setdefault(row.session_id, []).append((row.received_us, bytes(row.payload)))
    return [
        Connection(
            opened_us=row.opened_us,
            closed_us=row.closed_us,
            close_code=row.close_code,
            close_reason=row.close_reason or "",
            beat_s=_beat_s(row),
            auth_reply=replies.get(row.session_id),
            said=said.get(row.session_id, ()),
        )
        for row in reader.rows(
            "SELECT session_id, opened_us, closed_us, close_code, close_reason, heartbeats, last_heartbeat_us "
            "FROM session WHERE stream_id = :id ORDER BY opened_us, session_id",
            {"id": stream_id},
        )
    ]


def _beat_s(session: Row[Any]) -> float | None:
    if not session.heartbeats or session.last_heartbeat_us is None:
        return None
    span_s = (session.last_heartbeat_us - session.opened_us) / 1e6
    return float(max(0.1, span_s / session.heartbeats))
