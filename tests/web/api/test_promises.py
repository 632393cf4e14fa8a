"""Schemathesis asks the running page what the document allows, and what it does not, and checks every answer."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, HookContext

from recorder.web.api.endpoints import ENDPOINTS
from recorder.web.api.openapi import document
from tests.web.api.conftest import MATCH, ODD, Served

STREAMS = [str(ODD.stream.stream_id), str(MATCH.stream_id)]


schema = schemathesis.openapi.from_dict(document(ENDPOINTS)).exclude(path_regex="/events$")  # these never end


@schema.hook
def map_path_parameters(_context: HookContext, path_parameters: dict[str, Any] | None) -> Any:
    """Of ids and positions that can be, have most be some that are there: 404 alone would prove little."""
    if path_parameters is None:
        return None
    stream_id, position = str(path_parameters.get("id", "")), path_parameters.get("position")
    if stream_id.isdecimal() and int(stream_id) % 8:
        path_parameters["id"] = STREAMS[int(stream_id) % len(STREAMS)]
    if isinstance(position, int) and position % 8:
        path_parameters["position"] = position % 5
    return path_parameters


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_page_keeps_what_the_document_promises(case: Case[Any], served: Served) -> None:
    """All of schemathesis' checks: status, headers, content and its schema, good data accepted and bad data refused."""
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.query.pop("after", None)  # a cursor is a text, but not every text is one: no schema can say that
    case.call_and_validate(base_url=served.url)
