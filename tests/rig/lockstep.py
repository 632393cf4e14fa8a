"""The vendor gives one packet at a time: the next one exists once a reader sees the one before in the archive.

So what was acknowledged is known at every moment, and two runs make the same calls on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.vendor import Match, Script, VendorServer

_LOOK_S = 0.002


class Lockstep:
    """``with Lockstep(server, match, place.seen) as steps: …``; serves the match anew, at first without a packet."""

    def __init__(self, server: VendorServer, match: Match, seen: Callable[[], int]) -> None:
        self.acknowledged = 0
        """How many actions a reader has seen in the archive."""
        self._server, self._match, self._seen = server, match, seen
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lockstep")

    def __enter__(self) -> Self:
        self._server.serve(self._match, Script(available=1))
        self._thread.start()
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        before = len(self._server.attempts_on(self._match))
        while not self._stop.wait(_LOOK_S):
            dialled = self._server.attempts_on(self._match)[before:]
            if self.acknowledged == len(self._match.packets) or not any(each.packets_sent for each in dialled):
                continue  # nothing can be there yet
            self.acknowledged = max(self.acknowledged, self._seen())
            if self.acknowledged == len(self._server.released(self._match)):
                self._server.release(self._match, 1)
