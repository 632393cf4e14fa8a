"""The names of what was recorded: as people type them, and which of them are near to what somebody typed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from recorder.model import FIXTURE
from recorder.query.reading import Reader

# Letters that Unicode does not take apart into a plain one and its mark.
_PLAIN = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i"})
_NEAR = 5
_COLUMNS = "stream_id, feed, fixture_id, channel, home_team, away_team"


def slug(name: str) -> str:
    """Return a team's name as people type it: ``"Leganés"`` is ``leganes``, ``"Hannover 96"`` is ``hannover-96``."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_PLAIN)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


@dataclass(frozen=True, slots=True)
class Entry:
    """A recorded stream and its match's teams, as far as its packets have named them."""

    stream_id: int
    feed: str
    fixture_id: str
    channel: str
    home_team: str | None
    away_team: str | None

    @property
    def teams(self) -> str:
        """``france-romania``; empty while a team is not known."""
        return f"{slug(self.home_team)}-{slug(self.away_team)}" if self.home_team and self.away_team else ""


def entries(reader: Reader) -> list[Entry]:
    """Return every stream with its teams; reads a few rows of each, and so takes longer the more there are."""
    rows = reader.rows(f"SELECT {_COLUMNS} FROM streams WHERE channel <> '{FIXTURE}' ORDER BY fixture_id, feed")
    return [Entry(**row._mapping) for row in rows]


def entries_by_id(reader: Reader, beginning: str) -> list[Entry]:
    """Return the streams of the fixtures whose id begins so, by key: the whole id alone where there is such a one."""
    found = reader.rows(
        f"SELECT {_COLUMNS} FROM streams WHERE fixture_id >= :first AND fixture_id < :behind "
        f"AND channel <> '{FIXTURE}'",
        {"first": beginning, "behind": beginning + "\U0010ffff"},
    )
    whole = [row for row in found if row.fixture_id == beginning]
    return [Entry(**row._mapping) for row in whole or found]


def first_occurred(stream: str) -> str:
    """Return SQL for the own time of the first packet that tells one, of the stream ``stream``: by key, one row.

    Of a stream that was pruned its own row tells it: it has no packets here, and its tombstone beside it.
    """
    first = (
        f"SELECT a.occurred_us FROM action a WHERE a.stream_id = {stream} AND a.occurred_us IS NOT NULL "
        "ORDER BY a.epoch, a.position LIMIT 1"
    )
    kept = (
        "SELECT p.rest_starts_us FROM stream p JOIN tombstone d ON d.stream_id = p.stream_id "
        f"WHERE p.stream_id = {stream}"
    )
    return f"coalesce(({first}), ({kept}))"


def date_of(reader: Reader, stream_id: int) -> str:
    """Return the UTC date of a stream's first packet, by the packet's own time; empty while none is known."""
    rows = reader.rows(f"SELECT {reader.dialect.time(first_occurred(':id'))} AS first", {"id": stream_id})
    return (rows[0].first or "")[:10]


def told(reader: Reader, entry: Entry) -> str:
    """Return what tells a fixture apart from others, for people: its id, its teams and its date."""
    parts = (entry.fixture_id, entry.teams, date_of(reader, entry.stream_id))
    return " ".join(part for part in parts if part)


def near(known: Sequence[Entry], wanted: str) -> list[Entry]:
    """Return at most five fixtures whose teams or ids are near to what was typed, the nearest first."""
    typed = slug(wanted.partition("@")[0])
    names = {entry.teams: entry for entry in known if entry.teams} | {entry.fixture_id: entry for entry in known}
    holding = [name for name in names if typed and typed in name]
    alike = get_close_matches(typed, names, n=_NEAR, cutoff=0.6)
    chosen = {names[name].fixture_id: names[name] for name in [*holding, *alike]}
    return list(chosen.values())[:_NEAR]


def offers(known: Sequence[Entry], beginning: str) -> list[tuple[str, str]]:
    """Return what a shell may complete ``beginning`` to: teams where these name one fixture, else ids; with a help."""
    fixtures = {entry.fixture_id: entry for entry in known}
    of_teams: dict[str, list[Entry]] = {}
    for entry in fixtures.values():
        of_teams.setdefault(entry.teams, []).append(entry)
    found = []
    for teams, same in of_teams.items():
        if teams and len(same) == 1:
            found.append((teams, f"{same[0].home_team} - {same[0].away_team}"))
        else:
            found += [(entry.fixture_id, teams or "no teams known yet") for entry in same]
    by_id = [(fixture_id, entry.teams) for fixture_id, entry in fixtures.items() if beginning]
    offered = dict(each for each in [*found, *by_id] if each[0].startswith(beginning.lower()))
    return sorted(offered.items())
