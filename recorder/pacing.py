"""At most 5 connection attempts in any sliding second, over all streams and all recorders of one machine.

The vendor recommends "a request rate of 5 per second" and monitors it. Attempts are spaced, not counted in a bucket:
a bucket of 5 lets up to 9 through in one second.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
from pathlib import Path

from recorder import clock

DEFAULT_RATE = 5.0
"""Attempts a second."""

_SLACK = 1.1
"""Spacing over 1/rate: an attempt reaches the server a little early or late."""

_CHANCE = 0.1
"""Part of a spacing that a wait is at most longer by chance."""


class ConnectLimiter:
    """Hands out turns, one at a time, each at least 1.1/rate seconds after the one before.

    With a ``state_directory`` the turns are shared with every other recorder that uses the same one: the moment of the
    last turn stands in a file. Its lock is held for looking and stamping only, never while waiting: whoever waits
    longest would otherwise not be served, but whoever has just been.
    """

    def __init__(self, rate: float = DEFAULT_RATE, state_directory: Path | None = None) -> None:
        self._spacing_ns = int(_SLACK / rate * 1e9)
        self._last_ns = 0
        self._lock = asyncio.Lock()
        self._file: int | None = None
        if state_directory is not None:
            state_directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(state_directory / "connect-turns", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    async def turn(self) -> None:
        """Wait until it is our turn to connect."""
        async with self._lock:
            began_ns = clock.elapsed_ns()
            while (wait_ns := self._claim(began_ns)) > 0:
                # A little chance, so that of two recorders that wait for the same moment not always one wins.
                await asyncio.sleep((wait_ns + random.uniform(0, _CHANCE) * self._spacing_ns) / 1e9)

    def close(self) -> None:
        """Let go of the shared file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _claim(self, began_ns: int) -> int:
        """Take the turn if it is due, and return 0; else return how long (ns) to wait before asking again."""
        if self._file is None:
            wait_ns = self._left(self._last_ns, began_ns)
            if wait_ns <= 0:
                self._last_ns = clock.elapsed_ns()
            return wait_ns
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            wait_ns = self._left(_read(self._file), began_ns)
            if wait_ns <= 0:
                os.pwrite(self._file, f"{_boot()} {clock.elapsed_ns():020d}\n".encode(), 0)
            return wait_ns
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _left(self, last_ns: int, began_ns: int) -> int:
        now_ns = clock.elapsed_ns()
        # A stamp from the future is another clock's (a container's own): one spacing is the most to wait for it.
        return (last_ns if last_ns <= now_ns else began_ns) + self._spacing_ns - now_ns


def _read(file: int) -> int:
    """Return the last turn's monotonic time in ns; 0 when it was on another boot or the file is new."""
    boot, _, last = os.pread(file, 200, 0).decode(errors="replace").partition(" ")
    return int(last) if boot == _boot() and last.strip().isdigit() else 0


def _boot() -> str:
    """Return what names this boot of the machine: monotonic clocks of two boots cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "one-boot"
