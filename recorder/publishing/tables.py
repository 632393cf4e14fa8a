"""The tables of a lake: those of an export, with the match's version, and partitioned by sport and match date.

A row belongs to a version of its match: a number made of all that the archive holds of it (`version_of`). A row counts
when `streams` names its stream in that version; nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from recorder.export.columns import ACTIONS, AUDITS, EPOCHS, GAPS, RAW_FRAMES, SESSIONS, STREAMS, Exported
from recorder.extras import need

STREAMS_NAME = STREAMS.name
DATA = (ACTIONS, RAW_FRAMES)
"""The tables that hold the rows; ``streams`` is committed behind them."""
NAMES = (ACTIONS.name, RAW_FRAMES.name, STREAMS.name)
KEYS = {
    ACTIONS.name: ("stream_id", "epoch", "position"),
    RAW_FRAMES.name: ("stream_id", "session_id", "frame_number"),
    STREAMS.name: ("stream_id",),
}
"""In which order rows are told apart."""

PARTITIONS = ("sport", "match_date")
HISTORIES = (EPOCHS, SESSIONS, GAPS, AUDITS)
"""A few rows for each stream: a column of `streams` holds each, as a JSON array of what the archive stores."""

_MARK_DIGITS = 13


def version_of(mark: str) -> int:
    """Return the version that a mark (`export.state.State`) stands for: 52 bits of it, which JSON can carry; not 0."""
    return int(mark[:_MARK_DIGITS], 16) + 1


def schema(name: str) -> Any:
    """Return the schema of a table as pyarrow's."""
    pa = need("pyarrow", "lake")
    lead = [("stream_id", pa.int64()), ("version", pa.int64()), ("feed", pa.string()), *_partitions(pa)]
    if name == STREAMS.name:
        rest = [field for field in STREAMS.schema() if field.name not in ("stream_id", "feed", "sport")]
        return pa.schema([*lead, *rest, *_proofs(pa)])
    table = ACTIONS if name == ACTIONS.name else RAW_FRAMES
    return pa.schema([*lead, *(field for field in table.schema() if field.name != "stream_id")])


def file_schema(name: str) -> Any:
    """Return the schema of a plain Parquet file: what its path tells is not in it."""
    found = schema(name)
    return need("pyarrow", "lake").schema([field for field in found if field.name not in PARTITIONS])


def _partitions(pa: Any) -> list[tuple[str, Any]]:
    return [("sport", pa.string()), ("match_date", pa.date32())]


def _proofs(pa: Any) -> list[tuple[str, Any]]:
    """Return what `streams` has beside the export's columns.

    The roots are those of the current list, as `recorder verify` prints them, ``frames_digest`` the SHA-256 of all
    messages' digests. ``replaced_…``: the version before this one, while its rows are still to be removed.
    """
    texts = ("content_root", "bytes_root", "frames_digest", *map(history_column, HISTORIES))
    return [*((name, pa.string()) for name in texts), ("replaced_version", pa.int64()), ("replaced_date", pa.date32())]


def history_column(table: Exported) -> str:
    """Return the column of `streams` that holds a small table's rows: ``session_rows``."""
    return f"{table.behind.name}_rows"


def placed(rows: Any, name: str, places: Mapping[int, tuple[int, str, str, str]]) -> Any:
    """Return an export's table with the leading columns of a lake's.

    ``places``: of each stream its version, feed, sport and match date (``YYYY-MM-DD``).
    """
    wanted = schema(name)
    pa = need("pyarrow", "lake")
    said = list(zip(*(places[one] for one in rows.column("stream_id").to_pylist()), strict=True)) or [()] * 4
    told: dict[str, Sequence[Any]] = dict(zip(("version", "feed", "sport"), said, strict=False))
    told["match_date"] = [date.fromisoformat(text) for text in said[3]]
    arrays = [
        pa.array(told[field.name], field.type) if field.name in told else rows.column(field.name) for field in wanted
    ]
    return pa.Table.from_arrays(arrays, schema=wanted)
