"""Actions as they become durable: what other programs read while a recorder writes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.query.listing import ENDED
from recorder.query.reading import Reader

# By key, whatever there is of a stream already: this is asked several times a second.
_ENDS = f"""
SELECT stream_id, epoch,
  coalesce((SELECT max(a.position) FROM action a WHERE a.stream_id = c.stream_id AND a.epoch = c.epoch), -1) + 1
    AS actions
FROM (SELECT s.stream_id AS stream_id, {views.current_epoch("s")} AS epoch FROM stream s WHERE {{which}}) c
WHERE epoch IS NOT NULL"""
_FORK = "SELECT min(fork_position) AS place FROM epoch WHERE stream_id = :id AND epoch > :shown AND epoch <= :epoch"
_LAST = "SELECT received_us FROM action WHERE stream_id = :id AND epoch = :epoch AND position = :last"


@dataclass
class Tail:
    """What has been shown of each stream, as rows of the view `actions`: up to which position of which epoch.

    ``stream_ids``: these alone; empty: every stream, those too that come later. ``last``: how many of the actions that
    are there at the beginning to show.
    """

    reader: Reader
    stream_ids: Collection[int] = ()
    last: int = 0
    _shown: dict[int, tuple[int, int]] = field(default_factory=dict)

    def begin(self) -> list[Row[Any]]:
        """Return the last actions of what is stored already, in the order received."""
        ends = self._ends()
        self._shown = {stream_id: (epoch, actions) for stream_id, epoch, actions in ends}
        # The last ones of all are in the streams that have ended last.
        newest = heapq.nlargest(self.last, (end for end in ends if end[2]), key=lambda end: self._received_us(*end))
        found = [
            row
            for stream_id, epoch, actions in newest
            for row in self._since(stream_id, epoch, max(0, actions - self.last))
        ]
        return _ordered(found)[len(found) - min(len(found), self.last) :]

    def new(self) -> list[Row[Any]]:
        """Return what has become durable since this was last asked, in the order received.

        When the vendor has changed its list (a new epoch), everything from the first change on comes again.
        """
        found = []
        for stream_id, epoch, actions in self._ends():
            shown_epoch, shown = self._shown.get(stream_id, (epoch, 0))
            first = shown if epoch == shown_epoch else min(shown, self._fork(stream_id, shown_epoch, epoch))
            if actions > first:
                found += self._since(stream_id, epoch, first)
            self._shown[stream_id] = (epoch, max(actions, first))
        return _ordered(found)

    def is_over(self) -> bool:
        """Say whether every stream that is followed has ended, and there is one."""
        which, parameters = self._which()
        rows = self.reader.rows(f"SELECT s.state AS state FROM streams s WHERE {which}", parameters)
        return bool(rows) and {row.state for row in rows} <= ENDED

    def _which(self) -> tuple[str, dict[str, int]]:
        named = {f"id_{at}": stream_id for at, stream_id in enumerate(self.stream_ids)}
        return f"s.stream_id IN ({', '.join(f':{name}' for name in named)})" if named else "1 = 1", named

    def _ends(self) -> list[tuple[int, int, int]]:
        which, parameters = self._which()
        rows = self.reader.rows(_ENDS.format(which=which), parameters)
        return [(row.stream_id, row.epoch, row.actions) for row in rows]

    def _fork(self, stream_id: int, shown: int, epoch: int) -> int:
        """Return the first place at which a list differs from the one that was shown, or may."""
        (fork,) = self.reader.rows(_FORK, {"id": stream_id, "shown": shown, "epoch": epoch})
        return fork.place or 0

    def _received_us(self, stream_id: int, epoch: int, actions: int) -> int:
        rows = self.reader.rows(_LAST, {"id": stream_id, "epoch": epoch, "last": actions - 1})
        return rows[0].received_us if rows else 0

    def _since(self, stream_id: int, epoch: int, position: int) -> list[Row[Any]]:
        where = "a.stream_id = :stream_id AND a.epoch = :epoch AND a.position >= :position"
        select = views.arrivals(self.reader.dialect, where)
        return self.reader.rows(select, {"stream_id": stream_id, "epoch": epoch, "position": position})


def follow(tail: Tail, wait: Callable[[], None], *, until_over: bool = False) -> Iterator[list[Row[Any]]]:
    """Yield what was there last, then what becomes durable, calling ``wait`` whenever there was nothing new."""
    yield tail.begin()
    while True:
        # Asked before the actions are: the last ones of a stream that ends in between are still shown.
        is_over = until_over and tail.is_over()
        found = tail.new()
        if found:
            yield found
        elif is_over:
            return
        else:
            wait()


def _ordered(actions: list[Row[Any]]) -> list[Row[Any]]:
    return sorted(actions, key=lambda action: (action.received_at, action.stream_id, action.position))
