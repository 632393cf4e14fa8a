"""Mutations of real packets: what a broken server, a new version or an attacker might send. Seeded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null|[\[\]{},:]')
_ODD = [
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"-0",
    b"1e400",
    b"NaN",
    b"9" * 30,
    b'"\\ud800"',
    b'"\\u0000"',
    b"[[[[1]]]]",
]


def mutations(packets: Sequence[bytes], rng: Random) -> Iterator[bytes]:
    """Give mutated packets without end: one to four mutations each, now and then none."""
    while True:
        packet = rng.choice(packets)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 4))):
            packet = rng.choice(MUTATORS)(packet, packets, rng)
        yield packet


def _span(packet: bytes, rng: Random, longest: int = 40) -> tuple[int, int]:
    begin = rng.randint(0, len(packet))
    return begin, min(len(packet), begin + rng.randint(1, longest))


def _tokens(packet: bytes) -> list[tuple[int, int]]:
    return [found.span() for found in _TOKEN.finditer(packet)]


def flip_bit(packet: bytes, _packets: Sequence[bytes], rng: Random) -> bytes:
    """Flip one bit anywhere."""
    if not packet:
        return packet
    changed = bytearray(packet)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def delete(packet: bytes, _packets: Sequence[bytes], rng: Random) -> bytes:
    """Leave some bytes out."""
    begin, end = _span(packet, rng)
    return packet[:begin] + packet[end:]


def truncate(packet: bytes, _packets: Sequence[bytes], rng: Random) -> bytes:
    """Cut the packet off."""
    return packet[: rng.randint(0, len(packet))]


def insert(packet: bytes, _packets: Sequence[bytes], rng: Random) -> bytes:
    """Put random bytes in."""
    begin = rng.randint(0, len(packet))
    return packet[:begin] + rng.randbytes(rng.randint(1, 8)) + packet[begin:]


def duplicate(packet: bytes, _packets: Sequence[bytes], rng: Random) -> bytes:
    """Repeat some bytes."""
    begin, end = _span(packet, rng)
    return packet[:end] + packet[begin:]


def splice(packet: bytes, packets: Sequence[bytes], rng: Random) -> bytes:
    """The beginning of one packet and the end of another."""
    other = rng.choice(packets)
    return packet[: rng.randint(0, len(packet))] + other[rng.randint(0, len(other)) :]


def swap_tokens(packet: bytes, _packets: Sequence[bytes], rng: Random) -> bytes:
    """Swap two keys, values or brackets."""
    tokens = _tokens(packet)
    if len(tokens) < 2:
        return packet
    (a, b), (c, d) = sorted(rng.sample(tokens, 2))
    return packet[:a] + packet[c:d] + packet[b:c] + packet[a:b] + packet[d:]


def replace_token(packet: bytes, _packets: Sequence[bytes], rng: Random) -> bytes:
    """Put an odd value where a key, value or bracket was."""
    tokens = _tokens(packet)
    if not tokens:
        return packet
    begin, end = rng.choice(tokens)
    return packet[:begin] + rng.choice(_ODD) + packet[end:]


Mutator = Callable[[bytes, Sequence[bytes], Random], bytes]
MUTATORS: list[Mutator] = [flip_bit, delete, truncate, insert, duplicate, splice, swap_tokens, replace_token]
