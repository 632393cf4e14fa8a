"""Which table a record is of, told by the record alone: how many values, of what kinds, saying what of themselves.

Columns that a later revision added stand at the end of a row, and are absent from rows that were written before: so a
record is of a table when it has at least the columns of the first revision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table

from recorder.archive import tables
from recorder.model import DIGEST_BYTES, Fields, Kind, Stream
from recorder.salvage.records import Value

_LEAST = {tables.stream: 11, tables.epoch: 7, tables.session: 23, tables.gap: 11, tables.action: 43}
"""Columns of the first revision, where later ones have added some."""

SAVED = (
    tables.stream, tables.epoch, tables.session, tables.frame, tables.action, tables.gap, tables.audit,
    tables.tombstone, tables.shipment, tables.lease, tables.recorder, tables.turns,
)  # fmt: skip
"""Every table whose rows are saved; `compatible` is written anew."""

FACTS = tables.action.columns.keys().index("action_id")
"""So many columns of an action say what happened; the others are read from its frame again."""

_PAYLOAD = tables.frame.columns.keys().index("payload")

_WORDS = {
    (tables.frame, "kind"): frozenset(Kind),
    (tables.frame, "opcode"): frozenset({"text", "binary"}),
    (tables.action, "arrival"): frozenset({"live", "catch_up", "audit"}),
    (tables.stream, "feed"): frozenset({"betting", "media"}),
}
_DIGESTS = frozenset({"digest", "content_digest", "frame_digest", "chain", "root"})
_COUNTED = frozenset({"stream_id", "session_id", "frame_number", "epoch", "position", "part", "gap_id", "audit_id"})

Check = Callable[[Value], bool]
Row = tuple[Value, ...]


@dataclass(frozen=True)
class _Shape:
    table: Table
    checks: tuple[Check, ...]
    defaults: Row
    least: int

    def fits(self, values: Sequence[Value]) -> bool:
        return self.least <= len(values) <= len(self.checks) and all(
            check(value) for check, value in zip(self.checks, values, strict=False)
        )


def table_of(values: Sequence[Value]) -> Table | None:
    """Return the table that a record is of; None: of none that is saved."""
    for shape in _BY_COUNT.get(len(values), ()):
        if shape.fits(values):
            return shape.table
    return None


def row_of(table: Table, values: Sequence[Value]) -> Row:
    """Return a record as a whole row of its table: columns that it was written without hold what they mean then.

    Bytes that somebody has made text of are bytes again; what proves them is their digest.
    """
    if table is tables.frame:
        payload = values[_PAYLOAD]
        payload = payload.encode() if isinstance(payload, str) else payload
        values = [*values[:_PAYLOAD], payload, *values[_PAYLOAD + 1 :]]
    return (*values, *_SHAPES[table].defaults[len(values) :])


def facts_of(values: Sequence[Value]) -> Row | None:
    """Return a row of ``action`` of which only the facts can be read; None where they are none.

    What was derived is left NULL: the frame has it.
    """
    facts = _SHAPES[tables.action].checks[:FACTS]
    if len(values) < FACTS or not all(check(value) for check, value in zip(facts, values, strict=False)):
        return None
    return (*values[:FACTS], *[None] * len(Fields.__struct_fields__), 0)


def key_of(table: Table, row: Sequence[Value]) -> Row:
    """Return the primary key of a row."""
    return tuple(row[: len(table.primary_key)])


def names_itself(row: Sequence[Value]) -> bool:
    """Say whether a row of ``stream`` has the id that its name makes."""
    stream_id, feed, sport, fixture_id, channel = row[:5]
    name = Stream(feed, str(sport), str(fixture_id), str(channel))  # type: ignore[arg-type]
    return name.stream_id == stream_id


def _check(table: Table, column: Column[object]) -> Check:
    words = _WORDS.get((table, column.name))
    if words is not None:
        return lambda value: value in words
    may_be_null = bool(column.nullable)
    if isinstance(column.type, Boolean):
        return lambda value: value in (0, 1) or (may_be_null and value is None)
    if column.name in _COUNTED and not may_be_null:
        return lambda value: isinstance(value, int) and value >= 0
    if column.name in _DIGESTS:
        return lambda value: len(value) == DIGEST_BYTES if isinstance(value, bytes) else may_be_null and value is None
    if column is tables.frame.c.payload:
        return lambda value: isinstance(value, bytes | str)
    kind = int if isinstance(column.type, BigInteger | Integer) else bytes if _is_blob(column) else str
    return lambda value: isinstance(value, kind) or (may_be_null and value is None)


def _is_blob(column: Column[object]) -> bool:
    return isinstance(column.type, LargeBinary)


def _shape(table: Table) -> _Shape:
    columns = list(table.columns)
    defaults = tuple(1 if column.server_default is not None else None for column in columns)
    checks = tuple(_check(table, column) for column in columns)
    return _Shape(table, checks, defaults, _LEAST.get(table, len(columns)))


_SHAPES = {table: _shape(table) for table in (*SAVED, tables.compatible)}
_BY_COUNT: dict[int, list[_Shape]] = {}
for _one in _SHAPES.values():
    for _count in range(_one.least, len(_one.checks) + 1):
        _BY_COUNT.setdefault(_count, []).append(_one)
