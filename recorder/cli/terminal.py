"""A terminal that nobody reads any more (a frozen SSH session, Ctrl-S) must not hold up who writes to it.

Brings rich: import it where a terminal is drawn on.
"""

from __future__ import annotations

import io
import os
import select
from typing import IO, TextIO, cast

from rich.console import Console

_PATIENCE_S = 0.5


class StuckTerminal(OSError):
    """The terminal takes nothing: what was to be written, or the rest of it, is lost."""


class PatientTerminal(io.TextIOBase):
    """Writes to the terminal that ``stream`` writes to. Waits for it half a second, and then no more until it moves.

    Opened anew by its name: not to wait is a property of the open file, which the shell and others share. Raises
    OSError where that is not allowed, as behind `sudo -u`.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO) -> None:
        name = os.ttyname(stream.fileno())
        self._file = os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        self._is_stuck = False

    def write(self, text: str) -> int:
        """Write all of ``text``, or raise StuckTerminal."""
        data = text.encode("utf-8", "backslashreplace")
        while data:
            try:
                data = data[os.write(self._file, data) :]
                self._is_stuck = False
            except BlockingIOError:
                if not select.select([], [self._file], [], 0 if self._is_stuck else _PATIENCE_S)[1]:
                    self._is_stuck = True
                    raise StuckTerminal("the terminal takes nothing") from None
        return len(text)

    def close(self) -> None:
        """Let the terminal go; a second time nothing happens."""
        if not self.closed:
            os.close(self._file)
        super().close()

    def isatty(self) -> bool:
        """Return True: it is one."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of its own."""
        return self._file


class PatientConsole(Console):
    """rich's console on such a terminal. rich keeps what it could not write, and would go on to gather it for hours."""

    def __init__(self, terminal: PatientTerminal) -> None:
        super().__init__(file=cast(IO[str], terminal), stderr=True)

    def _write_buffer(self) -> None:
        try:
            super()._write_buffer()
        except StuckTerminal:
            del self._buffer[:]
            raise
