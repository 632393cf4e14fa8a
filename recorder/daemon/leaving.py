"""Whether a run is to end, because of what, and how soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recorder.errors import RecorderError


class Leaving:
    """Asked once, a run ends in order; asked again, it waits for nobody. All on the loop.

    ``asked`` is set when the run is to end; ``why`` says who asked first, ``failure`` what has to be told of it.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.why: str | None = None
        self.failure: RecorderError | None = None
        self.is_hurried = False
        self._ways: list[Callable[[], None]] = []

    def stop(self, why: str) -> None:
        """End the run: store what was received, ship what time allows, and leave."""
        self.why = self.why or why
        self.asked.set()

    def hurry(self, why: str) -> None:
        """End the run, and wait for nobody: store what was received and leave."""
        self.stop(why)
        self.is_hurried = True
        for cut_short in self._ways:
            cut_short()

    def fail(self, error: RecorderError) -> None:
        """End the run as `stop` does; ``error`` is what has to be said."""
        self.failure = self.failure or error
        self.asked.set()

    def cut_short_by(self, *ways: Callable[[], None]) -> None:
        """Learn what is to be called when nobody is to be waited for; at once, where that was asked already."""
        self._ways += ways
        if self.is_hurried:
            for cut_short in ways:
                cut_short()
