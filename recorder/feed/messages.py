"""What a message is: the classifier of everything that arrives. It takes bytes, raises nothing and knows no stream.

Protocol sections 1.4 to 1.7. The auth reply cannot be told from other unknown messages by its content (its JSON is not
public, protocol 1.4), so there is no AUTH here: the caller takes the first UNKNOWN message after the token for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from recorder.feed.actions import finished
from recorder.feed.content import MAX_INT_DIGITS
from recorder.feed.holdable import sentence
from recorder.model import Kind

MAX_DEPTH: Final = 100
"""Messages nested deeper are unreadable: whether Python can walk them would depend on the caller's own stack."""

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
BEARS = b'"fixtureAction"'
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_SHAPE_LENGTH = 200
_LEGACY_END = "matchfinished"  # protocol 3.7: tennis, table tennis

# No errors for us: a service that logs "Authenticated" at INFO must not look like a refusal.
_CALM_LEVELS = frozenset({"trace", "debug", "info"})

# "Unexpected token < in JSON" is a parser's sentence, not a refusal.
_REFUSAL = re.compile(
    r"(?<!unexpected )\btokens?\b|\b(un)?auth(enticat|oris|oriz|\b)|\bcredential|\bforbidden\b|\bstatus 40[13]\b",
    re.IGNORECASE,
)


# protocol 1.5: "Could not find fixture topic …" is what another of the vendor's services says of an unknown fixture.
_NOT_THERE = re.compile(
    r"\bnot (yet )?(be )?(found|available|started|begun|scheduled|exist)|"
    r"\b(could|can|did)( ?not|n't) (be )?(find|found)\b|"
    r"\bno such\b|\bunknown (fixture|event|match|topic)\b|\bdoes( not|n't) exist\b|\bstatus 404\b",
    re.IGNORECASE,
)


class Packet(Struct, frozen=True, gc=False):
    """One envelope that bears a ``fixtureAction``, decoded; numbers are int or Decimal, never float.

    ``part`` is its index among the bearing objects of its message, from 0.
    """

    envelope: Mapping[str, Any]
    part: int = 0

    @property
    def fixture_action(self) -> Any:
        """The vendor's ``fixtureAction``, of whatever type it came."""
        return self.envelope["fixtureAction"]


class Message(Struct, frozen=True, gc=False):
    """What one message is and holds.

    ``packets`` is empty unless ``kind`` is ACTION. ``finished``: it says that the match is over (of several packets the
    last that speaks of it). ``reason`` is an error's own text, or why the message is unknown or quarantined. ``shape``
    names the keys and JSON types of a control message that is an object ("" otherwise), so that a new shape can be
    noticed.
    """

    kind: Kind
    packets: tuple[Packet, ...] = ()
    finished: bool = False
    reason: str | None = None
    shape: str = ""


def read(payload: bytes) -> Message:
    """Return what ``payload`` is; never raises.

    A message is ACTION when an object in it has the key ``fixtureAction``, whatever its value: it takes a position in
    the vendor's list. (One that says it is a heartbeat and whose ``fixtureAction`` is null is a heartbeat.) Unreadable
    bytes are QUARANTINED when they speak of a ``fixtureAction``, else UNKNOWN.
    """
    value, problem = _decode(payload)
    if problem is not None:
        return Message(Kind.QUARANTINED if BEARS in payload else Kind.UNKNOWN, reason=f"unreadable: {problem}")
    if type(value) is dict and value.get("fixtureAction") is not None:
        return Message(Kind.ACTION, (Packet(value),), finished=bool(finished(value)))  # as nearly every one is
    bearing = [item for item in _objects(value) if "fixtureAction" in item]
    if bearing and not (bearing[0] is value and value["fixtureAction"] is None and _is_heartbeat(value)):
        said = [end for end in map(finished, bearing) if end is not None]
        packets = tuple(Packet(item, part) for part, item in enumerate(bearing))
        return Message(Kind.ACTION, packets, finished=bool(said) and said[-1])
    if isinstance(value, dict):
        return _read_control(value, payload)
    return _unknown(value, payload, f"a JSON {_type_name(value)} without a fixtureAction", "")


def auth_refused(message: Message) -> bool:
    """Say whether ``message`` is an error about the token, authentication or authorisation (protocol 1.5)."""
    return message.kind is Kind.ERROR and _REFUSAL.search(message.reason or "") is not None


def not_there(message: Message) -> bool:
    """Say whether ``message`` is an error that speaks of a fixture that does not exist, or not yet (protocol 1.5)."""
    if message.kind is not Kind.ERROR or auth_refused(message):
        return False
    return _NOT_THERE.search(message.reason or "") is not None


def is_reply(message: Message) -> bool:
    """Say whether the first message of a connection may be the auth reply: a flat object that bears no data.

    Only channels other than `actions` need to ask: there, whatever is no packet is no data.
    """
    nested = ":object" in message.shape or ":array" in message.shape
    return message.shape != "" and not nested and "seqnum" not in message.shape.lower()


def _decode(payload: bytes) -> tuple[Any, str | None]:
    """Return the value and None, or None and why neither decoder reads the bytes (their words, nothing of the payload).

    msgspec is fast and strict; the standard library also takes a BOM, NaN, lone surrogates and raw control characters.
    """
    try:
        try:
            value = _DECODER.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = json.loads(payload, parse_float=Decimal, parse_int=_integer, parse_constant=Decimal, strict=False)
    except RecursionError:
        return None, _TOO_DEEP
    except InvalidOperation:
        return None, "a number with an exponent beyond every range"
    except ValueError as error:
        return None, str(error)
    # Every level opens a bracket, so few brackets prove a shallow message without a walk.
    if payload.count(b"{") + payload.count(b"[") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        return None, _TOO_DEEP
    return value, None


def _integer(text: str) -> int | Decimal:
    """Read an integer of any length: int() refuses those of more than 4300 digits."""
    return int(text) if len(text) <= MAX_INT_DIGITS else Decimal(text)


def _is_deeper(value: Any, limit: int) -> bool:
    """Level by level, because a walk that calls itself would itself be too deep."""
    level = [value]
    for _ in range(limit):
        level = [child for item in level if isinstance(item, dict | list) for child in _children(item)]
    return any(isinstance(item, dict | list) for item in level)


def _children(item: dict[str, Any] | list[Any]) -> Iterator[Any]:
    return iter(item.values() if isinstance(item, dict) else item)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Give the objects that may be envelopes, in order.

    protocol 1.7: samples are one object, the pages speak of ``action`` and of ``Action []``: an object, an array of
    them, and either of these inside ``{"action": …}`` are taken.
    """
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            continue
        wrapped = item.get("action")
        if "fixtureAction" in item or not isinstance(wrapped, dict | list):
            yield item
        else:
            yield from (inner for inner in _as_list(wrapped) if isinstance(inner, dict))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _read_control(item: dict[str, Any], payload: bytes) -> Message:
    shape = _shape(item)
    if _is_heartbeat(item):
        return Message(Kind.HEARTBEAT, shape=shape)
    error = _error_text(item)
    if error is not None:
        return Message(Kind.ERROR, reason=error, shape=shape)
    element = _lowered(item).get("eventelementtype")
    over = item.get("finished") is True or (isinstance(element, str) and element.lower() == _LEGACY_END)
    # protocol 3.7: legacy DDE packets (tennis, golf, MMA) are out of scope, and kept raw.
    reason = "a legacy packet (eventElementType)" if element is not None else "an object without a fixtureAction"
    return replace(_unknown(item, payload, reason, shape), finished=over)


def _unknown(value: Any, payload: bytes, reason: str, shape: str) -> Message:
    """A fixtureAction inside an envelope that nobody has seen yet is an action that we would lose: a doubt."""
    if BEARS in payload and _holds_key(value, "fixtureAction"):
        return Message(Kind.QUARANTINED, reason="a fixtureAction inside an envelope of an unknown form", shape=shape)
    return Message(Kind.UNKNOWN, reason=reason, shape=shape)


def _holds_key(value: Any, key: str) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if key in item:
                return True
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


def _lowered(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in item.items()}


def _is_heartbeat(item: Mapping[str, Any]) -> bool:
    """protocol 1.6: the FastPath heartbeat is not public; the golf one is spelt in two ways on its own page."""
    lowered = _lowered(item)
    element = lowered.get("eventelementtype")
    if isinstance(element, str) and element.strip().lower() == "heartbeat":
        return True
    if "fixtureAction" in item or "seqnum" in lowered:
        return False
    values = (lowered.get(key) for key in ("message", "type", "datatype"))
    return any(isinstance(value, str) and value.strip().lower().startswith("heartbeat") for value in values)


def _error_text(item: Mapping[str, Any]) -> str | None:
    """protocol 1.5: top-level string ``errorMessage``, ``error``, or ``message`` with ``level``."""
    lowered = _lowered(item)
    if "eventelementtype" in lowered:
        return None
    level = lowered.get("level")
    is_logged = level is not None and not (isinstance(level, str) and level.lower() in _CALM_LEVELS)
    for key in ("errormessage", "error", *(["message"] if is_logged else [])):
        text = lowered.get(key)
        if isinstance(text, str) and text.strip():
            status = lowered.get("status")
            return sentence(f"{text} (status {status})" if isinstance(status, int | str) else text)
    return None


def _shape(item: Mapping[str, Any]) -> str:
    shape = ",".join(sorted(f"{key}:{_type_name(value)}" for key, value in item.items()))
    if len(shape) <= _SHAPE_LENGTH and shape.isprintable():
        return shape
    mark = sha256(shape.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{len(item)} keys:{mark}"


def _type_name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | Decimal():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
