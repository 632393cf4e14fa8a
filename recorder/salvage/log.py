"""SQLite's write-ahead log as pages, without SQLite. Source: https://www.sqlite.org/fileformat2.html, section 4."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from recorder.salvage.raw import Raw

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
"""The last bit says that the checksums are over big-endian words."""
_MASK = 0xFFFFFFFF

Sums = tuple[int, int]


@dataclass(slots=True)
class Log:
    """What a log holds: ``pages`` gives by page number where in the log its newest committed image begins.

    ``suspect`` are where images begin that do not make their checksum, or that stand behind such a one and were never
    seen to be committed.
    """

    page_size: int = 0
    pages: dict[int, int] = field(default_factory=dict)
    suspect: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Frame:
    number: int
    is_commit: bool
    salts: Sums
    sums: Sums
    image: int
    is_sound: bool


def page_size_of(raw: Raw) -> int | None:
    """Return the page size that a log's header tells; None when there is no such header."""
    if len(raw) < _HEADER.size:
        return None
    magic, _version, size, *_ = _HEADER.unpack(raw[: _HEADER.size])
    return size if magic & ~1 == _MAGIC else None


def read_log(raw: Raw, page_size: int) -> Log:
    """Return what a log holds, as far as the last commit in it; other than SQLite, go on behind a damaged frame.

    A frame's checksum begins with the one of the frame before it, so each is proven as long as that one was stored.
    """
    log, pending, begun_to_doubt = Log(page_size), dict[int, int](), False
    salts: Sums | None = None
    for frame in _frames(raw, page_size):
        salts = salts or frame.salts
        is_damaged = is_alike(frame.salts, salts) or not frame.is_sound
        if frame.salts != salts and not is_alike(frame.salts, salts):
            continue  # of an older log, which this one has not overwritten yet
        if is_damaged:
            log.suspect.append(frame.image)
            begun_to_doubt = True
            continue
        pending[frame.number] = frame.image
        if frame.is_commit:
            log.pages.update(pending)
            pending.clear()
    if begun_to_doubt:
        log.suspect += pending.values()
    return log


def _frames(raw: Raw, page_size: int) -> Iterator[_Frame]:
    if len(raw) < _HEADER.size:
        return
    header = raw[: _HEADER.size]
    magic, _version, _size, _sequence, one, other, *told = _HEADER.unpack(header)
    order = ">" if magic == _MAGIC | 1 else "<"
    before: Sums = (told[0], told[1])
    is_proven = magic & ~1 == _MAGIC and checksum(header[:24], order, (0, 0)) == before
    expected: Sums | None = (one, other) if is_proven else None
    step = _FRAME.size + page_size
    for at in range(_HEADER.size, len(raw) - step + 1, step):
        head = raw[at : at + _FRAME.size]
        number, size, salt_1, salt_2, sum_1, sum_2 = _FRAME.unpack(head)
        salts = (salt_1, salt_2)
        if expected is not None and salts != expected:
            before = (sum_1, sum_2)
            if is_alike(salts, expected):
                yield _Frame(number, size != 0, expected, before, at + _FRAME.size, False)
            continue
        image = at + _FRAME.size
        found = checksum(raw[image : image + page_size], order, checksum(head[:8], order, before))
        before = (sum_1, sum_2)
        yield _Frame(number, size != 0, salts, before, image, found == before)


def is_alike(salts: Sums, expected: Sums) -> bool:
    """Whether one of two salts is another: both change when a log begins anew, so that one was damaged."""
    return (salts[0] == expected[0]) != (salts[1] == expected[1])


def checksum(data: bytes, order: str, begun: Sums) -> Sums:
    """Return SQLite's checksum of ``data``, whose length is a multiple of eight, going on from ``begun``."""
    one, other = begun
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for even, odd in zip(words, words, strict=True):
        one = (one + even + other) & _MASK
        other = (other + odd + one) & _MASK
    return one, other
