"""The books of one stream over all its connections: what each message means for the archive, as operations.

The alignment (``alignment/``) says which position an action takes; here that becomes rows: which frames are kept,
which are only counted, what is a gap, when an epoch begins. Pure: every time comes in with the message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from recorder.feed import actions
from recorder.feed.alignment import (
    Append,
    Calibration,
    Effect,
    EpochCurrent,
    Fork,
    Heal,
    Item,
    Match,
    OpenGap,
    Park,
    Proven,
    Reconnect,
    Resent,
    Resume,
)
from recorder.feed.content import content_digest
from recorder.feed.messages import Message, Packet, read
from recorder.ids import TimeOrderedIds
from recorder.model import Action, Arrival, Fields, Frame, Gap, Kind, StoredStream, Stream, digest
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    CopyAction,
    Counts,
    MakeEpochCurrent,
    Operation,
    PlaceFrame,
    ResolveGaps,
)
from recorder.operations import OpenGap as AddGap

# contract, exit codes: the vendor's own outages and a list that is merely behind are no doubt of ours.
_VENDORS_CAUSES = frozenset({"server_behind"})

# What came before the seam and what came behind it is known; what, if anything, lay between them is not.
_SEAMS = frozenset({"live_only"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an action was read: the frame, the part of it, and how it came."""

    frame: Frame
    packet: Packet
    fields: Fields
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Entry:
    """What one message came to: what to store, and why to close the connection at once, if so."""

    operations: tuple[Operation, ...] = ()
    reconnect: str | None = None
    appended: int = 0


class Ledger:
    """One stream's books. ``counts`` are those of the open session; ``open_session`` begins new ones."""

    def __init__(self, stream: Stream, stored: StoredStream, ids: TimeOrderedIds, overlap: int) -> None:
        self.stream = stream
        self.ids = ids
        self._counts: Counter[str] = Counter()
        self._last_heartbeat_us: int | None = None
        self.finished = stored.finished
        """Whether the newest action that speaks of it says that the match is over."""
        self.finished_live_ns: int | None = None
        """When (monotonic) a live packet said so; None when it was over before we came."""
        self.empty_answers = 0
        """How many connections in a row, asked for what is behind everything stored, brought nothing."""
        self._epoch = stored.epoch
        self._last_received_us = stored.last_received_us
        self._frame_digests = list(stored.frame_digests)
        self._known_controls = set(stored.control_digests)
        self._session_controls: set[bytes] = set()
        self._shapes: set[str] = set()
        self.resume = Resume(
            stored.contents,
            overlap=overlap,
            calibration=Calibration.from_text(stored.calibration),
            parked=_parked(stored.unplaced),
            open_gaps=stored.open_causes,
            current_length=stored.current_length,
        )

    @property
    def counts(self) -> Counts:
        """What the open session has counted so far."""
        calibration = self.resume.calibration
        return Counts(
            **self._counts,
            last_heartbeat_us=self._last_heartbeat_us,
            calibration=calibration.to_text() if calibration else None,
        )

    def open_session(self) -> None:
        """Begin the counts of a new connection; what the last one repeated is known now."""
        self._counts.clear()
        self._last_heartbeat_us = None
        self._known_controls |= self._session_controls
        self._session_controls = set()
        self._shapes = set()

    def control(self, frame: Frame, message: Message) -> Entry:
        """Book a message without actions."""
        self._counts["frames"] += 1
        if frame.kind is Kind.HEARTBEAT:
            self._counts["heartbeats"] += 1
            self._last_heartbeat_us = frame.received_us
            if message.shape in self._shapes:
                return Entry()
            self._shapes.add(message.shape)
            return Entry((AddFrame(frame),))
        effects = self.resume.unreadable() if frame.kind is Kind.QUARANTINED else []
        if frame.kind in (Kind.UNKNOWN, Kind.QUARANTINED):
            # The same bytes on an earlier connection: the vendor's list again, not a new message.
            if frame.digest in self._known_controls:
                return self._entry(frame, effects, keep=False)
            self._session_controls.add(frame.digest)
        return self._entry(frame, effects, keep=True)

    def actions(self, frame: Frame, message: Message, opened_us: int) -> Entry:
        """Book a message that bears actions; ``opened_us`` is when its session was opened."""
        self._counts["frames"] += 1
        foreign = [packet for packet in message.packets if not self._is_ours(packet)]
        if foreign:
            told = actions.fixture_id(foreign[0].envelope) or "nothing readable"
            quarantined = replace(frame, kind=Kind.QUARANTINED, reason=f"another fixture's: {told}"[:200])
            if frame.digest in self._known_controls:
                return Entry()
            self._session_controls.add(frame.digest)
            return Entry((AddFrame(quarantined),))
        effects: list[Effect] = []
        for packet in message.packets:
            evidence = _evidence(frame, packet, opened_us)
            effects += self.resume.item(_item(packet, evidence))
        return self._entry(frame, effects, keep=False)

    def quiet(self, now_us: int) -> Entry:
        """Nothing more has come for a while."""
        return self._entry(None, self.resume.quiet(), keep=False, now_us=now_us)

    def close_session(self, *, authorised: bool, now_us: int) -> Entry:
        """The connection is over."""
        return self._entry(None, self.resume.ended(authorised=authorised), keep=False, now_us=now_us)

    def _entry(self, frame: Frame | None, effects: Iterable[Effect], *, keep: bool, now_us: int = 0) -> Entry:
        """Turn the alignment's effects into operations; ``frame`` goes first when anything rests on it."""
        booked = _Booking(frame, keep=keep, now_us=frame.received_us if frame else now_us)
        for effect in effects:
            self._book(booked, effect)
        return booked.entry()

    def _book(self, booked: _Booking, effect: Effect) -> None:
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
                booked.kind, booked.reason = Kind.UNPLACED, why
            case Fork(position=position, why=why):
                parent, self._epoch = self._epoch, self._epoch + 1
                del self._frame_digests[position:]
                booked.add(BeginEpoch(self.stream.stream_id, self._epoch, parent, position, booked.now_us, why))
            case EpochCurrent():
                booked.add(MakeEpochCurrent(self.stream.stream_id, self._epoch, booked.now_us))
            case OpenGap():
                booked.add(AddGap(self._gap(effect, booked.now_us)))
            case Heal(causes=causes):
                booked.add(ResolveGaps(self.stream.stream_id, tuple(sorted(causes)), booked.now_us))
            case Proven():
                pass  # `counts` asks the alignment for its calibration
            case Reconnect(why=why):
                booked.reconnect = why

    def _append(self, booked: _Booking, effect: Append) -> None:
        item = effect.parked or effect.item
        evidence = item.ref
        assert isinstance(evidence, Evidence)
        self._counts["actions"] += 1
        self.empty_answers = 0
        booked.appended += 1
        self._frame_digests.append(evidence.frame.digest)
        self._last_received_us = evidence.frame.received_us
        if evidence.fields.finished is not None:
            self._note_finished(evidence)
        stream_id = self.stream.stream_id
        if effect.same_as is not None:
            booked.add(CopyAction(stream_id, self._epoch, effect.position, self._epoch - 1, effect.same_as))
            return
        if effect.parked is not None:
            # What was kept without a position is the first we knew of it: it stays the evidence.
            booked.add(PlaceFrame(stream_id, evidence.frame.session_id, evidence.frame.frame_number))
            self._compare(booked, effect.position)
        else:
            booked.kind, booked.reason = Kind.ACTION, None
        booked.add(
            AddAction(
                Action(
                    stream_id=stream_id,
                    epoch=self._epoch,
                    position=effect.position,
                    session_id=evidence.frame.session_id,
                    frame_number=evidence.frame.frame_number,
                    part=evidence.packet.part,
                    received_us=evidence.frame.received_us,
                    arrival=evidence.arrival,
                    content_digest=item.digest,
                    frame_digest=evidence.frame.digest,
                    fields=evidence.fields,
                )
            )
        )

    def _note_finished(self, evidence: Evidence) -> None:
        over = bool(evidence.fields.finished)
        if over and not self.finished and evidence.arrival == "live":
            self.finished_live_ns = evidence.frame.monotonic_ns
        elif not over:
            self.finished_live_ns = None
        self.finished = over

    def _compare(self, booked: _Booking, position: int) -> None:
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
            stream_id=self.stream.stream_id,
            gap_id=self.ids.next(now_us),
            epoch=self._epoch,
            cause=effect.cause,
            ours=effect.cause not in _VENDORS_CAUSES,
            detail=effect.detail,
            from_position=effect.from_position,
            to_position=effect.to_position,
            from_us=self._last_received_us or now_us,
            to_us=now_us if effect.cause in _SEAMS else None,
        )

    def _is_ours(self, packet: Packet) -> bool:
        said = actions.fixture_id(packet.envelope)
        return said is None or said == self.stream.fixture_id


class _Booking:
    """One message on its way into the books."""

    def __init__(self, frame: Frame | None, *, keep: bool, now_us: int) -> None:
        self.frame = frame
        self.now_us = now_us
        self.reconnect: str | None = None
        self.appended = 0
        self.differs = False
        self._kind: Kind | None = frame.kind if frame and keep else None
        self.reason = frame.reason if frame else None
        self._operations: list[Operation] = []

    @property
    def kind(self) -> Kind | None:
        """What the frame is to be kept as; None: not at all."""
        return self._kind

    @kind.setter
    def kind(self, kind: Kind | None) -> None:
        # A frame with several actions of which one has no place stays findable as unplaced.
        if self._kind is not Kind.UNPLACED:
            self._kind = kind

    def add(self, operation: Operation) -> None:
        self._operations.append(operation)

    def entry(self) -> Entry:
        operations = list(self._operations)
        if self.frame is not None and self._kind is not None:
            operations.insert(0, AddFrame(replace(self.frame, kind=self._kind, reason=self.reason)))
        return Entry(tuple(operations), self.reconnect, self.appended)


def _evidence(frame: Frame, packet: Packet, opened_us: int) -> Evidence:
    fields = actions.parse(packet.envelope)
    # contract, SQL views: `catch_up` is a packet older than its session; one that tells no time cannot be live.
    live = fields.occurred_us is not None and fields.occurred_us >= opened_us
    return Evidence(frame, packet, fields, "live" if live else "catch_up")


def _item(packet: Packet, evidence: Evidence) -> Item:
    return Item(content_digest(packet.fixture_action), evidence.fields.fixture_seq_num, evidence)


def _parked(frames: Iterable[Frame]) -> list[Item]:
    """Return the actions of frames that were kept without a position, in the order in which they came."""
    return [
        _item(packet, Evidence(frame, packet, actions.parse(packet.envelope), "catch_up"))
        for frame in frames
        for packet in read(frame.payload).packets
    ]


def frame_of(
    stream: Stream, session_id: int, number: int, payload: bytes, *, opcode: str, received_us: int, monotonic_ns: int
) -> Frame:
    """Return a message as a frame, not yet classified."""
    return Frame(
        stream_id=stream.stream_id,
        session_id=session_id,
        frame_number=number,
        received_us=received_us,
        monotonic_ns=monotonic_ns,
        kind=Kind.UNKNOWN,
        opcode="binary" if opcode == "binary" else "text",
        payload=payload,
        digest=digest(payload),
    )
