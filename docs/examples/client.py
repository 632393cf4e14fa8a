"""A client of the vendor's live actions: every packet once, in the vendor's order, whatever becomes of connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

ACCEPT = {"Accept": "application/vnd.imggaming.dde.api+json;version=1"}
OVERLAP = 4  # the vendor's page leaves open whether startPosition counts from 0 or from 1
SILENT_S = 30.0  # three heartbeats


async def packets(address: str, token: str, pause_s: float = 1.0) -> AsyncIterator[dict[str, Any]]:
    """Yield a stream's packets until one says that the match is finished. ``pause_s``: between two connections.

    Raises PermissionError when the token is refused, InvalidStatus for what dialling again does not mend.
    """
    seen: set[str] = set()
    overlap = OVERLAP
    while True:
        wait_s = pause_s
        start = max(0, len(seen) - overlap)
        try:
            url = f"{address}?startPosition={start}"
            # What we leave unread holds up the server's answer to our goodbye: not waited for long.
            async with connect(url, additional_headers=ACCEPT, close_timeout=0.5) as connection:
                await connection.send(json.dumps({"authToken": token}))
                is_first = True
                while True:
                    for packet in _packets(await asyncio.wait_for(connection.recv(), SILENT_S)):
                        content = json.dumps(packet["fixtureAction"], sort_keys=True)
                        if is_first and start and content not in seen:
                            overlap *= 2
                            raise ConnectionResetError("the list begins behind what we have: something is left out")
                        is_first = False
                        if content in seen:
                            continue
                        seen.add(content)
                        overlap = OVERLAP
                        yield packet
                        if packet.get("finished"):
                            return
        except InvalidStatus as refused:
            if refused.response.status_code in (400, 401, 403, 404):
                raise
            asked = refused.response.headers.get("Retry-After", "")
            wait_s = max(pause_s, float(asked if asked.isdigit() else 0))
        except PermissionError:
            raise
        except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError):
            pass
        await asyncio.sleep(wait_s)


def _packets(message: str | bytes) -> list[dict[str, Any]]:
    """Return a message's packets: heartbeats, the answer to the token, and what nobody knows bear none."""
    try:
        content = json.loads(message)
    except ValueError:
        return []
    items = [item for item in (content if isinstance(content, list) else [content]) if isinstance(item, dict)]
    for item in items:
        if "errorMessage" in item:
            raise PermissionError(item["errorMessage"])
    return [item for item in items if "fixtureAction" in item]
