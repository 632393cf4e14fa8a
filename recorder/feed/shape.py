"""The shape of a packet: which keys it has, of which JSON types, and which words of the vendor's lists.

A path is written with dots, array elements as ``[]``: ``fixtureSummary.periods[].end``. What ``metadata`` holds is free
and different for each type of action, whose id stands behind it: ``fixtureAction.metadata<22>.fixtureStatus``.
Pure: bytes or what `messages.read` made of them come in, sets come out; nothing raises, whatever the packet holds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from recorder.feed.holdable import sentence
from recorder.feed.messages import read

_LONGEST_NAME = 80
_MOST_ELEMENTS = 1000
"""Of an array: what follows has hardly another shape, and a message may be 64 MiB long."""

# Fields whose values are words, or ids, of a list of the vendor's; `version` and the type of a period are two more.
_ACTION_WORDS = (
    "sendType", "sendTypeId", "delayStatus", "fixtureActionType", "fixtureActionTypeId", "fixtureActionSubType",
    "fixtureActionSubTypeId",
)  # fmt: skip
_SUMMARY_WORDS = ("currentStatus", "collectionStatus", "currentClockState")
_NOTHING: Mapping[str, Any] = {}
_CONTAINERS = frozenset((dict, list))
_METADATA, _PERIODS = "fixtureAction.metadata", "fixtureSummary.periods[]"
_TYPES: Mapping[type, str] = {
    type(None): "null", bool: "boolean", int: "number", Decimal: "number", str: "string", list: "array", dict: "object",
}  # fmt: skip

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shape:
    """Of one packet. ``types``: (path, JSON type); ``words``: (path, value as text). "" is the path of the packet."""

    types: frozenset[Pair]
    words: frozenset[Pair]


def shapes(payload: bytes) -> list[Shape]:
    """Return the shape of each packet of a message that bears actions; [] when it bears none or cannot be read."""
    return [shape(packet.envelope) for packet in read(payload).packets]


def shape(envelope: Mapping[str, Any]) -> Shape:
    """Return the shape of one envelope, as decoded by :func:`recorder.feed.messages.read`."""
    return Shape(frozenset(_types(envelope)), frozenset(_words(envelope)))


def structure(envelope: Mapping[str, Any]) -> Hashable:
    """Return what two envelopes share only when their ``types`` are equal; many times as fast as `shape`."""
    action = envelope.get("fixtureAction")
    kind = action.get("fixtureActionTypeId") if type(action) is dict and action.get("metadata") else None
    return _structure(envelope), str(kind)


def spelling(envelope: Mapping[str, Any]) -> Hashable:
    """Return what two envelopes of one `structure` share only when their ``words`` are equal; None: look at them."""
    action, summary = envelope.get("fixtureAction"), envelope.get("fixtureSummary")
    if type(action) is not dict or type(summary) is not dict:
        return None
    periods = summary.get("periods")
    said = (
        envelope.get("version"),
        *map(action.get, _ACTION_WORDS),
        *map(summary.get, _SUMMARY_WORDS),
        *([period.get("type") for period in periods if type(period) is dict] if type(periods) is list else ()),
    )
    try:
        hash(said)
    except TypeError:  # a word that is an array or an object
        return None
    return said


def _structure(value: Any) -> Hashable:
    if type(value) is dict:
        types = tuple(map(type, value.values()))
        if _CONTAINERS.isdisjoint(types):
            return tuple(value), types
        return tuple(value), types, tuple([_structure(item) for item in value.values() if type(item) in _CONTAINERS])
    elements = value[:_MOST_ELEMENTS]
    of_types = frozenset(map(type, elements))
    if _CONTAINERS.isdisjoint(of_types):
        return of_types
    return of_types, frozenset([_structure(item) for item in elements if type(item) in _CONTAINERS])


def _types(envelope: Mapping[str, Any]) -> Iterator[Pair]:
    pending: list[tuple[str, Any]] = [("", envelope)]
    kind = _kind(envelope)
    while pending:
        path, value = pending.pop()
        yield path, _TYPES[type(value)]
        if type(value) is dict:
            if path == _METADATA and value:
                path = f"{path}<{kind}>"
                yield path, "object"
            prefix = f"{path}." if path else ""
            pending += [(f"{prefix}{_name(key)}", item) for key, item in value.items()]
        elif type(value) is list:
            pending += [(f"{path}[]", item) for item in value[:_MOST_ELEMENTS]]


def _words(envelope: Mapping[str, Any]) -> Iterator[Pair]:
    action, summary = (_object(envelope.get(name)) for name in ("fixtureAction", "fixtureSummary"))
    periods = summary.get("periods")
    said: Iterable[tuple[str, Any]] = (
        ("version", envelope.get("version")),
        *((f"fixtureAction.{name}", action.get(name)) for name in _ACTION_WORDS),
        *((f"fixtureSummary.{name}", summary.get(name)) for name in _SUMMARY_WORDS),
        *((f"{_PERIODS}.type", _object(period).get("type")) for period in (periods if type(periods) is list else ())),
    )
    for path, value in said:
        if type(value) in (str, int):
            yield path, _name(str(value))


def _kind(envelope: Mapping[str, Any]) -> str:
    return _name(str(_object(envelope.get("fixtureAction")).get("fixtureActionTypeId")))


def _object(value: Any) -> Mapping[str, Any]:
    return value if type(value) is dict else _NOTHING


def _name(text: str) -> str:
    if len(text) <= _LONGEST_NAME and text.isascii() and text.isprintable():
        return text
    return sentence(text, _LONGEST_NAME)


def version(envelope: Mapping[str, Any]) -> str:
    """Return the envelope's ``version`` as text; "" when it has none."""
    said = envelope.get("version")
    return _name(str(said)) if type(said) in (str, int) else ""
