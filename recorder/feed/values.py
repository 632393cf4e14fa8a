"""From one value, as the vendor writes it, to what its column holds; raises :class:`Unreadable` for any other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from recorder.feed.holdable import EXPONENT, INT64, Unholdable, Unreadable, json_text
from recorder.model import Side

_QUOTED_INTEGER = re.compile(r"-?[0-9]{1,20}")
_QUOTED_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?")
_CLOCK = re.compile(r"(?:([0-9]{1,3}):([0-5][0-9])|([0-9]{1,4})):([0-5][0-9])")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)

# protocol 1.10: a float64 would lose the vendor's order.
SEQUENCE_DIGITS, SEQUENCE_DECIMALS = 6, 20
"""Of `timeline_sequence`: before the point, and behind it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def text(value: object) -> str:
    """Text that both databases can hold."""
    if not isinstance(value, str):
        raise Unreadable("not text")
    if "\0" in value:
        raise Unholdable("holds a NUL")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unholdable("holds a lone surrogate") from None
    return value


def identity(value: object) -> str:
    """Ids are text; some of the vendor's generations number theirs (protocol 2.2)."""
    return str(value) if type(value) is int and value in INT64 else text(value)


def integer(value: object) -> int:
    """protocol 1.7: "decimal fields … are quoted to preserve precision", yet all samples carry bare numbers."""
    if type(value) is int and value in INT64:
        return value
    if isinstance(value, str) and _QUOTED_INTEGER.fullmatch(value):
        value = int(value)
    elif isinstance(value, Decimal) and value.is_finite() and value.adjusted() < EXPONENT:
        whole = value.to_integral_value()
        value = int(whole) if whole == value else value
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unreadable("not an integer")
    if value not in INT64:
        raise Unreadable("not within 64 bits")
    return value


def fixed_point(value: Decimal) -> str:
    """Return ``value`` as text of 6 digits, a point and 20 digits: exact, and it sorts as the number does."""
    return f"{value:0{SEQUENCE_DIGITS + 1 + SEQUENCE_DECIMALS}.{SEQUENCE_DECIMALS}f}"


def sequence(value: object) -> str:
    """The exact timelineSequence, 0 <= value < 10**6 with at most 20 decimals (protocol 1.10), as `fixed_point`."""
    match value:
        case bool():
            pass
        case str() if _QUOTED_DECIMAL.fullmatch(value):
            value = Decimal(value)
        case int() if value in INT64:
            value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Unreadable("not a number")
    if not value:
        return fixed_point(Decimal(0))
    if value < 0:
        raise Unreadable("negative")
    if value.adjusted() >= SEQUENCE_DIGITS:
        raise Unreadable(f"more than {SEQUENCE_DIGITS} digits before the point")
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent >= -SEQUENCE_DECIMALS:
        return fixed_point(value)
    if any(digits[exponent + SEQUENCE_DECIMALS :]):
        raise Unreadable(f"more than {SEQUENCE_DECIMALS} decimals")
    return fixed_point(Decimal((sign, digits[: exponent + SEQUENCE_DECIMALS], -SEQUENCE_DECIMALS)))


def seconds(value: object) -> int:
    """``MM:SS``, whose minutes may pass 90 (protocol 3.1), or ``HH:MM:SS``."""
    if not isinstance(value, str):
        raise Unreadable("not MM:SS or HH:MM:SS")
    return _seconds(value)


@lru_cache(maxsize=4096)  # every clock is told twice, and again by each match
def _seconds(text: str) -> int:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise Unreadable("not MM:SS or HH:MM:SS")
    hours, minutes, long_minutes, rest = match.groups()
    return int(hours or 0) * 3600 + int(long_minutes or minutes) * 60 + int(rest)


def rfc3339_us(text: str, *, needs_zone: bool = False) -> int:
    """Return an RFC 3339 time as microseconds since 1970-01-01 UTC; raises ValueError when it is none.

    Fractions beyond microseconds are cut. Without a zone the time is UTC (protocol 3.2), unless ``needs_zone``.
    """
    match = _RFC3339.fullmatch(text)
    if match is None or (needs_zone and match[2] is None):
        raise Unreadable("not an RFC 3339 time" + (" with an offset or Z" if needs_zone else ""))
    try:
        moment = datetime.fromisoformat(text.upper())
        utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # an offset may lead out of the years that can be written
        raise Unreadable("no time of the calendar") from None
    return (utc - _EPOCH) // _MICROSECOND


def time(value: object) -> int:
    """:func:`rfc3339_us` of a packet's time."""
    if not isinstance(value, str):
        raise Unreadable("not an RFC 3339 time")
    return rfc3339_us(value)


def boolean(value: object) -> bool:
    """Nothing but true or false."""
    if not isinstance(value, bool):
        raise Unreadable("not true or false")
    return value


def side(is_home: object) -> Side:
    """The side that a flag named for the home team means."""
    return "home" if boolean(is_home) else "away"


def metadata(value: object) -> str:
    """An object, as JSON whose keys begin in lower case."""
    if not isinstance(value, dict):
        raise Unreadable("not an object")
    try:
        return json_text(_lower_keys(value))
    except RecursionError:
        raise Unholdable("nested too deep") from None


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


def identities(value: object) -> str:
    """An array of action ids; the ice hockey page types it String (protocol 3.1)."""
    if isinstance(value, str):
        value = [value] if value else []
    if not isinstance(value, list):
        raise Unreadable("not an array of ids")
    return json_text([identity(item) for item in value]) if value else "[]"
