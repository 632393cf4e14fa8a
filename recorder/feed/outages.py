"""Gaps in time: when we had no connection, when the vendor had no eyes on the match, when our clock stepped.

Where a gap in the list is (positions) the alignment says; what is written here is from when to when nobody watched.
Ours are open until a connection has shown that nothing was missed; the vendor's own, until its packets say so.
"""

from __future__ import annotations

from recorder.feed.standing import is_suspended
from recorder.ids import TimeOrderedIds
from recorder.model import Fields, Gap
from recorder.operations import OpenGap, Operation, ResolveGaps

# contract, exit codes: the vendor's own outages and a list that is merely behind are no doubt of ours.
VENDORS_CAUSES = frozenset({"server_behind", "vendor_suspended", "vendor_delayed"})

AWAY = ("network", "recorder_down")
"""Nobody of ours was connected."""


_VENDORS_EYES = ("vendor_suspended", "vendor_delayed")


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

    def lost(
        self, cause: str, epoch: int, position: int, since_us: int, now_us: int, detail: str
    ) -> tuple[Operation, ...]:
        """Nobody is connected since ``since_us``; ``position`` is where the next action would stand."""
        return () if self.away else self._begin(cause, epoch, position, since_us, now_us, detail)

    def mended(self, position: int, now_us: int) -> tuple[Operation, ...]:
        """A connection has shown that nothing is missing before ``position``."""
        return self._end(AWAY, position, now_us)

    def over(self, position: int, now_us: int) -> tuple[Operation, ...]:
        """The stream has ended: there is nothing left that the vendor could fail to see."""
        return self._end(_VENDORS_EYES, position, now_us)

    def note(self, fields: Fields, epoch: int, position: int, now_us: int) -> tuple[Operation, ...]:
        """A new action has come, and says whether the vendor sees the match."""
        operations: tuple[Operation, ...] = ()
        suspended = is_suspended(fields)
        if suspended is not None:
            status = fields.collection_status or ""
            operations += self._turn("vendor_suspended", suspended, epoch, position, now_us, status)
        delayed = fields.delay_status is not None
        return operations + self._turn("vendor_delayed", delayed, epoch, position, now_us, fields.delay_status or "")

    def too_large(self, epoch: int, position: int, now_us: int, detail: str) -> tuple[Operation, ...]:
        """A message was longer than we keep."""
        return (self._gap("frame_too_large", epoch, position, position, now_us, now_us, now_us, detail),)

    def stepped(self, epoch: int, position: int, before_us: int, now_us: int) -> tuple[Operation, ...]:
        """Our wall clock went from ``before_us`` to ``now_us`` at once: told, and no doubt about the data."""
        way = "forward" if now_us > before_us else "back"
        detail = f"our clock was set {way} by {abs(now_us - before_us) / 1e6:.1f} s"
        gap = self._gap("clock_step", epoch, position, position, before_us, now_us, now_us, detail, resolved_us=now_us)
        return (gap,)

    def _turn(
        self, cause: str, begins: bool, epoch: int, position: int, now_us: int, detail: str
    ) -> tuple[Operation, ...]:
        if begins:
            return () if cause in self._open else self._begin(cause, epoch, position, now_us, now_us, detail)
        return self._end((cause,), position, now_us)

    def _begin(
        self, cause: str, epoch: int, position: int, since_us: int, now_us: int, detail: str
    ) -> tuple[Operation, ...]:
        self._open.add(cause)
        return (self._gap(cause, epoch, position, None, since_us, None, now_us, detail),)

    def _end(self, causes: tuple[str, ...], position: int, now_us: int) -> tuple[Operation, ...]:
        ended = tuple(cause for cause in causes if cause in self._open)
        self._open.difference_update(ended)
        return (ResolveGaps(self._stream_id, ended, now_us, position),) if ended else ()

    def _gap(
        self,
        cause: str,
        epoch: int,
        from_position: int,
        to_position: int | None,
        from_us: int,
        to_us: int | None,
        now_us: int,
        detail: str,
        resolved_us: int | None = None,
    ) -> OpenGap:
        return OpenGap(
            Gap(
                stream_id=self._stream_id,
                gap_id=self._ids.next(now_us),
                epoch=epoch,
                cause=cause,
                ours=cause not in VENDORS_CAUSES,
                detail=detail,
                from_position=from_position,
                to_position=to_position,
                from_us=from_us,
                to_us=to_us,
                resolved_us=resolved_us,
            )
        )
