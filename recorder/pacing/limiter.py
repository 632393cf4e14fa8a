"""Who waits for a turn, in which order; and an attempt that has got one."""

from __future__ import annotations

import asyncio
import contextlib
import random
from bisect import insort
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from recorder.pacing.boards import Board, BoardAway, FileBoard, LocalBoard
from recorder.pacing.turns import SECOND_NS, Pace, Place, Turns, Wait

DEFAULT_RATE = 5.0
"""Attempts a second."""

_CHANCE = 0.04
"""Part of a spacing that a wait is at most longer by chance."""

_LOOK_AGAIN_NS = 5 * SECOND_NS
"""The longest that one waits without looking: a place on another board, held meanwhile, has to be renewed."""

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


@dataclass(order=True, slots=True)
class _Waiter:
    """One that waits for its turn: the lowest urgency number first, and of equals the first that came."""

    urgency: int
    number: int
    first: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    """Set when nobody is before it any more."""


class Attempt:
    """A turn that was taken. It holds its place until `answered`, or for `HOLD_S` seconds if nobody says so."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._held: list[tuple[Board, Place]] = []
        self._telling: asyncio.Task[None] | None = None

    def answered(self) -> asyncio.Task[None]:
        """Say that the dial has its answer, or has failed; may be said again.

        It is told in the background, so that no board keeps a new connection waiting, nor does a cancelled caller leave
        it untold. The task, which never fails, is for those who want to know when it has been.
        """
        if self._telling is None:
            self._telling = self._spawn(self._tell())
        return self._telling

    def _holds(self, board: Board, place: Place) -> None:
        self._held.append((board, place))

    async def _renew(self) -> bool:
        """Let it depart now on all boards where it has a place; False when one of them was given up."""
        held, self._held = self._held, []
        for index, (board, place) in enumerate(held):
            renewed = await board.exchange(partial(_renewed, place.departed_ns))
            if renewed is None:
                self._held += held[index + 1 :]
                return False
            self._held.append((board, renewed))
        return True

    async def _tell(self) -> None:
        for board, place in self._held:
            # Untold it counts as unanswered for a while, which is the safe side.
            with contextlib.suppress(BoardAway, OSError):
                await board.exchange(partial(_answered, place.departed_ns))


class ConnectLimiter:
    """Hands out turns, one at a time, so that no sliding second at the server holds more than ``rate`` attempts.

    With a ``state_directory`` they are shared with every other recorder that uses the same one. ``boards`` names what
    they are shared by instead: the machine's own first, then those of more machines, which may be away.
    """

    def __init__(
        self,
        rate: float = DEFAULT_RATE,
        state_directory: Path | None = None,
        *,
        boards: Sequence[Board] = (),
    ) -> None:
        self._pace = Pace.of(rate)
        self._boards = tuple(boards) or (
            LocalBoard() if state_directory is None else FileBoard(state_directory / "connect-turns"),
        )
        self._waiting: list[_Waiter] = []
        self._numbers = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alone = False
        """Whether a board was away when it was asked last."""
        self.sharers = 1
        """How many recorders share the account, as last known: while a board is away, each has so small a part."""

    async def spacing_s(self) -> float:
        """Return the seconds between two turns as things stand, with a slow-down that lasts."""
        slower = 1
        for board in self._boards:
            with contextlib.suppress(BoardAway):
                slower = max(slower, await board.exchange(lambda turns, now_ns: (turns, turns.slower_now(now_ns))))
        return self._pace.times(slower).spacing_ns / SECOND_NS

    async def turn(self, urgency: int = 0) -> Attempt:
        """Wait until it is our turn to connect: the lowest ``urgency`` of this process first, then first come.

        Who gets one has to dial at once, and to say when it is `Attempt.answered`.
        """
        waiter = _Waiter(urgency, next(self._numbers))
        insort(self._waiting, waiter)
        try:
            while True:
                while self._waiting[0] is not waiter:
                    waiter.first.clear()
                    await waiter.first.wait()
                if (attempt := await self._taken(waiter)) is not None:
                    return attempt
        finally:
            self._waiting.remove(waiter)
            if self._waiting:
                self._waiting[0].first.set()

    def slow_down(self) -> asyncio.Task[None]:
        """Obey the vendor's 429, with all who share a board: see `Turns.slowed`. Told in the background."""
        return self._spawn(self._slow_down())

    def close(self) -> None:
        """Let go of the boards."""
        for board in self._boards:
            board.close()

    async def _taken(self, waiter: _Waiter) -> Attempt | None:
        """Take a place on each board; None when it has to be begun anew, by whoever is first then."""
        attempt, alone, complete = Attempt(self._spawn), False, False
        try:
            for board in self._boards:
                try:
                    if not await self._claimed(board, attempt, waiter):
                        return None
                except BoardAway:
                    if board is self._boards[0]:
                        raise
                    alone = True
            # The place on the machine's board was taken at the pace of one who can see all others.
            complete = self._alone or not alone or self.sharers == 1
            self._alone = alone
            return attempt if complete else None
        finally:
            if not complete and attempt._held:
                attempt.answered()  # nothing was dialled, and nothing will be

    async def _claimed(self, board: Board, attempt: Attempt, waiter: _Waiter) -> bool:
        """Take a place on the board as soon as there is one; False when somebody else is before us."""
        parts = self._parts(board)
        # A little chance, so that of two recorders that wait for the same moment not always one wins. Alone, nobody
        # sees that others begin at this moment too: each has a moment of its own, within its part of the rate.
        most_ns = (parts if parts > 1 else _CHANCE) * self._pace.spacing_ns
        if parts > 1:
            await asyncio.sleep(random.uniform(0, most_ns) / SECOND_NS)
        while self._waiting[0] is waiter:
            found = await self._asked(board)
            if isinstance(found, Place):
                renewed = await attempt._renew()
                attempt._holds(board, found)
                return renewed
            await asyncio.sleep((min(found.ns, _LOOK_AGAIN_NS) + random.uniform(0, most_ns)) / SECOND_NS)
            if not await attempt._renew():
                return False
        return False

    def _parts(self, board: Board) -> int:
        """Return by how many the rate is divided on a board."""
        return self.sharers if self._alone and board is self._boards[0] else 1

    async def _asked(self, board: Board) -> Place | Wait:
        pace = self._pace.times(self._parts(board))

        def claim(turns: Turns, now_ns: int) -> tuple[Turns, Place | Wait]:
            return turns.claim(now_ns, pace)

        return await board.exchange(claim)

    async def _slow_down(self) -> None:
        for board in self._boards:
            with contextlib.suppress(BoardAway, OSError):
                await board.exchange(lambda turns, now_ns: (turns.slowed(now_ns), None))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._tasks.discard)
        return task


def _renewed(departed_ns: int, turns: Turns, now_ns: int) -> tuple[Turns, Place | None]:
    return turns.renewed(now_ns, departed_ns)


def _answered(departed_ns: int, turns: Turns, now_ns: int) -> tuple[Turns, None]:
    return turns.answered(now_ns, departed_ns), None
