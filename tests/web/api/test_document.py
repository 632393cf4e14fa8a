"""The OpenAPI document: that it tells all there is, and that all it tells is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from starlette.routing import Mount, Route

from recorder.web.api import ROUTES
from recorder.web.api.examples import examples
from recorder.web.api.schemas import meanings
from tests.web.api.conftest import Served
from tests.web.api.examples import answers

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    return served.get("/openapi.json").json()


def routes() -> Iterator[Route]:
    for mount in ROUTES:
        assert isinstance(mount, Mount)
        for route in mount.routes:
            assert isinstance(route, Route)
            yield route


def test_every_route_is_in_the_document_and_every_path_of_it_is_a_route(document: Any) -> None:
    assert {route.path for route in routes()} == set(document["paths"])


def test_every_part_is_described(document: Any) -> None:
    """Operations, parameters, answers and columns."""
    for path in document["paths"].values():
        operation = path["get"]
        told = [operation, *operation["parameters"], *operation["responses"].values()]
        assert all(each["description"] for each in told), operation["operationId"]
    for name, schema in document["components"]["schemas"].items():
        assert all(column["description"] for column in schema["properties"].values()), name


def test_the_columns_are_described_as_in_the_page_about_the_views() -> None:
    """Of every view that the API tells; the page is for people, the file beside the code is shipped."""
    text = (DOCS / "views.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `(\w+)`(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for view, told in meanings().items():
        rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", sections[view], re.MULTILINE)
        assert told == {name: re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", meaning) for name, meaning in rows}, view


def test_the_document_is_valid_and_its_examples_are_of_its_schemas(document: Any) -> None:
    """An example is there for every operation that answers with JSON of its own."""
    for path in document["paths"].values():
        content = path["get"]["responses"]["200"]["content"].get("application/json")
        if content is None or path["get"]["operationId"] == "openapi":
            continue
        assert "example" in content, path
        schema = {**content["schema"], "components": document["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(content["example"])


def test_the_examples_are_what_the_page_answers(served: Served) -> None:
    """`python -m tests.web.api.examples` writes them anew."""
    assert answers(served) == examples()
