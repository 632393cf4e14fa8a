"""What is done to an archive on purpose, with nobody recording: taking the schema back."""

from __future__ import annotations

from alembic.util import CommandError

from recorder.archive import migrate
from recorder.archive.dialect import parse_url
from recorder.archive.writer import lock
from recorder.errors import UsageError


def downgrade(database_url: str, revision: str, *, sure: bool) -> None:
    """Take the schema back to ``revision``; UsageError unless ``sure``, since what it cannot hold is lost."""
    url, dialect = parse_url(database_url)
    place = dialect.place(url)
    if not dialect.exists(url):
        raise UsageError(f"there is no archive at {place}")
    if not sure:
        raise UsageError(f"this removes from {place} whatever schema {revision} cannot hold; say --yes to do it")
    held = lock(url)
    try:
        engine = dialect.writer(url)
        with engine.begin() as connection:
            migrate.require_readable(connection, place)
            migrate.downgrade(connection, revision)
        engine.dispose()
    except CommandError as error:
        raise UsageError(f"{place}: {error}") from None
    finally:
        held.release()
