"""Whole messages are taken out of the bytes directly, everything else by the library: together they lose nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from recorder.errors import ConnectionOver
from recorder.wire import Intake, Received, dial
from recorder.wire.intake import Source
from recorder.wire.whole import is_begun, whole_messages
from tests.test_wire_sizes import all_of, switching

LIMIT = 70_000
CLOSE = Frame(Opcode.CLOSE, b"\x03\xe8")

sizes = st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65_535, 65_536, 70_000, 70_001])
frames = st.builds(
    Frame,
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG]),
    sizes.map(bytes),
    st.booleans(),
    st.just(False) | st.booleans(),
)


def serialised(sent: Sequence[Frame]) -> bytes:
    """Return frames as a server's bytes."""
    out = b""
    for frame in sent:
        data = bytes(frame.data)[:125] if frame.opcode in (Opcode.PING, Opcode.PONG) else bytes(frame.data)
        head = bytes([frame.opcode | 0x80 * frame.fin | 0x40 * frame.rsv1])
        size = len(data)
        length = (
            bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 65_536 else b"\x7f" + size.to_bytes(8)
        )
        out += head + length + data
    return out


def is_plain(frame: Frame, limit: int) -> bool:
    """Say whether a frame is a message that needs no judgement."""
    plain = frame.fin and not frame.rsv1 and frame.opcode in (Opcode.TEXT, Opcode.BINARY)
    return plain and len(frame.data) <= min(limit, 65_535)


@given(sent=st.lists(frames, max_size=6), limit=st.sampled_from([0, 125, 300, 65_535, LIMIT]), cut=st.integers(0, 400))
def test_what_is_taken_is_plain_and_whole(sent: list[Frame], limit: int, cut: int) -> None:
    """From any bytes exactly those messages are taken that stand whole before the first that is not plain."""
    stream = serialised(sent)
    data = stream[: max(0, len(stream) - cut)]
    payloads, opcodes, end = whole_messages(data, limit)
    at, expected = 0, []
    for frame in sent:
        size = len(serialised([frame]))
        if not is_plain(frame, limit) or at + size > len(data):
            break
        expected.append((bytes(frame.data), "text" if frame.opcode is Opcode.TEXT else "binary"))
        at += size
    assert list(zip(payloads, opcodes, strict=True)) == expected
    assert end == at
    if end < len(data):
        left = sent[len(expected)]
        # Of a message that is too long that may only show in its second or fourth byte.
        assert is_begun(data[end:], limit) or not is_plain(left, limit)
        if is_begun(data[end:], limit) and len(data) - end >= 4:
            assert is_plain(left, limit)


@pytest.mark.parametrize("seed", range(12))
def test_messages_however_they_come(seed: int) -> None:
    """Short, long, in parts, with pings between, however TCP slices them: each comes once, whole and in its order."""
    chance = random.Random(seed)
    sent: list[Frame] = []
    expected: list[tuple[bytes, str]] = []
    for number in range(40):
        payload = b"%d " % number * chance.choice([0, 1, 30, 60, 400, 20_000])
        opcode = chance.choice([Opcode.TEXT, Opcode.BINARY])
        parts = chance.choice([1, 1, 1, 1, 3])
        step = len(payload) // parts + 1
        for part in range(parts):
            piece = payload[part * step : (part + 1) * step]
            sent.append(Frame(Opcode.CONT if part else opcode, piece, part == parts - 1))
            if chance.random() < 0.1:
                sent.append(Frame(Opcode.PING, b"ping"))
        expected.append((payload, "text" if opcode is Opcode.TEXT else "binary"))
    stream = serialised([*sent, CLOSE])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = switching(await reader.readuntil(b"\r\n\r\n")) + stream
        at = 0
        while at < len(answer):
            step = chance.choice([1, 3, 50, 1_000, 100_000])
            writer.write(answer[at : at + step])
            await writer.drain()
            await asyncio.sleep(0)
            at += step
        writer.write_eof()
        await reader.read()
        writer.close()

    found = run(talk)
    assert [(message.payload, message.opcode) for message in found] == expected
    assert all(message.size == len(message.payload) for message in found)


def run(talk: object) -> list[Received]:
    """Return every message of a server that talks so."""

    async def main() -> list[Received]:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:  # type: ignore[arg-type]
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
            async with dial(url, {}) as connection:
                return await all_of(connection)

    return asyncio.run(main())


@pytest.mark.parametrize("behind", [b"", b"\x81\x02no"], ids=["nothing", "a message"])
def test_nothing_counts_behind_a_close(behind: bytes) -> None:
    """What a peer sends behind its farewell is no message."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = switching(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head + b"\x81\x03yes" + serialised([CLOSE]))
        await writer.drain()
        await reader.read(1)  # its own farewell: ours has been read
        writer.write(behind)
        writer.write_eof()
        writer.close()

    assert [message.payload for message in run(talk)] == [b"yes"]


class Reading:
    """A connection that reads, or does not."""

    def __init__(self) -> None:
        self.reads = True

    def pause(self) -> None:
        self.reads = False

    def resume(self) -> None:
        self.reads = True


def test_nobody_reads_while_too_much_waits() -> None:
    """Beyond the limit all connections stop reading, also one that has nothing waiting; at half of it all go on."""
    intake = Intake(most_bytes=100)
    sources = [Reading(), Reading()]
    reads: list[list[bool]] = []
    for source in sources:
        intake.join(source)
    steps: list[tuple[int, int]] = [(0, 60), (1, 40), (1, 1), (0, -50), (1, -1), (0, -10)]
    for index, size in steps:
        if size > 0:
            intake.add(sources[index], size)
        else:
            intake.take(sources[index], -size)
        reads.append([source.reads for source in sources])
    assert reads == [[True, True], [True, True], [False, False], [False, False], [True, True], [True, True]]


def test_who_leaves_takes_what_he_had_waiting_along() -> None:
    """A connection that ends with messages that nobody took does not keep the others from reading."""
    intake = Intake(most_bytes=100)
    gone, other = Reading(), Reading()
    named: list[Source] = [gone, other]
    for source in named:
        intake.join(source)
    intake.add(gone, 101)
    assert not other.reads
    intake.leave(gone)
    assert other.reads
    intake.take(gone, 101)  # they may still be taken, and count no more
    intake.add(other, 100)
    assert other.reads


def test_a_connection_is_not_read_while_another_has_too_much_waiting() -> None:
    """What one connection has waiting stops a second one, which goes on when it is taken; nothing is lost."""
    sent = 50
    message = b"\x82\x7e" + (60_000).to_bytes(2) + bytes(60_000)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(await reader.readuntil(b"\r\n\r\n")))
        await reader.read(1)  # go
        for _ in range(sent):
            writer.write(message)
            await writer.drain()
        writer.write(serialised([CLOSE]))
        writer.write_eof()
        await reader.read()
        writer.close()

    async def main() -> tuple[int, int, int]:
        intake = Intake(most_bytes=600_000)
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
            async with dial(url, {}, intake=intake) as one, dial(url, {}, intake=intake) as other:
                await one.send("go")
                while not other.paused_ns:  # noqa: ASYNC110 - the library tells nobody
                    await asyncio.sleep(0)
                held = len(one._websocket.messages)
                await other.send("go")
                first, second = await asyncio.gather(all_of(one), all_of(other))
                return held, len(first), len(second)

    held, first, second = asyncio.run(main())
    assert held < sent
    assert (first, second) == (sent, sent)


def test_a_closed_connection_gives_what_it_has_and_then_says_so() -> None:
    """Messages that had come before the end are handed out in groups, and only then it is over."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(await reader.readuntil(b"\r\n\r\n")) + b"\x81\x01a" * 600 + serialised([CLOSE]))
        writer.write_eof()
        await reader.read()
        writer.close()

    async def main() -> list[int]:
        counts: list[int] = []

        def count(messages: list[Received]) -> bool:
            counts.append(len(messages))
            return True

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
            async with dial(url, {}) as connection:
                while len(connection._websocket.messages) < 600:  # noqa: ASYNC110 - the library tells nobody
                    await asyncio.sleep(0)
                with pytest.raises(ConnectionOver):
                    await connection.deliver(count)
        return counts

    assert asyncio.run(main()) == [256, 256, 88]


def serving(what: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]:
    """Serve one handshake, these bytes behind it, and the end of the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(await reader.readuntil(b"\r\n\r\n")) + what)
        writer.write_eof()
        await reader.read()
        writer.close()

    return talk


def test_who_wants_no_more_for_now_is_given_the_rest_later() -> None:
    """Delivery stops after the group that was refused more, and goes on behind it, in order and without loss."""
    came: list[bytes] = []
    calls: list[int] = []

    def once(messages: list[Received]) -> bool:
        calls.append(len(messages))
        came.extend(message.payload for message in messages)
        return False

    async def main() -> None:
        talk = serving(b"".join(b"\x81\x03%03d" % number for number in range(600)) + serialised([CLOSE]))
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
            async with dial(url, {}) as connection:
                first = await connection.receive()
                came.append(first.payload)
                while True:
                    await connection.deliver(once)

    with pytest.raises(ConnectionOver):
        asyncio.run(main())
    assert came == [b"%03d" % number for number in range(600)]
    assert len(calls) > 1


def test_what_the_taker_raises_is_its_callers() -> None:
    """An error of whoever takes messages ends the delivery, and is not left with the event loop."""
    lost: list[dict[str, Any]] = []

    def fails(_messages: list[Received]) -> bool:
        raise ValueError("no place for these")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: lost.append(context))
        async with (
            await asyncio.start_server(serving(b"\x81\x01a"), "127.0.0.1", 0) as server,
            dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", {}) as connection,
        ):
            await connection.deliver(fails)

    with pytest.raises(ValueError, match="no place for these"):
        asyncio.run(main())
    assert lost == []
