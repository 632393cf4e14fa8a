"""Percentiles, one definition for both databases: nearest rank, the smallest value that so many per cent do not pass.

Ranks are whole numbers and values are stored ones, so nothing is interpolated and nothing rounded: both databases give
the same. The database sorts; a row for each percentile comes back, however many values there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Row

from recorder.query.reading import Reader

N = TypeVar("N", int, float)

_RANKS = ", ".join(f"(n * {percent} + 99) / 100" for percent in (50, 95, 99, 100))


@dataclass(frozen=True, slots=True)
class Spread:
    """How values spread, in milliseconds; None where there are none. ``count``: over how many this speaks."""

    count: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


NOTHING = Spread()


def spread(reader: Reader, values: str, parameters: Mapping[str, Any]) -> Spread:
    """Return the spread of the column ``value`` (microseconds) of the SELECT ``values``."""
    return spreads(reader, f"SELECT 1 AS kind, value FROM ({values}) v", parameters).get(1, NOTHING)


def spreads(reader: Reader, values: str, parameters: Mapping[str, Any]) -> dict[Any, Spread]:
    """Return the spread of ``value`` (microseconds) for each ``kind`` of the SELECT ``values``, in its order."""
    rows = reader.rows(
        f"""
        SELECT kind, value, place, n FROM (
          SELECT kind, value, row_number() OVER (PARTITION BY kind ORDER BY value) AS place,
            count(*) OVER (PARTITION BY kind) AS n
          FROM ({values}) v
        ) ranked
        WHERE place IN ({_RANKS}) ORDER BY kind, place""",
        parameters,
    )
    return {kind: _spread(found) for kind, found in groupby(rows, key=lambda row: row.kind)}


def _spread(rows: Iterable[Row[Any]]) -> Spread:
    by_rank, count = {}, 0
    for row in rows:
        by_rank[row.place], count = row.value, row.n
    return Spread(count, *(by_rank[nearest_rank(count, percent)] / 1000 for percent in (50, 95, 99, 100)))


def nearest_rank(count: int, percent: int) -> int:
    """Return which of ``count`` ordered values, from 1, is the percentile."""
    return (count * percent + 99) // 100


def least(*values: N | None) -> N | None:
    """Return the least value that there is; None when there is none."""
    return min((value for value in values if value is not None), default=None)


def greatest(*values: N | None) -> N | None:
    """Return the greatest value that there is; None when there is none."""
    return max((value for value in values if value is not None), default=None)
