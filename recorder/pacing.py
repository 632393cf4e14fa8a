"""At most 5 connection attempts in any sliding second, over all streams and all recorders of one machine.

The vendor recommends "a request rate of 5 per second" and monitors it. Attempts are spaced, not counted in a bucket:
a bucket of 5 lets up to 9 through in one second.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from recorder import clock

DEFAULT_RATE = 5.0
"""Attempts a second."""

SLOW_S = 600.0
"""Seconds that a slow-down lasts from the vendor's last 429."""

_SLOWEST = 8
"""A slow-down makes spacings at most so many times as long."""

_SLACK = 1.15
"""Spacing over 1/rate: an attempt reaches the server a little early or late."""

_CHANCE = 0.04
"""Part of a spacing that a wait is at most longer by chance."""


@dataclass(frozen=True, slots=True)
class _Turns:
    """What all recorders know of the turns: times are of `clock.elapsed_ns`, 0 for never."""

    last_ns: int = 0
    slower: int = 1
    """How many times as long spacings are while a slow-down lasts."""
    slowed_ns: int = 0
    """When the vendor asked for it last."""

    def slower_now(self, now_ns: int) -> int:
        # From the future: another clock's (a container's own), which cannot say when it ends.
        return self.slower if 0 <= now_ns - self.slowed_ns < SLOW_S * 1e9 else 1


@dataclass(order=True, slots=True)
class _Waiter:
    """One that waits for its turn: the lowest urgency number first, and of equals the first that came."""

    urgency: int
    number: int
    first: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    """Set when nobody is before it any more."""


class ConnectLimiter:
    """Hands out turns, one at a time, each at least 1.15/rate seconds after the one before.

    With a ``state_directory`` the turns are shared with every other recorder that uses the same one: the moment of the
    last turn stands in a file. Its lock is held for looking and stamping only, never while waiting: whoever waits
    longest would otherwise not be served, but whoever has just been.
    """

    def __init__(self, rate: float = DEFAULT_RATE, state_directory: Path | None = None) -> None:
        self._unit_ns = int(_SLACK / rate * 1e9)
        self._turns = _Turns()
        self._waiting: list[_Waiter] = []
        self._numbers = count()
        self._file: int | None = None
        if state_directory is not None:
            state_directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(state_directory / "connect-turns", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def spacing_s(self) -> float:
        """Seconds between two turns as things stand, with a slow-down that lasts."""
        with self._shared():
            return self._spacing_ns(clock.elapsed_ns()) / 1e9

    async def turn(self, urgency: int = 0) -> None:
        """Wait until it is our turn to connect: the lowest ``urgency`` of this process first, then first come."""
        waiter = _Waiter(urgency, next(self._numbers))
        insort(self._waiting, waiter)
        try:
            while not await self._served(waiter):
                await waiter.first.wait()
        finally:
            self._waiting.remove(waiter)
            if self._waiting:
                self._waiting[0].first.set()

    def slow_down(self) -> None:
        """Obey the vendor's 429: half the rate for `SLOW_S` seconds from now, and on each further one half of that.

        An eighth is the least. It holds for all recorders that share the state directory.
        """
        now_ns = clock.elapsed_ns()
        with self._shared():
            slower = min(_SLOWEST, 2 * self._turns.slower_now(now_ns))
            self._stamp(replace(self._turns, slower=slower, slowed_ns=now_ns))

    def close(self) -> None:
        """Let go of the shared file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def _served(self, waiter: _Waiter) -> bool:
        """Take the turn as soon as it is due and return True; False when somebody else is before us."""
        began_ns = clock.elapsed_ns()
        while self._waiting[0] is waiter:
            wait_ns = self._claim(began_ns)
            if wait_ns <= 0:
                return True
            # A little chance, so that of two recorders that wait for the same moment not always one wins.
            await asyncio.sleep((wait_ns + random.uniform(0, _CHANCE) * self._unit_ns) / 1e9)
        waiter.first.clear()
        return False

    def _claim(self, began_ns: int) -> int:
        """Take the turn if it is due, and return 0; else return how long (ns) to wait before asking again."""
        with self._shared():
            now_ns = clock.elapsed_ns()
            last_ns = self._turns.last_ns
            # A stamp from the future is another clock's (a container's own): one spacing is the most to wait for it.
            due_ns = (last_ns if last_ns <= now_ns else began_ns) + self._spacing_ns(now_ns)
            if due_ns > now_ns:
                return due_ns - now_ns
            self._stamp(replace(self._turns, last_ns=now_ns))
            return 0

    def _spacing_ns(self, now_ns: int) -> int:
        return self._unit_ns * self._turns.slower_now(now_ns)

    @contextlib.contextmanager
    def _shared(self) -> Iterator[None]:
        """Hold what stands in the file, if there is one, locked and read."""
        if self._file is None:
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._turns = _read(self._file)
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _stamp(self, turns: _Turns) -> None:
        self._turns = turns
        if self._file is not None:
            os.pwrite(self._file, _text(turns).encode(), 0)


def _text(turns: _Turns) -> str:
    """Return the file's two lines; always of one length, so that one write replaces what was there."""
    return f"{_boot()} {turns.last_ns:020d}\nslower {turns.slower} {turns.slowed_ns:020d}\n"


def _read(file: int) -> _Turns:
    """Return what the file says; whatever was written on another boot, damaged or in another form says nothing."""
    text = os.pread(file, 200, 0).decode(errors="replace")
    first, second = [*text.split("\n"), "", ""][:2]
    boot, _, last = first.partition(" ")
    if boot != _boot() or not _is_number(last):
        return _Turns()
    word, slower, slowed = [*second.split(" "), "", "", ""][:3]
    if word == "slower" and slower in ("2", "4", "8") and _is_number(slowed):
        return _Turns(int(last), int(slower), int(slowed))
    return _Turns(int(last))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _boot() -> str:
    """Return what names this boot of the machine: monotonic clocks of two boots cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "one-boot"
