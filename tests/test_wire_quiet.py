"""The websocket library logs frames at DEBUG, and the first that we send is the token."""

from __future__ import annotations

import logging

import pytest
from websockets.asyncio.server import ServerConnection

from recorder import wire
from recorder.wire import Received
from tests.test_wire import TOKEN, converse


def test_no_frame_in_the_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what we send nor what comes, at any level; only the server of this test keeps silent by itself."""

    async def talk(server: ServerConnection) -> None:
        await server.send(await server.recv())

    async def client(connection: wire.Connection) -> Received:
        await connection.send(TOKEN)
        return await connection.receive()

    monkeypatch.setattr(logging.getLogger("websockets.server"), "disabled", True)
    with caplog.at_level(logging.DEBUG):
        assert converse(talk, client).payload == TOKEN.encode()
    assert TOKEN not in caplog.text
