"""What makes two packets the same: the canonical ``fixtureAction`` and its digest.

contract, Words: "keys sorted at every depth, numbers by exact value, arrays in order. traceId, white space, key order
and the summary around it do not count". Digests are stored, so a change of this form is a change of the archive.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from recorder.model import digest

# An int of more digits has no text in Python (sys.int_info.default_max_str_digits), so the decoder gives a Decimal.
MAX_INT_DIGITS = 4300

# Stands in the text for the next number of the list behind it. No decoded packet holds a float (see messages.read),
# so this token cannot be anything else.
PLACEHOLDER = 0.5

_SORTED = msgspec.json.Encoder(order="sorted")
_PLAIN = frozenset({str, int, bool, type(None)})
_NESTING = _PLAIN | {dict, list}


def content_digest(fixture_action: object) -> bytes:
    """Return the 16 bytes that stand for the content of ``fixture_action``.

    Takes what :func:`recorder.feed.messages.read` gives: str, int, Decimal (NaN and infinities too), bool, None, lists
    and dicts with str keys, nested no deeper than ``messages.MAX_DEPTH``; no floats.
    """
    return digest(canonical(fixture_action))


def canonical(fixture_action: object) -> bytes:
    """Return the canonical text: sorted compact ASCII JSON, then one line for each number that is no plain integer.

    Integral numbers stand in the JSON as integers. The others cannot be written there by the fast encoder, so the JSON
    has a placeholder for each, and they follow in the order of the placeholders: no two values share a text.
    """
    return (_shallow(fixture_action) if type(fixture_action) is dict else None) or _any(fixture_action)


def _shallow(fixture_action: dict[str, Any]) -> bytes | None:
    """Return the canonical text of what nearly every packet looks like, by the faster encoder; None: not such one.

    Its numbers that are no integers stand at the top, as `timelineSequence` does, and no text needs a backslash.
    """
    exact: list[str] = []
    for key, value in fixture_action.items():
        kind = type(value)
        if kind is Decimal:
            exact.append(key)
        elif kind not in _PLAIN and not _is_plain(value):
            return None
    plain, numbers = fixture_action, []
    for key in sorted(exact):
        integer, text = _exact(fixture_action[key])
        plain = {**plain, key: PLACEHOLDER if integer is None else integer}
        if integer is None:
            numbers.append(text)
    return compact(plain, numbers)


def compact(plain: object, numbers: Sequence[str]) -> bytes | None:
    """Return the canonical text of what holds neither Decimal nor float, by the faster encoder; None: it cannot.

    ``plain`` may be a struct of msgspec. `PLACEHOLDER` stands in it for each of ``numbers``, in the order of its keys.
    """
    try:
        encoded = _SORTED.encode(plain)
    except UnicodeEncodeError:  # a lone surrogate
        return None
    if b"\\" in encoded or b"\x7f" in encoded:
        return None
    if not encoded.isascii():
        encoded = encoded.decode().encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00")
        if b"\\U" in encoded:  # two escapes in JSON
            return None
    return "\n".join((encoded.decode(), *numbers)).encode() if numbers else encoded


def _is_plain(value: object) -> bool:
    """Say whether a value holds, all the way down, what both encoders write alike: no Decimal, nothing of ours."""
    if type(value) is dict:
        inner: Collection[object] = value.values()
    elif type(value) is list:
        inner = value
    else:
        return type(value) in _PLAIN
    kinds = set(map(type, inner))
    return kinds <= _PLAIN or (kinds <= _NESTING and all(map(_is_plain, inner)))


def _any(fixture_action: object) -> bytes:
    numbers: list[str] = []

    def number(value: object) -> int | float:
        if not isinstance(value, Decimal):
            raise TypeError(f"no JSON value: {type(value).__name__}")
        integer, text = _exact(value)
        if integer is not None:
            return integer
        numbers.append(text)
        return PLACEHOLDER

    text = json.dumps(fixture_action, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=number)
    return "\n".join((text, *numbers)).encode("ascii")


def _exact(value: Decimal) -> tuple[int | None, str]:
    """Return ``value`` as an integer of a bounded size, or else as the text of its exact value.

    By the digits, not by Decimal.normalize, which rounds to the context's precision; and never expanding an exponent
    such as 1e999999999.
    """
    whole, _, fraction = str(value).partition(".")
    if fraction[-1:] > "0" and fraction.isdecimal() and whole.isdecimal():
        return None, f"{(whole + fraction).lstrip('0')}e-{len(fraction)}"  # as nearly every one of the vendor's is
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return None, str(value)
    coefficient = "".join(map(str, digits)).lstrip("0")
    significant = coefficient.rstrip("0")
    if not significant:
        return 0, ""
    exponent += len(coefficient) - len(significant)
    minus = "-" if sign else ""
    if 0 <= exponent <= MAX_INT_DIGITS - len(significant):
        return int(minus + significant + "0" * exponent), ""
    return None, f"{minus}{significant}e{exponent}"
