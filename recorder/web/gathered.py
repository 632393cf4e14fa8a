"""All that a match's page is made from, read in one go: what was known of one stream at a moment, and its troubles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs
from sqlalchemy import Row

from recorder.model import ACTIONS, microseconds
from recorder.query import doubts, story
from recorder.query.diffing import Change
from recorder.query.moments import was_connected
from recorder.query.reading import Reader
from recorder.query.rows import Session, typed
from recorder.query.story import Entry, Revision

MOST_SESSIONS = 200
"""How many connections a page lists; the newest."""
_NEVER_US = 2**63 - 1


@dataclass(frozen=True, slots=True)
class PeriodScore:
    """A period as the newest packet that was known lists it. ``ended``: whether it says that it has."""

    number: int | None
    label: str
    home: int | None
    away: int | None
    ended: bool


@dataclass(frozen=True, slots=True)
class Gathered:
    """One match on one feed, as known at ``as_of_us`` (microseconds UTC; None: now).

    ``stream``: columns of `streams` that are told by key. ``feeds``: those from which the match was recorded.
    ``first_us``, ``last_us``: when the first and the newest action ever came, None when none has; ``next_us``: the
    first that came behind the moment. ``is_uncovered``: no connection was open at the moment, and the match not over.
    """

    stream: Row[Any]
    feeds: Sequence[str]
    as_of_us: int | None
    revisions: Sequence[Revision]
    entries: Sequence[Entry]
    taken_back: dict[str, Change]
    periods: Sequence[PeriodScore]
    gaps: Sequence[Row[Any]]
    sessions: Sequence[Session]
    first_us: int | None
    last_us: int | None
    next_us: int | None
    is_uncovered: bool

    @property
    def epoch(self) -> int:
        """The version of the vendor's list that is shown."""
        return self.revisions[-1].epoch if self.revisions else self.stream.epoch


# What the view finds by key; to count a match's actions and frames takes longer than to show it.
STREAM_COLUMNS = (
    "stream_id, feed, sport, fixture_id, channel, label, competition, home_team, away_team, home_score, away_score, "
    "status, collection_status, current_period, finished, state, epoch, scheduled_at, season, venue"
)


def streams_of(reader: Reader, fixture_id: str) -> list[Row[Any]]:
    """Return the recorded streams of actions of one fixture, betting first; [] when the whole id names none."""
    return reader.rows(
        f"SELECT {STREAM_COLUMNS} FROM streams WHERE fixture_id = :id AND channel = :channel ORDER BY feed, stream_id",
        {"id": fixture_id, "channel": ACTIONS},
    )


def stream_row(reader: Reader, stream_id: int) -> Row[Any] | None:
    """Return the same of one stream; None when there is none."""
    rows = reader.rows(f"SELECT {STREAM_COLUMNS} FROM streams WHERE stream_id = :id", {"id": stream_id})
    return rows[0] if rows else None


def gather(reader: Reader, stream: Row[Any], feeds: Sequence[str], as_of_us: int | None) -> Gathered:
    """Read it."""
    known = story.revisions(reader, stream.stream_id, as_of_us)
    found = story.entries(known)
    first_us, last_us, next_us = _bounds(reader, stream.stream_id, as_of_us, known)
    return Gathered(
        stream=stream,
        feeds=feeds,
        as_of_us=as_of_us,
        revisions=known,
        entries=found,
        taken_back=story.taken_back(reader, found, known),
        periods=periods(reader, known, as_of_us),
        gaps=doubts.gaps(reader, stream.stream_id, as_of_us),
        sessions=_sessions(reader, stream.stream_id, as_of_us),
        first_us=first_us,
        last_us=last_us,
        next_us=next_us,
        is_uncovered=_is_uncovered(reader, stream, as_of_us, last_us),
    )


def _bounds(
    reader: Reader, stream_id: int, as_of_us: int | None, known: Sequence[Revision]
) -> tuple[int | None, int | None, int | None]:
    if as_of_us is None:
        received = [each.received_us for each in known]
        return min(received, default=None), max(received, default=None), None
    (row,) = reader.rows(
        "SELECT min(received_us) AS first_us, max(received_us) AS last_us, "
        "min(CASE WHEN received_us > :at THEN received_us END) AS next_us FROM action WHERE stream_id = :id",
        {"id": stream_id, "at": as_of_us},
    )
    return row.first_us, row.last_us, row.next_us


def periods(reader: Reader, known: Sequence[Revision], as_of_us: int | None) -> list[PeriodScore]:
    """Return the periods as the newest known packet that lists any tells them (the rule of the view `periods`)."""
    if not known:
        return []
    listed = reader.dialect.json.array("a.extra", ("fixtureSummary", "periods"))
    rows = reader.rows(
        f"SELECT {listed} AS listed FROM action a WHERE a.stream_id = :id AND a.epoch = :epoch "
        f"AND a.position <= :last AND a.received_us <= :as_of_us AND {listed} IS NOT NULL "
        "ORDER BY a.position DESC LIMIT 1",
        {
            "id": known[-1].stream_id,
            "epoch": known[-1].epoch,
            "last": known[-1].position,
            "as_of_us": _NEVER_US if as_of_us is None else as_of_us,
        },
    )
    return listed_periods(rows[0].listed) if rows else []


def listed_periods(listed: Any) -> list[PeriodScore]:
    """Return the periods of a packet's summary: JSON text, or the list in it."""
    found = json.loads(listed) if isinstance(listed, str) else listed
    return [_period(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _period(said: dict[str, Any]) -> PeriodScore:
    number, label = _whole(said.get("id")), said.get("label")
    return PeriodScore(
        number=number,
        label=label if isinstance(label, str) and label else "Period" if number is None else f"Period {number}",
        home=_whole(said.get("homeTeamPeriodScore")),
        away=_whole(said.get("awayTeamPeriodScore")),
        ended=isinstance(said.get("end"), str),
    )


def _whole(said: Any) -> int | None:
    return said if type(said) is int else None


def _sessions(reader: Reader, stream_id: int, as_of_us: int | None) -> list[Session]:
    rows = reader.rows(
        "SELECT * FROM sessions WHERE stream_id = :id ORDER BY session_id DESC LIMIT :most",
        {"id": stream_id, "most": MOST_SESSIONS},
    )
    found = typed(Session, reversed(rows))
    if as_of_us is None:
        return found
    return [_as_of(session, as_of_us) for session in found if microseconds(session.opened_at) <= as_of_us]


def _as_of(session: Session, as_of_us: int) -> Session:
    """Return a connection without its end, where that came later."""
    if session.closed_at is None or microseconds(session.closed_at) <= as_of_us:
        return session
    return structs.replace(session, closed_at=None, close_code=None, close_reason=None, outcome=None)


def _is_uncovered(reader: Reader, stream: Row[Any], as_of_us: int | None, last_us: int | None) -> bool:
    if as_of_us is None or (stream.finished and last_us is not None and as_of_us >= last_us):
        return False
    return not was_connected(reader, stream.stream_id, as_of_us)
