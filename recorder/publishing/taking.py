"""Matches out of the archive, as the rows of a lake: a batch of streams, from one moment of the archive."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from recorder.archive.dialect import Dialect
from recorder.export import taking
from recorder.export.columns import ACTIONS, RAW_FRAMES, STREAMS, Exported, to_arrow
from recorder.export.partitions import no_collection
from recorder.export.state import State, states
from recorder.extras import need
from recorder.publishing.tables import HISTORIES, history_column, placed, schema, version_of
from recorder.query.reading import Reader
from recorder.query.roots import Roots, empty, roots

_ACTIONS_AT_ONCE = 50_000
_STREAMS_AT_ONCE = 1_000

Place = tuple[int, str, str, str]
"""Version, feed, sport and match date of a stream."""


@dataclass(frozen=True, slots=True)
class Named:
    """What `streams` of a lake names of a match: only rows of this version count. ``match_date``: ``YYYY-MM-DD``."""

    stream_id: int
    version: int
    sport: str
    match_date: str
    replaced_version: int | None = None
    replaced_date: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Streams as they are now. ``tables``: a ``pyarrow.Table`` for each name of a lake's tables."""

    named: tuple[Named, ...]
    tables: Mapping[str, Any]


def date_of(state: State) -> str:
    """Return the date of a match: where an export has it."""
    return state.partition.rpartition("date=")[2]


def batches(found: Sequence[State]) -> Iterator[list[int]]:
    """Yield the ids of streams that are published together, those of a sport and a date side by side."""
    some, actions = list[int](), 0
    for one in sorted(found, key=lambda one: (one.stream.sport, date_of(one), one.stream.stream_id)):
        if some and (actions + one.actions > _ACTIONS_AT_ONCE or len(some) == _STREAMS_AT_ONCE):
            yield some
            some, actions = [], 0
        some.append(one.stream.stream_id)
        actions += one.actions
    if some:
        yield some


def take(reader: Reader, stream_ids: Sequence[int]) -> Batch:
    """Take streams; DamagedArchive when a message is not what was received."""
    with no_collection(), reader.connection.begin():
        reader.dialect.stand_still(reader.connection)
        return _Taking(reader.connection, reader.dialect, sorted(stream_ids)).batch()


class _Taking:
    def __init__(self, connection: Connection, dialect: Dialect, stream_ids: Sequence[int]) -> None:
        self._connection, self._dialect = connection, dialect
        self._states = states(connection, stream_ids)
        self._summed: dict[int, Any] = defaultdict(sha256)
        self._places = {
            one: (version_of(now.mark), now.stream.feed, now.stream.sport, date_of(now))
            for one, now in self._states.items()
        }

    def batch(self) -> Batch:
        found = list(self._states.values())
        actions = self._joined(ACTIONS, taking.actions(self._connection, self._dialect, found))
        frames = self._joined(RAW_FRAMES, taking.frames(self._connection, self._dialect, found, self._note))
        named = (Named(one, version, sport, day) for one, (version, _, sport, day) in self._places.items())
        tables = {ACTIONS.name: actions, RAW_FRAMES.name: frames, STREAMS.name: self._streams()}
        return Batch(tuple(named), tables)

    def _note(self, stream_id: int, digest: bytes) -> None:
        self._summed[stream_id].update(digest)

    def _joined(self, table: Exported, parts: Iterator[Any]) -> Any:
        pa = need("pyarrow", "lake")
        return placed(pa.concat_tables([table.schema().empty_table(), *parts]), table.name, self._places)

    def _streams(self) -> Any:
        rows = taking.rows_of(self._connection, self._dialect, STREAMS, list(self._states))
        said = to_arrow(STREAMS, STREAMS.columns, list(zip(*rows, strict=True)))
        ids = said.column("stream_id").to_pylist()
        more = self._proofs(ids) | self._histories(ids)
        for name in (one for one in schema(STREAMS.name).names if one.startswith("replaced_")):
            more[name] = [None] * len(ids)
        for name, values in more.items():
            field = schema(STREAMS.name).field(name)
            said = said.append_column(field, need("pyarrow", "lake").array(values, field.type))
        return placed(said, STREAMS.name, self._places)

    def _proofs(self, ids: Sequence[int]) -> dict[str, list[Any]]:
        made = roots(self._connection, ids)
        current: list[Roots] = [made.get((one, self._states[one].epoch), empty(one)) for one in ids]
        return {
            "content_root": [one.content.hex() for one in current],
            "bytes_root": [one.bytes.hex() for one in current],
            "frames_digest": [self._summed[one].hexdigest() for one in ids],
        }

    def _histories(self, ids: Sequence[int]) -> dict[str, list[Any]]:
        found = {}
        for table in HISTORIES:
            said: dict[int, list[Any]] = {one: [] for one in ids}
            for row in taking.rows_of(self._connection, self._dialect, table, ids):
                said[row[table.at("stream_id")]].append(_told(table, row))
            found[history_column(table)] = [json.dumps(said[one], separators=(",", ":")) for one in ids]
        return found


def _told(table: Exported, row: Sequence[Any]) -> dict[str, Any]:
    """Return a row by the names of the archive's columns; bytes in hex."""
    pairs = zip(table.columns, row, strict=True)
    return {
        column.stored: value.hex() if isinstance(value, bytes) else value for column, value in pairs if column.stored
    }


def unnamed(batch: Batch, before: Mapping[int, Named]) -> Batch:
    """Return what of a batch is not named in that version already."""
    left = tuple(
        one for one in batch.named if one.stream_id not in before or before[one.stream_id].version != one.version
    )
    if len(left) == len(batch.named):
        return batch
    pa, compute = need("pyarrow", "lake"), need("pyarrow.compute", "lake")
    own = compute.field("stream_id").isin(pa.array([one.stream_id for one in left], pa.int64()))
    return Batch(left, {name: rows.filter(own) for name, rows in batch.tables.items()})


def replacing(batch: Batch, before: Mapping[int, Named]) -> Batch:
    """Return a batch whose rows of `streams` tell which versions they replace: those rows are still to be removed."""
    pa = need("pyarrow", "lake")
    named = tuple(_behind(one, before.get(one.stream_id)) for one in batch.named)
    by_id = {one.stream_id: one for one in named}
    rows = batch.tables[STREAMS.name]
    own = [by_id[one] for one in rows.column("stream_id").to_pylist()]
    dates = [None if one.replaced_date is None else date.fromisoformat(one.replaced_date) for one in own]
    values = {"replaced_version": [one.replaced_version for one in own], "replaced_date": dates}
    for name, said in values.items():
        at = rows.schema.get_field_index(name)
        field = rows.schema.field(at)
        rows = rows.set_column(at, field, pa.array(said, field.type))
    return Batch(named, {**batch.tables, STREAMS.name: rows})


def _behind(now: Named, before: Named | None) -> Named:
    if before is None or before.version == now.version:
        return now
    return replace(now, replaced_version=before.version, replaced_date=before.match_date)
