"""An archive, or a part of it, into a directory of files: partition by partition, and only what has changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder import __version__
from recorder.archive import migrate
from recorder.errors import UsageError
from recorder.export import manifest as manifests
from recorder.export.asking import some
from recorder.export.columns import ACTIONS, RAW_FRAMES, SMALL
from recorder.export.directory import Directory, held, told_of_disk
from recorder.export.formats import Format
from recorder.export.layout import table_path
from recorder.export.manifest import Manifest
from recorder.export.partitions import Partition, Place, Taken
from recorder.export.selecting import Wanted, selected
from recorder.export.sharing import taken
from recorder.export.small import write_small
from recorder.export.state import State, partitions, states
from recorder.extras import need
from recorder.query.pruned import purged
from recorder.query.reading import Reader, reading

Progress = Callable[[int, int], None]

_MUCH = 1_000
"""Streams; for fewer, other processes take longer to begin than they save."""


@dataclass(slots=True)
class Done:
    """What an export did. ``written``, ``unchanged`` and ``removed`` count streams; the rest rows that were written."""

    written: int = 0
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    """The names of streams that were purged from the archive, and are gone from the export now."""
    lost: list[str] = field(default_factory=list)
    """Of streams whose files are not there as they were, and which the archive does not hold."""
    actions: int = 0
    frames: int = 0


def export(
    database_url: str,
    directory: Path,
    form: Format = Format.PARQUET,
    wanted: Wanted | None = None,
    *,
    again: bool = False,
    processes: int = 1,
    progress: Progress = lambda _done, _of: None,
) -> Done:
    """Write the wanted streams of an archive into ``directory``; what was exported there before stays, or is renewed.

    ``again``: also what has not changed. ``processes``: that share the work where there is much (see `sharing.taken`).
    ``progress`` is told how many streams of how many are done. Raises UsageError
    when the directory holds something else or another format, TemporaryError when somebody else writes it,
    DiskError when it cannot be written, DamagedArchive when a frame is not what was received, or an older file which
    holds other streams too is not what it was.
    """
    need("pyarrow", "export")
    with reading(database_url) as reader:
        ids = selected(reader, wanted or Wanted())
        with told_of_disk(directory), held(directory) as place:
            before = manifests.load(directory)
            if before is not None and before.format is not form:
                raise UsageError(
                    f"{directory.absolute()} is an export as {before.format}; go on with --format {before.format}, "
                    "or name another directory"
                )
            run = _Export(reader, place, Place(database_url, directory, form), before)
            return run.run(ids, again=again, processes=processes, progress=progress)


class _Export:
    """One run. ``_kept`` and ``_files`` are what the manifest has said, and become what it will say."""

    def __init__(self, reader: Reader, held: Directory, place: Place, before: Manifest | None) -> None:
        self._reader = reader
        self._held = held
        self._place = place
        self._files = before.by_path() if before else {}
        self._kept = {int(entry.stream_id): entry for entry in before.streams} if before else {}
        self._gone: set[int] = set()
        self._lost: set[int] = set()
        self._small_rows: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in SMALL}
        self._done = Done()

    def run(self, ids: Sequence[int], *, again: bool, processes: int, progress: Progress) -> Done:
        """Write the streams ``ids``, and what else has to be."""
        touched = self._without_purged()
        broken = self._broken(ids)
        touched |= self._without_lost()
        ids = [*ids, *broken]
        fresh, self._done.unchanged = self._compared([] if again else ids)
        fresh |= self._unknown([one for one in ids if again or one not in self._kept])
        touched |= {self._kept.pop(stream_id).partition for stream_id in fresh.keys() & self._kept.keys()}
        staying = set(self._kept)
        done = self._done.unchanged
        progress(done, len(ids))
        for partition in taken(self._partitions(fresh, touched), processes if len(fresh) >= _MUCH else 1):
            self._note(partition)
            done += len(partition.new)
            progress(done, len(ids))
        self._finish(staying, is_changed=bool(fresh or touched or self._gone))
        return self._done

    def _partitions(self, fresh: Mapping[int, str], touched: Collection[str]) -> list[Partition]:
        """Return what is to be written, also where something is only left out."""
        found = {where: Partition(self._place, where) for where in touched}
        for stream_id, where in fresh.items():
            found.setdefault(where, Partition(self._place, where)).new.append(stream_id)
        for _, entry in sorted(self._kept.items()):
            if entry.partition in found:
                found[entry.partition].staying.append(entry)
                found[entry.partition].files |= {path: self._files[path] for path in entry.files.values()}
        return [one for _, one in sorted(found.items())]

    def _note(self, done: Taken) -> None:
        self._kept |= {int(entry.stream_id): entry for entry in [*done.stayed, *done.new]}
        self._files |= {file.path: file for file in done.files}
        for name, rows in done.small.items():
            self._small_rows[name] += rows
        self._done.written += len(done.new)
        self._done.actions += sum(entry.counts[ACTIONS.name] for entry in done.new)
        self._done.frames += sum(entry.counts[RAW_FRAMES.name] for entry in done.new)

    # What is there already

    def _without_purged(self) -> set[str]:
        """Drop the streams that were purged since: nobody may have them any more. Return where they were.

        What was only pruned, moved into a lake, stays as it was exported.
        """
        gone = [self._kept.pop(stream_id) for stream_id in purged(self._reader) & self._kept.keys()]
        self._done.removed = sorted(entry.name for entry in gone)
        return {entry.partition for entry in gone}

    def _broken(self, wanted: Collection[int]) -> list[int]:
        """Forget what is not there as it was; return other streams that are to be written again for it."""
        path = self._held.path
        self._files = {name: file for name, file in self._files.items() if manifests.is_there(path, file)}
        small = set(self._small())
        needed = {one: small.union(entry.files.values()) for one, entry in self._kept.items()}
        self._gone = {one for one, files in needed.items() if not files <= self._files.keys()}
        here = set(selected(self._reader, Wanted())) if self._gone else set()
        self._lost = self._gone - here
        return sorted(self._gone & here - set(wanted))

    def _without_lost(self) -> set[str]:
        """Drop what is not whole and cannot be. Return where it was: another file may still have rows of it."""
        lost = [self._kept.pop(stream_id) for stream_id in self._lost]
        self._done.lost = sorted(entry.name for entry in lost)
        return {entry.partition for entry in lost}

    # What is new

    def _compared(self, ids: Sequence[int]) -> tuple[dict[int, str], int]:
        """Return what has changed since, with its partition, and how many streams are as they should be."""
        fresh, unchanged = dict[int, str](), 0
        for few in some([one for one in ids if one in self._kept]):
            with self._reader.connection.begin():
                found = states(self._reader.connection, few)
            changed = {one: now for one, now in found.items() if one in self._gone or not self._is_same(one, now)}
            fresh |= {stream_id: now.partition for stream_id, now in changed.items()}
            unchanged += len(found) - len(changed)
        return fresh, unchanged

    def _is_same(self, stream_id: int, now: State) -> bool:
        known = self._kept[stream_id]
        return (known.mark, known.partition) == (now.mark, now.partition)

    def _unknown(self, ids: Sequence[int]) -> dict[int, str]:
        with self._reader.connection.begin():
            return partitions(self._reader.connection, ids)

    # The end

    def _finish(self, staying: Collection[int], *, is_changed: bool) -> None:
        if is_changed or not self._files.keys() >= set(self._small()):
            for table in SMALL:
                file = write_small(table, self._place, self._small_rows[table.name], self._files, staying)
                self._files[file.path] = file
        listed = set(self._small()).union(*(entry.files.values() for entry in self._kept.values()))
        manifest = Manifest(
            layout=manifests.LAYOUT,
            format=self._place.form,
            recorder=__version__,
            schema=_schema(self._reader),
            files=[self._files[path] for path in listed],
            streams=list(self._kept.values()),
        )
        self._held.commit(manifest)
        self._held.clean(self._place.form, listed)

    def _small(self) -> list[str]:
        return [table_path(table, self._place.form.suffix) for table in SMALL]


def _schema(reader: Reader) -> str:
    with reader.connection.begin():
        return migrate.state(reader.connection)[1] or ""
