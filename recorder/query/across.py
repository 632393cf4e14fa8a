"""Actions over all matches: by sport, feed, type and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.query.reading import Reader
from recorder.query.rows import Action, kinds


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which actions; None and empty: no matter. ``since_us`` and ``until_us`` (exclusive): received, microseconds UTC.

    Names are compared without regard to the case of A to Z. ``standing``: only what stands.
    """

    sport: str | None = None
    feed: str | None = None
    types: Sequence[str] = ()
    since_us: int | None = None
    until_us: int | None = None
    standing: bool = False


def actions(reader: Reader, wanted: Wanted) -> list[Row[Any]]:
    """Return rows of the view `actions`, by fixture, feed and position."""
    where, parameters = _where(wanted)
    if wanted.types or wanted.since_us is not None or wanted.until_us is not None:
        select = views.chosen(reader.dialect, where, standing=wanted.standing)
    else:
        # Whole matches: their windows are cheaper than a look behind every row.
        select = views.timeline(reader.dialect, where) if wanted.standing else views.actions(reader.dialect, where)
    columns = ", ".join(kinds(Action))
    return reader.rows(f"SELECT {columns} FROM ({select}) a ORDER BY fixture_id, feed, stream_id, position", parameters)


def _where(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    asked = {
        "lower(s.sport) = lower(:sport)": wanted.sport,
        "s.feed = :feed": wanted.feed,
        "a.received_us >= :since_us": wanted.since_us,
        "a.received_us < :until_us": wanted.until_us,
    }
    clauses = [clause for clause, value in asked.items() if value is not None]
    parameters = {clause.rpartition(":")[2].rstrip(")"): value for clause, value in asked.items() if value is not None}
    if wanted.types:
        named = {f"type_{at}": name.lower() for at, name in enumerate(wanted.types)}
        clauses.append(f"lower(a.type) IN ({', '.join(f':{name}' for name in named)})")
        parameters |= named
    return " AND ".join(clauses) or "1 = 1", parameters
