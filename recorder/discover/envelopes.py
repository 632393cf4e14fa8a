"""What the vendor's REST wraps its fixtures in, and its errors. Pure.

Protocol 4.2: a bare array (seen in 2023), ``paged=true`` with ``pageable`` metadata, a named array with a cursor; the
exact paged envelope is unknown. Protocol 1.5: errors in four forms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

_ARRAYS = ("content", "fixtures", "items", "data", "results")
_TELLING = ("pageable", "page", "pagination", "paging", "metadata", "meta", "cursor", "links")
_CURSORS = ("nextCursor", "next_cursor", "nextPageToken", "cursor", "next")
_TOTALS = ("totalPages", "total_pages", "pageCount")
_MORE = ("hasNext", "hasMore", "has_next", "has_more")
_SHOWN = 200


class Unlike(ValueError):
    """The answer is nothing that we can read; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class Page:
    """``is_last``: what the answer says of itself, None when it says nothing. ``next_query``: how to ask on."""

    items: list[Any]
    is_last: bool | None = None
    next_query: tuple[tuple[str, str], ...] = ()


def decode(body: bytes) -> Any:
    """Return the JSON of a body; raises Unlike when it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unlike(f"no JSON ({error})") from None


def error_in(body: bytes) -> str | None:
    """Return what a body says when it is an error, whatever its status; None when it is none.

    ``{"errorMessage": …}``, ``{"error": …, "status": …}``, ``{"message": …, "level": …}``, or text that is no JSON.
    """
    try:
        value = decode(body)
    except Unlike:
        text = body[:_SHOWN].decode("utf-8", "replace").strip()
        # The vendor's own page shows one in braces that is no JSON. What was cut off is not one.
        return text if text.startswith("{ ") or not text.startswith(("{", "[")) else None
    if not isinstance(value, dict) or "id" in value:
        return None
    for key in ("errorMessage", "error"):
        if isinstance(value.get(key), str):
            return str(value[key])
    message = value.get("message")
    return message if isinstance(message, str) and ("level" in value or "status" in value) else None


def read_page(value: Any, number: int) -> Page:
    """Return the fixtures in the answer to page ``number`` (from 0); raises Unlike when it holds no array."""
    items = _array(value)
    if items is None:
        raise Unlike("no array of fixtures, neither bare nor under a name")
    is_last: bool | None = None
    next_query: tuple[tuple[str, str], ...] = ()
    for told in _tellings(value):
        if is_last is None:
            is_last = _is_last(told, number)
        next_query = next_query or _next(told)
    return Page(items, is_last, next_query)


def one_fixture(value: Any) -> Any:
    """Return the fixture in an answer about one: bare, in an array of its own, or under a name."""
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    if isinstance(value, dict) and "id" not in value:
        inner = [member for member in value.values() if isinstance(member, dict) and "id" in member]
        return inner[0] if len(inner) == 1 else value
    return value


def _array(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    for key in _ARRAYS:
        if isinstance(value.get(key), list):
            found: list[Any] = value[key]
            return found
    inner = [member for member in value.values() if isinstance(member, list)]
    if len(inner) == 1:
        return inner[0]
    wrapped = [value[key] for key in ("_embedded", "data", "result") if isinstance(value.get(key), dict)]
    return _array(wrapped[0]) if wrapped else None


def _tellings(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects that may tell of pages."""
    if isinstance(value, dict):
        yield value
        yield from (value[key] for key in _TELLING if isinstance(value.get(key), dict))


def _is_last(told: dict[str, Any], number: int) -> bool | None:
    if isinstance(told.get("last"), bool):
        return bool(told["last"])
    for key in _MORE:
        if isinstance(told.get(key), bool):
            return not told[key]
    # By the page that we asked for: whether theirs count from 0 or from 1 is unknown.
    totals = [told[key] for key in _TOTALS if type(told.get(key)) is int]
    return number + 1 >= totals[0] if totals else None


def _next(told: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the query of what follows: from a cursor, or from an address (of which nothing else is taken)."""
    for key in _CURSORS:
        said = told.get(key)
        said = said.get("href") if isinstance(said, dict) else said
        if not isinstance(said, str) or not said:
            continue
        if said.startswith(("http://", "https://", "/", "?")):
            return tuple(parse_qsl(urlsplit(said).query))
        return (("cursor", said),)
    return ()
