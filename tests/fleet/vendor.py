"""The vendor's door, one for each account: when attempts arrive there, however long they were on their way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from recorder.errors import HandshakeRefused, NotConnected, WireError

_DIAL_S, _CLOSING_S = 10.0, 2.0
_LATE = 0.01
"""Part of the attempts that take long, somewhere between departure and answer."""


@dataclass(slots=True)
class Account:
    """``storm``: the status that every attempt is refused with at the moment, 0 for none.

    ``busiest``: the most attempts in any second of those in which the limit is promised; ``busiest_apart`` in others.
    """

    name: str
    random: Random
    is_promised: Callable[[], bool]
    storm: int = 0
    attempts: int = 0
    refused: int = 0
    busiest: int = 0
    busiest_apart: int = 0
    _last: deque[float] = field(default_factory=deque)

    async def dial(self) -> WireError | None:
        """Try to connect; return how it was refused. Raises nothing: an attempt arrives though its sender dies."""
        random, loop = self.random, asyncio.get_running_loop()
        there_s, back_s = random.uniform(0.005, 0.15), random.uniform(0.005, 0.15)
        if random.random() < _LATE:
            there_s, back_s = random.uniform(0, 8), random.uniform(0, 8)
        answers: list[WireError | None] = []
        loop.call_later(min(there_s, _DIAL_S), self._knock, answers)
        if there_s + back_s > _DIAL_S:
            await asyncio.sleep(_DIAL_S + random.uniform(0, _CLOSING_S))
            return NotConnected("no answer in time")
        await asyncio.sleep(there_s + back_s)
        return answers[0] if answers else None

    def _knock(self, answers: list[WireError | None]) -> None:
        now_s = asyncio.get_running_loop().time()
        self.attempts += 1
        self._last.append(now_s)
        while self._last[0] <= now_s - 1:
            self._last.popleft()
        if self.is_promised():
            self.busiest = max(self.busiest, len(self._last))
        else:
            self.busiest_apart = max(self.busiest_apart, len(self._last))
        answers.append(self._refusal())

    def _refusal(self) -> WireError | None:
        if not self.storm:
            return None
        self.refused += 1
        after = str(self.random.randint(1, 30)) if self.random.random() < 0.5 else None
        return HandshakeRefused(self.storm, "", after)
