"""How long a connection may stand still: who does not read, or never finishes asking, is let go."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE_S = 15.0
"""Between two looks at a connection; one that is at the second as it was at the first is cut off."""

ENDLESS = "recorder.endless"
"""The key in a request's scope that says of its answer that it has no end of its own."""

_Turn = tuple[Any, int, int]


class Patient(H11Protocol):
    """uvicorn's connection, but without end only while it is our turn.

    A reader that stops keeps what waits for it in memory, and its place among the listeners; one that sends its request
    byte by byte keeps one of the connections. To write more, or to close, waits for it, and that may be for ever.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._taken = 0
        self._last: _Turn | None = None
        self._looking = self.loop.call_later(PATIENCE_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self._looking.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Note that something was read."""
        self._taken += 1
        super().resume_writing()

    def shutdown(self) -> None:
        """End in order, but for an answer that has no end: whoever listens dials again and says where to go on."""
        super().shutdown()
        if self.cycle is not None and not self.cycle.response_complete and ENDLESS in self.cycle.scope:
            self.transport.abort()

    def _look(self) -> None:
        turn = self._turn()
        if turn is not None and turn == self._last:
            self.transport.abort()
            return
        self._last = turn
        self._looking = self.loop.call_later(PATIENCE_S, self._look)

    def _turn(self) -> _Turn | None:
        """Return how far the other side is that has to ask or to read; None while it has to wait for us.

        Nothing is written while it has to read, so that what waits only grows less.
        """
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and not self.flow.write_paused:
            return None
        return self.cycle, self.transport.get_write_buffer_size() + self._sent_off(), self._taken

    def _sent_off(self) -> int:
        """Return how many bytes the system has taken from us, and the other side not yet from the system."""
        place = self.transport.get_extra_info("socket").fileno()
        told: tuple[int] = struct.unpack("i", fcntl.ioctl(place, termios.TIOCOUTQ, bytes(4)))
        return told[0]
