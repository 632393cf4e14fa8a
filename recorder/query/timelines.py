"""The match: as it stands, as it was known at a moment, or every revision of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.model import microseconds
from recorder.query.reading import Reader

_CONFIRMED = ("confirmed", "updated")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one stream. ``as_of_us``: what we had received by then; ``as_of_position``: after that action.

    ``revisions``: every action instead of the newest of each. ``by_arrival``: in the order in which the vendor sent
    what is shown, instead of the match's. The filters compare names without regard to case; ``team`` may be ``home``,
    ``away`` or a team's name.
    """

    stream_id: int
    as_of_us: int | None = None
    as_of_position: int | None = None
    revisions: bool = False
    by_arrival: bool = False
    types: tuple[str, ...] = ()
    team: str | None = None
    period: int | None = None


def timeline(reader: Reader, question: Question) -> list[Row[Any]]:
    """Return the rows of the `timeline` view (of `actions` for ``revisions``) that answer ``question``, in order."""
    where, moment, parameters = _known(question)
    select = views.actions if question.revisions else views.timeline
    order = "position" if question.revisions or question.by_arrival else "ordinal"
    # Once more outside: through the fold Citus does not see that one server has all of it.
    rows = reader.rows(
        f"SELECT * FROM ({select(reader.dialect, where, moment)}) known WHERE known.stream_id = :stream_id "
        f"ORDER BY {order}",
        parameters,
    )
    return [row for row in rows if is_shown(row, question)]


def states(reader: Reader, question: Question) -> list[Row[Any]]:
    """Return the rows of the `states` view that were known at the moment that is asked about, by position."""
    where, moment, parameters = _known(question)
    return reader.rows(f"{views.states(reader.dialect, where, moment)} ORDER BY a.position", parameters)


def moment_of(reader: Reader, question: Question) -> int | None:
    """Return until when what was received is known (microseconds UTC), also where a position says it; None: no end."""
    if question.as_of_us is not None or question.as_of_position is None:
        return question.as_of_us
    where, moment, parameters = _known(question)
    select = views.chosen(reader.dialect, where, moment)
    (newest,) = reader.rows(f"SELECT max(received_at) AS received_at FROM ({select}) known", parameters)
    return 0 if newest.received_at is None else microseconds(newest.received_at)


@dataclass(frozen=True, slots=True)
class Known:
    """How far the knowledge goes that a question allows: how many actions, and the newest score among them.

    ``confirmed``: how many of these were said to be more than pending.
    """

    actions: int
    confirmed: int
    home_score: int | None
    away_score: int | None


def known(reader: Reader, question: Question) -> Known:
    """Return what was known of the match as a whole at the moment that is asked about, whatever is shown of it."""
    where, moment, parameters = _known(question)
    select = views.chosen(reader.dialect, where, moment)
    rows = reader.rows(
        f"SELECT home_score, away_score, send_type FROM ({select}) known ORDER BY position DESC", parameters
    )
    home = next((row.home_score for row in rows if row.home_score is not None), None)
    away = next((row.away_score for row in rows if row.away_score is not None), None)
    confirmed = sum((row.send_type or "").lower() in _CONFIRMED for row in rows)
    return Known(len(rows), confirmed, home, away)


def _known(question: Question) -> tuple[str, str, dict[str, Any]]:
    """What was known goes into the fold; what is shown is chosen behind it.

    With the condition comes the moment whose list it is: what a later epoch says was not known before it.
    """
    clauses, parameters = ["s.stream_id = :stream_id"], {"stream_id": question.stream_id}
    moment = ""
    if question.as_of_us is not None:
        moment = ":as_of_us"
        clauses.append("a.received_us <= :as_of_us")
        parameters["as_of_us"] = question.as_of_us
    if question.as_of_position is not None:
        clauses.append("a.position <= :as_of_position")
        parameters["as_of_position"] = question.as_of_position
    return " AND ".join(clauses), moment, parameters


def is_shown(row: Any, question: Question) -> bool:
    """Say whether the filters of a question let an action pass."""
    # Here and not in SQL: a database folds the case of ASCII letters only.
    types = {name.casefold() for name in question.types}
    team = question.team.casefold() if question.team is not None else None
    return (
        (not types or (row.type or "").casefold() in types)
        and (team is None or team in (row.side, (row.team or "").casefold()))
        and (question.period is None or row.period == question.period)
    )
