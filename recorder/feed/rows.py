"""What the alignment says, as rows: positions, epochs, gaps in the list; and what these say of the match itself."""

from __future__ import annotations

from collections import Counter

from recorder.feed.alignment import (
    Append,
    Effect,
    EpochCurrent,
    Fork,
    Heal,
    Match,
    OpenGap,
    Park,
    Proven,
    Reconnect,
    Resent,
)
from recorder.feed.booking import Booking, Evidence
from recorder.feed.outages import VENDORS_CAUSES, Here, Outages
from recorder.feed.standing import Standing
from recorder.ids import TimeOrderedIds
from recorder.model import Action, Gap, Kind, StoredStream
from recorder.operations import (
    AddAction,
    BeginEpoch,
    CopyAction,
    MakeEpochCurrent,
    PlaceFrame,
    ResolveGaps,
)
from recorder.operations import OpenGap as AddGap

# What came before the seam and what came behind it is known; what, if anything, lay between them is not.
_SEAMS = frozenset({"live_only"})


class Rows:
    """Of one stream. ``counts`` are the open session's; ``outages`` learns whether the vendor sees the match."""

    def __init__(
        self, stream_id: int, stored: StoredStream, ids: TimeOrderedIds, outages: Outages, counts: Counter[str]
    ) -> None:
        self.standing = Standing(finished=stored.finished, status=stored.status)
        self.epoch = stored.epoch
        self._parent = stored.parent
        self._last_epoch = max(stored.epoch, stored.last_epoch)
        self.has_watched = False
        """Whether the match was seen going on, on any connection of this run."""
        self.over_since_ns: int | None = None
        """When (elapsed) the match ended while it was watched; None: it has not, or it was over before we came."""
        self._stream_id = stream_id
        self._ids = ids
        self._outages = outages
        self._counts = counts
        self._last_received_us = stored.last_received_us
        self._frame_digests = list(stored.frame_digests)

    def book(self, booked: Booking, effect: Effect) -> None:
        """Turn one effect into rows."""
        match effect:
            case Append():
                self._append(booked, effect)
            case Match(position=position):
                self._counts["overlap_checked"] += 1
                self._compare(booked, position)
            case Resent(position=position):
                self._counts["resent"] += 1
                if position is not None:
                    self._compare(booked, position)
            case Park(why=why):
                booked.kind, booked.reason = Kind.UNPLACED, "; ".join(filter(None, (booked.flag, why)))
            case Fork(position=position, why=why):
                booked.forks = True
                parent = self._parent = self.epoch
                self.epoch = self._last_epoch = self._last_epoch + 1
                del self._frame_digests[position:]
                booked.add(BeginEpoch(self._stream_id, self.epoch, parent, position, booked.now_us, why))
            case EpochCurrent():
                booked.add(MakeEpochCurrent(self._stream_id, self.epoch, booked.now_us))
            case OpenGap():
                booked.add(AddGap(self._gap(effect, booked.now_us)))
            case Heal(causes=causes):
                booked.add(ResolveGaps(self._stream_id, tuple(sorted(causes)), booked.now_us))
            case Reconnect(why=why):
                booked.reconnect = why
            case _:
                _: Proven = effect  # nothing to write: `counts` asks the alignment for its calibration

    def _append(self, booked: Booking, effect: Append) -> None:
        taken = effect.parked or effect.item
        seen = taken.ref
        assert isinstance(seen, Evidence)
        self._counts["actions"] += 1
        booked.grew = True
        self._frame_digests.append(seen.frame.digest)
        self._last_received_us = seen.frame.received_us
        self._note(seen, booked)
        stream_id = self._stream_id
        if effect.same_as is not None:
            assert self._parent is not None  # what it is the same as is in the list that this one changes
            booked.add(CopyAction(stream_id, self.epoch, effect.position, self._parent, effect.same_as))
            return
        booked.new += 1
        if effect.parked is not None:
            # What was kept without a position is the first we knew of it: it stays the evidence.
            booked.add(PlaceFrame(stream_id, seen.frame.session_id, seen.frame.frame_number))
            self._compare(booked, effect.position)
        else:
            booked.kind = Kind.ACTION
        booked.add(
            AddAction(
                Action(
                    stream_id=stream_id,
                    epoch=self.epoch,
                    position=effect.position,
                    session_id=seen.frame.session_id,
                    frame_number=seen.frame.frame_number,
                    part=seen.packet.part,
                    received_us=seen.frame.received_us,
                    arrival=seen.arrival,
                    content_digest=taken.digest,
                    frame_digest=seen.frame.digest,
                    fields=seen.packet.fields,
                )
            ),
            *self._outages.note(seen.packet.fields, Here(self.epoch, effect.position, seen.frame.received_us)),
        )

    def _note(self, seen: Evidence, booked: Booking) -> None:
        was_over = self.standing.over
        self.standing.note(seen.packet.fields)
        if self.standing.over is None:
            self.over_since_ns = None
        elif was_over is None and self.has_watched:
            # What was parked may be of another boot, whose clock is not ours.
            self.over_since_ns = (booked.frame or seen.frame).monotonic_ns

    def _compare(self, booked: Booking, position: int) -> None:
        """The content is the stored one's; in other bytes it is kept beside it and counted, no more."""
        frame = booked.frame
        if frame is None or frame.digest == self._frame_digests[position] or booked.differs:
            return
        booked.differs = True
        self._counts["envelope_differences"] += 1
        if booked.kind is None:
            booked.kind, booked.reason = Kind.ACTION, f"the content of position {position} in other bytes"

    def _gap(self, effect: OpenGap, now_us: int) -> Gap:
        return Gap(
            stream_id=self._stream_id,
            gap_id=self._ids.next(now_us),
            epoch=self.epoch,
            cause=effect.cause,
            ours=effect.cause not in VENDORS_CAUSES,
            detail=effect.detail,
            from_position=effect.from_position,
            to_position=effect.to_position,
            from_us=self._last_received_us or now_us,
            to_us=now_us if effect.cause in _SEAMS else None,
        )
