"""Messages that are too long: a stated part is kept, the connection lives on, and memory is bounded."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from recorder import wire
from recorder.errors import ConnectionOver
from recorder.wire import Received, Shortener, dial

Talk = Callable[[ServerConnection], Awaitable[None]]
LIMIT = 1000
MIB = 1024 * 1024


async def all_of(connection: wire.Connection) -> list[Received]:
    received = []
    try:
        while True:
            received.append(await connection.receive())
    except ConnectionOver:
        return received


def received(talk: Talk, limit: int = LIMIT) -> list[Received]:
    """Return every message of a server that talks so."""

    async def main() -> list[Received]:
        async with serve(talk, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
            async with dial(url, {}, max_message_bytes=limit) as connection:
                return await all_of(connection)

    return asyncio.run(main())


def shown(messages: Sequence[Received]) -> list[tuple[bytes, int, str]]:
    return [(message.payload, message.size, message.opcode) for message in messages]


@pytest.mark.parametrize(("message", "opcode"), [("x" * LIMIT, "text"), (b"x" * LIMIT, "binary")])
def test_at_the_limit_it_is_whole(message: str | bytes, opcode: str) -> None:
    """The longest message that is allowed is not touched."""

    async def talk(server: ServerConnection) -> None:
        await server.send(message)

    assert shown(received(talk)) == [(b"x" * LIMIT, LIMIT, opcode)]


@pytest.mark.parametrize(("message", "opcode"), [("x" * LIMIT + "y", "text"), (b"x" * LIMIT + b"y", "binary")])
def test_one_byte_more_is_cut(message: str | bytes, opcode: str) -> None:
    """Of one byte more the beginning is kept, its true size is told, and the next message is intact."""

    async def talk(server: ServerConnection) -> None:
        await server.send(message)
        await server.send("next")

    assert shown(received(talk)) == [(b"x" * LIMIT, LIMIT + 1, opcode), (b"next", 4, "text")]


def test_the_first_mebibyte_is_kept() -> None:
    """With a limit beyond it, a longer message keeps its first MiB: in one frame or in many."""
    assert wire.KEPT_OF_LARGER_BYTES == MIB
    assert wire.MAX_MESSAGE_BYTES == 64 * MIB
    message = bytes(range(256)) * (3 * MIB // 256)

    async def talk(server: ServerConnection) -> None:
        await server.send(message)
        await server.send([message[:MIB], message[MIB:]])
        await server.send([message[at : at + 10_000] for at in range(0, len(message), 10_000)])

    assert shown(received(talk, 2 * MIB)) == [(message[:MIB], 3 * MIB, "binary")] * 3


def test_fragments_that_add_up() -> None:
    """Pings between the fragments are answered, the message is cut, and the next one is intact."""

    async def talk(server: ServerConnection) -> None:
        async def parts() -> Any:
            for letter in "abcdefghijklmno":
                yield letter * 100
                await (await server.ping())

        await server.send(parts())
        await server.send("next")

    kept = b"".join(letter * 100 for letter in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h", b"i", b"j"))
    assert shown(received(talk)) == [(kept, 1500, "text"), (b"next", 4, "text")]


def test_very_many_fragments() -> None:
    """Twenty thousand parts of one byte are a message like any other."""

    async def talk(server: ServerConnection) -> None:
        await server.send(["x"] * 20_000)
        await server.send(["y"] * 20_000)

    messages = received(talk, 20_000)
    assert shown(messages) == [(letter * 20_000, 20_000, "text") for letter in (b"x", b"y")]


async def pour(server: ServerConnection, chunk: bytes, times: int) -> None:
    """Send bytes below the websocket, holding none of them back in this process."""
    for _ in range(times):
        server.transport.write(chunk)
        while server.transport.get_write_buffer_size():  # noqa: ASYNC110 - the peer reads on this very loop
            await asyncio.sleep(0)


@pytest.mark.parametrize("times", [128, 129], ids=["as long as said", "cut off"])
def test_a_frame_that_is_never_kept(times: int) -> None:
    """A frame that is too long by its header takes no memory while it comes; cut off, it is no message."""
    chunk, claimed = bytes(MIB), 128 * MIB
    peak = 0

    async def talk(server: ServerConnection) -> None:
        nonlocal peak
        tracemalloc.start()
        server.transport.write(b"\x82\x7f" + (claimed if times == 128 else 1 << 62).to_bytes(8))
        await pour(server, chunk, 128)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if times != 128:
            server.transport.abort()

    messages = received(talk, 64 * MIB)
    assert shown(messages) == ([(bytes(MIB), claimed, "binary")] if times == 128 else [])
    assert peak < 10 * MIB


def test_a_message_is_there_when_its_last_byte_is() -> None:
    """A message whose dropped part has not come yet is not handed out."""

    async def talk(server: ServerConnection) -> None:
        server.transport.write(b"\x81\x7e" + (LIMIT + 10).to_bytes(2) + b"x" * (LIMIT + 9))
        server.transport.write_eof()

    assert received(talk) == []


def test_a_control_frame_that_claims_too_much() -> None:
    """No control frame may be long: the connection ends instead of waiting for it."""

    async def talk(server: ServerConnection) -> None:
        server.transport.write(b"\x89\x7f" + (1 << 62).to_bytes(8))
        await server.wait_closed()

    assert received(talk) == []


def switching(request: bytes) -> bytes:
    """Answer a websocket handshake (RFC 6455, 4.2.2)."""
    key = next(line.split()[1] for line in request.splitlines() if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    lines = (
        b"HTTP/1.1 101 Switching",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    )
    return b"\r\n".join((*lines, b"", b""))


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_slices(step: int) -> None:
    """However TCP slices it, and with messages right behind the handshake's answer, it is the same."""
    frames = [Frame(Opcode.TEXT, b"a\r\n\r\nb"), Frame(Opcode.BINARY, b"x" * 1100), Frame(Opcode.TEXT, b"y" * 300)]
    stream = b"".join(frame.serialize(mask=False) for frame in [*frames, Frame(Opcode.CLOSE, b"\x03\xe8")])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = switching(await reader.readuntil(b"\r\n\r\n")) + stream
        for at in range(0, len(answer), step):
            writer.write(answer[at : at + step])
            await writer.drain()
            await asyncio.sleep(0)
        writer.write_eof()
        await reader.read()
        writer.close()

    async def main() -> list[Received]:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
            async with dial(url, {}, max_message_bytes=LIMIT) as connection:
                return await all_of(connection)

    expected = [(b"a\r\n\r\nb", 6, "text"), (b"x" * LIMIT, 1100, "binary"), (b"y" * 300, 300, "text")]
    assert shown(asyncio.run(main())) == expected


# -- the same without a socket -----------------------------------------------------------------------------------------

messages = st.lists(st.lists(st.binary(max_size=200), min_size=1, max_size=4), max_size=6)
"""Messages, each the parts that it comes in."""


def stream_of(sent: Sequence[Sequence[bytes]]) -> bytes:
    """Return messages as a server's bytes, with a ping behind every frame."""
    out = b""
    for parts in sent:
        for index, part in enumerate(parts):
            opcode = Opcode.CONT if index else Opcode.BINARY
            out += Frame(opcode, part, fin=index == len(parts) - 1).serialize(mask=False)
            out += Frame(Opcode.PING, b"ping").serialize(mask=False)
    return out


def frames_of(stream: bytes) -> list[Frame]:
    """Read a server's bytes; they must be whole frames."""
    at = 0
    found: list[Frame] = []

    def read_exact(length: int) -> Any:
        nonlocal at
        assert at + length <= len(stream)
        at += length
        return stream[at - length : at]
        yield

    while at < len(stream):
        parser = Frame.parse(read_exact, mask=False)
        try:
            next(parser)
        except StopIteration as end:
            found.append(end.value)
    return found


@given(sent=messages, limit=st.integers(1, 300), kept=st.integers(1, 300), cuts=st.lists(st.integers(0, 2000)))
def test_shortening(sent: list[list[bytes]], limit: int, kept: int, cuts: list[int]) -> None:
    """Whatever is sent in whatever slices: short messages pass as they are, of long ones the beginning does."""
    stream = stream_of(sent)
    shortener = Shortener(limit, kept)
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    out = b"".join(shortener.feed(stream[a:b]) for a, b in pairwise(places))
    found: list[bytes] = []
    for frame in frames_of(out):
        if frame.opcode is Opcode.BINARY:
            found.append(b"")
        if frame.opcode is not Opcode.PING:
            found[-1] += bytes(frame.data)
    whole = [b"".join(parts) for parts in sent]
    assert list(shortener.sizes) == [len(message) for message in whole]
    for message, passed in zip(whole, found, strict=True):
        assert message.startswith(passed)
        assert len(passed) <= limit
        assert passed == message if len(message) <= limit else len(passed) >= min(kept, limit)
    assert sum(frame.opcode is Opcode.PING for frame in frames_of(out)) == sum(len(parts) for parts in sent)


@given(noise=st.binary(max_size=500), limit=st.integers(1, 100))
def test_noise(noise: bytes, limit: int) -> None:
    """Bytes that are no websocket stream harm nothing: the library will judge what comes out."""
    assert len(Shortener(limit, limit).feed(noise)) <= 6 * len(noise) + 20


def test_short_messages_pass_unchanged() -> None:
    """Nothing is touched that need not be."""
    stream = stream_of([[b"x" * LIMIT], [b"y", b""], [b""], [b"z" * 400, b"z" * 600]])
    assert Shortener(LIMIT, 10).feed(stream) == stream


def test_compression_that_nobody_asked_for() -> None:
    """A frame that says it is compressed, though none was agreed on, is not blown up: it ends the connection."""
    bomb = zlib.compress(b" " * (64 * MIB), 9)
    frame = bytes([0xC1, 127]) + len(bomb).to_bytes(8) + bomb  # FIN, RSV1, text

    async def talk(server: ServerConnection) -> None:
        await server.send("before")
        server.transport.write(frame)
        await server.wait_closed()

    tracemalloc.start()
    try:
        assert shown(received(talk, 64 * MIB)) == [(b"before", 6, "text")]
        assert tracemalloc.get_traced_memory()[1] < 10 * MIB
    finally:
        tracemalloc.stop()
