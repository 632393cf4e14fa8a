"""Where there are rows to derive again: an archive, and this machine's spool, from which they would be shipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from recorder.archive.dialect import Dialect
from recorder.archive.maintain import writing
from recorder.archive.spool import FILE, spool_url
from recorder.errors import ArchiveHeld, ConfigurationError
from recorder.model import Stream
from recorder.query.reading import Reader, reading
from recorder.query.selecting import select_streams
from recorder.reparsing.passing import Change, Report, reparsed

ARCHIVE, SPOOL = "archive", "spool"


@dataclass(frozen=True, slots=True)
class Unreached:
    """A place whose rows were left as they are, and why."""

    place: str
    why: str


def reparse(
    database_url: str,
    fixtures: Sequence[str] = (),
    feed: str | None = None,
    *,
    spool: Path | None = None,
    changing: bool,
) -> Iterator[Change | Report | Unreached]:
    """Derive the columns of actions again, in all epochs; yield each change, and a report behind those of each stream.

    Of the ``fixtures`` that are named, of all when there are none; a stream without actions yields nothing. ``spool``
    is the directory of this machine's spool, for an archive that has one: its rows come behind the archive's. Without
    ``changing`` nothing is written. Raises UsageError for what names nothing, ArchiveHeld when a recorder writes the
    archive, and what the database says of its disk or connection.
    """
    with reading(database_url) as reader:
        streams = _streams(reader, fixtures, feed)
    yield from _in(database_url, streams, ARCHIVE, changing=changing)
    if spool is None or not (spool / FILE).exists():
        return
    try:
        with reading(spool_url(spool)) as reader:
            held = _streams(reader, (), feed)
        meant = [stream for stream in held if not fixtures or stream in streams]
        yield from _in(spool_url(spool), meant, SPOOL, changing=changing)
    except (ArchiveHeld, ConfigurationError) as error:
        yield Unreached(SPOOL, str(error))


def _streams(reader: Reader, fixtures: Sequence[str], feed: str | None) -> list[Stream]:
    rows = select_streams(reader, fixtures, feed)
    return [Stream(row.feed, row.sport, row.fixture_id, row.channel) for row in rows]


def _in(database_url: str, streams: Sequence[Stream], place: str, *, changing: bool) -> Iterator[Change | Report]:
    with (_writing if changing else _looking)(database_url) as (connection, dialect):
        for stream in streams:
            for found in reparsed(connection, dialect, stream, place, changing=changing):
                if isinstance(found, Change) or found.rows or found.damage:
                    yield found


@contextmanager
def _looking(database_url: str) -> Iterator[tuple[Connection, Dialect]]:
    with reading(database_url) as reader:
        yield reader.connection, reader.dialect


@contextmanager
def _writing(database_url: str) -> Iterator[tuple[Connection, Dialect]]:
    with writing(database_url) as (engine, dialect), engine.connect() as connection:
        yield connection, dialect
