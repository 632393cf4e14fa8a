"""A large archive, quickly: some real recordings, and copies of all their rows under other names."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.recording.packets import match_of, streams
from recorder.archive import tables
from recorder.archive.writer import Writer
from tests.archive.filling import empty, recorded

_ORIGINALS = 10
_COPIED = ("stream", "epoch", "session", "frame", "action")

FIRST = 1_000_000
"""Where the names of these streams begin: no benchmark records one of them."""


def fill(path: Path, count: int, length: int) -> list[int]:
    """Make an archive of so many streams of so many actions each, with their frames; return the ids of the streams.

    The copies' frames hold the bytes of their originals, other fixture ids among them: good to be searched and read
    past, not to be verified.
    """
    path.write_bytes(empty())
    made = streams(count, FIRST)
    originals = made[:_ORIGINALS]
    with Writer(f"sqlite:///{path}") as writer:
        for number, stream in enumerate(originals):
            writer.submit(recorded(match_of(stream, number, length)))
            writer.flushed().result()
    copies = sorted(
        (stream.stream_id, originals[at % len(originals)].stream_id, stream.fixture_id)
        for at, stream in enumerate(made)
        if at >= len(originals)
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for stream_id, original, fixture_id in copies:
            connection.execute("BEGIN")
            for name in _COPIED:
                connection.execute(_copying(name), {"stream_id": stream_id, "from": original, "fixture_id": fixture_id})
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return [stream.stream_id for stream in made]


def _copying(name: str) -> str:
    columns: Sequence[str] = tables.metadata.tables[name].c.keys()
    new = {"stream_id": ":stream_id"} | ({"fixture_id": ":fixture_id"} if name == "stream" else {})
    selected = ", ".join(new.get(column, column) for column in columns)
    return f"INSERT INTO {name} ({', '.join(columns)}) SELECT {selected} FROM {name} WHERE stream_id = :from"
