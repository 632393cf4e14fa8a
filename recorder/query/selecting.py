"""From what a user types to one recorded stream: FIXTURE in the commands' help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from recorder.errors import UsageError
from recorder.query.catalogue import Entry, date_of, entries, entries_by_id, near, told
from recorder.query.reading import Reader

_MIN_PREFIX = 4
_CANDIDATES = 5


def select_stream(reader: Reader, fixture: str, feed: str | None = None) -> tuple[Row[Any], str | None]:
    """Return the `streams` row that ``fixture`` names, and a note when a choice was made for the user.

    ``fixture`` is a fixture id, an unambiguous prefix of one, ``feed/sport/id`` (``media/soccer/<id>``,
    ``soccer/<id>``), or team names: ``france-romania``, ``france-romania@2016-06-10`` (UTC date of the first packet's
    own time). Raises UsageError when it names nothing, with what is near, or several fixtures, with which.
    """
    check_feed(feed)
    wanted = fixture.strip().lower()
    if "/" in wanted:
        path_feed, _, wanted = _split_path(wanted)
        feed = feed or path_feed
    found = _by_id(reader, wanted)
    if not found:
        known = entries(reader)
        found = _by_teams(reader, known, wanted)
        if not found:
            raise _nothing(reader, known, fixture, wanted)
    by_fixture = {entry.fixture_id: entry for entry in found}
    if len(by_fixture) > 1:
        raise _several(reader, fixture, list(by_fixture.values()))
    if feed is not None:
        (fixture_id,) = by_fixture
        found = [entry for entry in found if entry.feed == feed]
        if not found:
            raise UsageError(f"{fixture_id} was not recorded from the {feed} feed")
    chosen = min(found, key=lambda entry: (entry.channel, entry.feed, entry.stream_id))
    others = {entry.feed for entry in found} - {chosen.feed}
    note = f"both feeds were recorded: showing {chosen.feed}; choose with --feed" if others else None
    return reader.rows("SELECT * FROM streams WHERE stream_id = :id", {"id": chosen.stream_id})[0], note


def select_fixtures(reader: Reader, named: Sequence[str], feed: str | None = None) -> dict[str, set[str]]:
    """Return the fixtures that are named, each with the feeds that are meant: both, unless a path or ``feed`` says one.

    Raises what `select_stream` raises.
    """
    found: dict[str, set[str]] = {}
    for fixture in named:
        row, _ = select_stream(reader, fixture, feed)
        meant = {row.feed} if feed is not None or "/" in fixture else {"betting", "media"}
        found.setdefault(row.fixture_id, set()).update(meant)
    return found


def select_streams(reader: Reader, named: Sequence[str], feed: str | None = None) -> list[Row[Any]]:
    """Return the rows (``stream_id``, and the name's parts) of all streams that are meant; all when none is named.

    A fixture is meant with all its channels, and of both feeds unless a path or ``feed`` says one. Raises what
    `select_stream` raises.
    """
    check_feed(feed)
    meant = select_fixtures(reader, named, feed)
    return [
        row
        for row in reader.rows("SELECT stream_id, feed, sport, fixture_id, channel FROM stream ORDER BY stream_id")
        if feed in (None, row.feed) and (not named or row.feed in meant.get(row.fixture_id, ()))
    ]


def check_feed(feed: str | None) -> None:
    """Raise UsageError for what is no feed."""
    if feed not in (None, "betting", "media"):
        raise UsageError(f"there is no feed {feed!r}; expected betting or media")


def _split_path(path: str) -> tuple[str, str, str]:
    parts = [part for part in path.split("/") if part and part != "fixtures"]
    feed = parts.pop(0) if parts and parts[0] in ("media", "betting") else "betting"
    if parts and parts[-1] == "actions":
        parts.pop()
    return feed, "/".join(parts[:-1]), parts[-1] if parts else ""


def _by_id(reader: Reader, wanted: str) -> list[Entry]:
    found = entries_by_id(reader, wanted) if wanted else []
    return [entry for entry in found if entry.fixture_id == wanted or len(wanted) >= _MIN_PREFIX]


def _by_teams(reader: Reader, known: Sequence[Entry], wanted: str) -> list[Entry]:
    teams, _, date = wanted.partition("@")
    named = [entry for entry in known if entry.teams and entry.teams == teams]
    return [entry for entry in named if date_of(reader, entry.stream_id).startswith(date)] if date else named


def _nothing(reader: Reader, known: Sequence[Entry], fixture: str, wanted: str) -> UsageError:
    if not known:
        return UsageError(f"no recorded fixture is named {fixture!r}: `recorder fixtures` lists none, record one first")
    hint = f"; the beginning of an id needs at least {_MIN_PREFIX} characters" if len(wanted) < _MIN_PREFIX else ""
    alike = near(known, wanted)
    if alike:
        hint += f"; near: {', '.join(told(reader, entry) for entry in alike)}"
    return UsageError(f"no recorded fixture is named {fixture!r}{hint}; `recorder fixtures` lists what there is")


def _several(reader: Reader, fixture: str, found: Sequence[Entry]) -> UsageError:
    named = ", ".join(told(reader, entry) for entry in found[:_CANDIDATES])
    more = f" and {len(found) - _CANDIDATES} more" if len(found) > _CANDIDATES else ""
    return UsageError(f"{fixture!r} names {len(found)} fixtures ({named}{more}); type more of the id or a date")
