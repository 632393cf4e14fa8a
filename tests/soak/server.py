"""The vendor's server in the recorder's own loop, for days: it keeps nothing of what it has said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.vendor import VendorServer
from tests.vendor.handshake import Handshake
from tests.vendor.ledger import Attempt, Ledger, Sent


class _Unkept(list[Sent]):
    """Takes messages and keeps none: days of heartbeats would be what grows."""

    def append(self, _message: Sent) -> None:
        """Forget it."""


class _ShortLedger(Ledger):
    """Knows the attempts that are open, and how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0

    def enter(self, attempt: Attempt) -> None:
        """Write down a request, and forget those that are over."""
        attempt.messages = _Unkept()
        with self.change():
            attempt.number = self.entered
            self.entered += 1
            self.attempts[:] = [known for known in self.attempts if known.ended is None]
            self.attempts.append(attempt)


class LoopServer(VendorServer):
    """As its base, but `start` and `stop` it inside of a running loop, and call it from there."""

    def __init__(self) -> None:
        super().__init__()
        self._ledger: _ShortLedger = _ShortLedger()
        self._handshake = Handshake(self._ledger, self._streams, self.release)
        self._serving: asyncio.Task[None] | None = None

    @property
    def entered(self) -> int:
        """How many attempts there were."""
        return self._ledger.entered

    async def start(self) -> None:
        """Listen."""
        self._serving = asyncio.create_task(self._main())
        while not self._ready.is_set():  # noqa: ASYNC110 - set in this loop, and meant for threads
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Close all connections; raises what went wrong in the server."""
        self._stop.set()
        if self._serving is not None:
            await self._serving
        if self._ledger.errors:
            raise self._ledger.errors[0]

    def _call(self, function: Callable[[], object]) -> None:
        if self._loop is not None:
            self._loop.call_soon(function)
