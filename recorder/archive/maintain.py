"""What is done to an archive on purpose, with nobody recording: its schema brought up, taken back, its rows mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import URL, Engine

from recorder.archive import migrate
from recorder.archive.dialect import Dialect, DiskErrors, parse_url
from recorder.errors import UsageError


def upgrade(database_url: str) -> str:
    """Make an empty database an archive, or bring an older one up by every revision there is; return its place."""
    url, dialect = parse_url(database_url)
    with _held(url, dialect):
        migrate.writable(url, dialect, every=True).dispose()
    return dialect.place(url)


def downgrade(database_url: str, revision: str | None = None, *, sure: bool) -> str:
    """Take the schema back to ``revision``, else by one; return the revision that it is at then, or "base".

    A copy is made first where that can be done. UsageError unless ``sure``, since what it cannot hold is lost.
    """
    url, dialect = parse_url(database_url)
    place = dialect.place(url)
    if not dialect.exists(url):
        raise UsageError(f"there is no archive at {place}")
    if not sure:
        older = f"schema {revision}" if revision else "the schema before its own"
        raise UsageError(f"this removes from {place} whatever {older} cannot hold; say --yes to do it")
    try:
        with _held(url, dialect), DiskErrors(dialect, url), dialect.writer(url).begin() as connection:
            dialect.lock_schema(connection)
            _, before = migrate.require_ours(connection, place)
            if dialect.back_up is not None:
                dialect.back_up(connection, f"before-downgrade-from-{before}")
            migrate.downgrade(connection, dialect, revision or "-1")
            return migrate.state(connection)[1] or "base"
    except CommandError as error:
        raise UsageError(f"{place}: {error}") from None


@contextmanager
def writing(database_url: str) -> Iterator[tuple[Engine, Dialect]]:
    """Open an archive to change it, of which nobody else is the writer; its schema is brought up.

    Raises ArchiveHeld when a recorder writes it, and what the database says of its disk.
    """
    url, dialect = parse_url(database_url)
    with _held(url, dialect), DiskErrors(dialect, url):
        engine = migrate.writable(url, dialect)
        try:
            yield engine, dialect
        finally:
            engine.dispose()


@contextmanager
def _held(url: URL, dialect: Dialect) -> Iterator[None]:
    held = dialect.hold(url)
    try:
        yield
    finally:
        held.release()
