"""One archive into another, stream by stream. It may be stopped at any time and run again: it goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sqlalchemy import URL, Connection, Engine, event, exists, select
from sqlalchemy.engine import ExceptionContext

from recorder import clock
from recorder.archive import migrate, tables
from recorder.archive.dialect import Dialect, DiskErrors, parse_url
from recorder.archive.merging.copying import Changes, StreamCopy, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.proving import prove
from recorder.archive.merging.refusals import Conflict, Purged
from recorder.errors import ConfigurationError, DamagedArchive, DatabaseAway, NewerArchive, UsageError

_ATTEMPTS = 20
"""So often in a row may others be faster with rows of the same stream."""


@dataclass(slots=True)
class Merged:
    """What a merge did. ``rows``: frames and actions that were new. ``new_epochs``: lists that were new to streams
    that were there, ``clashes`` how many of them are of recordings that differ. ``purged``: streams that must not come
    back; ``pruned``: those whose rows are in a lake.
    """

    streams: int = 0
    rows: int = 0
    new_epochs: int = 0
    clashes: int = 0
    purged: int = 0
    pruned: int = 0

    def add(self, other: Merged) -> None:
        """Count what another one has counted."""
        self.streams += other.streams
        self.rows += other.rows
        self.new_epochs += other.new_epochs
        self.clashes += other.clashes
        self.purged += other.purged
        self.pruned += other.pruned


def merge(
    source_url: str,
    target_url: str,
    stream_ids: Sequence[int] | None = None,
    *,
    fixtures: Sequence[str] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Merged:
    """Bring the streams of one archive into another, and prove that they are there.

    Only those of ``stream_ids``, or of ``fixtures`` (ids), where these are given.

    ``progress`` is told how many streams of how many are done. Raises UsageError when there is no source, ArchiveHeld
    when a recorder writes the target, and what the databases say of their disks and connections.
    """
    target, dialect = parse_url(target_url)
    merged = Merged()
    with opened(source_url) as source, ExitStack() as stack:
        refuse_same(source_url, target_url)
        held = dialect.hold(target)
        stack.callback(held.release)
        writer = migrate.writable(target, dialect)
        stack.callback(writer.dispose)
        stack.enter_context(DiskErrors(dialect, target))
        there = stack.enter_context(writer.connect())
        wanted = list(stream_ids) if stream_ids is not None else source.stream_ids(fixtures or ())
        if fixtures and not wanted:
            raise UsageError(f"{source.place} knows no fixture {' or '.join(fixtures)}; see `recorder fixtures`")
        for done, stream_id in enumerate(wanted):
            progress(done, len(wanted))
            try:
                with source.standing_still() as here:
                    merged.add(merge_stream(here, there, dialect, stream_id))
            except Purged as gone:
                merged.purged += gone.to is None
                merged.pruned += gone.to is not None
        progress(len(wanted), len(wanted))
    return merged


class Source:
    """An archive that is read, and may be written by its recorder meanwhile."""

    def __init__(self, connection: Connection, dialect: Dialect, place: str) -> None:
        self.place = place
        self._connection = connection
        self._dialect = dialect

    @contextmanager
    def standing_still(self) -> Iterator[Connection]:
        """Give a connection that shows the archive as it is now for as long as the block lasts."""
        with self._connection.begin():
            self._dialect.stand_still(self._connection)
            yield self._connection

    def stream_ids(self, fixtures: Sequence[str] = ()) -> list[int]:
        """Return all streams, or those of some fixtures, in the order in which they were made known.

        Those that were pruned have no rows here that could be brought anywhere.
        """
        stream, tombstone = tables.stream.c, tables.tombstone.c
        is_pruned = exists().where(tombstone.stream_id == stream.stream_id)
        wanted = select(stream.stream_id).where(~is_pruned).order_by(stream.created_us, stream.stream_id)
        if fixtures:
            wanted = wanted.where(stream.fixture_id.in_([fixture.lower() for fixture in fixtures]))
        with self.standing_still() as connection:
            return list(connection.execute(wanted).scalars())


@contextmanager
def opened(url: str) -> Iterator[Source]:
    """Open an archive to merge it; UsageError when there is none, ConfigurationError when its schema does not fit."""
    parsed, dialect = parse_url(url)
    place = dialect.place(parsed)
    if not dialect.exists(parsed):
        raise UsageError(f"there is no archive at {place} to merge; name another one")
    reader = dialect.reader(parsed)
    _explain(reader, dialect, parsed)
    try:
        with ExitStack() as stack:
            with DiskErrors(dialect, parsed):
                connection = stack.enter_context(reader.connect())
            source = Source(connection, dialect, place)
            with source.standing_still():
                _require_readable(connection, place)
            yield source
    finally:
        reader.dispose()


def _require_readable(connection: Connection, place: str) -> None:
    try:
        migrate.require_readable(connection, place)
    except NewerArchive:
        raise
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; it is the source of the merge, which changes nothing there") from None


def _explain(engine: Engine, dialect: Dialect, url: URL) -> None:
    """Let what this engine's database says be told as its own: the other one may be of the same kind."""
    place = dialect.place(url)

    @event.listens_for(engine, "handle_error")
    def told(context: ExceptionContext) -> None:
        meant = dialect.explain(context.original_exception, place)
        if meant is not None:
            raise meant from context.original_exception


def refuse_same(source_url: str, target_url: str) -> None:
    """Raise UsageError when two URLs are known to name one archive. (Merged with itself, it would stay as it is.)"""
    (source, source_dialect), (target, target_dialect) = parse_url(source_url), parse_url(target_url)
    places = source_dialect.place(source), target_dialect.place(target)
    if places[0] == places[1] or (all(map(os.path.exists, places)) and os.path.samefile(*places)):
        raise UsageError(f"{places[0]} is both source and target: there is nothing to merge; name two archives")


def merge_stream(source: Connection, target: Connection, dialect: Dialect, stream_id: int) -> Merged:
    """Bring one stream over, in transactions of bounded size, and prove that it is there."""
    merged = Merged(streams=1)
    _bring(source, target, dialect, stream_id, merged)
    with target.begin():
        missing = prove(source, target, dialect, stream_id).missing
    if missing is not None:
        raise DamagedArchive(
            f"stream {stream_id}: {missing} is not in {dialect.place(target.engine.url)} as it is in the source: one "
            "of them is damaged; keep both and compare them with a backup"
        )
    return merged


def _bring(source: Connection, target: Connection, dialect: Dialect, stream_id: int, merged: Merged) -> None:
    copy: StreamCopy | None = None
    attempts = 0
    while True:
        try:
            with target.begin():
                # Looked at and changed in one transaction, which is all that another archive's recorder may see.
                copy = copy or _survey(source, target, stream_id)
                load, marks = copy.next(source, Changes())
                rows = land(target, dialect, load)
        except Conflict:  # another recorder was faster
            copy, attempts = None, attempts + 1
            if attempts > _ATTEMPTS:
                raise DatabaseAway(
                    f"{dialect.place(target.engine.url)}: others write stream {stream_id} all the time; "
                    "run the merge again, it goes on from where it is"
                ) from None
            continue
        merged.rows += rows
        merged.new_epochs += copy.new_epochs
        merged.clashes += copy.clashes
        attempts = 0
        if not copy.landed(marks):
            return


def _survey(source: Connection, target: Connection, stream_id: int) -> StreamCopy:
    copy = survey(source, target, stream_id, clock.wall_us())
    if copy is None:
        raise UsageError(f"there is no stream {stream_id} to merge")
    return copy
