"""Text that both databases can hold, JSON and plain, and the two ways in which a value may fail its column."""

from __future__ import annotations

from decimal import Decimal

import msgspec

INT64 = range(-(2**63), 2**63)

EXPONENT = 1000
"""A JSON number beyond this is refused by, or lost in, one of the two databases."""

_DIGITS_AS_ZERO = bytes.maketrans(b".123456789", b"0000000000")

_ENCODER = msgspec.json.Encoder(decimal_format="number")


_LONGEST = 500


class Unreadable(ValueError):
    """The value is none that its column can hold; the text says what was expected, without the value."""


class Unholdable(Unreadable):
    """No text or JSON column can hold the value, so it cannot go to ``extra`` either."""


def sentence(text: str, longest: int = _LONGEST) -> str:
    """Cut and clean what a peer wrote, so that any database and terminal can hold it; the bytes have it whole."""
    cleaned = text[:longest].encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() else "\ufffd" for character in cleaned)


def json_text(value: object) -> str:
    """Return compact JSON that both databases can hold; raises ValueError for what one of them cannot."""
    try:
        encoded = _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise Unholdable("holds a lone surrogate") from None
    except (RecursionError, ValueError, OverflowError, TypeError):
        raise Unholdable("no JSON") from None
    # What must be refused shows an escape, the first letter of E+400, NaN or Infinity, or a long row of digits: single
    # bytes are found fast, and most values then need no walk.
    if b"\\" in encoded or b"E" in encoded or b"N" in encoded or b"I" in encoded or _has_long_number(encoded):
        _check_holdable(value)
    return encoded.decode()


def _has_long_number(encoded: bytes) -> bool:
    return len(encoded) > EXPONENT and b"0" * EXPONENT in encoded.translate(_DIGITS_AS_ZERO)


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
                raise Unholdable("holds a NUL")
            case Decimal() as item if not (item.is_finite() and _is_moderate(item)):
                raise Unholdable("holds a number out of range")
            case int() as item if item not in INT64 and abs(item) >= 10 ** (EXPONENT + 1):
                raise Unholdable("holds a number out of range")


def _is_moderate(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -EXPONENT and value.adjusted() <= EXPONENT
