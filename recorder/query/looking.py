"""One look at a recording that goes on: how every stream stands, and what has not arrived in Postgres yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recorder import clock
from recorder.archive.spool import FILE, spool_directory, spool_url
from recorder.errors import DatabaseAway
from recorder.query import listing
from recorder.query.backlog import Backlog, backlog
from recorder.query.listing import Standing
from recorder.query.reading import reading


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at ``at_us`` (wall clock, microseconds) and ``elapsed_ns``.

    ``waiting``: the streams that have frames in the spool of this machine that Postgres lacks. ``away``: why Postgres
    could not be asked; the standings are those of the spool then.
    """

    standings: Sequence[Standing]
    waiting: Sequence[Backlog]
    away: DatabaseAway | None
    at_us: int
    elapsed_ns: int


def look(database_url: str, spool: Path | None = None, *, thorough: bool = True) -> Look:
    """Return how all stands now. ``spool``: the directory of this machine's spool, if it was moved.

    Not ``thorough``: the backlog is what the recorder itself last knew, and Postgres is not asked to count its frames.
    Raises UsageError where there is no archive, DatabaseAway where there is no spool to look into instead.
    """
    directory = spool_directory(database_url, spool)
    local = None if directory is None or not (directory / FILE).exists() else spool_url(directory)
    counted = [] if local is None else backlog(local, database_url if thorough else None)
    standings, away = _standings(database_url, local)
    return Look(standings, [each for each in counted if each.missing], away, clock.wall_us(), clock.elapsed_ns())


def _standings(database_url: str, local: str | None) -> tuple[list[Standing], DatabaseAway | None]:
    try:
        with reading(database_url) as reader:
            return listing.status(reader), None
    except DatabaseAway as error:
        if local is None:
            raise
        with reading(local) as reader:
            return listing.status(reader), error
