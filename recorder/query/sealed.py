"""Which streams are sealed: over, let go of, and asked again, or silent for so long that nothing more will come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recorder.model import ACTIONS
from recorder.query.reading import Reader

# An audit seals when what it told is stored: one by REST stores nothing, and "unanswered" and "behind" prove nothing.
# The newest close bounds every arrival: reading the frames for that would read every byte of every message.
_ENDS = """
    SELECT s.stream_id, s.channel, s.ended,
      (SELECT count(*) FROM session c WHERE c.stream_id = s.stream_id AND c.closed_us IS NULL) AS open_sessions,
      (SELECT max(c.closed_us) FROM session c WHERE c.stream_id = s.stream_id
        AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.stream_id = c.stream_id AND a.session_id = c.session_id))
        AS recorded_us,
      (SELECT max(c.closed_us) FROM session c WHERE c.stream_id = s.stream_id) AS last_us,
      (SELECT max(a.began_us) FROM audit a WHERE a.stream_id = s.stream_id AND (a.verdict = 'equal'
        OR (a.asked = 'websocket' AND a.verdict IN ('late', 'changed')))) AS audited_us
    FROM stream s ORDER BY s.stream_id"""


@dataclass(frozen=True, slots=True)
class End:
    """How a stream ended. Times are microseconds UTC, None: never.

    ``recorded_us``: when the last connection was closed that recorded it; ``last_us``: and of those that only asked
    again as well; ``audited_us``: when the newest audit that came to its end was begun.
    """

    ended: str | None
    open_sessions: int
    recorded_us: int | None
    last_us: int | None
    audited_us: int | None


def is_sealed(end: End, now_us: int, deadline_us: int) -> bool:
    """Say whether a stream is sealed: ended, with no session open, and audited since or past a deadline.

    ``deadline_us``: how long after the last connection nothing more is awaited. A stream that was never connected to
    (a list of matches brought it) has nothing to wait for.
    """
    if end.ended is None or end.open_sessions:
        return False
    if end.last_us is None:
        return True
    is_audited = end.audited_us is not None and (end.recorded_us is None or end.audited_us >= end.recorded_us)
    return is_audited or now_us - end.last_us > deadline_us


def sealed(reader: Reader, stream_ids: Sequence[int], now_us: int, deadline_us: int) -> list[int]:
    """Return those of the streams that are sealed, in their order.

    A stream of another channel than `actions` has no end of its own: it is over when nothing was heard for so long.
    """
    found = set()
    for row in reader.rows(_ENDS):
        ended = row.ended or ("silent" if row.channel != ACTIONS and row.last_us is not None else None)
        audited = row.audited_us if row.channel == ACTIONS else None
        if is_sealed(End(ended, row.open_sessions, row.recorded_us, row.last_us, audited), now_us, deadline_us):
            found.add(row.stream_id)
    return [one for one in stream_ids if one in found]
