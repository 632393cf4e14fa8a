"""An event loop without sockets, threads or time of its own: whenever all tasks wait, the season goes on."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.season.timeline import S, Timeline


class SeasonLoop(asyncio.BaseEventLoop):
    """Runs coroutines on a timeline; what happens there may wake them."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._selector = _Waiting(self, timeline)
        self._timeline = timeline
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the seconds of the timeline."""
        return self._timeline.now_ns / S

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there are none."""

    def _write_to_self(self) -> None:
        """Do nothing: no other thread wakes this one."""


class _Waiting:
    """Takes the place of a selector: instead of waiting, the next thing happens."""

    def __init__(self, loop: SeasonLoop, timeline: Timeline) -> None:
        self._loop = loop
        self._timeline = timeline

    def select(self, timeout: float | None) -> list[Any]:
        """Let something happen, if nothing is to be done at once; but not beyond ``timeout`` seconds."""
        if timeout != 0:
            self._timeline.step(None if timeout is None else self._timeline.now_ns + int(timeout * S) + 1)
        return []
