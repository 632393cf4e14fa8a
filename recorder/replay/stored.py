"""The recordings of an archive. Times are read at once, a stream's messages when somebody wants them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.errors import UsageError
from recorder.feed.messages import read
from recorder.model import ACTIONS, FIXTURE, Opcode, Stream
from recorder.query.reading import Reader, reading
from recorder.query.selecting import select_streams
from recorder.replay.cutting import cut
from recorder.replay.recordings import UNKNOWN_US, Binary, MatchClock, Recording, Session

_RAW = "WHERE stream_id = :id AND kind = 'unknown' ORDER BY session_id, frame_number"
"""The list of a channel whose messages have no positions: what comes again on a later connection is not stored."""


def stored(database_url: str, wanted: Sequence[str] = (), feed: str | None = None) -> list[Recording]:
    """Return the streams of an archive that hold something to send: those that are named, or all.

    ``wanted``: fixtures as every command takes them; both feeds of one unless a path or ``feed`` says which. Of a
    channel other than ``actions`` each stored message counts as one packet: how the vendor counts there nobody has
    told. Raises UsageError when there is nothing to serve; ``load`` raises it when the archive no longer holds what it
    did.
    """
    with reading(database_url) as reader:
        rows = [row for row in select_streams(reader, wanted, feed) if row.channel != FIXTURE]
        # One of each is kept: in a season the same clocks come again and again.
        kept: dict[MatchClock, MatchClock] = {}
        found = [_recording(reader, database_url, row, kept) for row in rows]
    held = [recording for recording in found if recording.packets]
    if not held:
        raise UsageError("the archive holds no actions to replay; record a match first")
    return sorted(held, key=lambda recording: (recording.received_us[0], recording.path))


def _recording(reader: Reader, database_url: str, row: Row[Any], kept: dict[MatchClock, MatchClock]) -> Recording:
    stream = Stream(row.feed, row.sport, row.fixture_id, row.channel)
    question = _Question(database_url, stream, _epoch(reader, stream.stream_id))
    firsts, received, occurred = array("q"), array("q"), array("q")
    clocks: list[MatchClock] = []
    packets = 0
    is_numbered, kickoff = True, None
    for first, *others in _messages(question.times(reader)):
        firsts.append(packets)
        packets += 1 + len(others)
        # A message placed later than it came does not make time run backwards.
        received.append(max(first.received_us, received[-1] if received else first.received_us))
        occurred.append(UNKNOWN_US if first.occurred_us is None else first.occurred_us)
        if kickoff is None and (first.period or 0) >= 1:
            kickoff = len(clocks)
        is_numbered = is_numbered and all(each.fixture_seq_num is not None for each in (first, *others))
        clock = first.current_period, first.current_clock_seconds
        clocks.append(kept.setdefault(clock, clock))
    return Recording(
        stream=stream,
        title=_title(reader, stream),
        firsts=firsts,
        packets=packets,
        received_us=received,
        occurred_us=occurred,
        load=lambda: question.payloads(packets, len(firsts)),
        clocks=clocks,
        is_numbered=is_numbered,
        kickoff=kickoff,
        sessions=_sessions(reader, stream),
    )


def _epoch(reader: Reader, stream_id: int) -> int | None:
    [row] = reader.rows(
        f"SELECT {views.current_epoch('s')} AS epoch FROM stream s WHERE s.stream_id = :id", {"id": stream_id}
    )
    return None if row.epoch is None else int(row.epoch)


@dataclass(frozen=True)
class _Question:
    """What is asked of an archive for one stream. ``epoch``: the list that is served, also when another begins."""

    database_url: str
    stream: Stream
    epoch: int | None

    @property
    def _of(self) -> dict[str, Any]:
        of = {"id": self.stream.stream_id}
        return of | ({"epoch": self.epoch} if self.stream.channel == ACTIONS else {})

    def times(self, reader: Reader) -> Iterable[Row[Any]]:
        """Yield each packet's message, times and clock, by position."""
        if self.stream.channel != ACTIONS:
            return reader.stream(
                f"""
                SELECT session_id, frame_number, received_us, NULL AS occurred_us, NULL AS current_period,
                  NULL AS current_clock_seconds, NULL AS fixture_seq_num, NULL AS period
                FROM frame {_RAW}""",
                self._of,
            )
        return reader.stream(
            """
            SELECT session_id, frame_number, received_us, occurred_us, current_period, current_clock_seconds,
              fixture_seq_num, period
            FROM action WHERE stream_id = :id AND epoch = :epoch ORDER BY position""",
            self._of,
        )

    def payloads(self, packets: int, messages: int) -> list[bytes]:
        """Return the messages of the first so many packets, although more may have been recorded since."""
        with reading(self.database_url) as reader:
            rows = islice(self._parts(reader), packets)
            found = [_message(group) for group in _messages(rows)]
        if len(found) != messages:
            raise UsageError(
                f"{self.stream}: the archive held {messages:,} messages when the replay began, and holds "
                f"{len(found):,} of them now; begin the replay anew"
            )
        return found

    def _parts(self, reader: Reader) -> Iterator[Row[Any]]:
        if self.stream.channel != ACTIONS:
            return reader.stream(
                f"SELECT session_id, frame_number, NULL AS part, opcode, payload FROM frame {_RAW}", self._of
            )
        return reader.stream(
            """
            SELECT a.session_id, a.frame_number, a.part, f.opcode, f.payload
            FROM action a JOIN frame f ON f.stream_id = a.stream_id AND f.session_id = a.session_id
              AND f.frame_number = a.frame_number
            WHERE a.stream_id = :id AND a.epoch = :epoch ORDER BY a.position""",
            self._of,
        )


def _title(reader: Reader, stream: Stream) -> str:
    [row] = reader.rows(
        "SELECT label, home_team, away_team FROM streams WHERE stream_id = :id", {"id": stream.stream_id}
    )
    if row.home_team and row.away_team:
        return f"{row.home_team} - {row.away_team}"
    return row.label or str(stream)


def _messages(actions: Iterable[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """Yield the actions of each message; ``actions`` by position."""
    for _, group in groupby(actions, key=lambda action: (action.session_id, action.frame_number)):
        yield list(group)


def _message(actions: Sequence[Row[Any]]) -> bytes:
    """Return the message as it came, or what it holds of the list where it bears other packets as well."""
    payload = bytes(actions[0].payload)
    # Where there are no positions a message has no parts.
    chosen = [action.part for action in actions if action.part is not None]
    is_whole = not chosen or chosen == list(range(len(read(payload).packets)))
    served = payload if is_whole else cut(payload, chosen)
    return Binary(served) if actions[0].opcode == "binary" else served


def _sessions(reader: Reader, stream: Stream) -> list[Session]:
    said: dict[int, list[tuple[int, bytes, Opcode]]] = {}
    replies: dict[int, bytes] = {}
    kinds = "'auth', 'error'" + (", 'unknown'" if stream.channel == ACTIONS else "")
    for row in reader.rows(
        f"SELECT session_id, received_us, kind, opcode, payload FROM frame "
        f"WHERE stream_id = :id AND kind IN ({kinds}) ORDER BY session_id, frame_number",
        {"id": stream.stream_id},
    ):
        if row.kind == "auth":
            replies[row.session_id] = bytes(row.payload)
        else:
            said.setdefault(row.session_id, []).append((row.received_us, bytes(row.payload), row.opcode))
    found: list[Session] = []
    for row in reader.rows(
        "SELECT session_id, opened_us, closed_us, close_code, close_reason, heartbeats, last_heartbeat_us "
        "FROM session WHERE stream_id = :id ORDER BY opened_us, session_id",
        {"id": stream.stream_id},
    ):
        beat_s = _beat_s(row)
        found.append(
            Session(
                opened_us=row.opened_us,
                closed_us=row.closed_us,
                close_code=row.close_code,
                close_reason=row.close_reason or "",
                beat_s=beat_s,
                last_beat_us=None if beat_s is None else row.last_heartbeat_us,
                # A reply in the bytes of an earlier one is stored once.
                auth_reply=replies.get(row.session_id, found[-1].auth_reply if found else None),
                said=said.get(row.session_id, ()),
            )
        )
    return found


def _beat_s(session: Row[Any]) -> float | None:
    if not session.heartbeats or session.last_heartbeat_us is None:
        return None
    span_s = (session.last_heartbeat_us - session.opened_us) / 1e6
    return float(max(0.1, span_s / session.heartbeats))
