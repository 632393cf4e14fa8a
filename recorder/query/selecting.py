"""From what a user types to one recorded stream: FIXTURE in the commands' help."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from sqlalchemy import Row

from recorder.errors import UsageError
from recorder.query.reading import Reader

_MIN_PREFIX = 4

# Letters that Unicode does not take apart into a plain one and its mark.
_PLAIN = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i"})


def slug(name: str) -> str:
    """Return a team's name as people type it: ``"Leganés"`` is ``leganes``, ``"Hannover 96"`` is ``hannover-96``."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_PLAIN)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def select_stream(reader: Reader, fixture: str, feed: str | None = None) -> tuple[Row[Any], str | None]:
    """Return the `streams` row that ``fixture`` names, and a note when a choice was made for the user.

    ``fixture`` is a fixture id, an unambiguous prefix of one, ``feed/sport/id`` (``media/soccer/<id>``,
    ``soccer/<id>``), or team names: ``france-romania``, ``france-romania@2016-06-10`` (UTC date of the first packet's
    own time). Raises UsageError when it names nothing, or several fixtures.
    """
    streams = reader.rows("SELECT * FROM streams ORDER BY channel, feed, stream_id")
    wanted = fixture.strip().lower()
    if "/" in wanted:
        path_feed, _, wanted = _split_path(wanted)
        feed = feed or path_feed
    found = [row for row in streams if row.fixture_id == wanted]
    if not found and len(wanted) >= _MIN_PREFIX:
        found = [row for row in streams if row.fixture_id.startswith(wanted)]
    found = found or _by_teams(reader, streams, wanted)
    if not found:
        hint = f"; the beginning of an id needs at least {_MIN_PREFIX} characters" if len(wanted) < _MIN_PREFIX else ""
        raise UsageError(f"no recorded fixture is named {fixture!r}{hint}; `recorder fixtures` lists what there is")
    ids = sorted({row.fixture_id for row in found})
    if len(ids) > 1:
        raise UsageError(f"{fixture!r} names {len(ids)} fixtures ({', '.join(ids[:5])}); type more of the id or a date")
    if feed is not None:
        found = [row for row in found if row.feed == feed]
        if not found:
            raise UsageError(f"{ids[0]} was not recorded from the {feed} feed")
    chosen = found[0]
    others = {row.feed for row in found} - {chosen.feed}
    note = f"both feeds were recorded: showing {chosen.feed}; choose with --feed" if others else None
    return chosen, note


def _split_path(path: str) -> tuple[str, str, str]:
    parts = [part for part in path.split("/") if part and part != "fixtures"]
    feed = parts.pop(0) if parts and parts[0] in ("media", "betting") else "betting"
    if parts and parts[-1] == "actions":
        parts.pop()
    return feed, "/".join(parts[:-1]), parts[-1] if parts else ""


def _by_teams(reader: Reader, streams: list[Row[Any]], wanted: str) -> list[Row[Any]]:
    teams, _, date = wanted.partition("@")
    named = [
        row
        for row in streams
        if row.home_team and row.away_team and teams == f"{slug(row.home_team)}-{slug(row.away_team)}"
    ]
    if not date:
        return named
    first = "SELECT min(occurred_at) AS first FROM actions WHERE stream_id = :id"
    return [row for row in named if (reader.rows(first, {"id": row.stream_id})[0].first or "").startswith(date)]
