"""The files of one partition of one table: what is new and what stays, in the order of the streams."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder.errors import DamagedArchive, UsageError
from recorder.export import manifest as manifests
from recorder.export.codecs import Codec
from recorder.export.columns import Exported
from recorder.export.manifest import File
from recorder.extras import need

Piece = tuple[int, Any]
"""Rows of one stream, as a ``pyarrow.Table``, behind its id."""

_ROWS_AT_ONCE = 32_768
"""That are written together, as a row group: Parquet takes many times as long for a row of a few hundred."""
_BYTES_AT_ONCE = 32 * 1024 * 1024


@dataclass(slots=True)
class Written:
    """The parts of a partition, complete; ``paths``: which has a stream's rows; ``rows``: how many these are."""

    files: list[File] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)


def write(
    codec: Codec, table: Exported, pieces: Iterable[Piece], paths: Iterator[str], stage: Callable[[str], Path]
) -> Written:
    """Write pieces, which are in the order of their streams; a stream is in one part as a whole.

    A part ends behind the stream with which it has become larger than `Codec.most_bytes`. ``paths``: of the parts, one
    after the other; ``stage``: where to write what is to be at a path.
    """
    done, part, last = Written(), None, None
    try:
        for stream_id, rows in pieces:
            if part is not None and stream_id != last and part.size > codec.most_bytes:
                done.files.append(part.completed())
                part = None
            if part is None:
                path = next(paths)
                part = _Part(codec, table, path, stage(path))
            last = stream_id
            part.add(rows)
            done.paths[stream_id] = part.path
            done.rows[stream_id] = done.rows.get(stream_id, 0) + rows.num_rows
        if part is not None:
            done.files.append(part.completed())
    except BaseException:
        if part is not None:
            part.abandon()
        raise
    return done


def pieces(tables: Iterable[Any]) -> Iterator[Piece]:
    """Yield the rows of tables, which have those of a stream one after the other, a stream at a time."""
    compute = need("pyarrow.compute", "export")
    for table in tables:
        begin = 0
        for run in compute.run_end_encode(table.column("stream_id")).chunks:
            first = begin
            for stream_id, end in zip(run.values.to_pylist(), run.run_ends.to_pylist(), strict=True):
                yield stream_id, table.slice(begin, first + end - begin)
                begin = first + end


def kept(
    directory: Path, codec: Codec, table: Exported, files: Iterable[File], stream_ids: Collection[int]
) -> Iterator[Piece]:
    """Yield what older files have of these streams.

    DamagedArchive when one is not what it was, UsageError when an older version wrote other columns.
    """
    for file in files:
        if not manifests.is_there(directory, file, proven=True):
            raise DamagedArchive(
                f"{directory / file.path} is not what was exported, and holds what this export has to keep: restore "
                "a copy of it; or remove it, then what the archive does not hold is gone"
            )
        try:
            found = pieces(codec.read(directory / file.path, table, table.columns))
            yield from ((stream_id, rows) for stream_id, rows in found if stream_id in stream_ids)
        except (ValueError, KeyError):
            raise UsageError(
                f"{directory / file.path} has other columns than this version of recorder writes, so what it has to "
                "keep does not fit; export into another directory"
            ) from None


def merged(new: Iterable[Any], kept: Iterator[Piece]) -> Iterator[Piece]:
    """Yield the rows of new tables and what stays in the order of the streams, which both have."""
    return heapq.merge(pieces(new), kept, key=lambda piece: piece[0])


class _Part:
    """One file; ``size``: of what was added, in Arrow's bytes."""

    def __init__(self, codec: Codec, table: Exported, path: str, real: Path) -> None:
        self._sink = codec.write(real, table)
        self._real = real
        self._waiting: list[Any] = []
        self._rows = 0
        # How many rows and bytes there were when it was last written to.
        self._flushed = (0, 0)
        self.path = path
        self.size = 0

    def add(self, rows: Any) -> None:
        self._waiting.append(rows)
        self._rows += rows.num_rows
        self.size += rows.nbytes
        rows_before, size_before = self._flushed
        if self._rows - rows_before >= _ROWS_AT_ONCE or self.size - size_before >= _BYTES_AT_ONCE:
            self._flush()

    def completed(self) -> File:
        self._flush()
        self._sink.close()
        return manifests.described(self.path, self._rows, self._real)

    def abandon(self) -> None:
        with suppress(OSError):
            self._sink.close()

    def _flush(self) -> None:
        if self._waiting:
            self._sink.write_table(need("pyarrow", "export").concat_tables(self._waiting))
        self._waiting, self._flushed = [], (self._rows, self.size)
