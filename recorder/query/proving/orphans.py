"""Rows of streams that no stream row names: whoever lost that row has lost the way to them."""

from __future__ import annotations

from collections.abc import Iterator

from recorder import clock
from recorder.query.proving.certificate import Certificate, Finding, Nameless
from recorder.query.reading import Reader

_TABLES = ("epoch", "session", "frame", "action", "gap", "audit")


def orphans(reader: Reader) -> Iterator[Certificate]:
    """Yield a report of every stream that has rows and no name."""
    found: dict[int, Certificate] = {}
    with reader.connection.begin():
        reader.dialect.stand_still(reader.connection)
        known = {row[0] for row in reader.rows("SELECT stream_id FROM stream")}
        for table in _TABLES:
            for stream_id in _ids(reader, table):
                if stream_id not in known:
                    report = found.setdefault(stream_id, Certificate(Nameless(stream_id), verified_us=clock.wall_us()))
                    report.add(Finding("stream", f"no row names it, and there are rows of it in the table {table}"))
    yield from found.values()


def _ids(reader: Reader, table: str) -> Iterator[int]:
    """Yield each stream's id once, by the key: DISTINCT would read every row."""
    statement = f'SELECT min(stream_id) FROM "{table}"'
    [(stream_id,)] = reader.rows(statement)
    while stream_id is not None:
        yield stream_id
        [(stream_id,)] = reader.rows(f"{statement} WHERE stream_id > :id", {"id": stream_id})
