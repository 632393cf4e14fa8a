"""At most 5 connection attempts in any sliding second, over all streams and all recorders of one machine.

The vendor recommends "a request rate of 5 per second" and monitors it. Attempts are spaced, not counted in a bucket:
a bucket of 5 lets up to 9 through in one second.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

DEFAULT_RATE = 5.0
"""Attempts a second."""

_SLACK = 1.1
"""Spacing over 1/rate: an attempt reaches the server a little early or late."""


class ConnectLimiter:
    """Hands out turns, one at a time, each at least 1.1/rate seconds after the one before.

    With a ``state_directory`` the turns are shared with every other recorder that uses the same one: the moment of the
    last turn stands in a file, and waiting for the next one happens under that file's lock.
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
            if self._file is None:
                await _sleep_until(self._last_ns + self._spacing_ns)
                self._last_ns = time.monotonic_ns()
                return
            while not self._try_lock(self._file):
                await asyncio.sleep(self._spacing_ns / 4e9)
            try:
                # A stamp from the future is another clock's (a container's own): one spacing is the most to wait.
                last_ns = min(self._read(self._file), time.monotonic_ns())
                await _sleep_until(last_ns + self._spacing_ns)
                os.pwrite(self._file, f"{_boot()} {time.monotonic_ns():020d}\n".encode(), 0)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the shared file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def _try_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @staticmethod
    def _read(file: int) -> int:
        """Return the last turn's monotonic time in ns; 0 when it was on another boot or the file is new."""
        boot, _, last = os.pread(file, 200, 0).decode(errors="replace").partition(" ")
        return int(last) if boot == _boot() and last.strip().isdigit() else 0


async def _sleep_until(monotonic_ns: int) -> None:
    # asyncio wakes up to a clock's resolution early.
    while (left := monotonic_ns - time.monotonic_ns()) > 0:
        await asyncio.sleep(left / 1e9)


def _boot() -> str:
    """Return what names this boot of the machine: monotonic clocks of two boots cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "one-boot"
