"""Whole messages at the beginning of what came: nearly all do, dozens in one read of a list. Pure.

The library parses and hands out one message at a time, and a list brings dozens in one read (decision 22). What is
taken here is what needs no judgement: a message of one frame, of text or bytes, without any reserved bit, of less than
64 KiB. Everything else is the library's: control frames, parts, long messages, whatever breaks the protocol.
"""

from __future__ import annotations

from recorder.model import Opcode

_OPCODES: dict[int, Opcode] = {0x81: "text", 0x82: "binary"}
_TWO_BYTES_FOLLOW = 126


def whole_messages(data: bytes, limit: int) -> tuple[list[bytes], list[Opcode], int]:
    """Return the payloads and opcodes of the whole messages that ``data`` begins with, and where they end.

    They end before the first that is longer than ``limit``. RFC 6455, 5.2.
    """
    payloads: list[bytes] = []
    opcodes: list[Opcode] = []
    at, end = 0, len(data)
    while at + 2 <= end:
        opcode, length, begin = _OPCODES.get(data[at]), data[at + 1], at + 2
        if length == _TWO_BYTES_FOLLOW:
            begin = at + 4
            length = int.from_bytes(data[at + 2 : begin])
        elif length > _TWO_BYTES_FOLLOW:
            break
        if opcode is None or begin + length > end or length > limit:
            break
        payloads.append(data[begin : begin + length])
        opcodes.append(opcode)
        at = begin + length
    return payloads, opcodes, at


def is_begun(data: bytes, limit: int) -> bool:
    """Say whether ``data`` is the beginning of such a message, as far as can be told."""
    if data[0] not in _OPCODES or (len(data) > 1 and data[1] > _TWO_BYTES_FOLLOW):
        return False
    if len(data) < 4 or data[1] != _TWO_BYTES_FOLLOW:
        return len(data) < 2 or data[1] == _TWO_BYTES_FOLLOW or data[1] <= limit
    return int.from_bytes(data[2:4]) <= limit
