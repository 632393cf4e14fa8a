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
    shown, more = _shown(question)
    statement = f"SELECT * FROM ({select(reader.dialect, where)}) WHERE {shown} ORDER BY {order}"
    return reader.rows(statement, parameters | more)


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


def _shown(question: Question) -> tuple[str, dict[str, Any]]:
    clauses: list[str] = ["1 = 1"]
    parameters: dict[str, Any] = {}
    if question.types:
        names = [f":type_{index}" for index in range(len(question.types))]
        clauses.append(f"lower(type) IN ({', '.join(names)})")
        parameters |= {f"type_{index}": name.lower() for index, name in enumerate(question.types)}
    if question.team is not None:
        clauses.append("(side = :team OR lower(team) = :team)")
        parameters["team"] = question.team.lower()
    if question.period is not None:
        clauses.append("period = :period")
        parameters["period"] = question.period
    return " AND ".join(clauses), parameters
