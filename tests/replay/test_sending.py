"""Many messages with one write, over real sockets: the same frames in order, also to a client that does not keep up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from recorder.replay.sending import send_together, together

LIMIT = 32_768


@given(st.lists(st.integers(0, 100_000).map(bytes), max_size=12))
def test_nothing_is_left_out(messages: list[bytes]) -> None:
    """Batch after batch is the list as it was; a batch is small, or one message that is large alone."""
    found: list[bytes] = []
    while len(found) < len(messages):
        batch = together(messages[len(found) :])
        assert batch
        assert len(batch) == 1 or sum(map(len, batch)) <= LIMIT
        found += batch
    assert found == messages
    assert together([]) == []


def talk(
    speak: Callable[[ServerConnection], Awaitable[None]], hear: Callable[[ClientConnection], Coroutine[Any, Any, None]]
) -> None:
    """Have a server say something to a client, and both end well."""

    async def scenario() -> None:
        spoken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def converse(connection: ServerConnection) -> None:
            try:
                await speak(connection)
                spoken.set_result(None)
            except BaseException as error:
                spoken.set_exception(error)

        async with serve(converse, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}", compression=None, max_size=None, proxy=None) as client:
                await hear(client)
            await spoken

    asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.mark.parametrize("sizes", [[0], [0, 1], [125, 126, 127], [65_535, 65_536, 0, 200_000], [7] * 5000], ids=str)
def test_each_message_in_a_frame_of_its_own(sizes: list[int]) -> None:
    """As text, whatever the length of its header; what follows comes behind; then the connection is closed in order."""
    messages = [b"%d" % (number % 10) * size for number, size in enumerate(sizes)]

    async def speak(connection: ServerConnection) -> None:
        await send_together(connection, messages)
        await connection.send("behind")
        await connection.close(1012)

    async def hear(client: ClientConnection) -> None:
        heard = [message async for message in _all(client)]
        assert heard == [*(message.decode() for message in messages), "behind"]
        assert client.close_code == 1012

    talk(speak, hear)


async def _all(client: ClientConnection) -> AsyncIterator[str | bytes]:
    try:
        while True:
            yield await client.recv()
    except ConnectionClosed:
        return


def test_nothing_comes_between_fragments() -> None:
    """A message that somebody else sends in fragments is finished first."""

    async def speak(connection: ServerConnection) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def fragments() -> AsyncIterator[str]:
            yield "one, "
            begun.set()
            await go_on.wait()
            yield "two"

        async with asyncio.TaskGroup() as group:
            group.create_task(connection.send(fragments()))
            await begun.wait()
            batch = group.create_task(send_together(connection, [b"a", b"b"]))
            await asyncio.sleep(0)  # it has begun, and waits
            assert not batch.done()
            go_on.set()

    async def hear(client: ClientConnection) -> None:
        assert [await client.recv() for _ in range(3)] == ["one, two", "a", "b"]

    talk(speak, hear)


def test_a_client_that_has_left() -> None:
    """ConnectionClosed, as from `send`."""

    async def speak(connection: ServerConnection) -> None:
        await connection.wait_closed()
        with pytest.raises(ConnectionClosed):
            await send_together(connection, [b"a", b"b"])

    async def hear(client: ClientConnection) -> None:
        await client.close()

    talk(speak, hear)


def test_a_client_that_does_not_read_is_waited_for() -> None:
    """No more than a batch or two lies with us; once it reads it gets everything."""
    batch, batches = [b"x" * 1000] * 30, 400
    full = asyncio.Event()

    async def speak(connection: ServerConnection) -> None:
        async def watch() -> None:
            while not connection.paused:  # noqa: ASYNC110  # the library sets an attribute and no event
                await asyncio.sleep(0)
            assert connection.transport.get_write_buffer_size() < 3 * LIMIT
            full.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            for _ in range(batches):
                await send_together(connection, batch)

    async def hear(client: ClientConnection) -> None:
        await full.wait()
        for _ in range(batches * len(batch)):
            assert await client.recv(decode=False) == batch[0]

    talk(speak, hear)
