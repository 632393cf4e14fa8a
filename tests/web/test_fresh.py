"""What many ask for is made once in a while."""

from __future__ import annotations

import asyncio

import pytest

from recorder.web import fresh
from recorder.web.fresh import Fresh


class Made:
    """Counts how often it was made; the first time after others could have asked."""

    def __init__(self) -> None:
        self.times = 0
        self.is_broken = False

    async def __call__(self) -> int:
        self.times += 1
        await asyncio.sleep(0)
        if self.is_broken:
            raise ValueError("it could not be made")
        return self.times


def test_a_hundred_who_ask_at_once_get_what_was_made_once() -> None:
    async def scene() -> list[int]:
        kept, made = Fresh[int](60), Made()
        return await asyncio.gather(*(kept.get("a", made) for _ in range(100)))

    assert asyncio.run(scene()) == [1] * 100


def test_what_is_old_is_made_again() -> None:
    async def scene() -> list[int]:
        kept, made = Fresh[int](0), Made()
        return [await kept.get("a", made) for _ in range(3)]

    assert asyncio.run(scene()) == [1, 2, 3]


def test_what_failed_is_not_kept() -> None:
    async def scene() -> int:
        kept, made = Fresh[int](60), Made()
        made.is_broken = True
        with pytest.raises(ValueError, match="it could not be made"):
            await kept.get("a", made)
        made.is_broken = False
        return await kept.get("a", made)

    assert asyncio.run(scene()) == 2


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "_MOST", 10)

    async def scene() -> int:
        kept, made = Fresh[int](60), Made()
        for number in range(100):
            await kept.get(str(number), made)
        return len(kept._kept)

    assert asyncio.run(scene()) == 10
