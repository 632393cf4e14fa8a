"""How late the event loop is: a task that wants to be woken at once, and notes when it was."""

from __future__ import annotations

import asyncio
import time

BEAT_S = 0.5
WINDOW_S = 60.0
"""The worst of the last one to two windows is told: a scrape every 15 or 60 seconds must not miss it."""


class Pulse:
    """``beat`` is called by the loop; everything else by any thread.

    By CLOCK_MONOTONIC, not `recorder.clock`: that one goes on while the machine sleeps, which is no fault of the loop.
    """

    def __init__(self) -> None:
        self._beat_s = self._window_s = time.monotonic()
        self._worst = self._worst_before = 0.0

    async def run(self) -> None:
        """Beat until cancelled."""
        self._beat_s = time.monotonic()
        while True:
            await asyncio.sleep(BEAT_S)
            self.beat(time.monotonic())

    def beat(self, now_s: float) -> None:
        """Note that the loop has come to it."""
        late_s = max(0.0, now_s - self._beat_s - BEAT_S)
        if now_s - self._window_s >= WINDOW_S:
            self._window_s, self._worst_before, self._worst = now_s, self._worst, 0.0
        self._worst = max(self._worst, late_s)
        self._beat_s = now_s

    def age_s(self) -> float:
        """Return for how many seconds the loop has not come to it; up to `BEAT_S` is as it should be."""
        return max(0.0, time.monotonic() - self._beat_s)

    def lag_s(self) -> float:
        """Return by how many seconds the loop was late at worst, lately or now."""
        return max(self._worst, self._worst_before, self.age_s() - BEAT_S)
