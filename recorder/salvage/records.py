"""A record in SQLite's format as values. Source: https://www.sqlite.org/fileformat2.html, section 2.1."""

from __future__ import annotations

import struct

from recorder.salvage.btree import varint

Value = int | float | str | bytes | None

_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_FLOAT, _ZERO, _ONE = 7, 8, 9


class NoRecord(ValueError):
    """The bytes are no record."""


def decode(payload: bytes, size: int) -> list[Value]:
    """Return the values of a record of ``size`` bytes, of which ``payload`` is the beginning, or all.

    Where the rest is missing the list is shorter by what it would have held. Raises NoRecord.
    """
    types = _types(payload)
    header, _ = varint(payload, 0)
    lengths = [_length(kind) for kind in types]
    if header + sum(lengths) != size:
        raise NoRecord("its lengths do not make its size")
    values, at = list[Value](), header
    for kind, length in zip(types, lengths, strict=True):
        if at + length > len(payload):
            break
        values.append(_value(kind, payload[at : at + length]))
        at += length
    return values


def _types(payload: bytes) -> list[int]:
    try:
        header, at = varint(payload, 0)
        types = []
        while at < header:
            kind, at = varint(payload, at)
            types.append(kind)
    except IndexError:
        raise NoRecord("its header is cut") from None
    if at != header:
        raise NoRecord("its header does not end where it says")
    return types


def _length(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    if kind in (10, 11):
        raise NoRecord("a value of no known kind")
    return 8 if kind == _FLOAT else _INTEGERS.get(kind, 0)


def _value(kind: int, data: bytes) -> Value:
    if kind >= 12:
        return data if kind % 2 == 0 else _text(data)
    if kind == _FLOAT:
        return float(struct.unpack(">d", data)[0])
    if kind in (0, _ZERO, _ONE):
        return None if kind == 0 else kind - _ZERO
    return int.from_bytes(data, signed=True)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NoRecord("text that is none") from None
