"""An event loop whose clock jumps to the next timer when there is nothing else to do. Sockets and threads are real."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

_BEGIN_US = 1_790_000_000_000_000  # 2026-09-21: any day after 2020 would do
_BUSY_S = 0.001
"""Real seconds between two looks at a thread that is still at work."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while sockets have data or a thread is at work, and jumps when all are waiting.

    ``grain`` (seconds): jumps end on whole multiples of it, so that timers close together are one turn of the loop.
    They come late by as much, as on a busy machine, and never early.
    """

    def __init__(self, grain: float = 0.01) -> None:
        self._time = 1000.0
        self._grain = grain
        self._threads = 0
        self.settle: Callable[[], None] = lambda: None
        """Called before a jump: waits (really) until threads that the loop knows nothing of have caught up."""
        self.jumps = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._time

    def elapsed_ns(self) -> int:
        """Return what `recorder.clock.elapsed_ns` is to say."""
        return round(self._time * 1e9)

    def wall_us(self) -> int:
        """Return what `recorder.clock.wall_us` is to say."""
        return _BEGIN_US + round(self._time * 1e6)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """As the library's; time does not pass meanwhile."""
        self._threads += 1
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _future: object) -> None:
        self._threads -= 1

    @property
    def is_waited_for(self) -> bool:
        """Whether a thread of ours is at work, whose end the loop will be told of."""
        return self._threads > 0

    def jump(self, seconds: float) -> None:
        """Let ``seconds`` pass at once, or a grain's part more."""
        self._time = (int((self._time + seconds) / self._grain) + 1) * self._grain
        self.jumps += 1


class _Selector(selectors.DefaultSelector):
    """Waits for sockets without letting real time pass, unless there is something real to wait for."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        while self._loop.is_waited_for:
            if found := super().select(_BUSY_S):
                return found
        self._loop.settle()
        if found := super().select(0):  # what the threads had to say
            return found
        if timeout is None:
            return super().select(None)
        self._loop.jump(timeout)
        return []
