"""Clients of a replay that runs in the test's own loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from recorder.feed.messages import read
from recorder.model import Kind
from tests.vendor import ACCEPT

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine; whatever hangs fails."""

    async def limited() -> T:
        async with asyncio.timeout(60):
            return await main

    return asyncio.run(limited())


@asynccontextmanager
async def dial(
    address: str, *, accept: str | None = ACCEPT, headers: Mapping[str, str] | None = None, **more: Any
) -> AsyncIterator[ClientConnection]:
    """Open a connection and say nothing."""
    given = {"Accept": accept} if accept is not None else {}
    options: dict[str, Any] = {"compression": None, "proxy": None, "ping_interval": None, "close_timeout": 1}
    async with connect(address, additional_headers=given | dict(headers or {}), **options | more) as client:
        yield client


@asynccontextmanager
async def joined(address: str, token: str = "any", **more: Any) -> AsyncIterator[ClientConnection]:
    """Open a connection, send the token, and take the answer to it."""
    async with dial(address, **more) as client:
        await client.send(json.dumps({"authToken": token}))
        assert read(await client.recv(decode=False)).kind is Kind.UNKNOWN
        yield client


async def refused(address: str, **more: Any) -> tuple[int, str, str | None]:
    """Return the status, the text and the Retry-After of a handshake that is refused."""
    try:
        async with dial(address, **more):
            raise AssertionError("let in")
    except InvalidStatus as error:
        response = error.response
        return response.status_code, (response.body or b"").decode(), response.headers.get("Retry-After")


async def take(client: ClientConnection, count: int) -> list[bytes]:
    """Return the next so many messages that are no heartbeats."""
    found: list[bytes] = []
    while len(found) < count:
        message = await client.recv(decode=False)
        if read(message).kind is not Kind.HEARTBEAT:
            found.append(message)
    return found


async def until_closed(client: ClientConnection) -> tuple[list[bytes], int, str]:
    """Return all messages until the end but heartbeats, and the close code (1006: without a close frame) and reason."""
    found: list[bytes] = []
    try:
        while True:
            found += await take(client, 1)
    except ConnectionClosed as closed:
        return found, closed.rcvd.code if closed.rcvd else 1006, closed.rcvd.reason if closed.rcvd else ""
