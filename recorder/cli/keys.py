"""Keys as they are pressed, for a command that goes on meanwhile in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator

_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])")
_BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
_LONGEST = 32
_NAMES = {
    b"\x1b[C": "right", b"\x1bOC": "right", b"\x1b[D": "left", b"\x1bOD": "left",
    b"\x1b[1;2C": ">", b"\x1b[1;2D": "<",
}  # fmt: skip
"""What terminals send for arrows, alone and with shift (xterm's control sequences)."""

_AGAIN_S = 1.0


def has_keys() -> bool:
    """Say whether stdin is a terminal that is ours to read: not so for a job in the background."""
    try:
        return sys.stdin is not None and sys.stdin.isatty() and _is_in_front(sys.stdin.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False


def decode(typed: bytes) -> tuple[list[str], bytes]:
    """Return the keys in what a terminal sent, and what is left: the beginning of a sequence whose rest is on its way.

    An arrow is ``left`` or ``right``, with shift ``<`` or ``>``; what else terminals send as a sequence is left out.
    """
    begun = _BEGUN.search(typed)
    rest = typed[begun.start() :] if begun is not None and len(begun.group()) < _LONGEST else b""
    typed = typed[: len(typed) - len(rest)]
    found: list[str] = []
    at = 0
    for sequence in _SEQUENCE.finditer(typed):
        found += _characters(typed[at : sequence.start()])
        if sequence.group() in _NAMES:
            found.append(_NAMES[sequence.group()])
        at = sequence.end()
    return found + _characters(typed[at:]), rest


def _characters(typed: bytes) -> list[str]:
    return [character for character in typed.decode("utf-8", "ignore") if character.isprintable()]


@contextlib.contextmanager
def keyboard(call: Callable[[str], None]) -> Iterator[None]:
    """Inside a running loop: call ``call`` with each key; they are not shown and need no Enter meanwhile.

    Ask `has_keys` first. However the block is left, the terminal is as it was.
    """
    import termios

    reader = _Reader(sys.stdin.fileno(), call)
    before = termios.tcgetattr(reader.terminal)
    try:
        reader.begin()
        yield
    finally:
        reader.end()
        # From the background it would stop us; there the shell has put its own in place.
        if _is_in_front(reader.terminal):
            with contextlib.suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(reader.terminal, termios.TCSANOW, before)


class _Reader:
    def __init__(self, terminal: int, call: Callable[[str], None]) -> None:
        self.terminal = terminal
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._rest = b""

    def begin(self) -> None:
        self._take_over()
        self._loop.add_reader(self.terminal, self._read)
        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
            self._loop.add_signal_handler(signal.SIGCONT, self._take_over)

    def end(self) -> None:
        self._loop.remove_reader(self.terminal)
        self._loop.remove_signal_handler(signal.SIGCONT)
        if self._again is not None:
            self._again.cancel()

    def _take_over(self) -> None:
        """Have each key at once and unseen; again after a stop, when the shell has put back its own modes."""
        import termios
        import tty

        if _is_in_front(self.terminal):
            tty.setcbreak(self.terminal, termios.TCSANOW)

    def _read(self) -> None:
        if not _is_in_front(self.terminal):  # to read it from the background would stop us
            self._loop.remove_reader(self.terminal)
            self._again = self._loop.call_later(_AGAIN_S, self._loop.add_reader, self.terminal, self._read)
            return
        try:
            typed = os.read(self.terminal, 1024)
        except OSError:
            typed = b""
        if not typed:  # it has been hung up
            self._loop.remove_reader(self.terminal)
            return
        found, self._rest = decode(self._rest + typed)
        for key in found:
            self._call(key)


def _is_in_front(terminal: int) -> bool:
    """Whether we are in the foreground of a terminal. One that controls nobody has no background."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True
