"""What has become durable behind what is known: asked several times a second, so by key and for many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.query.reading import Reader


@dataclass(frozen=True, slots=True)
class Range:
    """Places in the list of a stream: from the position ``first`` to below ``end``."""

    stream_id: int
    epoch: int
    first: int
    end: int


_ENDS = f"""
SELECT stream_id, epoch,
  coalesce((SELECT max(a.position) FROM action a WHERE a.stream_id = c.stream_id AND a.epoch = c.epoch), -1) + 1
    AS actions
FROM (SELECT s.stream_id AS stream_id, {views.current_epoch("s")} AS epoch FROM stream s WHERE {{which}}) c
WHERE epoch IS NOT NULL"""
_AT_ONCE = 200
"""Streams in one statement: SQLite takes 32,766 parameters, and expressions of 1,000 levels."""


def ends(reader: Reader, stream_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """Return of each of these streams its current epoch and how many actions that has."""
    wanted = sorted(stream_ids)
    found: dict[int, tuple[int, int]] = {}
    for first in range(0, len(wanted), _AT_ONCE):
        named = {f"id_{at}": stream_id for at, stream_id in enumerate(wanted[first : first + _AT_ONCE])}
        found |= _ends(reader, f"s.stream_id IN ({', '.join(f':{name}' for name in named)})", named)
    return found


def open_ends(reader: Reader) -> dict[int, tuple[int, int]]:
    """Return the same of every stream that has not ended; it takes a look by key at each."""
    return _ends(reader, "s.ended IS NULL", {})


def actions_in(reader: Reader, ranges: Sequence[Range]) -> list[Row[Any]]:
    """Return the rows of `actions` in these ranges, ``known_until`` NULL, by stream and position."""
    found: list[Row[Any]] = []
    for first in range(0, len(ranges), _AT_ONCE):
        found += _actions_in(reader, ranges[first : first + _AT_ONCE])
    return sorted(found, key=lambda row: (row.stream_id, row.position))


def _ends(reader: Reader, which: str, parameters: Mapping[str, int]) -> dict[int, tuple[int, int]]:
    rows = reader.rows(_ENDS.format(which=which), parameters)
    return {row.stream_id: (row.epoch, row.actions) for row in rows}


def _actions_in(reader: Reader, ranges: Sequence[Range]) -> list[Row[Any]]:
    # A list of places would be shorter, but SQLite would go through all actions to look each up in it.
    where = " OR ".join(
        f"(a.stream_id = :s_{at} AND a.epoch = :e_{at} AND a.position >= :f_{at} AND a.position < :l_{at})"
        for at in range(len(ranges))
    )
    named = {
        f"{name}_{at}": value
        for at, each in enumerate(ranges)
        for name, value in (("s", each.stream_id), ("e", each.epoch), ("f", each.first), ("l", each.end))
    }
    return reader.rows(views.arrivals(reader.dialect, f"({where})"), named)
