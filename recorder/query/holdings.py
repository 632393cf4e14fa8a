"""What whole fixtures take up, and where: the streams that a user's selectors name together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row

from recorder.errors import UsageError
from recorder.feed.endpoint import is_whole_path, parse_path
from recorder.model import ACTIONS, Feed, Stream
from recorder.query.listing import Filter, fixtures
from recorder.query.reading import Reader
from recorder.query.selecting import select_stream

ARCHIVE = "archive"
FEEDS: tuple[Feed, ...] = ("betting", "media")


@dataclass(frozen=True, slots=True)
class Selectors:
    """What to select; all that is given must hold. ``before``: a date, ``YYYY-MM-DD`` (UTC), exclusive."""

    fixtures: Sequence[str] = ()
    feed: str | None = None
    competition: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A stream, and what is stored of it: ``size`` is the bytes of its frames, ``where`` the places that hold it."""

    stream: Stream
    match: str = ""
    frames: int = 0
    actions: int = 0
    size: int = 0
    where: tuple[str, ...] = ()
    is_purged: bool = False


def holdings(places: Mapping[str, Reader], selectors: Selectors) -> list[Holding]:
    """Return the streams that ``selectors`` select in the archive and in other places (a spool), by name.

    A fixture is selected whole, with every channel and both feeds, unless a feed is said: of each the stream of actions
    is among the result though nothing be stored. A fixture that is named by its full path need not be known at all; by
    a beginning of its id or by its teams it is looked for in the archive alone. Raises UsageError for what names
    nothing.
    """
    archive = places[ARCHIVE]
    named = {stream for text in selectors.fixtures for stream in named_streams(text, selectors.feed, archive)}
    if selectors.competition is not None or selectors.before is not None:
        meeting = {fixture for reader in places.values() for fixture in _meeting(reader, selectors)}
        if selectors.fixtures:
            named = {stream for stream in named if stream.fixture_id in {fixture for _, fixture in meeting}}
        else:
            feeds = _feeds(selectors.feed)
            named = {Stream(feed, sport, fixture) for sport, fixture in meeting for feed in feeds}
    found = set(named)
    for stream in named:
        for reader in places.values():
            found |= _recorded(reader, stream)
    return [_holding(places, stream) for stream in sorted(found, key=lambda stream: stream.name)]


def named_streams(text: str, feed: str | None = None, archive: Reader | None = None) -> list[Stream]:
    """Return the streams of one fixture that ``text`` names, of both feeds unless one is said, here or there.

    A full ``feed/sport/id`` need not be recorded; anything else is looked for in ``archive``.
    """
    feeds = _feeds(feed)
    if "/" in text:
        said = text.strip().strip("/").partition("/")[0].lower()
        if said in FEEDS and feed is None:
            feeds = _feeds(said)
        try:
            stream = parse_path(text.strip().removeprefix("betting/"))
        except ValueError as problem:
            if archive is None:
                raise UsageError(str(problem)) from None
        else:
            channels = {stream.channel} if is_whole_path(stream) else {stream.channel, ACTIONS}
            return [Stream(one, stream.sport, stream.fixture_id, channel) for one in feeds for channel in channels]
    if archive is None:
        raise UsageError(f"{text!r} is no full name of a fixture; expected feed/sport/id, e.g. media/soccer/39e713f0-…")
    row, _ = select_stream(archive, text)
    return [Stream(one, row.sport, row.fixture_id) for one in feeds]


def _feeds(feed: str | None) -> tuple[Feed, ...]:
    found = tuple(one for one in FEEDS if feed in (one, None))
    if not found:
        raise UsageError(f"there is no feed {feed!r}; expected betting or media")
    return found


def _meeting(reader: Reader, selectors: Selectors) -> list[tuple[str, str]]:
    """Return (sport, fixture) of the matches that meet the filters."""
    rows = fixtures(reader, Filter(competition=selectors.competition, until=_day_before(selectors.before)))
    return [(row.sport, row.fixture_id) for row in rows]


def _day_before(said: str | None) -> str | None:
    if said is None:
        return None
    try:
        day = date.fromisoformat(said)
    except ValueError:
        raise UsageError(f"{said!r} is no date; expected YYYY-MM-DD") from None
    return (day - timedelta(days=1)).isoformat()


def _recorded(reader: Reader, like: Stream) -> set[Stream]:
    """Return the streams of a fixture, from the same feed, that have rows."""
    rows = reader.rows(
        "SELECT feed, sport, fixture_id, channel FROM stream WHERE fixture_id = :fixture AND feed = :feed",
        {"fixture": like.fixture_id, "feed": like.feed},
    )
    return {Stream(row.feed, row.sport, row.fixture_id, row.channel) for row in rows}


def _holding(places: Mapping[str, Reader], stream: Stream) -> Holding:
    key = {"id": stream.stream_id}
    stored: dict[str, Row[Any]] = {}
    for place, reader in places.items():
        for row in reader.rows("SELECT label, home_team, away_team FROM streams WHERE stream_id = :id", key):
            stored[place] = row
    purged = places[ARCHIVE].rows("SELECT 1 FROM tombstone WHERE stream_id = :id", key)
    if not stored:
        return Holding(stream, is_purged=bool(purged))
    first, said = next(iter(stored.items()))
    sizes = places[first].rows(
        """
        SELECT count(*) AS frames, coalesce(sum(length(payload)), 0) AS size,
          (SELECT count(*) FROM action WHERE stream_id = :id) AS actions
        FROM frame WHERE stream_id = :id""",
        key,
    )[0]
    match = f"{said.home_team} - {said.away_team}" if said.home_team and said.away_team else said.label or ""
    return Holding(stream, match, sizes.frames, sizes.actions, sizes.size, tuple(stored), bool(purged))
