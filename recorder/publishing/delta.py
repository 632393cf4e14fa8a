"""A lake of Delta tables. How each match comes into it exactly once, wherever a publish is killed:

1. The rows of a batch of streams, each in its version, are appended to `raw_frames` and `actions`. With them goes an
   application transaction, whose version is made of all these pairs: whoever comes again with the same batch finds it,
   and adds nothing. Nobody reads these rows yet.
2. `streams` is committed with the same transaction, and names the versions: from here on they are what readers take.
3. The rows of the versions before are removed, then `streams` says so.

So a publish was killed between 1 and 2 when a table's transaction is not that of `streams`. If it is not this batch's
either, the rows that nobody was told of are swept away first. Killed before 3, the next publish begins with 3.

Two at once: Delta refuses a commit when another has committed the same application's transaction since. A sweep
commits one to `streams` before it removes anything, so that whoever was only slow cannot name what is swept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from recorder.errors import TemporaryError
from recorder.extras import need
from recorder.publishing.places import Place
from recorder.publishing.tables import DATA, NAMES, PARTITIONS, STREAMS_NAME, schema, version_of
from recorder.publishing.taking import Batch, Named, replacing, unnamed

T = TypeVar("T")

_IDS_AT_ONCE = 500


class DeltaLake:
    """Of one place. Raises what `places.told_of` turns into sentences."""

    form = "delta"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._delta = need("deltalake", "lake")
        self._seen: int | None = None
        """The transaction of `streams` when it was last read, or committed by us."""

    def exists(self) -> bool:
        """Say whether there is one."""
        return self._open(STREAMS_NAME) is not None

    # -- reading -------------------------------------------------------------------------------------------------------

    def named(self) -> dict[int, Named]:
        """Return what `streams` names, by stream."""
        columns = ["stream_id", "version", "sport", "match_date", "replaced_version", "replaced_date"]
        table = self._open(STREAMS_NAME)
        self._seen = None if table is None else self._transaction(table)
        rows = self.rows(STREAMS_NAME, columns=columns).to_pylist()
        return {row["stream_id"]: Named(**row | {name: _text(row[name]) for name in _DATES}) for row in rows}

    def rows(self, name: str, only: Sequence[Named] | None = None, columns: Sequence[str] | None = None) -> Any:
        """Return rows of a table as a ``pyarrow.Table``: all that are in it, or those of streams in their versions."""
        table = self._open(name)
        if table is None:
            return schema(name).empty_table().select(list(columns or schema(name).names))
        if only is None:
            return table.to_pyarrow_dataset().to_table(columns=columns)
        dataset = table.to_pyarrow_dataset(file_pruning_predicate=_in_partitions(only))
        return dataset.to_table(columns=columns, filter=_of(only))

    def files(self, name: str) -> list[str]:
        """Return the addresses of the files that a table consists of now."""
        table = self._open(name)
        return [] if table is None else table.file_uris()

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, batch: Batch, before: Mapping[int, Named]) -> None:
        """Publish streams; ``before``: what `named` said of them. TemporaryError when somebody else publishes."""
        batch = replacing(unnamed(batch, before), before)
        if not batch.named:
            return
        mark = _mark_of(batch)
        streams = self._made(STREAMS_NAME)
        if self._transaction(streams) != self._seen:
            raise TemporaryError(f"another process publishes into {self._place.url}; run it again: what is there stays")
        tables = [self._made(table.name) for table in DATA]
        if mark == self._seen or any(self._transaction(table) not in (self._seen, mark) for table in tables):
            self._sweep()
            streams, *tables = (self._made(name) for name in (STREAMS_NAME, *(table.name for table in DATA)))
        for table in tables:
            if self._transaction(table) != mark:
                self._append(table, batch.tables[_name_of(table)], mark)
        self._append(streams, batch.tables[STREAMS_NAME], mark, predicate=_instead_of(batch.named, before))
        self._seen = mark
        self.settle([one for one in batch.named if one.replaced_version is not None])

    def settle(self, named: Sequence[Named]) -> None:
        """Remove the rows of the versions that these have replaced, and say so in `streams`."""
        for some in _some([one for one in named if one.replaced_version is not None]):
            gone = " OR ".join(f"(stream_id = {one.stream_id} AND version = {one.replaced_version})" for one in some)
            for table in DATA:
                self._made(table.name).delete(f"{_dates({str(one.replaced_date) for one in some})} AND ({gone})")
            self._made(STREAMS_NAME).update(
                updates={"replaced_version": "NULL", "replaced_date": "NULL"},
                predicate=f"{_dates({one.match_date for one in some})} AND {_ids(some)}",
            )

    def remove(self, named: Sequence[Named]) -> None:
        """Remove streams that were purged: first their rows, then their names, so that a retry finds what is left."""
        self._sweep_if_torn()
        for some in _some(named):
            for name in (*(table.name for table in DATA), STREAMS_NAME):
                self._made(name).delete(_ids(some))

    def compact(self) -> None:
        """Make few files of many, and remove those that no version of the last seven days has."""
        self._sweep_if_torn()
        for name in NAMES:
            table = self._made(name)
            table.optimize.compact(writer_properties=self._properties())
            table.create_checkpoint()
            table.vacuum(dry_run=False, full=True)

    def _append(self, table: Any, rows: Any, mark: int, predicate: str | None = None) -> None:
        """Add rows in one commit; ``predicate``: instead of those that are like this."""
        self._delta.write_deltalake(
            table,
            rows,
            mode="append" if predicate is None else "overwrite",
            predicate=predicate,
            writer_properties=self._properties(),
            commit_properties=self._committing(table, mark),
        )

    # -- after somebody who was killed ---------------------------------------------------------------------------------

    def _sweep_if_torn(self) -> None:
        if any(self._transaction(self._made(table.name)) != self._seen for table in DATA):
            self._sweep()

    def _sweep(self) -> None:
        """Remove the rows that `streams` does not name, once nobody can name them any more."""
        fence = (self._seen or 0) + 1
        self._note(self._made(STREAMS_NAME), fence)
        known = {(one.stream_id, one.version) for one in self.named().values()}
        for name in (table.name for table in DATA):
            seen = self.rows(name, columns=["stream_id", "version"]).group_by(["stream_id", "version"]).aggregate([])
            stray = [pair for row in seen.to_pylist() if (pair := (row["stream_id"], row["version"])) not in known]
            for some in _some(stray):
                gone = (f"(stream_id = {one} AND version = {version})" for one, version in some)
                self._made(name).delete(" OR ".join(gone))
            self._note(self._made(name), fence)

    def _note(self, table: Any, mark: int) -> None:
        """Commit a transaction and nothing else."""
        said = self._committing(table, mark)
        table.create_write_transaction([], "append", table.schema(), list(PARTITIONS), commit_properties=said)

    # -- tables --------------------------------------------------------------------------------------------------------

    def _open(self, name: str) -> Any:
        missing = need("deltalake.exceptions", "lake").TableNotFoundError
        try:
            return self._delta.DeltaTable(self._place.table(name))
        except missing:
            return None

    def _made(self, name: str) -> Any:
        table = self._open(name)
        if table is not None:
            return table
        return self._delta.DeltaTable.create(
            self._place.table(name), schema(name), mode="ignore", partition_by=list(PARTITIONS), name=name
        )

    def _transaction(self, table: Any) -> int | None:
        found: int | None = table.transaction_version(_application(table))
        return found

    def _committing(self, table: Any, mark: int) -> Any:
        said = [self._delta.Transaction(_application(table), mark)]
        return self._delta.CommitProperties(app_transactions=said)

    def _properties(self) -> Any:
        return self._delta.WriterProperties(compression="ZSTD")


_DATES = ("match_date", "replaced_date")


def _some(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield them by hundreds: each becomes a part of a predicate."""
    for begin in range(0, len(items), _IDS_AT_ONCE):
        yield items[begin : begin + _IDS_AT_ONCE]


def _mark_of(batch: Batch) -> int:
    """Return what stands for a batch: 52 bits that are made of its streams and their versions."""
    pairs = sorted((one.stream_id, one.version) for one in batch.named)
    return version_of(sha256(repr(pairs).encode()).hexdigest())


def _application(table: Any) -> str:
    return f"recorder/{_name_of(table)}"


def _name_of(table: Any) -> str:
    return str(table.metadata().name)


def _instead_of(named: Sequence[Named], before: Mapping[int, Named]) -> str | None:
    """Return which rows of `streams` a batch replaces; None: it has only new ones."""
    known = [before[one.stream_id] for one in named if one.stream_id in before]
    dates = {one.match_date for one in (*named, *known)}
    return f"{_dates(dates)} AND {_ids(named)}" if known else None


def _of(named: Collection[Named]) -> Any:
    pa, compute = need("pyarrow", "lake"), need("pyarrow.compute", "lake")
    ids = compute.field("stream_id").isin(pa.array([one.stream_id for one in named], pa.int64()))
    versions = compute.field("version").isin(pa.array({one.version for one in named}, pa.int64()))
    return ids & versions


def _in_partitions(named: Collection[Named]) -> str:
    sports = ", ".join(_quoted(sport) for sport in sorted({one.sport for one in named}))
    return f"sport IN ({sports}) AND {_dates({one.match_date for one in named})}"


def _dates(dates: Collection[str]) -> str:
    return f"match_date IN ({', '.join(_quoted(one) for one in sorted(dates))})"


def _ids(named: Collection[Named]) -> str:
    return f"stream_id IN ({', '.join(str(one.stream_id) for one in named)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
