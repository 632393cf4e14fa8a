"""From one decoded packet to its columns: lenient field by field, so that one odd value costs one column.

Protocol sections 1.7, 1.10, 3.1 to 3.3. The live path and ``reparse`` call the same :func:`parse`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from recorder.model import Fields, Side, microseconds

Converter = Callable[[Any], object]
Rules = Mapping[str, tuple[str, Converter]]

_INT64 = range(-(2**63), 2**63)
_QUOTED_INTEGER = re.compile(r"-?[0-9]{1,20}")
_QUOTED_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?")
_CLOCK = re.compile(r"(?:([0-9]{1,3}):([0-5][0-9])|([0-9]{1,4})):([0-5][0-9])")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)

# protocol 1.10: a float64 loses the vendor's order; columns hold 6 digits before the point and 20 behind it.
_WHOLE_DIGITS = 6
_DECIMALS = 20

# A JSON number beyond this is refused by, or lost in, one of the two databases.
_EXPONENT = 1000

_DIGITS_AS_ZERO = bytes.maketrans(b".123456789", b"0000000000")

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class _Unreadable(ValueError):
    """The value is none that its column can hold; the text says what was expected, without the value."""


class _Unholdable(_Unreadable):
    """No text or JSON column can hold the value, so it cannot go to ``extra`` either."""


def parse(packet: Mapping[str, Any]) -> Fields:
    """Return the columns of one envelope, as decoded by :func:`recorder.feed.messages.read`; never raises.

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
        rest = _take(action, _ACTION, "", columns, problems)
        identity = rest.pop("fixtureId", None)  # held by the stream
        if not isinstance(identity, str | None):
            problems.append("fixtureId: not text")
            rest["fixtureId"] = identity
        for name, rules in (("team", _TEAM), ("player", _PLAYER)):
            inner = rest.pop(name, None)
            _keep(rest, name, _take_object(inner, rules, name, columns, problems))
        _keep(extra, "fixtureAction", rest)
        _read_clock(columns, problems)
    else:
        problems.append("fixtureAction: not an object")
        _keep(extra, "fixtureAction", action)
    _keep(extra, "fixtureSummary", _take_object(summary, _SUMMARY, "fixtureSummary", columns, problems))
    if extra:
        try:
            columns["extra"] = json_text(extra)
        except _Unreadable as problem:
            problems.append(f"extra: {problem}")
    if problems:
        columns["parse_error"] = "; ".join(problems)
    return Fields(**columns)


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


def rfc3339_us(text: str, *, needs_zone: bool = False) -> int:
    """Return an RFC 3339 time as microseconds since 1970-01-01 UTC; raises ValueError when it is none.

    Fractions beyond microseconds are cut. Without a zone the time is UTC (protocol 3.2), unless ``needs_zone``.
    """
    match = _RFC3339.fullmatch(text)
    if match is None or (needs_zone and match[2] is None):
        raise _Unreadable("not an RFC 3339 time" + (" with an offset or Z" if needs_zone else ""))
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise _Unreadable("no time of the calendar") from None
    return microseconds(moment)


def json_text(value: object) -> str:
    """Return compact JSON that both databases can hold; raises ValueError for what one of them cannot."""
    try:
        encoded = _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise _Unholdable("holds a lone surrogate") from None
    except (RecursionError, ValueError, OverflowError, TypeError):
        raise _Unholdable("no JSON") from None
    # What must be refused shows an escape, the first letter of E+400, NaN or Infinity, or a long row of digits: single
    # bytes are found fast, and most values then need no walk.
    if b"\\" in encoded or b"E" in encoded or b"N" in encoded or b"I" in encoded or _has_long_number(encoded):
        _check_holdable(value)
    return encoded.decode()


def _has_long_number(encoded: bytes) -> bool:
    return len(encoded) > _EXPONENT and b"0" * _EXPONENT in encoded.translate(_DIGITS_AS_ZERO)


def _check_holdable(value: object) -> None:
    pending = [value]
    while pending:
        match pending.pop():
            case dict() as item:
                pending.extend(item)
                pending.extend(item.values())
            case list() as item:
                pending.extend(item)
            case str() as item if "\0" in item:
                raise _Unholdable("holds a NUL")
            case Decimal() as item if not (item.is_finite() and _is_moderate(item)):
                raise _Unholdable("holds a number out of range")
            case int() as item if item not in _INT64 and abs(item) >= 10 ** (_EXPONENT + 1):
                raise _Unholdable("holds a number out of range")


def _is_moderate(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_EXPONENT and value.adjusted() <= _EXPONENT


def _take(
    part: Mapping[str, Any], rules: Rules, where: str, columns: dict[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Move what ``rules`` name from ``part`` into ``columns``; return the rest, as sent."""
    rest: dict[str, Any] = {}
    for key, value in part.items():
        rule = rules.get(key)
        if rule is None:
            rest[key] = value
        elif value is not None:
            column, convert = rule
            try:
                read = convert(value)
            except _Unreadable as problem:
                problems.append(f"{where}{key}: {problem}")
                if not isinstance(problem, _Unholdable):
                    rest[key] = value
                continue
            # Two spellings of one fact: when they differ the greater wins (True, home), whatever came first.
            if columns.setdefault(column, read) != read:
                columns[column] = max(columns[column], read)
                rest[key] = value
    return rest


def _take_object(value: object, rules: Rules, name: str, columns: dict[str, Any], problems: list[str]) -> object:
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


def _read_clock(columns: dict[str, Any], problems: list[str]) -> None:
    """The clock keeps the vendor's text even when its seconds cannot be told."""
    if "clock" in columns:
        try:
            columns["clock_seconds"] = _seconds(columns["clock"])
        except _Unreadable as problem:
            problems.append(f"clockTime: {problem}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Unreadable("not text")
    if "\0" in value:
        raise _Unholdable("holds a NUL")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _Unholdable("holds a lone surrogate") from None
    return value


def _identity(value: object) -> str:
    """Ids are text; some of the vendor's generations number theirs (protocol 2.2)."""
    return str(value) if type(value) is int and value in _INT64 else _text(value)


def _integer(value: object) -> int:
    """protocol 1.7: "decimal fields … are quoted to preserve precision", yet all samples carry bare numbers."""
    if type(value) is int and value in _INT64:
        return value
    if isinstance(value, str) and _QUOTED_INTEGER.fullmatch(value):
        value = int(value)
    elif isinstance(value, Decimal) and value.is_finite() and value.adjusted() < _EXPONENT:
        whole = value.to_integral_value()
        value = int(whole) if whole == value else value
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Unreadable("not an integer")
    if value not in _INT64:
        raise _Unreadable("not within 64 bits")
    return value


def _sequence(value: object) -> Decimal:
    """The exact timelineSequence, 0 <= value < 10**6 with at most 20 decimals (protocol 1.10)."""
    match value:
        case bool():
            pass
        case str() if _QUOTED_DECIMAL.fullmatch(value):
            value = Decimal(value)
        case int() if value in _INT64:
            value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise _Unreadable("not a number")
    if not value:
        return Decimal(0)
    if value < 0:
        raise _Unreadable("negative")
    if value.adjusted() >= _WHOLE_DIGITS:
        raise _Unreadable(f"more than {_WHOLE_DIGITS} digits before the point")
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent >= -_DECIMALS:
        return value
    if any(digits[exponent + _DECIMALS :]):
        raise _Unreadable(f"more than {_DECIMALS} decimals")
    return Decimal((sign, digits[: exponent + _DECIMALS], -_DECIMALS))


def _seconds(value: object) -> int:
    """``MM:SS``, whose minutes may pass 90 (protocol 3.1), or ``HH:MM:SS``."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _Unreadable("not MM:SS or HH:MM:SS")
    hours, minutes, long_minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(long_minutes or minutes) * 60 + int(seconds)


def _time(value: object) -> int:
    if not isinstance(value, str):
        raise _Unreadable("not an RFC 3339 time")
    return rfc3339_us(value)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Unreadable("not true or false")
    return value


def _side(is_home: object) -> Side:
    return "home" if _boolean(is_home) else "away"


def _metadata(value: object) -> str:
    if not isinstance(value, dict):
        raise _Unreadable("not an object")
    try:
        return json_text(_lower_keys(value))
    except RecursionError:
        raise _Unholdable("nested too deep") from None


def _lower_keys(value: Any) -> Any:
    """protocol 3.5: both HomeTeamColour (2022) and homeTeamColour occur; where both meet, each keeps its name."""
    if isinstance(value, list):
        return [_lower_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    lowered = {}
    for key, inner in value.items():
        name = key[:1].lower() + key[1:] if key[:1].isascii() else key
        lowered[key if name in value else name] = _lower_keys(inner)
    return lowered


def _identities(value: object) -> str:
    """An array of action ids; the ice hockey page types it String (protocol 3.1)."""
    if isinstance(value, str):
        value = [value] if value else []
    if not isinstance(value, list):
        raise _Unreadable("not an array of ids")
    return json_text([_identity(item) for item in value]) if value else "[]"


_ENVELOPE: Rules = {"traceId": ("trace_id", _identity), "finished": ("finished", _boolean)}

_ACTION: Rules = {
    "actionId": ("action_id", _identity),
    "fixtureSeqNum": ("fixture_seq_num", _integer),
    "timelineSequence": ("timeline_sequence", _sequence),
    "sendType": ("send_type", _text),
    "sendTypeId": ("send_type_id", _integer),
    "fixtureActionType": ("type", _text),
    "fixtureActionTypeId": ("type_id", _integer),
    "fixtureActionSubType": ("sub_type", _text),
    "fixtureActionSubTypeId": ("sub_type_id", _integer),
    "period": ("period", _integer),
    "clockTime": ("clock", _text),
    "timestamp": ("occurred_us", _time),
    "relatedFixtureActionIds": ("related_action_ids", _identities),
    "delayStatus": ("delay_status", _text),
    "metadata": ("metadata", _metadata),
}

_TEAM: Rules = {"id": ("team_id", _identity), "name": ("team", _text), "homeTeam": ("side", _side)}

_PLAYER: Rules = {"id": ("player_id", _identity), "name": ("player", _text)}

_SUMMARY: Rules = {
    "homeTeamScore": ("home_score", _integer),
    "awayTeamScore": ("away_score", _integer),
    "currentPeriod": ("current_period", _integer),
    "currentClockTime": ("current_clock_seconds", _seconds),
    "currentClockState": ("clock_state", _text),
    # protocol 3.2: payloads spell it with one s in "Possesion", the page's table rightly.
    "isHomeTeamInPossesion": ("possession", _side),
    "isHomeTeamInPossession": ("possession", _side),
    "currentStatus": ("status", _text),
    "collectionStatus": ("collection_status", _text),
    "finished": ("finished", _boolean),
}
