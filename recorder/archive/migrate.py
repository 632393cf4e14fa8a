"""The schema over time: Alembic's revisions for the tables, and the views made anew behind them.

A new archive gets the tables of the newest revision at once. Each revision says of itself whether it is ``additive``
(nothing that is there changes its meaning or goes away) and since which revision recorders are ``compatible_since``
with it: the oldest one that can still read and write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Column, Connection, Engine, MetaData, String, Table, delete, insert, inspect, select

from recorder.archive.dialect import Dialect, DiskErrors
from recorder.archive.tables import compatible, metadata
from recorder.archive.views import VIEWS
from recorder.errors import ConfigurationError, NewerArchive

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script, ScriptDirectory

NEWEST = "0005"
COMPATIBLE_SINCE = "0004"
"""What the newest revision says of itself: Alembic, to be asked, takes longer to import than a recording to begin."""

_log = logging.getLogger(__name__)
_version = Table("alembic_version", MetaData(naming_convention={"pk": "alembic_version_pkc"}),
                 Column("version_num", String(32), primary_key=True))  # fmt: skip
"""As Alembic makes it."""


class SchemaState(StrEnum):
    """How a database's schema stands to this version of recorder."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER_COMPATIBLE = "newer, compatible"
    """A newer version made it, and says that this one can read and write it."""
    NEWER = "newer"
    FOREIGN = "foreign"
    """Has tables, but none of ours."""


def _scripts() -> Path:
    """Return where the revisions are: inside the installed package, else beside it in a checkout."""
    packaged = Path(__file__).parents[1] / "_migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "migrations"


def state(connection: Connection) -> tuple[SchemaState, str | None]:
    """Return the state of the schema and the revision it is at."""
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
        since = connection.execute(select(compatible.c.since)).scalar() if compatible.name in tables else None
        return (SchemaState.NEWER_COMPATIBLE if since in known else SchemaState.NEWER), revision
    return (SchemaState.CURRENT if revision == known[-1] else SchemaState.OLDER), revision


def require_ours(connection: Connection, place: str) -> tuple[SchemaState, str | None]:
    """Raise when the database at ``place`` is another program's or a newer version's; return its state."""
    found, revision = state(connection)
    if found is SchemaState.NEWER:
        raise NewerArchive(f"{place} is at schema {revision}, which a newer recorder wrote; install that version")
    if found is SchemaState.FOREIGN:
        raise ConfigurationError(f"{place} is no archive of recorder's; name another one with --database-url")
    if found is SchemaState.NEWER_COMPATIBLE:
        _log.info("%s is at schema %s, of a newer recorder; this version can use it", place, revision)
    return found, revision


def require_readable(connection: Connection, place: str) -> None:
    """Raise unless this version can read the database at ``place``."""
    found, revision = require_ours(connection, place)
    if found is SchemaState.OLDER:
        raise ConfigurationError(f"{place} is at the older schema {revision}; run `recorder db upgrade`")
    if found is SchemaState.EMPTY:
        raise ConfigurationError(
            f"{place} is no archive of recorder's yet; `recorder db upgrade` makes it one, "
            "or name another one with --database-url"
        )


def writable(url: URL, dialect: Dialect, *, every: bool = False) -> Engine:
    """Return the writing engine of an archive, once `prepare` has made or upgraded it."""
    with DiskErrors(dialect, url):
        if dialect.exists(url):
            # Before the writing engine makes its mark: what is not ours stays as it is, to the byte.
            with dialect.reader(url).connect() as connection:
                require_ours(connection, dialect.place(url))
        engine = dialect.writer(url)
        with engine.begin() as connection:
            prepare(connection, dialect, dialect.place(url), every=every)
        return engine


def prepare(connection: Connection, dialect: Dialect, place: str, *, every: bool = False) -> None:
    """Make an empty database an archive, bring an older one up, refuse anything else.

    An older one is copied first; where that cannot be done, only additive revisions are brought in unless ``every``.
    """
    if _is_complete(connection, place):
        return
    dialect.lock_schema(connection)  # and look again: another recorder may have been faster
    if _is_complete(connection, place):
        return
    found, revision = state(connection)
    if found is SchemaState.EMPTY:
        _create(connection, dialect)
        return
    if found is SchemaState.OLDER and revision is not None:
        if dialect.back_up is not None:
            copy = dialect.back_up(connection, f"before-upgrade-from-{revision}")
            _log.warning("%s is at schema %s: upgrading it; the copy from before is %s", place, revision, copy)
        elif not every and not all(script.module.additive for script in _pending(connection, revision)):
            raise ConfigurationError(
                f"{place} is at schema {revision}, and what is newer changes what is there: make a backup, "
                "then run `recorder db upgrade`"
            )
    upgrade(connection, dialect)


def _is_complete(connection: Connection, place: str) -> bool:
    """Whether tables and views are there; those of a newer version are its own business."""
    found, _ = require_ours(connection, place)
    if found is SchemaState.CURRENT:
        return set(VIEWS) <= set(inspect(connection).get_view_names())
    return found is SchemaState.NEWER_COMPATIBLE


def _create(connection: Connection, dialect: Dialect) -> None:
    """Make at once, in an empty database, what the revisions would have made one after the other."""

    def change() -> bool:
        metadata.create_all(connection)
        _version.create(connection, checkfirst=True)
        connection.execute(insert(_version).values(version_num=NEWEST))
        connection.execute(insert(compatible).values(stream_id=0, since=COMPATIBLE_SINCE))
        return True

    dialect.alter(connection, change, _views(dialect))


def upgrade(connection: Connection, dialect: Dialect, revision: str = "head") -> None:
    """Bring the schema to ``revision``, in the caller's transaction, and make the views anew."""
    from alembic import command

    _change(connection, dialect, lambda config: command.upgrade(config, revision))


def downgrade(connection: Connection, dialect: Dialect, revision: str) -> None:
    """Take the schema back to ``revision`` ("-1": by one, "base": nothing left), in the caller's transaction.

    An older recorder makes its own views when it next writes.
    """
    from alembic import command

    _change(connection, dialect, lambda config: command.downgrade(config, revision))


def _change(connection: Connection, dialect: Dialect, run: Callable[[Config], None]) -> None:
    config = _alembic_config(connection)

    def change() -> bool:
        run(config)
        found, revision = state(connection)
        if revision is not None and compatible.name in inspect(connection).get_table_names():
            since = _directory(config).get_revision(revision).module.compatible_since
            connection.execute(delete(compatible))
            connection.execute(insert(compatible).values(stream_id=0, since=since))
        return found is SchemaState.CURRENT

    dialect.alter(connection, change, _views(dialect))


def _views(dialect: Dialect) -> dict[str, str]:
    return {name: select(dialect) for name, select in VIEWS.items()}


def _pending(connection: Connection, revision: str) -> Sequence[Script]:
    return list(_directory(_alembic_config(connection)).iterate_revisions("head", revision))


def _directory(config: Config) -> ScriptDirectory:
    from alembic.script import ScriptDirectory as AlembicDirectory

    return AlembicDirectory.from_config(config)


def _alembic_config(connection: Connection) -> Config:
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
