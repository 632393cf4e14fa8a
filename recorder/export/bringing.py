"""An export back into an archive: proven by its manifest, rebuilt as an archive of its own, and merged.

The files give the facts: bytes, times, sessions, gaps, what has which position. What the actions say is read from the
messages again, by the same functions as when they arrived.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from recorder.archive import maintain, tables
from recorder.archive.apply import action_row
from recorder.archive.dialect import Dialect, DiskErrors, parse_url
from recorder.archive.merging.whole import Merged, merge
from recorder.errors import DamagedArchive, DiskError
from recorder.export import manifest as manifests
from recorder.export.codecs import CODECS
from recorder.export.columns import ACTIONS, RAW_FRAMES, SMALL, Column, Exported, stored
from recorder.export.layout import table_path
from recorder.export.manifest import Manifest, StreamEntry
from recorder.extras import need
from recorder.feed.actions import parse
from recorder.feed.content import content_digest
from recorder.feed.messages import Packet, read
from recorder.model import Action, digest

_BYTES_AT_ONCE = 32 * 1024 * 1024
"""Of files, that are brought in together. As an archive they are about ten times as large."""
_ROWS_AT_ONCE = 2_000

_FACTS = tuple(
    ACTIONS.column(name)
    for name in ("stream_id", "session_id", "frame_number", "epoch", "position", "part", "received_at", "arrival")
)

Row = tuple[Any, ...]
Rows = dict[int, list[Row]]
Progress = Callable[[int, int], None]


def bring(directory: Path, target_url: str, *, progress: Progress = lambda _done, _of: None) -> Merged:
    """Bring every stream of an export into an archive, as a merge does: compared, nothing overwritten.

    ``progress`` is told how many streams of how many are done. Raises UsageError when there is no export,
    TemporaryError when one is being written, DamagedArchive (before anything is imported) when a file is not what the
    manifest says, and what `merge` raises.
    """
    need("pyarrow", "export")
    try:
        return _brought(directory, target_url, progress)
    except OSError as error:
        where = error.filename or tempfile.gettempdir()
        raise DiskError(
            f"{where} cannot be used ({error.strerror or error}); mend that, or set TMPDIR to a directory with room, "
            "and import again"
        ) from error


def _brought(directory: Path, target_url: str, progress: Progress) -> Merged:
    manifest = manifests.require(directory)
    manifests.verify(directory, manifest)
    export = _Export(directory, manifest)
    merged, done = Merged(), 0
    with tempfile.TemporaryDirectory(prefix="recorder-import-") as scratch:
        empty = Path(scratch) / "empty.db"
        maintain.upgrade(f"sqlite:///{empty}")
        for some in _portions(manifest):
            progress(done, len(manifest.streams))
            url = f"sqlite:///{Path(scratch) / 'archive.db'}"
            with _fresh(empty, Path(scratch) / "archive.db"):
                export.rebuild(some, url)
                merged.add(merge(url, target_url))
            done += len(some)
    progress(done, done)
    return merged


def _portions(manifest: Manifest) -> Iterator[list[StreamEntry]]:
    """Yield the streams in the order of the files, as many at a time as take up some room in these."""
    files, some, size = manifest.by_path(), list[StreamEntry](), 0
    for entry in sorted(manifest.streams, key=lambda entry: (entry.partition, int(entry.stream_id))):
        some.append(entry)
        for table, path in entry.files.items():
            size += files[path].size * entry.counts[table] // max(files[path].rows, 1)
        if size >= _BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    # Also when there is nothing at all: the archive is there afterwards.
    yield some


@contextmanager
def _fresh(empty: Path, archive: Path) -> Iterator[None]:
    shutil.copyfile(empty, archive)
    yield
    for left in archive.parent.glob(f"{archive.name}*"):
        left.unlink()


@dataclass(slots=True)
class _Frame:
    """A message's row, and what of it has a position."""

    row: Row
    payload: bytes
    facts: list[Row]


class _Parts:
    """The rows of a partitioned table, a stream at a time, in the order of the files."""

    def __init__(self, read: Callable[[str], Iterator[Row]], table: Exported, at: int) -> None:
        self._read = read
        self._table = table
        self._at = at
        self._path = ""
        self._groups: Iterator[tuple[int, Iterator[Row]]] = iter(())

    def rows(self, entry: StreamEntry) -> Iterator[Row]:
        """Yield a stream's rows, none when there are other ones where these should be."""
        path = entry.files.get(self._table.name)
        if path is None:
            return iter(())
        if path != self._path:
            self._path, self._groups = path, groupby(self._read(path), key=lambda row: int(row[self._at]))
        stream_id, rows = next(self._groups, (None, iter(())))
        return rows if stream_id == int(entry.stream_id) else iter(())


class _Export:
    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self._directory = directory
        self._read = CODECS[manifest.format].read
        suffix = manifest.format.suffix
        self._small = {table: self._by_stream(table, table_path(table, suffix)) for table in SMALL}
        self._facts = self._parts(ACTIONS, _FACTS)
        self._frames = self._parts(RAW_FRAMES, stored_columns(RAW_FRAMES))

    def _parts(self, table: Exported, columns: Sequence[Column]) -> _Parts:
        return _Parts(lambda path: self._rows(table, path, columns), table, _at(columns))

    def _by_stream(self, table: Exported, path: str) -> Rows:
        columns, found = stored_columns(table), defaultdict[int, list[Row]](list)
        for row in self._rows(table, path, columns):
            found[row[_at(columns)]].append(row)
        return found

    def _rows(self, table: Exported, path: str, columns: Sequence[Column]) -> Iterator[Row]:
        """Yield rows of a file whose bytes are proven, as the archive stores their values."""
        try:
            for part in self._read(self._directory / path, table, columns):
                yield from zip(*stored(part, columns), strict=True)
        except (ValueError, KeyError) as error:
            raise DamagedArchive(
                f"{self._directory / path} is not what recorder exports ({error}); write it anew with "
                "`recorder export --again`"
            ) from None

    def rebuild(self, entries: Sequence[StreamEntry], url: str) -> None:
        """Store streams in an empty archive, in one transaction."""
        parsed, dialect = parse_url(url)
        engine = dialect.writer(parsed)
        try:
            with DiskErrors(dialect, parsed), engine.begin() as connection:
                for entry in entries:
                    self._stream(connection, dialect, entry)
        finally:
            engine.dispose()

    def _stream(self, connection: Connection, dialect: Dialect, entry: StreamEntry) -> None:
        stream_id = int(entry.stream_id)
        for table in SMALL:
            names = [column.stored for column in stored_columns(table)]
            rows = self._small[table].get(stream_id, [])
            self._require(entry, table, len(rows))
            dialect.pour(connection, table.behind, names, rows)
        placed, summed = self._facts_of(entry), sha256()
        some = list[_Frame]()
        for frame in self._frames_of(entry, placed):
            summed.update(digest(frame.payload))
            some.append(frame)
            if len(some) >= _ROWS_AT_ONCE:
                _pour(connection, dialect, stream_id, some)
                some = []
        _pour(connection, dialect, stream_id, some)
        if summed.hexdigest() != entry.frames_digest or placed:
            raise DamagedArchive(
                f"{self._directory / entry.files.get(RAW_FRAMES.name, RAW_FRAMES.name)} does not hold the messages of "
                f"{entry.name} that the manifest tells of, or not those of every action; write it anew with "
                "`recorder export --again`"
            )

    def _require(self, entry: StreamEntry, table: Exported, rows: int) -> None:
        if rows != entry.counts[table.name]:
            raise DamagedArchive(
                f"{self._directory}: {table.name} holds {rows} of the {entry.counts[table.name]} rows of {entry.name}; "
                "write it anew with `recorder export --again`"
            )

    def _facts_of(self, entry: StreamEntry) -> dict[tuple[int, int], list[Row]]:
        """Return (epoch, position, part, received_us, arrival) of the actions by the message that bears them."""
        found = defaultdict[tuple[int, int], list[Row]](list)
        for _, session_id, frame_number, *fact in self._facts.rows(entry):
            found[session_id, frame_number].append(tuple(fact))
        return found

    def _frames_of(self, entry: StreamEntry, placed: dict[tuple[int, int], list[Row]]) -> Iterator[_Frame]:
        """Yield the messages, taking what is told of them out of ``placed``."""
        columns = stored_columns(RAW_FRAMES)
        at = {column.stored: number for number, column in enumerate(columns)}
        for row in self._frames.rows(entry):
            key = (row[at["session_id"]], row[at["frame_number"]])
            yield _Frame(row, row[at["payload"]], placed.pop(key, []))


def stored_columns(table: Exported) -> tuple[Column, ...]:
    """Return the columns of a table that are brought back."""
    return tuple(column for column in table.columns if column.stored)


def _at(columns: Sequence[Column]) -> int:
    return [column.name for column in columns].index("stream_id")


def _pour(connection: Connection, dialect: Dialect, stream_id: int, frames: Sequence[_Frame]) -> None:
    names = [column.stored for column in stored_columns(RAW_FRAMES)]
    dialect.pour(connection, tables.frame, names, [frame.row for frame in frames])
    actions = [action_row(action) for frame in frames if frame.facts for action in _actions(stream_id, frame)]
    dialect.pour(connection, tables.action, tables.action.columns.keys(), actions)


def _actions(stream_id: int, frame: _Frame) -> Iterator[Action]:
    packets = read(frame.payload).packets
    said: Mapping[str, Any] = dict(
        zip([column.stored for column in stored_columns(RAW_FRAMES)], frame.row, strict=True)
    )
    for epoch, position, part, received_us, arrival in frame.facts:
        packet = _part(packets, part, said)
        yield Action(
            stream_id=stream_id,
            epoch=epoch,
            position=position,
            session_id=said["session_id"],
            frame_number=said["frame_number"],
            part=part,
            received_us=received_us,
            arrival=arrival,
            content_digest=content_digest(packet.fixture_action),
            frame_digest=digest(frame.payload),
            fields=parse(packet.envelope),
        )


def _part(packets: Sequence[Packet], part: int, said: Mapping[str, Any]) -> Packet:
    if part >= len(packets):
        raise DamagedArchive(
            f"frame {said['frame_number']} of session {said['session_id']}, stream {said['stream_id']}, bears no "
            f"action {part} though the exported actions say so; write it anew with `recorder export --again`"
        )
    return packets[part]
