"""The schema over time: Alembic's revisions for the tables, and the views made anew behind them."""

from __future__ import annotations

import logging
import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from recorder.archive.dialect import Dialect, sqlite_path
from recorder.archive.views import VIEWS
from recorder.errors import ConfigurationError, NewerArchive

if TYPE_CHECKING:
    from alembic.config import Config

_log = logging.getLogger(__name__)


class SchemaState(StrEnum):
    """How a database's schema stands to this version of recorder."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"
    FOREIGN = "foreign"
    """Has tables, but none of ours."""


def _scripts() -> Path:
    """Return where the revisions are: inside the installed package, else beside it in a checkout."""
    packaged = Path(__file__).parents[1] / "_migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "migrations"


def state(connection: Connection) -> tuple[SchemaState, str | None]:
    """Return the state of the schema and the revision it is at."""
    # Alembic takes half a second to import and readers only ask where they stand.
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return SchemaState.EMPTY, None
    if "alembic_version" not in tables:
        return SchemaState.FOREIGN, None
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if revision is None:
        return SchemaState.EMPTY, None
    known = sorted(path.name.partition("_")[0] for path in (_scripts() / "versions").glob("[0-9]*.py"))
    if revision not in known:
        return SchemaState.NEWER, revision
    return (SchemaState.CURRENT if revision == known[-1] else SchemaState.OLDER), revision


def require_ours(connection: Connection, place: str) -> tuple[SchemaState, str | None]:
    """Raise when the database at ``place`` is another program's or a newer version's; return its state."""
    found, revision = state(connection)
    if found is SchemaState.NEWER:
        raise NewerArchive(f"{place} is at schema {revision}, which a newer recorder wrote; install that version")
    if found is SchemaState.FOREIGN:
        raise ConfigurationError(f"{place} is no archive of recorder's; name another file with --database-url")
    return found, revision


def require_readable(connection: Connection, place: str) -> None:
    """Raise unless this version can read the database at ``place``."""
    found, revision = require_ours(connection, place)
    if found is SchemaState.OLDER:
        raise ConfigurationError(f"{place} is at the older schema {revision}; run `recorder db upgrade`")
    if found is SchemaState.EMPTY:
        raise ConfigurationError(f"{place} is no archive of recorder's; name another file with --database-url")


def upgrade(connection: Connection, dialect: Dialect, revision: str = "head") -> None:
    """Bring the schema to ``revision``, in the caller's transaction, and make the views anew."""
    from alembic import command

    config = _alembic_config(connection)
    others = drop_views(connection)
    command.upgrade(config, revision)
    if state(connection)[0] is SchemaState.CURRENT:
        create_views(connection, dialect)
        for statement in others:
            connection.exec_driver_sql(statement)


def downgrade(connection: Connection, revision: str) -> None:
    """Take the schema back to ``revision`` ("base": nothing left), in the caller's transaction."""
    from alembic import command

    drop_views(connection)
    command.downgrade(_alembic_config(connection), revision)


def create_views(connection: Connection, dialect: Dialect) -> None:
    """Create every view."""
    for name, select in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {select(dialect)}")


def drop_views(connection: Connection) -> list[str]:
    """Drop every view, since SQLite alters no table under one; return the statements that make the users' own again."""
    inspector = inspect(connection)
    others = []
    for name in inspector.get_view_names():
        if name not in VIEWS:
            others.append(inspector.get_view_definition(name))
        connection.exec_driver_sql(f'DROP VIEW "{name}"')
    return others


def prepare(connection: Connection, dialect: Dialect, place: str) -> None:
    """Make an empty database an archive, bring an older one up (after a backup copy), refuse anything else."""
    found, revision = state(connection)
    if found is SchemaState.EMPTY:
        upgrade(connection, dialect)
    elif found is SchemaState.OLDER:
        copy = _backup(connection, revision or "unknown")
        _log.warning("%s is at schema %s: upgrading it; the copy from before is %s", place, revision, copy)
        upgrade(connection, dialect)
    else:
        require_readable(connection, place)


def _backup(connection: Connection, revision: str) -> Path:
    source = sqlite_path(connection.engine.url)
    copy = source.with_name(f"{source.name}.before-upgrade-from-{revision}")
    with sqlite3.connect(source) as reading, sqlite3.connect(copy) as writing:
        reading.backup(writing)
    reading.close()
    writing.close()
    return copy


def _alembic_config(connection: Connection) -> Config:
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
