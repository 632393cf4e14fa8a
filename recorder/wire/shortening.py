"""Messages that are too long, cut out of the bytes of a websocket stream as they pass. Pure: bytes in, bytes out."""

from __future__ import annotations

from collections import deque

from websockets.frames import Opcode

DATA = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)
"""The opcodes of frames that bear parts of a message."""

_EMPTY_LAST = bytes([0x80 | Opcode.CONT, 0])
"""A frame that ends a message and adds nothing to it."""


class Shortener:
    """Cuts messages that are too long out of the bytes of a websocket stream (RFC 6455, 5.2), as they pass.

    What comes out is a websocket stream again. A frame with which its message grows beyond ``limit`` bytes comes out
    with as much of it as belongs to the message's first ``kept``, and the rest is dropped as it arrives, however long
    its header says that it is. The message ends where it ended, never before its last byte was there. Frames that are
    no data and frames that break the protocol pass unchanged: the library judges them.
    """

    def __init__(self, limit: int, kept: int) -> None:
        self._limit = limit
        self._kept = min(kept, limit)
        self._head = bytearray()
        self._passing = 0
        self._dropping = 0
        self._end = b""
        self._size = 0
        self.sizes: deque[int] = deque()
        """The true size in bytes of each message whose last frame has begun to come out."""

    @property
    def is_amid_frame(self) -> bool:
        """Whether a frame has begun to pass and has not ended."""
        return bool(self._passing or self._dropping or self._head)

    def feed(self, data: bytes) -> bytes:
        """Take the stream's next bytes, and return those that take their place."""
        out = bytearray()
        at = 0
        while at < len(data):
            at += self._take(data, at, out)
            if not (self._passing or self._dropping):
                out += self._end
                self._end = b""
        return bytes(out)

    def _take(self, data: bytes, at: int, out: bytearray) -> int:
        """Take from ``data`` what is of one kind from ``at`` on, and return how many bytes that was."""
        if self._passing:
            taken = min(self._passing, len(data) - at)
            out += data[at : at + taken]
            self._passing -= taken
        elif self._dropping:
            taken = min(self._dropping, len(data) - at)
            self._dropping -= taken
        else:
            taken = 1
            self._head.append(data[at])
            if len(self._head) == _head_length(self._head):
                out += self._begin(bytes(self._head))
                self._head.clear()
        return taken

    def _begin(self, head: bytes) -> bytes:
        """Take a frame's header and decide about its payload; return the header that takes its place."""
        length = head[1] & 0x7F if len(head) == 2 else int.from_bytes(head[2:])
        opcode, is_last = head[0] & 0x0F, bool(head[0] & 0x80)
        if opcode not in DATA:
            self._passing = length
            return head
        before = 0 if opcode != Opcode.CONT else self._size
        self._size = before + length
        if is_last:
            self.sizes.append(self._size)
        if self._size <= self._limit:
            self._passing = length
            return head
        self._passing = min(length, max(0, self._kept - before))
        self._dropping = length - self._passing
        self._end = _EMPTY_LAST if is_last else b""
        # Nothing left of a frame in the middle: leave it out. The first one is needed, it says text or binary.
        return _unfinished(head[0], self._passing) if self._passing or opcode != Opcode.CONT else b""


def _head_length(head: bytearray) -> int:
    """Return how many bytes a frame's header has, as far as can be said (at least 2): a server's is never masked."""
    return 2 + {126: 2, 127: 8}.get(head[1] & 0x7F, 0) if len(head) > 1 else 2


def _unfinished(first: int, length: int) -> bytes:
    """Return the header of a frame that does not end its message, with the reserved bits and opcode of ``first``."""
    return bytes([first & 0x7F, 127]) + length.to_bytes(8)
