"""Altering tables under views on Postgres: in place where it can be done, else the views are dropped and made again.

Users build their own views on ours, and grant roles the right to read them; neither is ours to lose.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

from recorder.archive.tables import metadata

_log = logging.getLogger(__name__)

_IN_THE_WAY = {"2BP01", "0A000", "42P16"}
"""Something depends on the table or column; a column under a view; a view's column of another type or place."""

_NAMES_NOTHING = {"42P01", "42703"}
"""No such table or view; no such column."""

# Every view on our tables, however many views lie between, the lowest first, with what it takes to make it again.
_VIEWS_ON_TABLES = """
WITH RECURSIVE standing (id, depth) AS (
  SELECT c.oid, 0 FROM pg_class c
  WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relname = ANY (%s)
  UNION
  SELECT r.ev_class, s.depth + 1
  FROM standing s
  JOIN pg_depend d ON d.refclassid = CAST('pg_class' AS regclass) AND d.refobjid = s.id
  JOIN pg_rewrite r ON d.classid = CAST('pg_rewrite' AS regclass) AND r.oid = d.objid AND r.ev_class <> s.id
)
SELECT
  c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relname = ANY (%s) AS ours,
  CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind,
  quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
  CASE WHEN c.reloptions IS NULL THEN '' ELSE ' WITH (' || array_to_string(c.reloptions, ', ') || ')' END AS options,
  pg_get_viewdef(c.oid) AS definition,
  quote_ident(pg_get_userbyid(c.relowner)) AS owner,
  ARRAY(SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
  ARRAY(SELECT 'GRANT ' || g.privilege_type || ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
          || ' TO ' || CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END
          || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        FROM aclexplode(c.relacl) g WHERE g.grantee <> c.relowner) AS grants
FROM (SELECT id, max(depth) AS depth FROM standing GROUP BY id) s
JOIN pg_class c ON c.oid = s.id
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm')
ORDER BY s.depth, c.oid
"""


def alter(connection: Connection, change: Callable[[], bool], views: Mapping[str, str]) -> None:
    """Call ``change``, then make the ``views`` if it says that they fit the tables (see `Dialect.alter`)."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a large archive may take its time
    try:
        with connection.begin_nested():
            if change():
                _create(connection, views)
            return
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _IN_THE_WAY:
            raise
    standing = connection.exec_driver_sql(_VIEWS_ON_TABLES, ([*metadata.tables, *views], list(views))).all()
    for view in reversed(standing):
        _execute(connection, f"DROP {view.kind} {view.name}")
    fit = change()
    if fit:
        _create(connection, views)
    for view in standing:
        if not view.ours:
            _make_again(connection, view)
        elif fit:
            _execute(connection, *view.grants)


def _create(connection: Connection, views: Mapping[str, str]) -> None:
    _execute(connection, *(f"CREATE OR REPLACE VIEW {name} AS {select}" for name, select in views.items()))


def _make_again(connection: Connection, view: Row[Any]) -> None:
    try:
        with connection.begin_nested():
            _execute(connection, f"CREATE {view.kind} {view.name}{view.options} AS {view.definition}")
            _execute(connection, f"ALTER {view.kind} {view.name} OWNER TO {view.owner}", *view.indexes, *view.grants)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _NAMES_NOTHING:
            raise
        _log.warning("the view %s does not fit the schema any more; it was: %s", view.name, view.definition)


def _execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        # Without parameters, or the driver would look for placeholders in users' own LIKE '%'.
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
