"""Answers to other machines, packed where that is worth it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_WORTH_PACKING = 1_024
"""Bytes."""


class Packed:
    """ASGI middleware. What was packed is not the same byte for byte: so an ETag only says that it means the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._packing = GZipMiddleware(app, minimum_size=_WORTH_PACKING, compresslevel=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and pack the answer."""

        async def send_weakly(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("etag", "").startswith('"'):
                    headers["etag"] = f"W/{headers['etag']}"
            await send(message)

        await self._packing(scope, receive, send_weakly)
