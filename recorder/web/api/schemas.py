"""JSON schemas of the views' rows, made from the classes that also convert them."""

from __future__ import annotations

import tomllib
import types
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from recorder.query.rows import (
    Action,
    Gap,
    Json,
    RawFrame,
    Session,
    State,
    StreamRow,
    TimelineAction,
    View,
    kinds,
)
from recorder.web.api.encoding import IDS

Schema = dict[str, Any]

_ID: Schema = {"type": "string", "pattern": "^[0-9]{1,19}$"}
_OF_KIND: dict[Any, Schema] = {
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime: {"type": "string", "format": "date-time"},
    Decimal: {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]+$"},
    Json: {},
}


@cache
def meanings() -> dict[str, dict[str, str]]:
    """Return what each column of a view means, by the view's name."""
    return tomllib.loads(Path(__file__).with_name("columns.toml").read_text(encoding="utf-8"))


def row(view: type[View], *names: str) -> Schema:
    """Return the schema of a row; ``names``: of the views whose words tell its columns, the best last."""
    told = {column: text for name in names for column, text in meanings()[name].items()}
    return record({name: _column(view, name, told[name]) for name in kinds(view)})


def record(properties: Schema) -> Schema:
    """Return the schema of an object that has these members, all of them and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def part_of(items: Schema) -> Schema:
    """Return the schema of a part of a list."""
    following: Schema = {
        "type": ["string", "null"],
        "description": "The cursor for `after` with which the next part is asked for; null behind the last one.",
    }
    return record({"items": {"type": "array", "items": items}, "next": following})


def _column(view: type[View], name: str, meaning: str) -> Schema:
    schema = _ID if name in IDS else _OF_KIND[kinds(view)[name]]
    if "type" in schema and types.NoneType in get_args(get_type_hints(view)[name]):
        schema = {**schema, "type": [schema["type"], "null"]}
    return {**schema, "description": meaning}


def ref(name: str) -> Schema:
    """Return a reference to one of the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def components() -> dict[str, Schema]:
    """Return the schemas that have names."""
    return {
        "Stream": row(StreamRow, "streams"),
        "Action": row(Action, "actions"),
        "TimelineAction": row(TimelineAction, "actions", "timeline"),
        "State": row(State, "states"),
        "Gap": row(Gap, "gaps"),
        "Session": row(Session, "sessions"),
        "Frame": _frame(),
        "Error": record({"error": {"type": "string", "description": "What went wrong, in one sentence."}}),
    }


def _frame() -> Schema:
    columns = row(RawFrame, "raw_frames")["properties"]
    place = {name: row(Action, "actions")["properties"][name] for name in ("epoch", "position", "part")}
    said = {"type": ["string", "null"], "description": "`payload` as text; null where it is no UTF-8"}
    return record({**place, **columns, "text": said})
