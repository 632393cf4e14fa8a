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

from recorder.cli.table import print_table
from recorder.logs import printable
from recorder.query.rows import Json, known_columns

# Control characters (a line break is none: JSON has escaped it, csv quotes it) those that turn the writing round,
# and what some readers take for the end of a line.
_OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def write(
    rows: Iterable[Mapping[str, Any]],
    form: Format,
    table: Sequence[str],
    columns: Sequence[str] = (),
    *,
    paged: bool = True,
) -> None:
    """Print ``rows``; ``table`` names the columns that a person wants to see, the other formats have them all.

    ``columns`` gives the csv its header when there are no rows. ``paged``: a table longer than the terminal goes
    through the pager.
    """
    if form is Format.TABLE:
        print_table(([_cell(name, row[name]) for name in table] for row in rows), table, paged=paged)
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


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if known_columns().get(name) is bool:
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
        elif known_columns().get(name) is bool:
            plain[name] = bool(value)
        elif known_columns().get(name) is Json and isinstance(value, str):
            plain[name] = json.loads(value)
        elif name in ("stream_id", "session_id"):
            plain[name] = str(value)
        else:
            plain[name] = value
    return plain
