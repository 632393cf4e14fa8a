"""A large archive for those who read actions: the bundled matches, and copies of their rows without the messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, text

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.model import Stream
from recorder.operations import Operation
from tests.archive.filling import Filled, stream_of
from tests.vendor import Match, load, names

_COPIED = (tables.stream, tables.epoch, tables.session, tables.action)


def fill(filled: Filled, copies: int, told: Callable[[Match], Sequence[Operation]]) -> int:
    """Record every match once, copy its rows but for frames under other names; return how many actions there are.

    ``told``: what is stored of a match.
    """
    streams = []
    for name in names():
        filled.write(*told(match := load(name)))
        streams.append(stream_of(match))
    parsed, dialect = parse_url(filled.url)
    with dialect.writer(parsed).connect() as connection:
        for stream in streams:
            with connection.begin():
                for copy in range(1, copies):
                    _copy(connection, stream, Stream(stream.feed, stream.sport, f"{stream.fixture_id}-{copy}"))
        with connection.begin():
            return int(connection.execute(text("SELECT count(*) FROM action")).scalar_one())


def _copy(connection: Connection, stream: Stream, other: Stream) -> None:
    for table in _COPIED:
        said = {"stream_id": ":other", "fixture_id": ":fixture"}
        columns = ", ".join(said.get(name, name) for name in table.columns.keys())  # noqa: SIM118
        statement = f"INSERT INTO {table.name} SELECT {columns} FROM {table.name} WHERE stream_id = :stream"
        asked = {"other": other.stream_id, "stream": stream.stream_id, "fixture": other.fixture_id}
        connection.execute(text(statement), {key: value for key, value in asked.items() if f":{key}" in statement})
