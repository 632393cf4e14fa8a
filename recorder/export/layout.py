"""Which file is where in an export: directories that every engine reads as partitions, names that nothing breaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from recorder.export.columns import Exported
from recorder.model import Stream, digest

MANIFEST = "manifest.json"
DECIDED = ".manifest.json"
"""The manifest of an export whose files are complete, and are being put to their places."""
UNFINISHED = ".unfinished"
"""There while an export writes, and after one that was killed."""
TEMPORARY = ".part-"
"""What the name of a file that is not in its place yet begins with, directly in the export's directory."""


def partition(stream: Stream, date: str) -> str:
    """Return the directory of a stream's rows within that of a table: ``feed=…/sport=…/date=…``."""
    return f"feed={stream.feed}/sport={_encoded(stream.sport)}/date={date}"


def part_path(table: Exported, partition: str, number: int, suffix: str) -> str:
    """Return where the rows of a partition are: ``actions/feed=…/sport=…/date=…/part-0.parquet``."""
    return f"{table.name}/{partition}/part-{number}{suffix}"


def table_path(table: Exported, suffix: str) -> str:
    """Return where the rows of all streams of a small table are: ``sessions/sessions.parquet``."""
    return f"{table.name}/{table.name}{suffix}"


def staged(directory: Path, path: str) -> Path:
    """Return where the file waits that is to be at ``path``, under a name that no reader's glob matches."""
    return directory / f"{TEMPORARY}{digest(path.encode()).hex()}"


def date_of(micros: int) -> str:
    """Return the UTC date of microseconds since 1970, ``YYYY-MM-DD``."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).date().isoformat()


def _encoded(name: str) -> str:
    encoded = quote(name, safe="")
    # What begins with a dot or an underscore is hidden from Spark and Arrow.
    return f"%{ord(encoded[0]):02X}{encoded[1:]}" if encoded[:1] in (".", "_") else encoded
