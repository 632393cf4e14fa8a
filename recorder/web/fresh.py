"""What many ask for again and again: made once in a while for all of them."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 1_000


@dataclass(slots=True)
class _Kept(Generic[T]):
    """``answer`` as it was made at ``made_s``; None: not made yet. Who holds ``making`` makes it."""

    making: asyncio.Lock = field(default_factory=asyncio.Lock)
    made_s: float = 0.0
    answer: T | None = None


class Fresh(Generic[T]):
    """Answers by key, of at most 1,000 keys, none of them older than ``for_s`` seconds."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()

    async def get(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        """Return what was made for ``key``, or have it made; raises what ``make`` raises, and then keeps nothing."""
        kept = self._kept.setdefault(key, _Kept())
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        async with kept.making:  # whoever comes meanwhile gets what comes out
            if kept.answer is not None and time.monotonic() - kept.made_s < self._for_s:
                return kept.answer
            answer = await make()
            kept.answer, kept.made_s = answer, time.monotonic()
            return answer
