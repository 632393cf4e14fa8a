"""Many clients of one replay at once: each gets its whole list in order, as one alone does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from docs.examples.client import ACCEPT
from recorder.replay import Behaviour, Chaos, Recording, ReplayServer, bundled, made

CLIENTS = 200


def shortened(recording: Recording, messages: int) -> Recording:
    """Return the first messages of a recording, all due within a second."""
    return made(recording.stream, recording.load()[:messages], [index / messages for index in range(messages)])


@asynccontextmanager
async def dialled(address: str) -> AsyncIterator[asyncio.StreamReader]:
    """Connect as a client does, with the token; without a library, whose clients cost more than the server."""
    host, port = address.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [f"GET /{address.split('/', 3)[3]} HTTP/1.1", "Host: replay", "Connection: Upgrade", "Upgrade: websocket"]
    head += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", f"Accept: {ACCEPT['Accept']}"]
    token = b'{"authToken": "any"}'
    try:
        writer.write("\r\n".join([*head, "", ""]).encode())
        if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 "):
            raise ConnectionRefusedError
        writer.write(bytes([0x81, 0x80 | len(token), 0, 0, 0, 0]) + token)  # masked with zeros
        yield reader
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def message(reader: asyncio.StreamReader) -> bytes:
    """Return the next frame's payload."""
    _, length = await reader.readexactly(2)
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


def test_each_gets_everything_in_order() -> None:
    """Two hundred, half of them at each match, while it is played: the same bytes in the same order, to each."""
    recordings = [shortened(each, 40) for each in bundled()]
    packets = [recording.load() for recording in recordings]

    async def scenario() -> None:
        async with ReplayServer(recordings, Behaviour(is_paused=True)) as server:
            arrived = asyncio.Barrier(CLIENTS)

            async def client(number: int) -> None:
                async with dialled(server.addresses[number % 2]) as reader:
                    assert b"AUTHORISED" in await message(reader)
                    await arrived.wait()
                    server.clock.start()  # by whoever is first
                    assert [await message(reader) for _ in packets[number % 2]] == packets[number % 2]

            async with asyncio.TaskGroup() as group:
                for number in range(CLIENTS):
                    group.create_task(client(number))
            assert server.sent == CLIENTS * 40

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_trouble_of_one_is_not_anothers() -> None:
    """Of fifty clients some are dropped and some held up by chance; whoever is left alone gets everything in order."""
    [recording] = [shortened(bundled()[1], 60)]
    packets = recording.load()
    told: list[int | None] = []

    async def scenario() -> int:
        behaviour = Behaviour(scale=None, troublemaker=Chaos(1, longest_stall_s=0.2))
        async with ReplayServer([recording], behaviour, on_trouble=lambda each: told.append(each["client"])) as server:

            async def client() -> list[bytes]:
                heard: list[bytes] = []
                try:
                    async with dialled(server.addresses[0]) as reader:
                        while len(heard) < len(packets):
                            heard += [each for each in [await message(reader)] if b'"fixtureAction"' in each]
                except (EOFError, OSError):
                    pass  # refused or dropped
                return heard

            async with asyncio.TaskGroup() as group:
                clients = [group.create_task(client()) for _ in range(50)]
            return sum(each.result() == packets for each in clients)

    whole = asyncio.run(asyncio.wait_for(scenario(), 60))
    numbered = {number for number in told if number is not None}
    admitted = 50 - told.count(None)
    assert whole >= admitted - len(numbered) > 0
    assert numbered
