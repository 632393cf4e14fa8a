"""One action's row against the frame that it was read from: what its columns are by the parser as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import astuple
from sqlalchemy import Row

from recorder.archive import tables
from recorder.feed.parsed import Parsed, parsed_of
from recorder.model import digest
from recorder.query.evidence import DERIVED, as_bytes

COLUMNS = tuple(tables.action.columns.keys())

_FIRST = COLUMNS.index(DERIVED[0])
_FLAG = DERIVED.index("finished")


@dataclass(frozen=True, slots=True)
class Derivation:
    """What the frame of one action says.

    ``values``: what belongs into `DERIVED`, as the table holds it; None where the frame is not the one that the row was
    made from, and ``damage`` then says why. ``differing``: each column that is not so, what it is and what it ought to
    be.
    """

    values: tuple[Any, ...] | None = None
    differing: tuple[tuple[str, Any, Any], ...] = ()
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class _Bearer:
    """A frame that is taken for what it was: ``damage`` says why it cannot be."""

    digest: bytes | None = None
    packets: Sequence[Parsed] = ()
    damage: str | None = None


def derivations(rows: Iterable[Row[Any]]) -> Iterator[Derivation]:
    """Yield what comes out of each row: `COLUMNS`, then ``begins``, ``digest`` and ``payload`` of its frame.

    Of the rows that one frame bears, one behind the other, only the first one ``begins`` it and brings its bytes: a
    frame may be a megabyte and bear a thousand actions. ``digest`` is None where there is no frame.
    """
    bearer = _Bearer()
    for row in rows:
        if row.begins:
            bearer = _bearer(row)
        yield _derive(row, bearer)


def _bearer(row: Row[Any]) -> _Bearer:
    if row.digest is None:
        return _Bearer(damage="the frame that it was read from is not there")
    payload = as_bytes(row.payload)
    if digest(payload) != row.digest:
        return _Bearer(damage="the bytes of the frame that it was read from do not make their digest")
    return _Bearer(row.digest, parsed_of(payload))


def _derive(row: Row[Any], bearer: _Bearer) -> Derivation:
    damage = bearer.damage or _misplaced(row, bearer)
    if damage is not None:
        return Derivation(damage=damage)
    again = bearer.packets[row.part]
    if again.content != row.content_digest:
        return Derivation(damage="the digest of its content is not that of what its frame bears")
    values = astuple(again.fields)
    pairs = zip(DERIVED, _stored(row), values, strict=True)
    return Derivation(values, tuple((name, here, there) for name, here, there in pairs if here != there))


def _stored(row: Row[Any]) -> list[Any]:
    stored = list(row[_FIRST : _FIRST + len(DERIVED)])
    if stored[_FLAG] in (0, 1):
        stored[_FLAG] = bool(stored[_FLAG])  # SQLite has numbers for it
    return stored


def _misplaced(row: Row[Any], bearer: _Bearer) -> str | None:
    if row.frame_digest != bearer.digest:
        return "the frame that it was read from is another one now"
    if not 0 <= row.part < len(bearer.packets):
        return f"the frame that it was read from bears no action {row.part}"
    return None
