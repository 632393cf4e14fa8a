"""Many messages with one write: to a client that catches up, a write of its own for each takes most of the time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from websockets.asyncio.server import ServerConnection

from recorder.replay.recordings import Binary

_ENOUGH_BYTES = 32_768
"""As much as websockets lets lie with us before it asks to wait (its `write_limit`)."""


def together(messages: Iterable[bytes]) -> list[bytes]:
    """Return the messages from the first on that go out with one write: one at least, and some 32 KiB at most."""
    found: list[bytes] = []
    size = 0
    for message in messages:
        if found and size + len(message) > _ENOUGH_BYTES:
            break
        found.append(message)
        size += len(message)
    return found


async def send_together(connection: ServerConnection, messages: list[bytes]) -> None:
    """Send messages in the order given, each in a frame of its own, as `ServerConnection.send` would one by one.

    All are text but those that are `Binary`.

    Waits while the client does not keep up. Raises ConnectionClosed; which of the messages arrived is not known then.
    """
    if len(messages) == 1:
        await connection.send(messages[0], text=not isinstance(messages[0], Binary))
        return
    # As `send` does: nothing may come between the fragments of a message that somebody else is sending.
    while connection.send_in_progress is not None:
        await asyncio.shield(connection.send_in_progress)
    async with connection.send_context():
        for message in messages:
            if isinstance(message, Binary):
                connection.protocol.send_binary(message)
            else:
                connection.protocol.send_text(message)
        connection.transport.write(b"".join(connection.protocol.data_to_send()))
    # A client that keeps up never makes us wait: the others get their turn here.
    await asyncio.sleep(0)
