"""Messages that bear several packets, taken apart without touching a byte of a packet. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


def cut(payload: bytes, parts: Sequence[int]) -> bytes:
    """Return a message that bears only these of its packets, each in its own bytes: one alone, several as an array.

    ``parts`` count as `feed.messages.Packet.part` does. A message of a form that cannot be taken apart is returned
    whole.
    """
    packets = _packets(payload)
    if not packets or max(parts) >= len(packets):
        return payload
    chosen = [packets[part] for part in parts]
    return chosen[0] if len(chosen) == 1 else b"[" + b",".join(chosen) + b"]"


def _packets(payload: bytes) -> list[bytes]:
    """Return the packets in a message, in the order of `feed.messages`: its elements, or those under ``action``."""
    try:
        items = _elements(payload) if payload.lstrip().startswith(b"[") else [payload.strip()]
        return [packet for item in items for packet in _unwrapped(item)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _unwrapped(item: bytes) -> list[bytes]:
    fields = _fields(item)
    if "fixtureAction" in fields:
        return [item]
    wrapped = bytes(fields.get("action", b""))
    inner = _elements(wrapped) if wrapped.startswith(b"[") else [wrapped]
    return [each for each in inner if "fixtureAction" in _fields(each)]


def _elements(array: bytes) -> list[bytes]:
    return [bytes(element) for element in msgspec.json.decode(array, type=list[msgspec.Raw])]


def _fields(item: bytes) -> Mapping[str, msgspec.Raw]:
    """Return an object's fields as they are written; what is no object has none."""
    return msgspec.json.decode(item, type=dict[str, msgspec.Raw]) if item.startswith(b"{") else {}
