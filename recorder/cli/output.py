"""Data to stdout: a table for people, json, jsonl or csv for everything else."""

from __future__ import annotations

import base64
import csv
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from recorder.logs import printable

# Control characters (a line break is none: JSON has escaped it, csv quotes it) and those that turn the writing round.
_OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_JSON_COLUMNS = frozenset({"metadata", "extra", "related_action_ids"})
_FLAGS = frozenset({"finished", "confirmed", "ours", "recorded_from_start"})


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def write(rows: Iterable[Mapping[str, Any]], form: Format, table: Sequence[str], columns: Sequence[str] = ()) -> None:
    """Print ``rows``; ``table`` names the columns that a person wants to see, the other formats have them all.

    ``columns`` gives the csv its header when there are no rows.
    """
    if form is Format.TABLE:
        _write_table(rows, table)
    elif form is Format.CSV:
        _write_csv(rows, columns or table)
    elif form is Format.JSONL:
        for row in rows:
            sys.stdout.write(_json(_plain(row)) + "\n")
    else:
        sys.stdout.write(_json([_plain(row) for row in rows], indent=2) + "\n")


def _json(value: object, indent: int | None = None) -> str:
    """Return JSON in which everything that a terminal would obey is escaped; it reads back as the same."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    header: list[str] | None = None
    for row in rows:
        if header is None:
            header = list(row)
            writer.writerow(header)
        writer.writerow([_OBEYED.sub(lambda found: printable(found[0]), _cell(name, row[name])) for name in header])
    if header is None:
        writer.writerow(columns)


def _write_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name.replace("_", " "), no_wrap=True)
    for row in rows:
        table.add_row(*(printable(_cell(name, row[name])) for name in columns))
    # A pipe has no width: never cut what a script may read.
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, markup=False, emoji=False)
    # Captured, because rich itself answers a reader that has gone (`| head`) with exit code 1.
    with console.capture() as capture:
        console.print(table)
    sys.stdout.write(capture.get())


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if name in _FLAGS:
        return "yes" if value else "no"
    return str(value)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON can hold it: ids as text (they pass 2^53), JSON columns as what they are."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        if value is None:
            plain[name] = None
        elif isinstance(value, bytes):
            plain[name] = base64.b64encode(value).decode()
        elif name in _FLAGS:
            plain[name] = bool(value)
        elif name in _JSON_COLUMNS and isinstance(value, str):
            plain[name] = json.loads(value)
        elif name in ("stream_id", "session_id"):
            plain[name] = str(value)
        else:
            plain[name] = value
    return plain
