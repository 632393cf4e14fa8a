"""A partition of an export: written as a whole, from one moment of the archive."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from recorder import __version__
from recorder.archive.dialect import Dialect
from recorder.export import parts, taking
from recorder.export.codecs import CODECS
from recorder.export.columns import ACTIONS, PARTITIONED, RAW_FRAMES, SMALL, Exported
from recorder.export.formats import Format
from recorder.export.layout import part_path, staged
from recorder.export.manifest import File, StreamEntry
from recorder.export.state import State, states
from recorder.query.reading import reading


@dataclass(frozen=True, slots=True)
class Place:
    """Which archive is exported, and where to."""

    database_url: str
    directory: Path
    form: Format


@dataclass(slots=True)
class Partition:
    """What is to be in a partition: the streams ``new`` as they are now, and those that stay as they were there.

    ``staying``: in the order of their ids. ``files``: those that have these, by path.
    """

    place: Place
    where: str
    new: list[int] = field(default_factory=list)
    staying: list[StreamEntry] = field(default_factory=list)
    files: dict[str, File] = field(default_factory=dict)


@dataclass(slots=True)
class Taken:
    """A partition, written under temporary names. ``small``: its new streams' rows of the small tables, by name."""

    new: list[StreamEntry]
    stayed: list[StreamEntry]
    files: list[File]
    small: dict[str, list[tuple[Any, ...]]]


def take(wanted: Partition) -> Taken:
    """Write a partition; it opens the archive by itself, and may so be done by any process."""
    with reading(wanted.place.database_url) as reader, no_collection(), reader.connection.begin():
        reader.dialect.stand_still(reader.connection)
        now = states(reader.connection, sorted(wanted.new))
        return _taken(reader.connection, reader.dialect, wanted, now)


def _taken(connection: Connection, dialect: Dialect, wanted: Partition, now: Mapping[int, State]) -> Taken:
    summed: dict[int, Any] = defaultdict(sha256)

    def note(stream_id: int, digest: bytes) -> None:
        summed[stream_id].update(digest)

    small = {table.name: taking.rows_of(connection, dialect, table, list(now)) for table in SMALL}
    found = list(now.values())
    done = {
        ACTIONS: _parts(ACTIONS, wanted, taking.actions(connection, dialect, found)),
        RAW_FRAMES: _parts(RAW_FRAMES, wanted, taking.frames(connection, dialect, found, note)),
    }
    counts = _counted(now, small)
    return Taken(
        new=[_entry(one, wanted.where, counts[stream_id], done, summed) for stream_id, one in now.items()],
        stayed=[msgspec.structs.replace(one, files=_paths(done, int(one.stream_id))) for one in wanted.staying],
        files=[file for written in done.values() for file in written.files],
        small=small,
    )


def _parts(table: Exported, wanted: Partition, new: Iterable[Any]) -> parts.Written:
    directory, form = wanted.place.directory, wanted.place.form
    codec, name = CODECS[form], table.name
    old = dict.fromkeys(entry.files[name] for entry in wanted.staying if name in entry.files)
    staying = {int(entry.stream_id) for entry in wanted.staying}
    kept = parts.kept(directory, codec, table, [wanted.files[path] for path in old], staying)
    paths = (part_path(table, wanted.where, number, form.suffix) for number in count())
    return parts.write(codec, table, parts.merged(new, kept), paths, partial(staged, directory))


def _counted(now: Mapping[int, State], small: Mapping[str, list[tuple[Any, ...]]]) -> dict[int, dict[str, int]]:
    counts = {stream_id: dict.fromkeys(small, 0) for stream_id in now}
    for table in SMALL:
        at = table.at("stream_id")
        for row in small[table.name]:
            counts[row[at]][table.name] += 1
    return counts


def _entry(
    now: State, where: str, counts: Mapping[str, int], done: Mapping[Exported, parts.Written], summed: Mapping[int, Any]
) -> StreamEntry:
    one = now.stream.stream_id
    rows = {table.name: done[table].rows.get(one, 0) for table in PARTITIONED}
    return StreamEntry(
        stream_id=str(one),
        name=now.stream.name,
        partition=where,
        counts={**counts, **rows},
        frames_digest=summed[one].hexdigest(),
        mark=now.mark,
        recorder=__version__,
        files=_paths(done, one),
    )


def _paths(done: Mapping[Exported, parts.Written], stream_id: int) -> dict[str, str]:
    return {table.name: said.paths[stream_id] for table, said in done.items() if stream_id in said.paths}


@contextmanager
def no_collection() -> Iterator[None]:
    """Let nobody look for circles in millions of rows, which have none: it takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
