"""Actions with their frames out of the table, so many at once, and derived columns back into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, text, update

from recorder.archive import tables
from recorder.feed.actions import PARSER
from recorder.query.evidence import DERIVED
from recorder.reparsing.deriving import COLUMNS

PAGE = 500
"""Rows of one transaction: who records the same stream into Postgres waits for so many at most."""
START = (-1, -1)
"""A key before every (epoch, position)."""

_NAMES = ", ".join(COLUMNS)
# What a frame bears stands one behind the other: its bytes come with the first of them alone.
_READ = text(f"""
SELECT {", ".join(f"a.{name}" for name in COLUMNS)}, a.begins, f.digest,
  CASE WHEN a.begins THEN f.payload END AS payload
FROM (
  SELECT {_NAMES}, coalesce(lag(session_id) OVER list <> session_id
    OR lag(frame_number) OVER list <> frame_number, true) AS begins
  FROM (
    SELECT {_NAMES} FROM action WHERE stream_id = :stream_id AND (epoch, position) > (:epoch, :position)
    ORDER BY epoch, position LIMIT {PAGE}
  ) page
  WINDOW list AS (ORDER BY epoch, position)
) a LEFT JOIN frame f
  ON f.stream_id = a.stream_id AND f.session_id = a.session_id AND f.frame_number = a.frame_number
ORDER BY a.epoch, a.position""")

_action = tables.action.c
_AT_KEY = update(tables.action).where(
    _action.stream_id == bindparam("at_stream"),
    _action.epoch == bindparam("at_epoch"),
    _action.position == bindparam("at_position"),
)
_MEND = _AT_KEY.values({name: bindparam(f"new_{name}") for name in DERIVED} | {"parser": PARSER})
_RENUMBER = _AT_KEY.values(parser=PARSER)


def page(connection: Connection, stream_id: int, behind: tuple[int, int]) -> Sequence[Row[Any]]:
    """Return the next rows behind a key, as `deriving.derivations` takes them."""
    epoch, position = behind
    return connection.execute(_READ, {"stream_id": stream_id, "epoch": epoch, "position": position}).all()


def mend(connection: Connection, changed: Iterable[tuple[Row[Any], tuple[Any, ...]]]) -> None:
    """Store what the frames of rows give, and which parser says so. Nothing else of a row is touched."""
    _each(connection, _MEND, [_key(row) | _named(values) for row, values in changed])


def renumber(connection: Connection, rows: Iterable[Row[Any]]) -> None:
    """Store that this parser gives what stands there already."""
    _each(connection, _RENUMBER, [_key(row) for row in rows])


def _each(connection: Connection, statement: Update, parameters: list[dict[str, Any]]) -> None:
    if parameters:
        connection.execute(statement, parameters)


def _key(row: Row[Any]) -> dict[str, Any]:
    return {"at_stream": row.stream_id, "at_epoch": row.epoch, "at_position": row.position}


def _named(values: tuple[Any, ...]) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in zip(DERIVED, values, strict=True)}
