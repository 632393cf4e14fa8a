"""What all connections together have received and nobody has taken: bounded, or it would be old when it is stored."""

from __future__ import annotations

from typing import Protocol

_MOST_BYTES = 2 * 1024 * 1024
"""Some 1,500 packets: what a recorder reads and stores in a moment. What is beyond waits with the vendor."""

READ_BYTES = 16 * 1024
"""The most that one record of TLS bears."""


class Source(Protocol):
    """A connection that can stop reading its socket."""

    def pause(self) -> None:
        """Read nothing more."""

    def resume(self) -> None:
        """Read on."""


class Intake:
    """Counts bytes; while there are more than ``most_bytes``, nobody reads. One event loop's thread."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self.buffer = bytearray(READ_BYTES)
        """What TLS connections receive into, one after the other: each takes out at once what it has read."""
        self._most_bytes = most_bytes
        self._waiting: dict[Source, int] = {}
        self._bytes = 0
        self._is_full = False

    def join(self, source: Source) -> None:
        """Count this one too."""
        self._waiting[source] = 0

    def leave(self, source: Source) -> None:
        """Forget it, and what it has waiting."""
        self.take(source, self._waiting.get(source, 0))
        self._waiting.pop(source, None)

    def add(self, source: Source, size: int) -> None:
        """So many bytes have come."""
        self._waiting[source] += size
        self._bytes += size
        if self._is_full:
            source.pause()
        elif self._bytes > self._most_bytes:
            self._is_full = True
            for each in self._waiting:
                each.pause()

    def take(self, source: Source, size: int) -> None:
        """So many of them wait no more."""
        if source not in self._waiting:
            return
        self._waiting[source] -= size
        self._bytes -= size
        if self._is_full and 2 * self._bytes <= self._most_bytes:
            self._is_full = False
            for each in self._waiting:
                each.resume()
