"""One open connection, held until it is over: real sockets, a real session and a real archive."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from recorder import clock
from recorder.archive.writer import Writer
from recorder.capture.conversation import Conversation
from recorder.config import TokenSource
from recorder.feed.ledger import Ledger
from recorder.feed.session import Answer, Session
from recorder.feed.timing import Timing
from recorder.ids import TimeOrderedIds
from recorder.model import StoredStream, Stream
from recorder.wire import dial
from tests.test_wire_sizes import switching


class Failing(Session):
    """A session with a bug: it cannot look at the clock."""

    def tick(self, now_ns: int, now_us: int, *, bytes_ns: int | None = None) -> Answer:
        raise ArithmeticError("the clock cannot be read")


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(switching(await reader.readuntil(b"\r\n\r\n")))
    await reader.read()
    writer.close()


def test_a_look_at_the_clock_that_fails_is_heard_of(tmp_path: Path) -> None:
    """What a timer of the loop raises reaches whoever holds the connection, which is dropped: nobody watches it."""
    token = tmp_path / "token"
    token.write_text("any")
    token.chmod(0o600)
    stream = Stream("betting", "snooker", "a4dfa47b-2d00-5356-80ef-593d90a87caa")
    timing = Timing(settle=0.01)

    async def main(writer: Writer) -> None:
        ledger = Ledger(stream, StoredStream(), TimeOrderedIds(0), 1)
        ledger.open_session()
        session = Failing(
            ledger,
            ledger.resume.ask(),
            session_id=1,
            opened_us=clock.wall_us(),
            opened_ns=clock.elapsed_ns(),
            until="finished",
            timing=timing,
        )
        held = Conversation(
            session, writer, lambda: None, lambda _new, _of: None, TokenSource(token), lambda _again_in_s: None
        )
        async with (
            await asyncio.start_server(_silent, "127.0.0.1", 0) as server,
            dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", {}) as connection,
        ):
            await held.hold(connection)

    with Writer(f"sqlite:///{tmp_path}/archive.db") as writer, pytest.raises(ArithmeticError):
        asyncio.run(main(writer))
