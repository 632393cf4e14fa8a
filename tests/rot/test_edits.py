"""O8: rows that somebody edits by hand. Each column is proven, or is on the list of those that nothing can prove."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recorder.archive import tables
from tests.archive.filling import stream_of
from tests.rot.conftest import CROATIA, SNOOKER
from tests.rot.spoiling import Spoiled
from tests.rot.test_rot import change, rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "verify.md"
BEFORE = ["complete", "unproven"]


def documented() -> dict[str, set[str]]:
    """Return the columns that docs/verify.md says nothing can prove, by table."""
    text = DOCUMENT.read_text().partition("| table | columns that nothing can prove |")[2]
    lines = [line.split("|") for line in text.splitlines()[2:] if line.startswith("|")]
    return {cells[1].strip().strip("`"): {name.strip().strip("`") for name in cells[2].split(",")} for cells in lines}


def edited(column: Any, value: Any) -> Any:
    """Return another value of the same type: the least that a hand can change."""
    kind = column.type.python_type
    if kind is bool:
        return not value
    if kind is int:
        return 1 if value is None else value + 1
    if kind is bytes:
        return b"0123456789abcdef"
    return "1" if value is None else value + "1"


@pytest.mark.parametrize("table", ["stream", "epoch", "session", "frame", "action", "gap", "audit"])
def test_each_column_of_each_row(spoiled: Spoiled, table: str) -> None:
    """Those on the documented list change no verdict, all others do: the list is neither too short nor too long."""
    match = SNOOKER if table in ("gap", "audit", "epoch") else CROATIA
    row = rows(spoiled, table, stream_of(match).stream_id)[-1]
    unseen = set()
    for column in tables.metadata.tables[table].columns:
        told = spoiled.verdicts(change(table, row, **{column.name: edited(column, row[column.name])}))
        if sorted(told) == BEFORE:
            unseen.add(column.name)
    assert unseen == documented().get(table, set())
