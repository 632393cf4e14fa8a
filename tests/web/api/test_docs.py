"""docs/api.md: every address and parameter is in it, and every example is what the page answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from recorder.web.api.endpoints import ENDPOINTS
from tests.web.api.conftest import Served
from tests.web.api.test_document import routes

TEXT = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `GET /api/v1(\S+)`\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
_EXAMPLE = re.compile(
    r"```console\n\$ curl -s(?:I|N)? '[a-z0-9.:/]*/api/v1([^']*)'\n```\n\n```(json|http|text|event-stream)\n(.*?)```",
    re.DOTALL,
)
EXAMPLES = [(path, *example) for path, section in SECTIONS.items() for example in _EXAMPLE.findall(section)]


def agree(shown: Any, real: Any) -> bool:
    """Say whether what is shown is what there is; ``…`` stands for anything, at the end of a text for its rest."""
    if isinstance(shown, str) and shown.endswith("…"):
        return shown == "…" or str(real).startswith(shown[:-1])
    if isinstance(shown, dict):
        return (
            isinstance(real, dict) and list(shown) == list(real) and all(agree(shown[key], real[key]) for key in real)
        )
    if isinstance(shown, list):
        return len(shown) == len(real) and all(map(agree, shown, real))
    return bool(shown == real)


def test_every_address_is_documented_and_no_other() -> None:
    assert set(SECTIONS) == {route.path for route in routes()}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_parameter_is_documented(endpoint: Any) -> None:
    told = re.search(r"^Parameters: (.*?)\.$", SECTIONS[endpoint.path], re.MULTILINE | re.DOTALL)
    names = re.findall(r"`(\w+)`", told.group(1)) if told else []
    assert names == [parameter.name for parameter in endpoint.parameters]


def test_every_address_has_an_example() -> None:
    assert {path for path, *_ in EXAMPLES} == set(SECTIONS)


@pytest.mark.parametrize(("path", "asked", "form", "shown"), [pytest.param(*one, id=one[1]) for one in EXAMPLES])
def test_an_example_is_what_the_page_answers(served: Served, path: str, asked: str, form: str, shown: str) -> None:
    if form == "http":
        said = served.ask("HEAD", asked).headers
        assert [line for line in shown.splitlines() if line not in {f"{name}: {said[name]}" for name in said}] == []
    elif form == "event-stream":  # it has no end
        with httpx.stream("GET", served.url + asked, timeout=30) as answer:
            assert all(map(agree, shown.splitlines(), answer.iter_lines()))
    elif form == "json":
        assert agree(json.loads(shown), served.get(asked).json())
    else:
        assert all(map(agree, shown.splitlines(), served.get(asked).text.splitlines()))
