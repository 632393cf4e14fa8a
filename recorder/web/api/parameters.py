"""What may stand behind the question mark: each parameter with its meaning, its schema and how it is read.

The OpenAPI document and the answers are both made from these values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request

from recorder.errors import UsageError
from recorder.query.moments import LAST_POSITION
from recorder.web.api.refusing import Refused

Asked = Mapping[str, Any]
"""What was asked for: a value for every parameter, its default where it was not given."""

_SHOWN = 80
"""Characters of what was sent that an error repeats."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """``read`` makes its text a value, and raises ValueError for a text that is not ``expected``.

    ``schema`` is that of one text. ``is_repeated``: it may be given several times, and is a tuple.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    expected: str = "a text"
    read: Callable[[str], Any] = str
    default: Any = None
    is_repeated: bool = False
    example: Any = None

    def value(self, said: Sequence[str]) -> Any:
        """Return what was said as a value; Refused (400) for what it cannot be."""
        if self.is_repeated:
            return tuple(map(self._one, said))
        if len(said) > 1:
            raise Refused(400, f"{self.name}: it was given {len(said)} times; expected it once")
        return self._one(said[0]) if said else self.default

    def _one(self, text: str) -> Any:
        try:
            return self.read(text)
        except (ValueError, UsageError):
            shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
            raise Refused(400, f"{self.name}: {shown!r} was given; expected {self.expected}") from None


def read(query: QueryParams, parameters: Sequence[Parameter]) -> Asked:
    """Return the value of every parameter; Refused (400) for a bad value and for a name that is none of them."""
    names = {parameter.name for parameter in parameters}
    unknown = next((name for name in query if name not in names), None)
    if unknown is not None:
        known = ", ".join(sorted(names)) or "none"
        raise Refused(400, f"{unknown[:_SHOWN]}: there is no such parameter here; expected one of: {known}")
    return {parameter.name: parameter.value(query.getlist(parameter.name)) for parameter in parameters}


def in_path(request: Request, parameter: Parameter) -> Any:
    """Return the value of what stands in the path; Refused (404) for what can be none."""
    try:
        return parameter.value([request.path_params[parameter.name]])
    except Refused as refused:
        raise Refused(404, refused.sentence) from None


def whole_between(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number between these, both included."""

    def read_whole(said: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", said) or not least <= int(said) <= most:
            raise ValueError(said)
        return int(said)

    return read_whole


def matching(pattern: str) -> Callable[[str], str]:
    """Return what reads a text that a regular expression matches as a whole."""

    def read_matching(said: str) -> str:
        if not re.fullmatch(pattern, said):
            raise ValueError(said)
        return said

    return read_matching


def _one_of(*words: str) -> Callable[[str], str]:
    return matching("|".join(words))


def _date(text: str) -> str:
    return date.fromisoformat(matching(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")(text)).isoformat()


def whole(
    name: str,
    description: str,
    least: int = 0,
    most: int = LAST_POSITION,
    default: int | None = None,
    example: int | None = None,
) -> Parameter:
    """Return a parameter that is a whole number."""
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    if default is not None:
        schema["default"] = default
    expected = f"a whole number from {least}" + (f" to {most:,}" if most < LAST_POSITION else " on")
    read_whole = whole_between(least, most)
    return Parameter(name, description, schema, expected, read_whole, default, example=example)


def chosen(name: str, description: str, *words: str) -> Parameter:
    """Return a parameter that is one of a few words."""
    schema = {"type": "string", "enum": list(words)}
    return Parameter(name, description, schema, " or ".join(words), _one_of(*words))


def flag(name: str, description: str) -> Parameter:
    """Return a parameter that is 1 or 0, and False when it is not given."""
    schema = {"type": "string", "enum": ["0", "1"], "default": "0"}
    return Parameter(name, description, schema, "1 or 0", lambda text: _one_of("0", "1")(text) == "1", default=False)


def text(name: str, description: str) -> Parameter:
    """Return a parameter that may be any text."""
    return Parameter(name, description, {"type": "string"})


def day(name: str, description: str) -> Parameter:
    """Return a parameter that is a date."""
    return Parameter(name, description, {"type": "string", "format": "date"}, "a date, e.g. 2016-06-10", _date)
