"""The OpenAPI document, made from the same values as the routes and from the same classes as the rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from recorder.web.api.answering import JSON
from recorder.web.api.endpoint import Endpoint
from recorder.web.api.examples import examples
from recorder.web.api.parameters import Parameter
from recorder.web.api.questions import POSITION, STREAM
from recorder.web.api.schemas import Schema, components, ref

_TEXT = """Matches as they were recorded, and as they were known at any moment. It only reads.

Rows have the columns of the archive's SQL views. Ids are text, since they pass 2^53; times are RFC 3339 in UTC with
microseconds; exact numbers are text. Lists come in parts: `next` is the cursor for `after`, null behind the last item.
Every error is `{"error": "one sentence"}`. An unknown parameter is an error."""
_ALWAYS = {
    400: "A parameter is unknown, or not what was expected; the sentence names it.",
    503: "Too much is asked of the archive at once, or it cannot be read now; ask again after `Retry-After` seconds.",
}
_IN_PATH = {"id": (STREAM, "There is no such stream."), "position": (POSITION, "There is nothing at that position.")}
_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an earlier answer: 304 and no body when it still holds.",
    "schema": {"type": "string"},
}
_ETAG: Schema = {
    "ETag": {"description": "Another one when the answer is another.", "required": True, "schema": {"type": "string"}}
}


def document(endpoints: Iterable[Endpoint]) -> Schema:
    """Return the OpenAPI 3.1 document of these endpoints."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "recorder", "version": version("recorder"), "description": _TEXT},
        "servers": [{"url": "/api/v1"}],
        "paths": {endpoint.path: {"get": _operation(endpoint)} for endpoint in endpoints},
        "components": {"schemas": components()},
    }


def _operation(endpoint: Endpoint) -> Schema:
    in_path = [_IN_PATH[name][0] for name in _names(endpoint)]
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": [
            *({**_parameter(one), "in": "path", "required": True} for one in in_path),
            *map(_parameter, endpoint.parameters),
            *([_IF_NONE_MATCH] if endpoint.is_tagged else []),
        ],
        "responses": _responses(endpoint),
    }


def _names(endpoint: Endpoint) -> list[str]:
    return re.findall(r"{(\w+)}", endpoint.path)


def _parameter(parameter: Parameter) -> Schema:
    schema = dict(parameter.schema)
    if parameter.is_repeated:
        schema = {"type": "array", "items": schema}
    said: Schema = {"name": parameter.name, "in": "query", "description": parameter.description, "schema": schema}
    return said if parameter.example is None else {**said, "example": parameter.example}


def _responses(endpoint: Endpoint) -> Schema:
    found: Schema = {"200": _answer(endpoint)}
    if endpoint.is_tagged:
        found["304"] = {"description": "What the reader has is what there is."}
    missing = " ".join(_IN_PATH[name][1] for name in _names(endpoint))
    refused = {**_ALWAYS, **({404: missing} if missing else {}), **endpoint.statuses}
    for status, meaning in sorted(refused.items()):
        found[str(status)] = {"description": meaning, "content": {JSON: {"schema": ref("Error")}}}
    return found


def _answer(endpoint: Endpoint) -> Schema:
    content: dict[str, Any] = {media_type: {"schema": schema} for media_type, schema in endpoint.content.items()}
    if endpoint.name in examples():
        content[JSON]["example"] = examples()[endpoint.name]
    return {"description": endpoint.summary, "headers": _ETAG if endpoint.is_tagged else {}, "content": content}
