"""A lake of plain Parquet files: those that its manifest names, and no others, are the lake.

1. New files are written, under names that are made of what they hold: whoever comes again writes the same.
2. The manifest is put in the place of the one before, if that is the one that was read: from here on it has happened.
3. The files that it names no more are removed.

Killed before 2, all is as it was. Killed before 3, the manifest says what is still to be removed, and the next does it.
A file that holds a match which has changed is written anew without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import msgspec

from recorder import clock
from recorder.errors import DamagedArchive
from recorder.extras import need
from recorder.publishing.manifest import MANIFEST, File, Manifest, partition_path, placed_at
from recorder.publishing.places import Place
from recorder.publishing.tables import KEYS, NAMES, PARTITIONS, STREAMS_NAME, file_schema, schema
from recorder.publishing.taking import Batch, Named, unnamed

_FORGOTTEN_US = 7 * 86_400 * 1_000_000


class ParquetLake:
    """Of one place. Raises what `places.told_of` turns into sentences."""

    form = "parquet"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._obstore = need("obstore", "lake")
        self._tag: str | None = None

    def exists(self) -> bool:
        """Say whether there is one."""
        return self._load() is not None

    # -- reading -------------------------------------------------------------------------------------------------------

    def named(self) -> dict[int, Named]:
        """Return what `streams` names, by stream."""
        rows = self.rows(STREAMS_NAME, columns=["stream_id", "version", "sport", "match_date"]).to_pylist()
        return {row["stream_id"]: Named(**row | {"match_date": str(row["match_date"])}) for row in rows}

    def rows(self, name: str, only: Sequence[Named] | None = None, columns: Sequence[str] | None = None) -> Any:
        """Return rows of a table as a ``pyarrow.Table``: all, or those of streams."""
        pa = need("pyarrow", "lake")
        wanted = None if only is None else {str(one.stream_id) for one in only}
        files = [one for one in self._manifest().tables[name] if wanted is None or wanted.intersection(one.streams)]
        parts = [_chosen(self._read(name, one), wanted) for one in files]
        whole = pa.concat_tables([schema(name).empty_table(), *parts])
        return whole if columns is None else whole.select(list(columns))

    def files(self, name: str) -> list[str]:
        """Return the addresses of the files that a table consists of now."""
        return [f"{self._place.url}/{one.path}" for one in self._manifest().tables[name]]

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, batch: Batch, before: Mapping[int, Named]) -> None:
        """Publish streams, instead of what is there of them."""
        batch = unnamed(batch, before)
        manifest = self._manifest()
        self._clear(manifest)
        # Also what somebody else has published since: the manifest that is replaced is what counts.
        gone = {str(one.stream_id) for one in batch.named}
        self._commit(manifest, {name: self._renewed(name, manifest, gone, batch.tables[name]) for name in NAMES})

    def settle(self, named: Sequence[Named]) -> None:
        """Remove the files that the manifest names no more."""
        manifest = self._manifest()
        if manifest.removed:
            self._clear(manifest)
            self._put(manifest)

    def remove(self, named: Sequence[Named]) -> None:
        """Remove streams that were purged."""
        manifest, gone = self._manifest(), {str(one.stream_id) for one in named}
        self._clear(manifest)
        if gone:
            empty = {name: schema(name).empty_table() for name in NAMES}
            self._commit(manifest, {name: self._renewed(name, manifest, gone, empty[name]) for name in NAMES})

    def compact(self) -> None:
        """Make one file of those of a partition, and remove what the manifest has not named for a week."""
        manifest = self._manifest()
        tables = {}
        for name in NAMES:
            by_partition = defaultdict[str, list[File]](list)
            for one in manifest.tables[name]:
                by_partition[one.path.rpartition("/")[0]].append(one)
            tables[name] = [
                file for some in by_partition.values() for file in self._merged(name, some, manifest.generation + 1)
            ]
        self._commit(manifest, tables)
        self._delete(self._forgotten())

    def _merged(self, name: str, files: Sequence[File], generation: int) -> list[File]:
        if len(files) < 2:
            return list(files)
        pa = need("pyarrow", "lake")
        whole = pa.concat_tables([self._read(name, one) for one in files])
        return [self._write(name, files[0].path.rpartition("/")[0], whole, generation)]

    def _renewed(self, name: str, manifest: Manifest, gone: set[str], new: Any) -> list[File]:
        """Return the files of a table once the streams ``gone`` are not in them, and the rows ``new`` are."""
        pa = need("pyarrow", "lake")
        staying, parts = list[File](), _by_partition(name, new)
        for file in manifest.tables[name]:
            if not gone.intersection(file.streams):
                staying.append(file)
                continue
            rest = set(file.streams) - gone
            if rest:
                where = file.path.rpartition("/")[0]
                kept = _chosen(self._read(name, file), rest)
                parts[where] = pa.concat_tables([kept, parts[where]]) if where in parts else kept
        return [
            *staying,
            *(self._write(name, where, rows, manifest.generation + 1) for where, rows in sorted(parts.items())),
        ]

    def _write(self, name: str, where: str, rows: Any, generation: int) -> File:
        """Write the rows of one partition; the name of the file tells which versions of which streams it holds."""
        parquet, pa = need("pyarrow.parquet", "lake"), need("pyarrow", "lake")
        rows = rows.sort_by([(key, "ascending") for key in KEYS[name]])
        sink = pa.BufferOutputStream()
        parquet.write_table(rows.select(file_schema(name).names), sink, compression="zstd")
        payload = sink.getvalue().to_pybytes()
        pairs = sorted(set(zip(*(rows.column(one).to_pylist() for one in ("stream_id", "version")), strict=True)))
        held = sha256(msgspec.json.encode(pairs)).hexdigest()[:32]
        path = f"{where}/{generation}-{held}.parquet"
        self._obstore.put(self._store(), path, payload)
        ids = tuple(str(one) for one, _ in pairs)
        return File(path, len(payload), rows.num_rows, sha256(payload).hexdigest(), ids)

    def _commit(self, manifest: Manifest, tables: dict[str, list[File]]) -> None:
        before = {one.path for some in manifest.tables.values() for one in some}
        after = {one.path for some in tables.values() for one in some}
        if before == after:
            return
        manifest = Manifest(generation=manifest.generation + 1, tables=tables, removed=sorted(before - after))
        self._put(manifest)
        self.settle(())

    def _clear(self, manifest: Manifest) -> None:
        self._delete(manifest.removed)
        manifest.removed = []

    # -- files ---------------------------------------------------------------------------------------------------------

    def _read(self, name: str, file: File) -> Any:
        """Return the rows of a file with what its path tells; DamagedArchive when it is not what was written."""
        pa, parquet = need("pyarrow", "lake"), need("pyarrow.parquet", "lake")
        payload = self._obstore.get(self._store(), file.path).bytes().to_bytes()
        if sha256(payload).hexdigest() != file.sha256:
            raise DamagedArchive(
                f"{self._place.url}/{file.path} is not what was published: restore a copy of it, or publish the "
                "archive into another place"
            )
        rows = parquet.read_table(pa.BufferReader(payload), partitioning=None)
        said = dict(zip(PARTITIONS, placed_at(file.path), strict=True))
        for field in schema(name):
            if field.name in said:
                rows = rows.append_column(field, pa.array([said[field.name]] * rows.num_rows, field.type))
        return rows.select(schema(name).names).cast(schema(name))

    def _store(self) -> Any:
        return self._place.store()

    def _forgotten(self) -> list[str]:
        """Return the files of publishes that were killed: nothing names them, and nobody is about to."""
        listed = {one.path for some in self._manifest().tables.values() for one in some}
        end = clock.wall_us() - _FORGOTTEN_US
        there = [one for some in self._obstore.list(self._store()) for one in some]
        old = [one["path"] for one in there if one["last_modified"].timestamp() * 1_000_000 < end]
        return [path for path in old if path.endswith(".parquet") and path not in listed]

    def _delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                self._obstore.delete(self._store(), path)

    def _load(self) -> Manifest | None:
        self._tag = None
        if self._place.folder is not None and not self._place.folder.is_dir():
            return None
        try:
            found = self._obstore.get(self._store(), MANIFEST)
        except FileNotFoundError:
            return None
        self._tag = found.meta["e_tag"]
        return msgspec.json.decode(found.bytes().to_bytes(), type=Manifest)

    def _manifest(self) -> Manifest:
        return self._load() or Manifest()

    def _put(self, manifest: Manifest) -> None:
        """Put the manifest in the place of the one that was read; nobody else may have put one there since."""
        said = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        if self._tag is None:
            mode: Any = "create"
        elif self._place.folder is None:
            mode = {"e_tag": self._tag}
        else:
            mode = "overwrite"  # a folder is held by one publisher alone
        self._tag = self._obstore.put(self._store(), MANIFEST, said, mode=mode)["e_tag"]


def _by_partition(name: str, rows: Any) -> dict[str, Any]:
    compute = need("pyarrow.compute", "lake")
    found = {}
    for pair in rows.group_by(list(PARTITIONS)).aggregate([]).to_pylist():
        sport, match_date = (pair[key] for key in PARTITIONS)
        own = (compute.field("sport") == sport) & (compute.field("match_date") == match_date)
        found[partition_path(name, sport, str(match_date))] = rows.filter(own)
    return found


def _chosen(rows: Any, streams: set[str] | None) -> Any:
    if streams is None:
        return rows
    pa, compute = need("pyarrow", "lake"), need("pyarrow.compute", "lake")
    return rows.filter(compute.field("stream_id").isin(pa.array(map(int, streams), pa.int64())))
