"""How long nothing came while a connection was open, as far as what is stored can tell.

Not every message is stored: of heartbeats, and of actions that came again, a session only counts how many there were
(decision 5), and keeps the time of its last heartbeat. The number of a frame tells how many messages lie between two
that are stored. So a span is a silence when nothing came in it, or when so few messages that one stretch between them
must have been too long; any other long span may have been one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from recorder.query.percentiles import greatest
from recorder.query.reading import Reader


@dataclass(frozen=True, slots=True)
class Span:
    """From one mark of a session to the next. ``untimed``: at most so many messages came in between, nobody knows when.

    Times are microseconds UTC by our wall clock.
    """

    from_us: int
    to_us: int
    untimed: int

    @property
    def sure_us(self) -> int:
        """How long its longest silence was at least: messages that came at equal distances leave the shortest."""
        return (self.to_us - self.from_us) // (self.untimed + 1)


@dataclass(frozen=True, slots=True)
class Mark:
    """A stored frame: when it came, and its number on its session."""

    at_us: int
    number: int


@dataclass(slots=True)
class Stored:
    """The first and the last stored frame of a session, and the long spans between two that follow each other."""

    first: Mark
    last: Mark
    long: list[Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Silences:
    """``count`` of spans that were certainly silent for longer than asked, the longest of them in seconds.

    ``possible``: further spans without a stored message in which there may have been such a silence.
    """

    count: int = 0
    longest_s: float | None = None
    possible: int = 0

    def __add__(self, other: Silences) -> Silences:
        """Return both together."""
        longest = greatest(self.longest_s, other.longest_s)
        return Silences(self.count + other.count, longest, self.possible + other.possible)


def silences(reader: Reader, stream_id: int, longer_us: int) -> Silences:
    """Return the silences of a stream that were longer than ``longer_us``, over all its sessions."""
    sessions = reader.rows("SELECT * FROM session WHERE stream_id = :id ORDER BY session_id", {"id": stream_id})
    stored = _stored(reader, stream_id, longer_us)
    return told((span for row in sessions for span in spans(row, stored.get(row.session_id))), longer_us)


def told(found: Iterable[Span], longer_us: int) -> Silences:
    """Return what these spans come to."""
    long = [span for span in found if span.to_us - span.from_us > longer_us]
    sure = [span.sure_us for span in long if span.sure_us > longer_us]
    return Silences(len(sure), max(sure) / 1e6 if sure else None, len(long) - len(sure))


def spans(session: Any, stored: Stored | None) -> Iterator[Span]:
    """Yield the spans of a session (a row of the table) that may be long, dialling and close included.

    A session that brought nothing was never open. Of one that is still open, what has come since is not known yet.
    """
    if stored is None:
        if session.frames and session.closed_us is not None:
            yield from _around_heartbeat(session, Span(session.opened_us, session.closed_us, session.frames))
        return
    found = [Span(session.opened_us, stored.first.at_us, stored.first.number), *stored.long]
    end_us = session.closed_us if session.closed_us is not None else session.last_heartbeat_us
    if end_us is not None and end_us > stored.last.at_us:
        found.append(Span(stored.last.at_us, end_us, max(0, session.frames - stored.last.number - 1)))
    for span in found:
        yield from _around_heartbeat(session, span)


def _around_heartbeat(session: Any, span: Span) -> Iterator[Span]:
    """Yield a span in two where the last heartbeat lies in it; behind that only actions came again."""
    last_us, again = session.last_heartbeat_us, min(span.untimed, session.overlap_checked + session.resent)
    if last_us is None or last_us >= span.to_us or not span.untimed:
        yield span
    elif last_us <= span.from_us:
        yield Span(span.from_us, span.to_us, again)
    else:
        yield Span(span.from_us, last_us, span.untimed - 1)
        yield Span(last_us, span.to_us, min(again, span.untimed - 1))


def _stored(reader: Reader, stream_id: int, longer_us: int) -> dict[int, Stored]:
    """Return what is stored of each session; the database looks for the spans, so that few rows come."""
    rows: Iterator[Row[Any]] = reader.stream(
        """
        SELECT session_id, frame_number, received_us, before, before_us FROM (
          SELECT session_id, frame_number, received_us,
            lag(frame_number) OVER w AS before, lag(received_us) OVER w AS before_us,
            lead(frame_number) OVER w AS behind
          FROM frame WHERE stream_id = :id
          WINDOW w AS (PARTITION BY session_id ORDER BY frame_number)
        ) beside
        WHERE before IS NULL OR behind IS NULL OR received_us - before_us > :longer_us
        ORDER BY session_id, frame_number""",
        {"id": stream_id, "longer_us": longer_us},
    )
    found: dict[int, Stored] = {}
    for row in rows:
        mark = Mark(row.received_us, row.frame_number)
        session = found.setdefault(row.session_id, Stored(mark, mark))
        session.last = mark
        if row.before is not None and row.received_us - row.before_us > longer_us:
            session.long.append(Span(row.before_us, row.received_us, row.frame_number - row.before - 1))
    return found
