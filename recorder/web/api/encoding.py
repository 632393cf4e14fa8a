"""Rows of the views as JSON, each column as `recorder timeline --format json` has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import msgspec

from recorder.query.rows import Json, View, kinds

IDS = frozenset({"stream_id", "session_id", "gap_id"})
"""Columns of numbers that pass 2^53, which JSON's readers would round: text."""

_CONVERTED: dict[Any, Callable[[Any], Any]] = {
    bool: bool,
    # It is JSON already: taken as it stands, so that no number in it loses a digit.
    Json: lambda text: msgspec.Raw(text.encode()),
}


@cache
def _conversions(view: type[View]) -> list[tuple[str, Callable[[Any], Any] | None]]:
    return [(name, str if name in IDS else _CONVERTED.get(kind)) for name, kind in kinds(view).items()]


def plain(view: type[View], row: Any) -> dict[str, Any]:
    """Return a row of a view, as a reading connection gives it, as JSON can hold it: ids and times as text."""
    found = {}
    for name, convert in _conversions(view):
        value = getattr(row, name)
        found[name] = convert(value) if convert is not None and value is not None else value
    return found


def page(view: type[View], rows: Iterable[Any], following: str | None) -> bytes:
    """Return the JSON of a part of a list; ``following``: the cursor of the next part."""
    return listed([plain(view, row) for row in rows], following)


def listed(items: Sequence[Any], following: str | None) -> bytes:
    """Return the JSON of these items, whatever they are."""
    return msgspec.json.encode({"items": items, "next": following})
