"""What each message means for the archive, as operations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from recorder.feed.booking import Entry, frame_of
from recorder.feed.content import content_digest
from recorder.feed.ledger import Ledger
from recorder.feed.messages import read
from recorder.feed.parsed import parsed
from recorder.ids import TimeOrderedIds
from recorder.model import Kind, StoredStream, Stream, digest
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    CopyAction,
    MakeEpochCurrent,
    OpenGap,
    PlaceFrame,
    ResolveGaps,
)

FIXTURE = "a4dfa47b-2d00-5356-80ef-593d90a87caa"
STREAM = Stream("betting", "snooker", FIXTURE)
NOW = 1_750_000_000_000_000


def packet(seq: int, text: str = "", **more: Any) -> bytes:
    action = {"actionId": f"a{seq}{text}", "fixtureSeqNum": seq, "timestamp": "2016-01-01T00:00:00Z"} | more
    return json.dumps({"traceId": "1", "fixtureAction": action}).encode()


def spelt_otherwise(payload: bytes) -> bytes:
    """The same content in other bytes."""
    return json.dumps(json.loads(payload) | {"traceId": "2"}, indent=1, sort_keys=True).encode()


def stored(packets: Sequence[bytes], **more: Any) -> StoredStream:
    actions = [json.loads(payload)["fixtureAction"] for payload in packets]
    return StoredStream(
        contents=tuple((content_digest(action), action["fixtureSeqNum"]) for action in actions),
        frame_digests=tuple(digest(payload) for payload in packets),
        **more,
    )


class Book:
    """A ledger with a connection open."""

    def __init__(self, before: StoredStream | None = None, overlap: int = 3) -> None:
        self.ledger = Ledger(STREAM, before or StoredStream(), TimeOrderedIds(0), overlap)
        self.session = 0
        self.entries: list[Entry] = []
        self.connect()

    def connect(self) -> int | None:
        self.session += 1
        self.number = 0
        ask = self.ledger.resume.ask()
        self.ledger.open_session()
        return ask.start_position

    def take(self, *payloads: bytes) -> list[Any]:
        """Book messages; return the operations."""
        operations: list[Any] = []
        for payload in payloads:
            message = read(payload)
            frame = frame_of(
                STREAM, self.session, self.number, payload, opcode="text", received_us=NOW, monotonic_ns=self.number
            )
            self.number += 1
            if message.kind is Kind.ACTION:
                packets = [parsed(each) for each in message.packets]
                foreign = self.ledger.foreign(packets)
                entry = (
                    self.ledger.actions(frame, packets, NOW)
                    if foreign is None
                    else self.ledger.anothers(frame, foreign)
                )
            else:
                entry = self.ledger.control(structs.replace(frame, kind=message.kind, reason=message.reason), message)
            self.entries.append(entry)
            operations += entry.operations
        return operations

    def close(self) -> list[Any]:
        return list(self.ledger.close_session(authorised=True, now_us=NOW))


def kinds(operations: list[Any]) -> list[str]:
    return [str(op.frame.kind) if isinstance(op, AddFrame) else type(op).__name__ for op in operations]


def test_new_actions() -> None:
    """Each takes the next position, behind its frame."""
    operations = Book().take(packet(1), packet(2))
    assert kinds(operations) == ["action", "AddAction", "action", "AddAction"]
    assert [op.action.position for op in operations if isinstance(op, AddAction)] == [0, 1]
    action = operations[1].action
    assert action.frame_digest == digest(packet(1))
    assert action.content_digest == content_digest(json.loads(packet(1))["fixtureAction"])
    assert action.fields.action_id == "a1"


def test_overlap_is_compared_and_not_stored() -> None:
    """What we have already, byte for byte, is counted and leaves nothing."""
    book = Book(stored([packet(1), packet(2)]))
    assert book.take(packet(1), packet(2)) == []
    assert (book.ledger.counts.overlap_checked, book.ledger.counts.envelope_differences) == (2, 0)
    assert kinds(book.take(packet(3))) == ["action", "AddAction"]


def test_envelope_difference() -> None:
    """The same content in other bytes is kept beside the first, counted, and takes no position."""
    book = Book(stored([packet(1), packet(2)]))
    operations = book.take(spelt_otherwise(packet(1)), packet(2))
    assert kinds(operations) == ["action"]
    assert "position 0" in operations[0].frame.reason
    assert (book.ledger.counts.overlap_checked, book.ledger.counts.envelope_differences) == (2, 1)


def test_resent() -> None:
    """The same packet twice in a row counts as a re-send."""
    book = Book()
    operations = book.take(packet(1), packet(1), spelt_otherwise(packet(1)))
    assert kinds(operations) == ["action", "AddAction", "action"]
    assert (book.ledger.counts.resent, book.ledger.counts.envelope_differences) == (2, 1)


@pytest.mark.parametrize("bad", [b'{"fixtureAction": {', b'{"very": {"strange": {"fixtureAction": 1}}}'])
def test_unreadable_action(bad: bytes) -> None:
    """What bears an action and cannot be read is quarantined with its bytes, once over all connections."""
    book = Book()
    operations = book.take(packet(1), bad)
    assert kinds(operations) == ["action", "AddAction", "quarantined"]
    assert operations[-1].frame.payload == bad
    assert operations[-1].frame.reason
    book.close()
    book.connect()
    assert book.take(packet(1), bad) == []


def test_other_fixture() -> None:
    """Another fixture's packet is quarantined and named; one without a fixture's name is ours."""
    other = "39e713f0-ff68-57e7-89f6-d86eb5df59cb"
    operations = Book().take(packet(1, fixtureId=other), packet(2, fixtureId=FIXTURE), packet(3))
    assert kinds(operations) == ["quarantined", "action", "AddAction", "action", "AddAction"]
    assert other in operations[0].frame.reason


def test_control_messages() -> None:
    """Unknown messages are stored once; heartbeats once per shape and connection; errors always."""
    book = Book()
    beat, other_beat, error = b'{"eventElementType": "Heartbeat"}', b'{"type": "heartbeat"}', b'{"error": "x"}'
    operations = book.take(b"hm", beat, beat, other_beat, beat, error, error)
    assert kinds(operations) == ["unknown", "heartbeat", "heartbeat", "error", "error"]
    assert book.ledger.counts.heartbeats == 4
    assert book.ledger.counts.frames == 7
    book.close()
    book.connect()
    assert kinds(book.take(b"hm", beat, error)) == ["heartbeat", "error"]


def test_same_unknown_message_twice_on_one_connection() -> None:
    """Said twice on one connection it is two messages."""
    assert kinds(Book().take(b"hm", b"hm")) == ["unknown", "unknown"]


def test_counts_begin_anew() -> None:
    """Each connection has counts of its own."""
    book = Book()
    book.take(packet(1), packet(2))
    assert book.ledger.counts.actions == 2
    book.close()
    book.connect()
    assert (book.ledger.counts.actions, book.ledger.counts.frames) == (0, 0)


def test_live_and_catch_up() -> None:
    """A packet older than its connection was caught up; so was one that tells no time."""
    operations = Book().take(packet(1), packet(2, timestamp="2030-01-01T00:00:00Z"), packet(3, timestamp=None))
    arrivals = [op.action.arrival for op in operations if isinstance(op, AddAction)]
    assert arrivals == ["catch_up", "live", "catch_up"]


def test_unplaced_and_placed() -> None:
    """What cannot be placed is kept without a position, with an open gap; a read from 0 places it and heals."""
    before = [packet(seq) for seq in range(1, 9)]
    book = Book(stored(before, calibration="0"))
    operations = book.take(packet(20))
    assert kinds(operations) == ["unplaced", "OpenGap"]
    assert operations[1].gap.ours
    assert book.entries[-1].reconnect is not None
    book.close()
    assert book.connect() is None
    operations = book.take(*before, packet(9), packet(20))
    assert kinds(operations) == ["action", "AddAction", "PlaceFrame", "AddAction", "ResolveGaps"]
    placed, action = operations[2], operations[3].action
    assert isinstance(placed, PlaceFrame)
    assert (placed.session_id, placed.frame_number) == (1, 0) == (action.session_id, action.frame_number)
    assert action.position == 9
    assert isinstance(operations[4], ResolveGaps)


def test_changed_past() -> None:
    """Other content at a known position begins an epoch; what did not change keeps its first arrival."""
    before = [packet(seq) for seq in range(1, 5)]
    book = Book(stored(before))
    assert book.connect() is not None
    book.take(packet(2, "changed"))
    book.close()
    book.connect()
    operations = book.take(before[0], packet(2, "changed"), before[2], before[3])
    begun = next(op for op in operations if isinstance(op, BeginEpoch))
    assert (begun.epoch, begun.parent, begun.fork_position) == (1, 0, 1)
    copied = [(op.position, op.from_position) for op in operations if isinstance(op, CopyAction)]
    assert copied == [(2, 2), (3, 3)]
    assert [op.gap.cause for op in operations if isinstance(op, OpenGap)] == ["list_changed"]
    assert sum(isinstance(op, MakeEpochCurrent) for op in operations) == 1
    assert {op.action.epoch for op in operations if isinstance(op, AddAction)} == {1}


def test_a_number_that_is_taken() -> None:
    """A new epoch gets a number behind those that a merge brought; it is a change of the one gone on with."""
    before = [packet(seq) for seq in range(1, 5)]
    book = Book(stored(before, last_epoch=3))
    book.take(packet(2, "changed"))
    book.close()
    book.connect()
    operations = book.take(before[0], packet(2, "changed"), before[2], before[3])
    begun = next(op for op in operations if isinstance(op, BeginEpoch))
    assert (begun.epoch, begun.parent) == (4, 0)
    copied = [(op.epoch, op.from_epoch) for op in operations if isinstance(op, CopyAction)]
    assert copied == [(4, 0), (4, 0)]


def test_shorter_list_is_no_doubt_of_ours() -> None:
    """A vendor that shows less than it did is behind: a gap that is the vendor's."""
    book = Book(stored([packet(1), packet(2), packet(3)]))
    book.take(packet(1))
    operations: list[Any] = list(book.ledger.quiet(NOW).operations)
    assert kinds(operations) == ["OpenGap"]
    assert (operations[0].gap.cause, operations[0].gap.ours) == ("server_behind", False)


def test_finished() -> None:
    """The newest packet that speaks of it decides whether the match is over."""
    book = Book()
    for said, over in ((None, False), (True, True), (None, True), (False, False), (True, True)):
        payload = json.loads(packet(len(book.entries) + 1))
        book.take(json.dumps(payload | ({} if said is None else {"finished": said})).encode())
        assert book.ledger.standing.finished is over


def test_begins_where_it_was() -> None:
    """A ledger of a stored stream asks behind what is stored, and knows what is over."""
    before = [packet(seq) for seq in range(1, 9)]
    book = Book(stored(before, calibration="0", finished=True))
    assert book.connect() == 5
    assert book.ledger.standing.over == "finished"
    assert book.ledger.over_since_ns is None


def test_resent_of_what_is_parked() -> None:
    """What is kept without a position and comes again is counted, and kept once."""
    before = [packet(seq) for seq in range(1, 9)]
    book = Book(stored(before, calibration="0"))
    book.take(packet(20))
    book.close()
    book.connect()
    first = book.take(packet(30), packet(30))
    assert kinds(first) == ["unplaced"]
    assert book.ledger.counts.resent == 1


def test_one_frame_that_appends_and_repeats() -> None:
    """Two packets in one frame: it bears a new action, and what it says of an old one in other bytes is counted."""
    book = Book(stored([packet(1), packet(2)]))
    book.take(packet(1), packet(2))
    operations = book.take(b"[" + packet(3) + b"," + packet(1) + b"]")
    assert kinds(operations) == ["action", "AddAction", "OpenGap"]
    assert operations[0].frame.reason is None
    assert book.ledger.counts.envelope_differences == 1


def test_number_of_the_list() -> None:
    """It is the number of the epoch that is written."""
    before = [packet(seq) for seq in range(1, 5)]
    book = Book(stored(before, epoch=2, last_epoch=3))
    assert book.ledger.epoch == 2
    book.ledger.read_again()
    book.close()
    book.connect()
    book.take(before[0], packet(2, "changed"))
    assert book.ledger.epoch == 4


def test_a_list_that_is_behind_when_it_is_read_again() -> None:
    """What the vendor has listed are the actions that it has shown, and no more of ours."""
    before = [packet(seq) for seq in range(1, 5)]
    book = Book(stored(before))
    book.ledger.read_again()
    book.connect()
    book.take(*before[:2])
    book.ledger.quiet(NOW)
    book.ledger.end(NOW)
    assert book.ledger.reading is not None
    assert book.ledger.reading.listed == book.ledger.reading.before[:2]


def test_too_large_once_more() -> None:
    """The same message, too long to be kept whole, on a later connection: it is the list again."""
    book = Book()
    kept = frame_of(STREAM, 1, 0, b"{" * 9, opcode="text", received_us=NOW, monotonic_ns=0)
    assert kinds(list(book.ledger.too_large(kept, 99).operations)) == ["quarantined", "OpenGap"]
    book.close()
    book.connect()
    assert book.ledger.too_large(structs.replace(kept, session_id=2), 99).operations == ()


def test_a_refusal_mends_nothing() -> None:
    """The vendor's error message shows nothing of what was missed; its list does."""
    before = [packet(seq) for seq in range(1, 3)]
    book = Book(stored(before, calibration="0", open_causes=frozenset({"network"})), overlap=0)
    told = book.take(b'{"error": "x"}')
    assert kinds(told) == ["error"]
    assert [op.causes for op in book.take(packet(3)) if isinstance(op, ResolveGaps)] == [("network",)]
