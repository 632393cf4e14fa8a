"""The JSON API of the page: addresses below /api/v1, one `Endpoint` each, and the OpenAPI document made from them."""

from __future__ import annotations

import re
from functools import cache

import msgspec
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Router

from recorder.web.api.answering import JSON, answered
from recorder.web.api.endpoint import Endpoint
from recorder.web.api.endpoints import ENDPOINTS
from recorder.web.api.openapi import document
from recorder.web.api.parameters import Asked
from recorder.web.api.refusing import HANDLERS


async def _openapi(request: Request, _asked: Asked) -> Response:
    return answered(request, _document(), JSON)


_OPENAPI = Endpoint(
    "/openapi.json",
    "openapi",
    "This document.",
    "OpenAPI 3.1.",
    _openapi,
    {JSON: {"type": "object"}},
)


@cache
def _document() -> bytes:
    return msgspec.json.encode(document([*ENDPOINTS, _OPENAPI]))


def _mounted() -> Mount:
    routes = [endpoint.route() for endpoint in (*ENDPOINTS, _OPENAPI)]
    # A redirect would lead to the name in the Host header, which behind a proxy is not the one that was dialled.
    router = Router(routes, redirect_slashes=False)
    mount = Mount("/api/v1", router, middleware=[Middleware(ExceptionMiddleware, handlers=HANDLERS)])
    # An address that holds a line break is below /api/v1 as well.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


ROUTES = [_mounted()]
"""What an application mounts. Errors below /api/v1 are JSON, whatever the rest of the page makes of its own."""
