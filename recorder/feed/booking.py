"""One message on its way into the books: what it is evidence of, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from recorder.feed.alignment import Item
from recorder.feed.parsed import Parsed, parsed_of
from recorder.model import Arrival, Frame, Kind, Opcode, Stream, digest
from recorder.operations import AddFrame, Operation


class Evidence(Struct, frozen=True, gc=False):
    """Where an action was read: the frame, the part of it, and how it came."""

    frame: Frame
    packet: Parsed
    arrival: Arrival


class Entry(Struct, frozen=True, gc=False):
    """What one message came to: what to store, and why to close the connection at once, if so.

    ``new``: how many messages or actions are known that were not; those of a changed past are not counted.
    """

    operations: tuple[Operation, ...] = ()
    reconnect: str | None = None
    new: int = 0


class Booking:
    """Collects what one message comes to; ``frame`` None: it was no message but a silence."""

    def __init__(self, frame: Frame | None, *, keep: bool, now_us: int) -> None:
        self.frame = frame
        self.now_us = now_us
        self.reconnect: str | None = None
        self.new = 0
        self.grew = self.forks = False
        self.differs = False
        self.flag = self.reason = frame.reason if frame else None
        self._kind: Kind | None = frame.kind if frame and keep else None
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

    def add(self, *operations: Operation) -> None:
        """Add to what is to be stored, in this order."""
        self._operations += operations

    def entry(self) -> Entry:
        """Close it; the frame goes first, since the rest leans on it."""
        operations = list(self._operations)
        if self.frame is not None and self._kind is not None:
            frame = self.frame
            if frame.kind is not self._kind or frame.reason != self.reason:
                frame = replace(frame, kind=self._kind, reason=self.reason)
            operations.insert(0, AddFrame(frame))
        # A changed past is no progress (resume, rule 5): a vendor that flaps between two lists would look busy.
        return Entry(tuple(operations), self.reconnect, 0 if self.forks else self.new)


def evidence(frame: Frame, packet: Parsed, opened_us: int, *, is_audit: bool = False) -> Evidence:
    """Return what a packet of a session that was opened at ``opened_us`` is evidence of.

    ``is_audit``: the list is read again, so that what it brings and is not live had been missed.
    """
    # contract, SQL views: `catch_up` is a packet older than its session; one that tells no time cannot be live.
    occurred_us = packet.fields.occurred_us
    live = occurred_us is not None and occurred_us >= opened_us
    return Evidence(frame, packet, "live" if live else "audit" if is_audit else "catch_up")


def item(evidence: Evidence) -> Item:
    """Return a packet as the alignment sees it."""
    return Item(evidence.packet.content, evidence.packet.fields.fixture_seq_num, evidence)


def parked(frames: Iterable[Frame]) -> list[Item]:
    """Return the actions of frames that were kept without a position, in the order in which they came."""
    return [item(Evidence(frame, packet, "catch_up")) for frame in frames for packet in parsed_of(frame.payload)]


def frame_of(
    stream: Stream,
    session_id: int,
    number: int,
    payload: bytes,
    *,
    opcode: Opcode,
    received_us: int,
    monotonic_ns: int,
    kind: Kind = Kind.UNKNOWN,
    reason: str | None = None,
) -> Frame:
    """Return a message as a frame."""
    return Frame(
        stream_id=stream.stream_id,
        session_id=session_id,
        frame_number=number,
        received_us=received_us,
        monotonic_ns=monotonic_ns,
        kind=kind,
        opcode=opcode,
        payload=payload,
        digest=digest(payload),
        reason=reason,
    )
