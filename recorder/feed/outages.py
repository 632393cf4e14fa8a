"""Gaps in time: when we had no connection, when the vendor had no eyes on the match, when our clock stepped.

Where a gap in the list is (positions) the alignment says; what is written here is from when to when nobody watched.
Ours are open until a connection has shown that nothing was missed; the vendor's own, until its packets say so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from recorder.feed.standing import is_suspended
from recorder.ids import TimeOrderedIds
from recorder.model import Fields, Gap
from recorder.operations import OpenGap, Operation, ResolveGaps

# contract, exit codes: the vendor's own outages and a list that is merely behind are no doubt of ours.
VENDORS_CAUSES = frozenset({"server_behind", "vendor_suspended", "vendor_delayed"})

AWAY = ("network", "recorder_down")
"""Nobody of ours was connected."""


_VENDORS_EYES = ("vendor_suspended", "vendor_delayed")


@dataclass(frozen=True, slots=True)
class Here:
    """Where the books stand: the epoch, the position that the next action takes (or took), and the wall clock."""

    epoch: int
    position: int
    now_us: int


class Outages:
    """The gaps in time of one stream. Every method returns what is to be written."""

    def __init__(self, stream_id: int, ids: TimeOrderedIds, open_causes: frozenset[str]) -> None:
        self._stream_id = stream_id
        self._ids = ids
        self._open = set(open_causes)

    @property
    def away(self) -> bool:
        """Whether it still has to be shown that nothing was missed while nobody was connected."""
        return not self._open.isdisjoint(AWAY)

    def lost(self, cause: str, here: Here, since_us: int, detail: str) -> tuple[Operation, ...]:
        """Nobody is connected since ``since_us``."""
        return () if self.away else self._begin(cause, here, since_us, detail)

    def mended(self, here: Here) -> tuple[Operation, ...]:
        """A connection has shown that nothing is missing before this place."""
        return self._end(AWAY, here)

    def over(self, here: Here) -> tuple[Operation, ...]:
        """The stream has ended: there is nothing left that the vendor could fail to see."""
        return self._end(_VENDORS_EYES, here)

    def note(self, fields: Fields, here: Here) -> tuple[Operation, ...]:
        """A new action has come, and says whether the vendor sees the match."""
        operations: tuple[Operation, ...] = ()
        suspended = is_suspended(fields)
        if not (self._open or suspended) and fields.delay_status is None:
            return operations  # it does, as it did before
        if suspended is not None:
            operations += self._turn("vendor_suspended", suspended, here, fields.collection_status or "")
        delayed = fields.delay_status is not None
        return operations + self._turn("vendor_delayed", delayed, here, fields.delay_status or "")

    def too_large(self, here: Here, detail: str) -> tuple[Operation, ...]:
        """A message was longer than we keep."""
        gap = self._gap("frame_too_large", here, here.now_us, detail)
        return (OpenGap(replace(gap, to_position=here.position, to_us=here.now_us)),)

    def stepped(self, here: Here, before_us: int) -> tuple[Operation, ...]:
        """Our wall clock went from ``before_us`` to now at once: told, and no doubt about the data."""
        way = "forward" if here.now_us > before_us else "back"
        detail = f"our clock was set {way} by {abs(here.now_us - before_us) / 1e6:.1f} s"
        gap = self._gap("clock_step", here, before_us, detail)
        return (OpenGap(replace(gap, to_position=here.position, to_us=here.now_us, resolved_us=here.now_us)),)

    def _turn(self, cause: str, begins: bool, here: Here, detail: str) -> tuple[Operation, ...]:
        if begins:
            return () if cause in self._open else self._begin(cause, here, here.now_us, detail)
        return self._end((cause,), here)

    def _begin(self, cause: str, here: Here, since_us: int, detail: str) -> tuple[Operation, ...]:
        self._open.add(cause)
        return (OpenGap(self._gap(cause, here, since_us, detail)),)

    def _end(self, causes: tuple[str, ...], here: Here) -> tuple[Operation, ...]:
        ended = tuple(cause for cause in causes if cause in self._open)
        self._open.difference_update(ended)
        return (ResolveGaps(self._stream_id, ended, here.now_us, here.position),) if ended else ()

    def _gap(self, cause: str, here: Here, since_us: int, detail: str) -> Gap:
        """Return a gap that begins here, and whose end nobody knows yet."""
        return Gap(
            stream_id=self._stream_id,
            gap_id=self._ids.next(here.now_us),
            epoch=here.epoch,
            cause=cause,
            ours=cause not in VENDORS_CAUSES,
            detail=detail,
            from_position=here.position,
            to_position=None,
            from_us=since_us,
            to_us=None,
        )
