"""A whole match as a list of calls and a list of answers: no sockets, no clock, no database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recorder.errors import ConnectionOver, HandshakeRefused, NotConnected, WireError
from recorder.feed.ledger import Ledger
from recorder.feed.session import Answer, Done, Next, Refused, Retry, Session, Timing, Until, retry_after
from recorder.ids import TimeOrderedIds
from recorder.model import Kind, StoredStream, Stream
from recorder.operations import AddAction, AddFrame, Operation, UpdateSession

S = 1_000_000_000
OPENED_US = 1_750_000_000_000_000
"""2025-06-15T15:06:40Z."""
AUTH = b'{"dataType": "connectionState"}'
HEARTBEAT = b'{"eventElementType": "Heartbeat"}'
TIMING = Timing(dead=25.0, quiet=10.0, settle=1.0, linger=900.0, counts=30.0)
CUT = ConnectionOver(None, "")


def packet(seq: int, *, finished: bool = False, live: bool = False) -> bytes:
    when = "2026-01-01T00:00:00Z" if live else "2016-06-10T19:00:00Z"
    action = {"actionId": f"a{seq}", "fixtureSeqNum": seq, "timestamp": when}
    return json.dumps({"finished": finished, "fixtureAction": action}).encode()


class Play:
    """A ledger and its sessions, with a clock that the test moves."""

    def __init__(self, *, until: Until = "finished", channel: str = "actions", overlap: int = 3) -> None:
        stream = Stream("betting", "snooker", "a4dfa47b-2d00-5356-80ef-593d90a87caa", channel)
        self.ledger = Ledger(stream, StoredStream(), TimeOrderedIds(0), overlap)
        self.until: Until = until
        self.ns = 5 * S
        self.stored: list[Operation] = []
        self.open()

    def open(self) -> None:
        ask = self.ledger.resume.ask()
        self.asked = ask.start_position
        self.ledger.open_session()
        self.session = Session(
            self.ledger,
            session_id=self.ns,
            opened_us=OPENED_US,
            opened_ns=self.ns,
            until=self.until,
            timing=TIMING,
            asked_past_all=not ask.from_zero and not ask.overlap,
        )

    def receive(self, *payloads: bytes) -> Answer:
        """Take messages until one of them ends the connection; return the last answer."""
        answer = Answer()
        for payload in payloads:
            self.ns += S // 1000
            answer = self.session.received(payload, "text", OPENED_US + self.ns // 1000, self.ns)
            self.stored += answer.operations
            if answer.close is not None:
                break
        return answer

    def wait(self, seconds: float, *, heartbeats: bool = True) -> Answer:
        """Let time go by in ticks, until something is to be done about it."""
        end = self.ns + int(seconds * S)
        answer = Answer()
        while self.ns < end and answer.close is None:
            self.ns += S // 4
            if heartbeats:
                self.stored += self.session.received(HEARTBEAT, "text", OPENED_US, self.ns).operations
            answer = self.session.tick(self.ns, OPENED_US + self.ns // 1000)
            self.stored += answer.operations
        return answer

    def close(self, error: WireError | None = CUT) -> Next:
        operations, decision = self.session.closed(error, self.ns, OPENED_US)
        self.stored += operations
        return decision

    def reopen(self, *payloads: bytes, error: WireError | None = CUT) -> Answer:
        """Close, dial again, be let in, receive."""
        self.close(error)
        self.open()
        return self.receive(AUTH, *payloads)

    def positions(self) -> list[int]:
        return [operation.action.position for operation in self.stored if isinstance(operation, AddAction)]

    def kinds(self) -> list[Kind]:
        return [operation.frame.kind for operation in self.stored if isinstance(operation, AddFrame)]


def test_whole_match() -> None:
    """Let in, actions and heartbeats, the end seen late: closed once everything has settled, and done."""
    play = Play()
    assert play.asked is None
    play.receive(AUTH, HEARTBEAT, packet(1), HEARTBEAT, packet(2), packet(3, finished=True))
    assert play.positions() == [0, 1, 2]
    assert play.kinds() == [Kind.AUTH, Kind.HEARTBEAT, Kind.ACTION, Kind.ACTION, Kind.ACTION]
    assert play.wait(0.5).close is None
    answer = play.wait(1)
    assert (answer.close, answer.abort) == ("the match is over", False)
    assert play.close(None) == Done("the match is over")
    assert play.ledger.counts.heartbeats == 2 + 4


def test_frame_goes_before_its_action() -> None:
    """What is stored of a packet comes in one answer: the frame first, then the action that names it."""
    play = Play()
    play.receive(AUTH)
    frame, action = play.receive(packet(1)).operations
    assert isinstance(frame, AddFrame)
    assert isinstance(action, AddAction)
    assert frame.frame.payload == packet(1)
    assert (action.action.session_id, action.action.frame_number) == (frame.frame.session_id, frame.frame.frame_number)


def test_several_in_one_frame() -> None:
    """An array is one frame with several actions."""
    play = Play()
    play.receive(AUTH, b"[%s,%s]" % (packet(1), packet(2)))
    assert play.kinds() == [Kind.AUTH, Kind.ACTION]
    actions = [operation.action for operation in play.stored if isinstance(operation, AddAction)]
    assert [(action.position, action.part) for action in actions] == [(0, 0), (1, 1)]


@pytest.mark.parametrize("first", [AUTH, HEARTBEAT, packet(1), b"anything else", b"\xff"])
def test_let_in(first: bytes) -> None:
    """The first message that is no error says that we are let in, whatever it is."""
    play = Play()
    assert not play.session.authorised
    play.receive(first)
    assert play.session.authorised


def test_later_messages_of_no_known_kind() -> None:
    """Only the first one can be the auth reply; later ones are kept as unknown, with a reason."""
    play = Play()
    play.receive(AUTH, b'{"x": 1}', b"\xff\xfe")
    assert play.kinds() == [Kind.AUTH, Kind.UNKNOWN, Kind.UNKNOWN]
    assert all(op.frame.reason for op in play.stored[1:] if isinstance(op, AddFrame))


# Silence


def test_quiet_is_not_dead() -> None:
    """Heartbeats without actions: quiet, and we stay."""
    play = Play()
    play.receive(AUTH, packet(1))
    assert play.wait(600) == Answer() or play.wait(1).close is None


def test_dead() -> None:
    """No frame of any kind for 25 s: dropped without a close handshake, dialled again."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(20)
    assert play.wait(24.5, heartbeats=False).close is None
    answer = play.wait(1, heartbeats=False)
    assert answer.abort
    assert answer.close is not None
    assert isinstance(play.close(None), Retry)


def test_dead_before_the_first_message() -> None:
    """The same counts from the dialling on."""
    play = Play()
    assert play.wait(24.5, heartbeats=False).close is None
    assert play.wait(1, heartbeats=False).abort


def test_our_own_pause_is_no_silence() -> None:
    """While we did not read, nobody was silent."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.ns += 60 * S
    play.session.paused(60 * S)
    assert play.session.tick(play.ns, OPENED_US) == Answer()
    play.session.received(packet(2), "text", OPENED_US, play.ns - 59 * S)  # it had waited for us
    assert play.session.tick(play.ns, OPENED_US) == Answer()


def test_silence_after_a_resume() -> None:
    """We asked for an overlap and none of it came: the next question is from 0, at once."""
    play = Play()
    play.receive(AUTH, *(packet(seq) for seq in range(1, 9)))
    play.reopen()
    assert play.asked == 5
    assert play.wait(9.5).close is None
    assert play.wait(1).close is not None
    decision = play.close(None)
    assert isinstance(decision, Retry)
    assert decision.at_once
    play.open()
    assert play.asked is None


def test_nothing_there_yet() -> None:
    """A match that has not begun is waited for, as long as there are heartbeats."""
    play = Play()
    play.receive(AUTH)
    assert play.wait(3600).close is None
    play.receive(packet(1))
    assert play.positions() == [0]


# Ends


def test_finished_is_not_the_end_of_the_backlog() -> None:
    """Cut off right behind the packet that says the match is over: there may be more, so we ask again."""
    play = Play()
    play.receive(AUTH, packet(1), packet(2, finished=True))
    assert isinstance(play.close(), Retry)


def test_finished_and_settled_then_cut() -> None:
    """Cut off after a silence: that was all."""
    play = Play()
    play.receive(AUTH, packet(1), packet(2, finished=True))
    play.ns += 2 * S
    assert play.close() == Done("the match is over")


def test_clean_close_is_not_the_end() -> None:
    """A clean close of a match that is not over means nothing."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(100)
    assert isinstance(play.close(ConnectionOver(1000, "")), Retry)


def test_finished_taken_back() -> None:
    """A later packet that says it is not over is believed."""
    play = Play()
    play.receive(AUTH, packet(1, finished=True), packet(2))
    assert play.wait(100).close is None
    play.receive(packet(3, finished=True))
    assert play.wait(2).close == "the match is over"


def test_linger() -> None:
    """Who sees the end live stays for 15 minutes; what comes then is stored, and does not make it longer."""
    play = Play()
    play.receive(AUTH, packet(1, live=True), packet(2, finished=True, live=True))
    assert play.wait(890).close is None
    play.receive(packet(3, finished=True, live=True))
    assert play.positions() == [0, 1, 2]
    assert play.wait(8).close is None
    assert play.wait(3).close == "the match is over"


def test_linger_goes_on_over_connections() -> None:
    """A cut while we linger is mended."""
    play = Play()
    play.receive(AUTH, *(packet(seq, live=True) for seq in range(1, 6)), packet(6, finished=True, live=True))
    play.wait(100)
    assert isinstance(play.close(), Retry)
    play.open()
    play.receive(AUTH, packet(4, live=True))  # the start is not proven yet
    play.close(None)
    play.open()
    play.receive(AUTH, *(packet(seq, live=True) for seq in range(1, 6)), packet(6, finished=True, live=True))
    assert play.wait(790).close is None
    assert play.wait(20).close == "the match is over"


def test_once() -> None:
    """One pass ends when the backlog has settled, over or not."""
    play = Play(until="caught_up")
    play.receive(AUTH, packet(1), packet(2))
    assert play.wait(0.5).close is None
    assert play.wait(1).close == "caught up"
    assert play.close(None) == Done("caught up")


def test_once_and_cut() -> None:
    """One pass that is cut off in the middle is no pass."""
    play = Play(until="caught_up")
    play.receive(AUTH, packet(1), packet(2))
    assert isinstance(play.close(), Retry)


def test_once_of_nothing() -> None:
    """One pass over an empty list ends after a silence."""
    play = Play(until="caught_up")
    play.receive(AUTH)
    assert play.wait(9).close is None
    assert play.wait(2).close == "caught up"


def test_cut_every_packet() -> None:
    """One packet a connection: the overlap gives way, and the end is known when nothing more comes."""
    play = Play()
    theirs = [packet(seq, finished=seq == 8) for seq in range(1, 9)]
    play.receive(AUTH, theirs[0])
    decision: Next = play.close()
    for _ in range(100):
        if isinstance(decision, Done):
            break
        play.open()
        after = theirs[play.asked or 0 :]
        answer = play.receive(AUTH, *after[:1])
        if not after:
            answer = play.wait(20)
        decision = play.close(None if answer.close else CUT)
    assert decision == Done("the match is over")
    assert play.positions() == list(range(8))


def test_other_channel() -> None:
    """On another channel a fixtureAction is a frame like any other."""
    play = Play(channel="statistics", until="caught_up")
    play.receive(AUTH, packet(1), b'{"x": 1}')
    assert play.positions() == []
    assert play.kinds() == [Kind.UNKNOWN] * 3
    assert play.wait(11).close == "caught up"


# Refusals


@pytest.mark.parametrize(
    "error",
    [HandshakeRefused(401, "no", None), HandshakeRefused(403, "", None), ConnectionOver(4401, "?"), CUT],
)
def test_refused(error: WireError) -> None:
    """401, 403 and any close before the first message may be about the token."""
    assert isinstance(Play().close(error), Refused)


def test_refused_by_a_message() -> None:
    """An error message is the vendor's own words for it; the frame is kept."""
    play = Play()
    play.receive(b'{"errorMessage": "Supplied token could not be authenticated"}')
    assert not play.session.authorised
    assert play.close(ConnectionOver(1008, "")) == Refused("Supplied token could not be authenticated")
    assert play.kinds() == [Kind.ERROR]


def test_error_after_we_were_let_in() -> None:
    """An error later on is no refusal."""
    play = Play()
    play.receive(AUTH, b'{"error": "overloaded"}')
    assert isinstance(play.close(), Retry)


@pytest.mark.parametrize("error", [NotConnected("no route"), HandshakeRefused(302, "", None)])
def test_not_connected(error: WireError) -> None:
    """What says nothing about the token is tried again after a back-off."""
    decision = Play().close(error)
    assert isinstance(decision, Retry)
    assert (decision.at_once, decision.after) == (False, 0.0)
    assert str(error) in decision.why


def test_retry_after() -> None:
    """The vendor's own number of seconds is the least that we wait."""
    decision = Play().close(HandshakeRefused(429, "", "17"))
    assert isinstance(decision, Retry)
    assert decision.after == 17.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("", 0), ("5", 5), (" 5 ", 5), ("-5", 0), ("1.5", 0), ("²", 0), ("٣", 0), ("Wed, 21 Oct 2015", 0)],
)
def test_retry_after_header(header: str | None, seconds: float) -> None:
    """Only whole seconds are read."""
    assert retry_after(header) == seconds


# Counts


def test_counts_are_flushed() -> None:
    """Heartbeats are counted, and the counts written now and then although nothing else happens."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(65)
    updates = [operation for operation in play.stored if isinstance(operation, UpdateSession)]
    assert 2 <= len(updates) <= 3
    assert updates[-1].counts.heartbeats > 200
    assert play.kinds().count(Kind.HEARTBEAT) == 1


def test_tick_is_shorter_than_every_silence() -> None:
    """The clock is looked at often enough."""
    session: Any = Play().session
    assert session.tick_s <= TIMING.settle / 2
