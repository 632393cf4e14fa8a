"""Places on several boards: what has been given up on one of them is taken anew on all, and nothing is held twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from recorder.pacing import HOLD_S, BoardAway, ConnectLimiter, LocalBoard, Pace, Place, Turns

T = TypeVar("T")


class Asked(LocalBoard):
    """A board that counts how often it was asked, and gives up all places before it is asked for the ``forgets``-th
    time."""

    def __init__(self, forgets: int = 0) -> None:
        super().__init__()
        self.asked = 0
        self._forgets = forgets

    async def exchange(self, change: Callable[[Turns, int], tuple[Turns, T]]) -> T:
        self.asked += 1
        if self.asked == self._forgets:
            self._turns = Turns()
        return await super().exchange(change)

    @property
    def places(self) -> tuple[Place, ...]:
        return self._turns.places


def turn(*boards: LocalBoard, rate: float = 50) -> None:
    async def main() -> None:
        attempt = await ConnectLimiter(rate, boards=boards).turn()
        await attempt.answered()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_place_that_was_given_up_is_taken_anew() -> None:
    """The first board has forgotten the place when the second grants one: both are asked again."""
    first, second, third = Asked(forgets=2), Asked(), Asked()
    turn(first, second, third)
    assert [len(board.places) for board in (first, second, third)] == [1, 2, 1]
    assert all(place.over_ns - place.departed_ns < HOLD_S * 1e9 for place in second.places)


def test_a_place_that_was_given_up_while_another_board_is_full() -> None:
    """The second board has no place yet, and meanwhile the first forgets its own: both are asked again."""
    first, second = Asked(forgets=2), Asked()
    asyncio.run(second.exchange(lambda turns, now_ns: turns.claim(now_ns, Pace.of(50))))
    turn(first, second)
    assert len(first.places) == 1
    assert second.asked > 2


def test_other_places_are_kept_when_one_is_given_up() -> None:
    """Of the boards behind the one that gave a place up, what is held is told as answered."""
    first, second, third = Asked(forgets=3), Asked(), Asked()
    turn(first, second, third)
    assert [len(board.places) for board in (first, second, third)] == [1, 2, 2]
    assert all(place.over_ns - place.departed_ns < HOLD_S * 1e9 for place in (*second.places, *third.places))


def test_the_machines_own_board_is_needed() -> None:
    """Without the first board nobody dials: that it is away is told."""

    class Away(LocalBoard):
        async def exchange(self, change: Callable[[Turns, int], tuple[Turns, T]]) -> T:
            raise BoardAway("away")

    with pytest.raises(BoardAway):
        turn(Away(), LocalBoard())


def test_a_place_that_is_over_is_not_renewed() -> None:
    """Others may have taken it: who holds it has to ask again."""
    turns, place = Turns().claim(1, Pace.of(5))
    assert isinstance(place, Place)
    assert turns.renewed(place.over_ns, place.departed_ns) == (turns, None)
