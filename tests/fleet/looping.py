"""An event loop without sockets, threads or time of its own: whenever all tasks wait, the next moment is there."""

from __future__ import annotations

import asyncio
from typing import Any

_BEGIN_S = 1000.0


class Unending(AssertionError):
    """Everybody waits for somebody."""


class FleetLoop(asyncio.BaseEventLoop):
    """Runs coroutines in virtual seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = _BEGIN_S
        self._selector = _Skipping(self)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return virtual seconds."""
        return self._now_s

    def pass_by(self, seconds: float) -> None:
        """Be so much later."""
        self._now_s += seconds

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there are none."""

    def _write_to_self(self) -> None:
        """Do nothing: no other thread wakes this one."""


class _Skipping:
    """Takes the place of a selector: instead of waiting, it is later."""

    def __init__(self, loop: FleetLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let the time pass."""
        if timeout is None:
            raise Unending("nothing is due any more")
        self._loop.pass_by(timeout)
        return []
