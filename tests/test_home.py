"""Where the rows of a run go, when that is a file of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from recorder.home.local import Home
from recorder.model import Stream
from tests.archive.filling import open_stream


@pytest.fixture
def connects() -> Iterator[list[object]]:
    """What was connected to a database since the test began."""
    made: list[object] = []

    def connected(connection: object, _record: object) -> None:
        made.append(connection)

    event.listen(Engine, "connect", connected)
    yield made
    event.remove(Engine, "connect", connected)


def test_many_streams_are_asked_for_over_one_connection(tmp_path: Path, connects: list[object]) -> None:
    """A connection, and all statements put together, for each of thousands kept the loop from its sockets."""
    streams = [Stream("betting", "soccer", f"{number:08d}-0000-4000-8000-000000000000") for number in range(50)]
    home = Home(f"sqlite:///{tmp_path / 'recorder.db'}", lambda: None)
    try:
        home.writer.submit([open_stream(stream) for stream in streams[::2]])
        home.writer.flushed().result()
        connects.clear()

        async def ask() -> list[bool]:
            taken = await asyncio.gather(*(home.take(stream.stream_id) for stream in streams))
            return [stored is not None and stored.last_epoch == 0 for stored in taken]

        assert all(asyncio.run(ask()))
        assert len(connects) == 1
    finally:
        home.close()
