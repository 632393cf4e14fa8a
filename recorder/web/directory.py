"""Every stream of the archive with how it stands, in memory: a list of thousands is searched and paged at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from recorder import clock
from recorder.query.listing import Standing, status
from recorder.query.marks import marks
from recorder.query.reading import Reader
from recorder.web.asking import Asker
from recorder.web.wanted import Listed, folded, in_order

_FRESH_NS = 1_000_000_000
_AT_ONCE = 500


class Directory:
    """Brought up to date when somebody asks, at most once a second; only streams that have changed are read again."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._marks: Mapping[int, Any] = {}
        self._known: dict[int, Standing] = {}
        self._matches: dict[str, Listed] = {}
        self._listed: list[Listed] = []
        self._looked_ns: int | None = None
        self._looking = asyncio.Lock()

    async def entries(self) -> Sequence[Standing]:
        """Return every stream of actions, in no order; raises what `Asker.ask` does."""
        await self._look_again()
        return list(self._known.values())

    async def matches(self) -> Sequence[Listed]:
        """Return every match, in the order of the list; raises what `Asker.ask` does."""
        await self._look_again()
        return self._listed

    async def _look_again(self) -> None:
        async with self._looking:  # whoever comes meanwhile gets what the first one has found
            now_ns = clock.elapsed_ns()
            if self._looked_ns is None or now_ns - self._looked_ns >= _FRESH_NS:
                await self._look()
                self._looked_ns = clock.elapsed_ns()

    async def _look(self) -> None:
        seen = await self._asker.ask(marks)
        changed = [stream_id for stream_id, mark in seen.items() if self._marks.get(stream_id) != mark]
        gone = [stream_id for stream_id in self._known if stream_id not in seen]
        if not changed and not gone:
            return
        found: dict[int, Standing] = {}
        for some in _parts(changed):
            found |= await self._asker.ask(partial(_standings, some))
        fixtures = {each.stream.fixture_id for each in (*found.values(), *(self._known[each] for each in gone))}
        known = {stream_id: each for stream_id, each in self._known.items() if stream_id in seen} | found
        self._marks, self._known = seen, known
        self._fold(fixtures)

    def _fold(self, fixtures: Collection[str]) -> None:
        """Make these matches anew: of thousands few change in a second."""
        for fixture_id in fixtures:
            self._matches.pop(fixture_id, None)
        self._matches |= folded(each for each in self._known.values() if each.stream.fixture_id in fixtures)
        self._listed = in_order(self._matches.values())


def _standings(stream_ids: Sequence[int], reader: Reader) -> dict[int, Standing]:
    return {each.stream.stream_id: each for each in status(reader, stream_ids)}


def _parts(stream_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    left = iter(stream_ids)
    while some := list(islice(left, _AT_ONCE)):
        yield some
