"""What the newest actions say of the match itself: in play, over, called off."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from recorder.model import Fields

Ended = Literal["finished", "not_played"]
"""How a stream ends."""

# protocol 3.4, fixture status: 1 Live, 3 Postponed, 4 Abandoned, 5 Cancelled.
_LIVE = "live"
_CALLED_OFF = frozenset({"postponed", "abandoned", "cancelled", "canceled"})

# protocol 3.4, collectionStatus: 3 CollectionSuspended, 4 CollectionDropped.
_SUSPENDED = frozenset({"collectionsuspended", "collectiondropped"})

# protocol 3.6: 4 Start Match, 6 Start Period, 8 Start Clock; 5 End Match, 7 End Period, 9 Stop Clock, 52 Timeout.
_STARTS = frozenset({4, 6, 8})
_STOPS = frozenset({5, 7, 9, 52})


class Standing:
    """Follows the list as it grows."""

    def __init__(self, *, finished: bool, status: str | None) -> None:
        self.finished = finished
        """Whether the newest action that speaks of it says that the match is over."""
        self.status = status
        """The fixture's status as the newest action that tells one has it."""
        self._stopped = False
        self._lowered = (status or "").casefold()

    def note(self, fields: Fields) -> None:
        """A new action has come."""
        if fields.finished is not None:
            self.finished = fields.finished
        if fields.status and fields.status != self.status:
            self.status = fields.status
            self._lowered = fields.status.casefold()
        if fields.type_id in _STARTS:
            self._stopped = False
        elif fields.type_id in _STOPS:
            self._stopped = True

    @property
    def over(self) -> Ended | None:
        """How the stream ends, if nothing changes; None: the match goes on, or has not begun."""
        if self.finished:
            return "finished"
        return "not_played" if self._lowered in _CALLED_OFF else None

    @property
    def in_play(self) -> bool:
        """Whether the ball rolls: then something should happen every few seconds."""
        return not (self.finished or self._stopped) and self._lowered == _LIVE


def is_suspended(fields: Fields) -> bool | None:
    """Say whether an action tells that the vendor does not see the match at present; None: it says nothing of it."""
    return None if fields.collection_status is None else _is_suspended(fields.collection_status)


@lru_cache(maxsize=64)
def _is_suspended(collection_status: str) -> bool:
    return collection_status.casefold() in _SUSPENDED
