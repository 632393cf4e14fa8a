"""The match: as it stands, as it was known at a moment, or every revision of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.query.reading import Reader


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one stream. ``as_of_us``: what we had received by then; ``as_of_position``: after that action.

    ``revisions``: every action instead of the newest of each. The filters compare names without regard to case;
    ``team`` may be ``home``, ``away`` or a team's name.
    """

    stream_id: int
    as_of_us: int | None = None
    as_of_position: int | None = None
    revisions: bool = False
    types: tuple[str, ...] = ()
    team: str | None = None
    period: int | None = None


def timeline(reader: Reader, question: Question) -> list[Row[Any]]:
    """Return the rows of the `timeline` view (of `actions` for ``revisions``) that answer ``question``, in order."""
    where, parameters = _known(question)
    select = views.actions if question.revisions else views.timeline
    order = "position" if question.revisions else "ordinal"
    rows = reader.rows(f"SELECT * FROM ({select(reader.dialect, where)}) known ORDER BY {order}", parameters)
    return [row for row in rows if _shown(row, question)]


@dataclass(frozen=True, slots=True)
class Known:
    """How far the knowledge goes that a question allows: ``actions`` of them, and the newest score among them."""

    actions: int
    home_score: int | None
    away_score: int | None


def known(reader: Reader, question: Question) -> Known:
    """Return what was known of the match as a whole at the moment that is asked about, whatever is shown of it."""
    where, parameters = _known(question)
    rows = reader.rows(
        f"SELECT home_score, away_score FROM ({views.actions(reader.dialect, where)}) known ORDER BY position DESC",
        parameters,
    )
    home = next((row.home_score for row in rows if row.home_score is not None), None)
    away = next((row.away_score for row in rows if row.away_score is not None), None)
    return Known(len(rows), home, away)


def _known(question: Question) -> tuple[str, dict[str, Any]]:
    """What was known goes into the fold; what is shown is chosen behind it."""
    clauses, parameters = ["s.stream_id = :stream_id"], {"stream_id": question.stream_id}
    if question.as_of_us is not None:
        clauses.append("a.received_us <= :as_of_us")
        parameters["as_of_us"] = question.as_of_us
    if question.as_of_position is not None:
        clauses.append("a.position <= :as_of_position")
        parameters["as_of_position"] = question.as_of_position
    return " AND ".join(clauses), parameters


def _shown(row: Row[Any], question: Question) -> bool:
    # Here and not in SQL: a database folds the case of ASCII letters only.
    types = {name.casefold() for name in question.types}
    team = question.team.casefold() if question.team is not None else None
    return (
        (not types or (row.type or "").casefold() in types)
        and (team is None or team in (row.side, (row.team or "").casefold()))
        and (question.period is None or row.period == question.period)
    )
