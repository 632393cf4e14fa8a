"""One archive into another, stream by stream. It may be stopped at any time and run again: it goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import Connection, select

from recorder import clock
from recorder.archive import migrate, tables
from recorder.archive.dialect import Dialect, DiskErrors, parse_url
from recorder.archive.merging.copying import StreamCopy, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.proving import prove
from recorder.archive.merging.refusals import Conflict, Purged
from recorder.errors import DamagedArchive, UsageError


@dataclass(slots=True)
class Merged:
    """What a merge did. ``new_rows``: frames and actions. ``purged``: streams that must not come back."""

    streams: int = 0
    new_rows: int = 0
    new_epochs: int = 0
    purged: int = 0


def merge(
    source_url: str,
    target_url: str,
    stream_ids: Sequence[int] | None = None,
    progress: Callable[[int], None] = lambda _stream_id: None,
) -> Merged:
    """Bring the streams of one archive (``stream_ids``; None: all) into another, and prove that they are there.

    Raises UsageError when there is no source, ArchiveHeld when a recorder writes the target, and what the databases
    say of their disks and connections.
    """
    url, source_dialect = parse_url(source_url)
    place = source_dialect.place(url)
    if not source_dialect.exists(url):
        raise UsageError(f"there is no archive at {place} to merge from")
    target, target_dialect = parse_url(target_url)
    if (url, source_dialect.place(url)) == (target, target_dialect.place(target)):
        raise UsageError(f"{place} cannot be merged into itself")
    with ExitStack() as stack:
        held = target_dialect.hold(target)
        stack.callback(held.release)
        reader, writer = source_dialect.reader(url), target_dialect.writer(target)
        stack.callback(reader.dispose)
        stack.callback(writer.dispose)
        stack.enter_context(DiskErrors(target_dialect, target))
        with DiskErrors(source_dialect, url):
            source = stack.enter_context(reader.connect())
            migrate.require_readable(source, place)
        there = stack.enter_context(writer.connect())
        with there.begin():
            migrate.prepare(there, target_dialect, target_dialect.place(target))
        if stream_ids is None:
            stream_ids = list(source.execute(select(tables.stream.c.stream_id)).scalars())
        merged = Merged()
        for stream_id in stream_ids:
            try:
                merge_stream(source, there, target_dialect, stream_id, merged)
            except Purged:
                merged.purged += 1
            progress(stream_id)
        return merged


def merge_stream(
    source: Connection, target: Connection, dialect: Dialect, stream_id: int, merged: Merged | None = None
) -> None:
    """Bring one stream over, in transactions of bounded size, and prove that it is there."""
    merged = merged or Merged()
    copy = _survey(source, target, stream_id, merged)
    while True:
        load, marks = copy.next(source, None)
        try:
            with target.begin():
                merged.new_rows += land(target, dialect, load)
        except Conflict:  # another recorder was faster, with something else
            copy = _survey(source, target, stream_id, merged)
            continue
        if not copy.landed(marks):
            break
    with target.begin():
        missing = prove(source, target, dialect, stream_id).missing
    if missing is not None:
        raise DamagedArchive(
            f"stream {stream_id}: {missing} did not arrive in {dialect.place(target.engine.url)}; "
            "keep the source as it is, see whether it can be read, and merge again"
        )
    merged.streams += 1


def _survey(source: Connection, target: Connection, stream_id: int, merged: Merged) -> StreamCopy:
    with target.begin():
        copy = survey(source, target, stream_id, clock.wall_us())
    if copy is None:
        raise UsageError(f"there is no stream {stream_id} to merge")
    merged.new_epochs += copy.clashes
    return copy
