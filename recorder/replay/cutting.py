"""Messages that bear several packets, taken apart without touching a byte of a packet. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from recorder.feed.messages import read


def cut(payload: bytes, parts: Sequence[int]) -> bytes:
    """Return a message that bears only these of its packets, each in its own bytes: one alone, several as an array.

    A message of a form that cannot be taken apart is returned whole.
    """
    packets = _packets(payload)
    if not packets or max(parts) >= len(packets):
        return payload
    chosen = [packets[part] for part in parts]
    return chosen[0] if len(chosen) == 1 else b"[" + b",".join(chosen) + b"]"


def _packets(payload: bytes) -> list[bytes]:
    """Return the packets in a message, in the order of `feed.messages`: its elements, or those under ``action``."""
    try:
        raw = msgspec.json.decode(payload, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    found: list[bytes] = []
    for item in raw if isinstance(raw, list) else [msgspec.Raw(payload)]:
        found.extend(_unwrapped(bytes(item)))
    return found


def _unwrapped(item: bytes) -> list[bytes]:
    try:
        keys = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return []
    if "fixtureAction" in keys:
        return [item]
    wrapped = bytes(keys.get("action", b""))
    if wrapped.startswith(b"["):
        elements = msgspec.json.decode(wrapped, type=list[msgspec.Raw])
        return [inner for element in elements for inner in [bytes(element)] if read(inner).packets]
    return [wrapped] if wrapped and read(wrapped).packets else []
