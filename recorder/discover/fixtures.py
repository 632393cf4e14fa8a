"""One fixture of the vendor's REST, as far as it can be read. Pure.

Protocol 4.2, "Fixture": id, name, startDateUTC (without a zone: UTC), status, type, coverageLevel, collectionStatus,
teams, stage.season.competition, venue, fixtureDeleted. Only `id` is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recorder.feed.values import rfc3339_us
from recorder.operations import Description

# protocol 3.4, numbered from 0.
_STATUSES = ("Scheduled", "Live", "Completed", "Postponed", "Abandoned", "Cancelled", "Suspended", "Unverified")
_COVERAGE = ("No coverage", "In Venue", "Low Latency Stream", "Standard stream", "Video (post match)")

CALLED_OFF = frozenset({"postponed", "abandoned", "cancelled"})
"""Statuses, in lower case, of a match that is not played now."""

_LONGEST = 200


class Odd(ValueError):
    """This is no fixture, or one without an id; the text says which."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """What could be read; None: nothing was said, or nothing readable. ``oddities``: what was said and unreadable."""

    fixture_id: str
    name: str | None = None
    starts_us: int | None = None
    status: str | None = None
    competition: str | None = None
    season: str | None = None
    venue: str | None = None
    coverage_level: str | None = None
    home_id: str | None = None
    home: str | None = None
    away_id: str | None = None
    away: str | None = None
    is_deleted: bool = False
    oddities: tuple[str, ...] = ()

    @property
    def label(self) -> str | None:
        """``Home - Away``, else its name."""
        return f"{self.home} - {self.away}" if self.home and self.away else self.name

    @property
    def is_called_off(self) -> bool:
        """Whether it is not played when the vendor last said it would be."""
        return self.is_deleted or (self.status or "").lower() in CALLED_OFF

    def describe(self) -> Description:
        """Return it as the columns of the archive."""
        return Description(
            rest_label=self.label,
            rest_competition=self.competition,
            rest_home_team_id=self.home_id,
            rest_home_team=self.home,
            rest_away_team_id=self.away_id,
            rest_away_team=self.away,
            season=self.season,
            venue=self.venue,
            coverage_level=self.coverage_level,
            rest_starts_us=self.starts_us,
        )


def read_fixture(item: Any) -> Fixture:
    """Return the fixture in a JSON value; raises Odd for what is none."""
    if not isinstance(item, dict):
        raise Odd("is no object")
    fixture_id = _id(item)
    if fixture_id is None:
        raise Odd("has no id")
    oddities: list[str] = []
    season = _member(_member(item, "stage"), "season") or _member(item, "season")
    home, away = _teams(item, oddities)
    return Fixture(
        fixture_id=fixture_id.lower(),
        name=_name(item),
        starts_us=_start(item, oddities),
        status=_word(item.get("status"), _STATUSES),
        competition=_name(_member(season, "competition") or _member(item, "competition")),
        season=_name(season),
        venue=_name(_member(item, "venue")),
        coverage_level=_word(item.get("coverageLevel"), _COVERAGE),
        home_id=_id(home),
        home=_name(home),
        away_id=_id(away),
        away=_name(away),
        is_deleted=item.get("fixtureDeleted") is True,
        oddities=tuple(oddities),
    )


def clean(text: str) -> str:
    """Return text of the vendor's as one printable line, cut to 200 characters: for lists, tables and terminals."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:_LONGEST]).split())


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _name(value: Any) -> str | None:
    """Return the name of something that is an object with one, or a name itself."""
    said = value.get("name") if isinstance(value, dict) else value
    return clean(said) or None if isinstance(said, str) else None


def _id(value: Any) -> str | None:
    said = _member(value, "id")
    if type(said) is int:
        return str(said)
    return clean(said) or None if isinstance(said, str) else None


def _word(value: Any, by_number: tuple[str, ...]) -> str | None:
    if type(value) is int:
        return by_number[value] if 0 <= value < len(by_number) else str(value)
    return _name(value)


def _start(item: dict[str, Any], oddities: list[str]) -> int | None:
    said = item.get("startDateUTC", item.get("startDateUtc"))
    if said is None:
        oddities.append("has no startDateUTC")
        return None
    try:
        return rfc3339_us(said)
    except (ValueError, TypeError):
        oddities.append(f"startDateUTC {clean(repr(said))} is no time")
        return None


def _teams(item: dict[str, Any], oddities: list[str]) -> tuple[Any, Any]:
    """Return the home team and the away team: as they are marked, else in the order in which they stand [I]."""
    if isinstance(item.get("homeTeam"), dict) or isinstance(item.get("awayTeam"), dict):
        return item.get("homeTeam"), item.get("awayTeam")
    teams = item.get("teams")
    if teams is None or teams == []:
        return None, None
    if not isinstance(teams, list) or len(teams) != 2 or not all(isinstance(team, dict) for team in teams):
        oddities.append("teams are not two objects")
        return None, None
    # Packets of version 3 mark a team so (protocol 3.1).
    first, second = teams
    marks = [first[key] for key in ("homeTeam", "isHome", "home") if isinstance(first.get(key), bool)]
    return (second, first) if marks[:1] == [False] else (first, second)
