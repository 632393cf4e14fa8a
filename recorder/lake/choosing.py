"""From what a user types to one stream of a lake: FIXTURE, as the commands take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recorder.errors import UsageError
from recorder.publishing.places import Place
from recorder.query.catalogue import Entry, near
from recorder.query.rows import StreamRow

_MIN_PREFIX = 4


def choose(
    rows: Sequence[StreamRow], fixture: str, feed: str | None, date_of: Callable[[int], str], place: Place
) -> StreamRow:
    """Return the stream that is meant; ``date_of``: the match date of a stream.

    Of both feeds it is `betting` unless one is said. UsageError when nothing is meant, with what is near, or several.
    """
    wanted = fixture.strip().lower()
    parts = [part for part in wanted.split("/") if part not in ("", "fixtures", "actions")]
    if len(parts) > 1:
        feed, wanted = feed or ("media" if parts[0] == "media" else "betting"), parts[-1]
    known = {row.stream_id: _entry(row) for row in rows}
    found = [row for row in rows if _is_meant(known[row.stream_id], wanted, date_of)]
    whole = [row for row in found if row.fixture_id == wanted] or found
    fixtures = sorted({row.fixture_id for row in whole})
    if len(fixtures) > 1:
        raise UsageError(f"{fixture!r} names several matches in {place.url}: {', '.join(fixtures[:5])}; say which")
    chosen = [row for row in whole if feed in (None, row.feed)]
    if not chosen:
        alike = ", ".join(one.teams or one.fixture_id for one in near(list(known.values()), wanted))
        hint = f"; near: {alike}" if alike else ""
        raise UsageError(f"no published match is named {fixture!r} in {place.url}{hint}")
    return min(chosen, key=lambda row: (row.channel, row.feed, row.stream_id))


def _entry(row: StreamRow) -> Entry:
    return Entry(row.stream_id, row.feed, row.fixture_id, row.channel, row.home_team, row.away_team)


def _is_meant(entry: Entry, wanted: str, date_of: Callable[[int], str]) -> bool:
    if entry.fixture_id == wanted or (len(wanted) >= _MIN_PREFIX and entry.fixture_id.startswith(wanted)):
        return True
    teams, _, date = wanted.partition("@")
    return bool(entry.teams) and entry.teams == teams and date_of(entry.stream_id).startswith(date)
