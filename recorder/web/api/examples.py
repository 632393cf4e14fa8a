"""Answers as they look, for the OpenAPI document: of a bundled match. A test asks the same and compares."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec


@cache
def examples() -> dict[str, Any]:
    """Return an answer for each operation that answers with JSON, by its operation id."""
    found: dict[str, Any] = msgspec.json.decode(Path(__file__).with_name("examples.json").read_bytes())
    return found
