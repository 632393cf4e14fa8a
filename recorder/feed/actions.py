"""From one decoded packet to its columns: lenient field by field, so that one odd value costs one column.

The live path and ``reparse`` call the same :func:`parse`. Which field goes where: :mod:`recorder.feed.columns`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recorder.feed.columns import ACTION, ENVELOPE, PLAYER, SUMMARY, TEAM, Converter, Rules
from recorder.feed.holdable import Unholdable, Unreadable, json_text
from recorder.feed.values import boolean, identity, integer, seconds, text
from recorder.model import Fields

PARSER = 1
"""The version of what `parse` makes of a packet; it stands on every row. Raise it with every change of a column.

What `usual` makes of the usual packet has to be changed alike; a test holds the two against each other.
"""

_HELD: Mapping[Converter, type] = {text: str, identity: str, integer: int, boolean: bool}
"""Which values a converter returns as they are, if they are not too long nor too odd."""

_Known = Mapping[str, tuple[str, Converter, type | None]]


def _known(rules: Rules) -> _Known:
    return {key: (column, convert, _HELD.get(convert)) for key, (column, convert) in rules.items()}


_ENVELOPE, _ACTION, _TEAM, _PLAYER, _SUMMARY = map(_known, (ENVELOPE, ACTION, TEAM, PLAYER, SUMMARY))
_MOST = 2**63


def parse(packet: Mapping[str, Any]) -> Fields:
    """Return the columns of one envelope, as decoded by :func:`recorder.feed.messages.read`; never raises.

    What is what: `derive`.
    """
    return Fields(**derive(packet))


def derive(packet: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `parse` does, by the names of `Fields`; what the packet does not say is left out.

    A value of the wrong type or out of range leaves its column None, adds ``field: what was expected`` to
    ``parse_error`` (separated by "; ") and stands in ``extra`` with every other field that no column holds. A null
    says nothing and is no mistake.
    """
    columns: dict[str, Any] = {}
    problems: list[str] = []
    extra = _take(packet, _ENVELOPE, "", columns, problems)
    action = extra.pop("fixtureAction", None)
    summary = extra.pop("fixtureSummary", None)
    if isinstance(action, dict):
        _keep(extra, "fixtureAction", _take_action(action, columns, problems))
    else:
        problems.append("fixtureAction: not an object")
        _keep(extra, "fixtureAction", action)
    _keep(extra, "fixtureSummary", _take_object(summary, _SUMMARY, "fixtureSummary", columns, problems))
    if extra:
        try:
            columns["extra"] = json_text(extra)
        except Unreadable as problem:
            problems.append(f"extra: {problem}")
    if problems:
        columns["parse_error"] = "; ".join(problems)
    return columns


def fixture_id(packet: Mapping[str, Any]) -> str | None:
    """Return the lower-cased ``fixtureAction.fixtureId``, or None when the packet does not say one."""
    action = packet.get("fixtureAction")
    value = action.get("fixtureId") if isinstance(action, dict) else None
    return value.lower() if isinstance(value, str) else None


def finished(packet: Mapping[str, Any]) -> bool | None:
    """Say whether the packet says that the match is over; None when it says nothing.

    protocol 1.7: top-level ``finished`` is absent in some packets and the summary's in others: either is enough.
    """
    summary = packet.get("fixtureSummary")
    said = (packet.get("finished"), summary.get("finished") if isinstance(summary, dict) else None)
    flags = [value for value in said if isinstance(value, bool)]
    return any(flags) if flags else None


def _take_action(action: dict[str, Any], columns: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    rest = _take(action, _ACTION, "", columns, problems)
    identity = rest.pop("fixtureId", None)  # held by the stream
    if not isinstance(identity, str | None):
        problems.append("fixtureId: not text")
        rest["fixtureId"] = identity
    for name, rules in (("team", _TEAM), ("player", _PLAYER)):
        inner = rest.pop(name, None)
        _keep(rest, name, _take_object(inner, rules, name, columns, problems))
    _read_clock(columns, problems)
    return rest


def _read_clock(columns: dict[str, Any], problems: list[str]) -> None:
    """The clock keeps the vendor's text even when its seconds cannot be told."""
    if "clock" in columns:
        try:
            columns["clock_seconds"] = seconds(columns["clock"])
        except Unreadable as problem:
            problems.append(f"clockTime: {problem}")


def _take(
    part: Mapping[str, Any], rules: _Known, where: str, columns: dict[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Move what ``rules`` name from ``part`` into ``columns``; return the rest, as sent."""
    rest: dict[str, Any] = {}
    for key, value in part.items():
        rule = rules.get(key)
        if rule is None:
            rest[key] = value
        elif value is not None:
            column, convert, held = rule
            kind = type(value)
            # What nearly every value is, without a call; `convert` would return the same.
            if kind is held and (
                (value.isascii() and "\0" not in value) if kind is str else (kind is bool or -_MOST <= value < _MOST)
            ):
                read = value
            else:
                try:
                    read = convert(value)
                except Unreadable as problem:
                    problems.append(f"{where}{key}: {problem}")
                    if not isinstance(problem, Unholdable):
                        rest[key] = value
                    continue
            # Two spellings of one fact: when they differ the greater wins (True, home), whatever came first.
            if column not in columns:
                columns[column] = read
            elif columns[column] != read:
                columns[column] = max(columns[column], read)
                rest[key] = value
    return rest


def _take_object(value: object, rules: _Known, name: str, columns: dict[str, Any], problems: list[str]) -> object:
    """:func:`_take` for an object inside the packet, which may be missing or no object at all."""
    if value is None:
        return None
    if isinstance(value, dict):
        return _take(value, rules, f"{name}.", columns, problems)
    problems.append(f"{name}: not an object")
    return value


def _keep(extra: dict[str, Any], name: str, rest: object) -> None:
    if rest is not None and rest != {}:
        extra[name] = rest
