"""What goes over the wire besides packets, and how packets are dressed up without a change of content."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

ACCEPT = "application/vnd.imggaming.dde.api+json;version=1"
BAD_TOKEN = '{"errorMessage": "Supplied token could not be authenticated"}'
NO_ACCEPT = "Request is missing required HTTP header 'Accept'"
UNAUTHORISED = "The supplied authentication is invalid"

_MARK = "\x01"
_MARKED = re.compile(r'"\\u0001([^"]*)"')


def heartbeat() -> str:
    """A heartbeat of now, in the only shape that the vendor publishes (protocol.md 1.6)."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps({"eventElementType": "Heartbeat", "timestamp": now, "message": f"Heartbeat sent at {now}"})


def parse_token(message: str | bytes) -> str | None:
    """Return the token of a first client message, None if it is not one."""
    try:
        token = json.loads(message)["authToken"]
    except (ValueError, TypeError, KeyError):
        return None
    return token if isinstance(token, str) else None


def envelope(packets: Sequence[bytes], *, array: bool, wrap: bool) -> bytes:
    """Join packets to one message without touching their bytes."""
    body = b"[" + b",".join(packets) + b"]" if array else b"".join(packets)
    return b'{"action":' + body + b"}" if wrap else body


def reserialise(packet: bytes, seed: int) -> bytes:
    """Return the same JSON content as another server process would write it; what is not JSON stays as it is."""
    rng = random.Random(seed)
    try:
        # Numbers travel as marked strings: a float would lose digits of timelineSequence, and its spelling.
        content = json.loads(packet, parse_float=_MARK.__add__, parse_int=_MARK.__add__)
    except ValueError:
        return packet
    if isinstance(content, dict) and "traceId" in content:
        content["traceId"] = f"{rng.getrandbits(128):032x}"
    separators = rng.choice([(",", ":"), (", ", ": "), (" ,\t", " :\n")])
    text = json.dumps(_shuffled(content, rng), separators=separators, ensure_ascii=rng.random() < 0.5)
    return _MARKED.sub(r"\1", text).encode()


def _shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, list):
        return [_shuffled(item, rng) for item in value]
    if isinstance(value, dict):
        return {key: _shuffled(value[key], rng) for key in rng.sample(list(value), len(value))}
    return value
