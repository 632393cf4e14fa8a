"""An address of the API as one value, from which its route and its part of the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recorder.web.api import parameters
from recorder.web.api.parameters import Asked, Parameter

Answer = Callable[[Request, Asked], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``path`` is below /api/v1, with ``{id}`` and the like for what a reader fills in; ``name`` is its operation id.

    ``content``: the schema of the answer by media type. ``statuses``: what else than 200, 400, 404 and 503 it may
    answer, with what that means. ``is_tagged``: whether it has an ETag.
    """

    path: str
    name: str
    summary: str
    description: str
    answer: Answer
    content: Mapping[str, Mapping[str, Any]]
    parameters: tuple[Parameter, ...] = ()
    statuses: Mapping[int, str] = field(default_factory=dict)
    is_tagged: bool = True

    def route(self) -> Route:
        """Return the route that answers at this address."""

        async def answer(request: Request) -> Response:
            return await self.answer(request, parameters.read(request.query_params, self.parameters))

        return Route(self.path, answer, methods=["GET"], name=f"api:{self.name}")
