"""The exported tables: their columns, what each is in Arrow, and the SELECT that fills them from an archive.

Most columns are those of the view of the same name. Feed, sport and date of what is partitioned are told by the path
alone: some readers refuse a column that is in both. Values leave the database as they are stored (microseconds,
fixed-point text, JSON text, bytes) and become what they are in Arrow, a column at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy import Table

from recorder.archive import tables, views
from recorder.archive.dialect import Dialect
from recorder.extras import need
from recorder.query import arrow, rows
from recorder.query.rows import kinds

_IDS = {"stream_id", "session_id", "gap_id", "audit_id", "previous_id", "last_gap_id"}
_IN_PATH = {"feed", "sport"}


@dataclass(frozen=True, slots=True)
class Column:
    """``kind``: as of `rows.kinds`. ``stored``: the column of the table behind it, "" where there is none."""

    name: str
    kind: Any
    stored: str

    @property
    def is_id(self) -> bool:
        """Whether it is a number that passes 2^53: text in JSON."""
        return self.name in _IDS


class Action(rows.Action, frozen=True):
    """``is_current``: whether the epoch is the one that users see."""

    is_current: bool


class RawFrame(rows.RawFrame, frozen=True):
    """With the receiver's own clock, and 16 bytes of the SHA-256 of the payload."""

    channel: str
    monotonic_ns: int
    digest: bytes


class StreamRow(rows.StreamRow, frozen=True):
    """With what the view leaves out."""

    speed: str
    starts_at: datetime | None
    created_at: datetime
    ended: str | None
    rest_label: str | None
    rest_competition: str | None
    rest_home_team_id: str | None
    rest_home_team: str | None
    rest_away_team_id: str | None
    rest_away_team: str | None
    rest_starts_at: datetime | None


class Session(rows.Session, frozen=True):
    """With the receiver's own clock, the session before it, the newest gap, and the head of its chain."""

    opened_ns: int
    previous_id: int | None
    last_gap_id: int | None
    chained: int | None
    chain: bytes | None


class Gap(rows.Gap, frozen=True):
    """With the gap before it."""

    previous_id: int | None


class Audit(rows.View, frozen=True):
    """What came of asking the vendor again: `model.Audit`."""

    stream_id: int
    fixture_id: str
    audit_id: int
    asked: str
    began_at: datetime
    ended_at: datetime
    session_id: int | None
    epoch: int
    listed: int
    equal: int
    late: int
    changed_at: int | None
    root: bytes | None
    verdict: str
    detail: str


class Epoch(rows.View, frozen=True):
    """A version of the vendor's list: which it changed, where, its chain; ``current_at``: since when users see it."""

    stream_id: int
    fixture_id: str
    epoch: int
    parent: int | None
    fork_position: int | None
    created_at: datetime
    current_at: datetime | None
    why: str | None
    chained: int | None
    chain: bytes | None


@dataclass(frozen=True)
class Exported:
    """One table of an export: rows of ``row``, which are kept in ``behind``; partitioned, or all in one file."""

    name: str
    row: type[rows.View]
    behind: Table
    is_partitioned: bool = False

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of its files."""
        left_out = _IN_PATH if self.is_partitioned else ()
        found = ((name, kind) for name, kind in kinds(self.row).items() if name not in left_out)
        return tuple(Column(name, kind, _stored(name, kind, self.behind.columns.keys())) for name, kind in found)

    def schema(self, columns: Sequence[Column] = ()) -> Any:
        """Return the schema of its files, or of some of their columns, as pyarrow's."""
        known = arrow.schema(self.row)
        return need("pyarrow", "export").schema([known.field(column.name) for column in columns or self.columns])

    def column(self, name: str) -> Column:
        """Return the column of a name."""
        return self.columns[self.at(name)]

    def at(self, name: str) -> int:
        """Return the place of a column in a row."""
        return [column.name for column in self.columns].index(name)


def _stored(name: str, kind: Any, there: Collection[str]) -> str:
    stored = name.removesuffix("_at").removesuffix("_time") + "_us" if kind is datetime else name
    return stored if stored in there else ""


ACTIONS = Exported("actions", Action, tables.action, is_partitioned=True)
RAW_FRAMES = Exported("raw_frames", RawFrame, tables.frame, is_partitioned=True)
STREAMS = Exported("streams", StreamRow, tables.stream)
SESSIONS = Exported("sessions", Session, tables.session)
GAPS = Exported("gaps", Gap, tables.gap)
EPOCHS = Exported("epochs", Epoch, tables.epoch)
AUDITS = Exported("audits", Audit, tables.audit)
TABLES = {table.name: table for table in (ACTIONS, RAW_FRAMES, STREAMS, SESSIONS, GAPS, EPOCHS, AUDITS)}
"""Every table of an export by its name, which is also that of its directory."""

PARTITIONED = (ACTIONS, RAW_FRAMES)
SMALL = (STREAMS, SESSIONS, GAPS, EPOCHS, AUDITS)
"""A few rows for each stream: one file holds those of all streams."""


def select(table: Exported, dialect: Dialect) -> str:
    """Return the SELECT of the rows of the streams ``:ids``, in the order of their keys.

    That of ACTIONS leaves ``known_until`` and ``is_current`` NULL: over the view that has the first an export takes
    twice as long, since a window carries every column of every row.
    """
    raw = replace(
        dialect, time=lambda column: f"({column})", number=lambda column: column, document=lambda column: column
    )
    if table is ACTIONS:
        source = f"({views.arrivals(raw, 's.stream_id IN :ids')}) v"
        return _select(table, source, "v.stream_id, v.epoch, v.position", {"is_current": "NULL"})
    joined = "v JOIN stream s ON s.stream_id = v.stream_id WHERE v.stream_id IN :ids"
    if table is STREAMS:
        seen = kinds(rows.StreamRow)
        unseen = {column.name: f"s.{column.stored}" for column in table.columns if column.name not in seen}
        return _select(table, f"({views.streams(raw)}) {joined}", "v.stream_id", unseen)
    own = {one.name: f"v.{one.stored}" if one.stored else f"s.{one.name}" for one in table.columns}
    keys = ", ".join(f"v.{key.name}" for key in table.behind.primary_key)
    return _select(table, f"{table.behind.name} {joined}", keys, own)


def _select(table: Exported, source: str, order: str, own: Mapping[str, str]) -> str:
    said = (f"{own.get(column.name, f'v.{column.name}')} AS {column.name}" for column in table.columns)
    return f"SELECT {', '.join(said)} FROM {source} ORDER BY {order}"


def to_arrow(table: Exported, columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> Any:
    """Turn values as they are stored, a sequence for each column, into a ``pyarrow.Table``."""
    pa, schema = need("pyarrow", "export"), table.schema(columns)
    if not values:
        return schema.empty_table()
    arrays = [
        _array(pa, column.kind, said, wanted)
        for column, said, wanted in zip(columns, values, schema.types, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(pa: Any, kind: Any, values: Sequence[Any], wanted: Any) -> Any:
    if kind is datetime:
        return pa.array(values, pa.int64()).cast(wanted)
    if kind is bool:
        # One database says true, the other 1.
        return pa.array([None if value is None else bool(value) for value in values], wanted)
    if kind is Decimal:
        return pa.array(values, pa.string()).cast(wanted)
    return pa.array(values, wanted)


def stored(part: Any, columns: Sequence[Column]) -> list[list[Any]]:
    """Return the values of columns of a ``pyarrow.Table`` as the archive stores them, the reverse of `to_arrow`."""
    int64 = need("pyarrow", "export").int64()
    found = []
    for column in columns:
        values = part.column(column.name)
        found.append((values.cast(int64) if column.kind is datetime else values).to_pylist())
    return found
