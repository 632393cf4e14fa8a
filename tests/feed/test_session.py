"""A whole match as a list of calls and a list of answers: no sockets, no clock, no database."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from recorder.errors import ConnectionOver, HandshakeRefused, WireError
from recorder.feed.decisions import Done, Next, NotYet, Refused, Retry
from recorder.feed.ending import Until
from recorder.feed.ledger import Ledger
from recorder.feed.session import Answer, Session
from recorder.feed.timing import Timing
from recorder.ids import TimeOrderedIds
from recorder.model import Kind, StoredStream, Stream
from recorder.operations import (
    AddAction,
    AddFrame,
    MakeEpochCurrent,
    OpenGap,
    Operation,
    ResolveGaps,
    UpdateSession,
)

S = 1_000_000_000
OPENED_US = 1_750_000_000_000_000
"""2025-06-15T15:06:40Z."""
AUTH = b'{"dataType": "connectionState"}'
HEARTBEAT = b'{"eventElementType": "Heartbeat"}'
TIMING = Timing(dead=25.0, quiet=10.0, settle=1.0, linger=900.0, counts=30.0)
CUT = ConnectionOver(None, "")


def packet(seq: int, *, finished: bool = False, type_id: int = 15, delay: str | None = None, **summary: str) -> bytes:
    action = {"actionId": f"a{seq}", "fixtureSeqNum": seq, "fixtureActionTypeId": type_id}
    action |= {} if delay is None else {"delayStatus": delay}
    return json.dumps({"finished": finished, "fixtureAction": action, "fixtureSummary": summary}).encode()


class Play:
    """A ledger and its sessions, with a clock that the test moves."""

    def __init__(
        self,
        *,
        until: Until = "finished",
        channel: str = "actions",
        overlap: int = 3,
        give_up: float | None = None,
        stored: StoredStream | None = None,
        linger: float = TIMING.linger,
    ) -> None:
        self.timing = replace(TIMING, linger=linger)
        stream = Stream("betting", "snooker", "a4dfa47b-2d00-5356-80ef-593d90a87caa", channel)
        self.ledger = Ledger(stream, stored or StoredStream(), TimeOrderedIds(0), overlap)
        self.give_up_ns = None if give_up is None else int((5 + give_up) * S)
        self.wall_error_us = 0
        self.until: Until = until
        self.ns = 5 * S
        self.stored: list[Operation] = []
        self.open()

    @property
    def us(self) -> int:
        """What the wall clock says."""
        return OPENED_US + self.ns // 1000 + self.wall_error_us

    def open(self) -> None:
        ask = self.ledger.resume.ask()
        self.asked = ask.start_position
        self.ledger.open_session()
        self.session = Session(
            self.ledger,
            ask,
            session_id=self.ns,
            opened_us=self.us,
            opened_ns=self.ns,
            until=self.until,
            timing=self.timing,
            give_up_ns=self.give_up_ns,
        )

    def receive(self, *payloads: bytes) -> Answer:
        """Take messages until one of them ends the connection; return the last answer."""
        answer = Answer()
        for payload in payloads:
            self.ns += S // 1000
            answer = self.session.received(payload, "text", self.us, self.ns)
            self.stored += answer.operations
            if answer.close is not None:
                break
        return answer

    def wait(self, seconds: float, *, heartbeats: bool = True, every: float = 0.25, tick: float = 0.25) -> Answer:
        """Let time go by in ticks, until something is to be done about it."""
        end, beat = self.ns + int(seconds * S), self.ns
        answer = Answer()
        while self.ns < end and answer.close is None:
            self.ns += int(tick * S)
            if heartbeats and self.ns - beat >= every * S:
                beat = self.ns
                self.stored += self.session.received(HEARTBEAT, "text", self.us, self.ns).operations
            answer = self.session.tick(self.ns, self.us)
            self.stored += answer.operations
        return answer

    def close(self, error: WireError | None = CUT) -> Next:
        operations, decision = self.session.closed(error, self.ns, self.us)
        self.stored += operations
        return decision

    def reopen(self, *payloads: bytes, error: WireError | None = CUT) -> Answer:
        """Close, dial again, be let in, receive."""
        self.close(error)
        self.open()
        return self.receive(AUTH, *payloads)

    def gaps(self) -> list[str]:
        """The causes of the gaps that are open, in order."""
        found: list[str] = []
        for operation in self.stored:
            if isinstance(operation, OpenGap) and operation.gap.resolved_us is None:
                found.append(operation.gap.cause)
            elif isinstance(operation, ResolveGaps):
                found = [cause for cause in found if cause not in operation.causes]
        return found

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
    assert play.close(None) == Done("the match is over", "finished")
    assert play.ledger.counts.heartbeats == 2 + 4
    assert play.ledger.counts.proven == 3


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


def test_actions_of_another_fixture() -> None:
    """They are set apart: they take no position, and say nothing of where our list begins."""
    play = Play()
    play.receive(AUTH, packet(1).replace(b'"actionId"', b'"fixtureId": "another", "actionId"'), packet(1))
    assert play.kinds() == [Kind.AUTH, Kind.QUARANTINED, Kind.ACTION]
    assert play.positions() == [0]


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
    assert play.session.tick(play.ns, play.us) == Answer()
    play.session.received(packet(2), "text", play.us, play.ns - 59 * S)  # it had waited for us
    assert play.session.tick(play.ns, play.us) == Answer()


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
    assert play.close() == Done("the match is over", "finished")


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
    assert play.wait(890).close is None
    assert play.wait(20).close is not None


def test_linger() -> None:
    """Who sees the end stays for 15 minutes; what comes then is stored, and does not make it longer."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(2)
    play.receive(packet(2, finished=True))
    assert play.wait(890).close is None
    play.receive(packet(3, finished=True))
    assert play.positions() == [0, 1, 2]
    assert play.wait(8).close is None
    assert play.wait(3).close is not None


def test_read_once_more() -> None:
    """A match that ended while we watched is read once more from its beginning, and then it is over."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(2)
    play.receive(packet(2, finished=True))
    assert "once more" in str(play.wait(1000).close)
    decision = play.close(None)
    assert isinstance(decision, Retry)
    assert decision.at_once
    play.open()
    assert play.asked is None
    play.receive(AUTH, packet(1), packet(2, finished=True))
    assert play.wait(2).close == "the match is over"
    assert play.close(None) == Done("the match is over", "finished")
    assert play.ledger.counts.proven == 2
    assert play.gaps() == []


def test_read_once_more_begins_at_the_beginning() -> None:
    """Also where the connection that saw the end was a read from 0 itself, and is left before any silence."""
    play = Play(linger=0.0)
    play.receive(AUTH, *(packet(seq) for seq in range(1, 30)))
    play.wait(2)
    play.receive(packet(30, finished=True))
    assert "once more" in str(play.wait(2).close)
    play.receive(packet(31, finished=True))  # on its way while we leave
    play.close(None)
    play.open()
    assert play.asked is None
    play.receive(AUTH, *(packet(seq, finished=seq > 29) for seq in range(1, 32)))
    assert play.wait(2).close == "the match is over"
    assert play.ledger.counts.proven == 31
    assert play.gaps() == []


def test_read_once_more_finds_a_changed_past() -> None:
    """An edit before every overlap is found by that read: a new epoch, and a gap that says so."""
    play = Play()
    play.receive(AUTH, *(packet(seq) for seq in range(1, 9)))
    play.wait(2)
    play.receive(packet(9, finished=True))
    play.wait(1000)
    play.close(None)
    play.open()
    changed = [packet(1), packet(2, type_id=16), *(packet(seq, finished=seq == 9) for seq in range(3, 10))]
    play.receive(AUTH, *changed)
    assert play.gaps() == ["list_changed"]
    assert play.wait(890).close is None  # who changes one thing may change another
    assert play.wait(20).close == "the match is over"


def test_read_once_more_is_done_once() -> None:
    """Where nothing has come since the list was read whole, there is nothing to read again."""
    play = Play(stored=StoredStream(last_closed_us=OPENED_US, finished=True, read_whole=True))
    assert play.ledger.was_read_whole
    play.receive(AUTH, packet(1), packet(2, finished=True))
    assert play.wait(2).close == "the match is over"


def test_linger_goes_on_over_connections() -> None:
    """A cut while we linger is mended."""
    play = Play()
    play.receive(AUTH, *(packet(seq) for seq in range(1, 6)))
    play.wait(2)
    play.receive(packet(6, finished=True))
    play.wait(100)
    assert isinstance(play.close(), Retry)
    assert play.gaps() == ["network"]
    play.open()
    play.receive(AUTH, packet(4))  # the start is not proven yet
    play.close(None)
    play.open()
    play.receive(AUTH, *(packet(seq) for seq in range(1, 6)), packet(6, finished=True))
    assert play.gaps() == []
    assert play.wait(790).close is None
    assert play.wait(20).close == "the match is over"  # that was a read from 0


def test_once() -> None:
    """One pass ends when the backlog has settled, over or not."""
    play = Play(until="caught_up")
    play.receive(AUTH, packet(1), packet(2))
    assert play.wait(9).close is None
    play.receive(packet(3))  # it had only taken a breath
    assert play.wait(9).close is None
    assert play.wait(2).close == "caught up"
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
    assert decision == Done("the match is over", "finished")
    assert play.positions() == list(range(8))
    assert play.gaps() == []


def test_other_channel() -> None:
    """On another channel a fixtureAction is a frame like any other."""
    play = Play(channel="statistics", until="caught_up")
    play.receive(AUTH, packet(1), b'{"x": 1}')
    assert play.positions() == []
    assert play.kinds() == [Kind.AUTH, Kind.UNKNOWN, Kind.UNKNOWN]
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


# No match


def test_given_up() -> None:
    """Let in, and nothing for as long as anybody would wait: it was not played."""
    play = Play(give_up=3600)
    play.receive(AUTH)
    assert play.wait(3590).close is None
    assert play.wait(20).close is not None
    decision = play.close(None)
    assert isinstance(decision, Done)
    assert decision.ended == "not_played"


def test_given_up_without_a_connection() -> None:
    """A fixture that was never there is looked for from time to time, and then given up."""
    play = Play(give_up=3600)
    assert isinstance(play.close(HandshakeRefused(404, "", None)), NotYet)
    play.ns += 3600 * S
    play.open()
    decision = play.close(HandshakeRefused(404, "", None))
    assert isinstance(decision, Done)
    assert decision.ended == "not_played"


def test_the_vendor_has_thrown_it_away() -> None:
    """A finished match that the vendor no longer has has ended; that it was not read once more is a doubt."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(2)
    play.receive(packet(2, finished=True))
    play.wait(100)
    play.close()
    play.open()
    assert isinstance(play.close(HandshakeRefused(404, "", None)), NotYet)
    play.ns += 900 * S
    play.open()
    decision = play.close(HandshakeRefused(404, "", None))
    assert isinstance(decision, Done)
    assert decision.ended == "finished"
    assert play.gaps() == ["network", "unproven"]


def test_the_vendor_shows_less_of_a_finished_match() -> None:
    """A list that is shorter than ours and equal as far as it goes keeps nobody waiting for ever."""
    play = Play()
    play.receive(AUTH, packet(1), packet(2), packet(3), packet(4, finished=True))
    play.close()
    for _ in range(3):
        play.open()
        play.receive(AUTH, packet(1), packet(2))
        play.wait(30)
        decision = play.close(None)
    assert isinstance(decision, Done)
    assert decision.ended == "finished"
    assert play.gaps() == ["server_behind"]


def test_never_given_up_once_something_came() -> None:
    """What has begun is waited for."""
    play = Play(give_up=3600)
    play.receive(AUTH, packet(1))
    assert play.wait(5000).close is None


@pytest.mark.parametrize("status", ["Postponed", "Abandoned", "CANCELLED", "Canceled"])
def test_called_off(status: str) -> None:
    """Postponed, cancelled or abandoned: after the linger the stream has ended, as not played."""
    play = Play()
    play.receive(AUTH, packet(1, currentStatus="Scheduled"))
    play.wait(2)
    play.receive(packet(2, currentStatus=status))
    assert play.wait(890).close is None
    assert play.wait(20).close is not None
    play.close(None)
    play.open()
    play.receive(AUTH, packet(1, currentStatus="Scheduled"), packet(2, currentStatus=status))
    assert play.wait(2).close == f"the match is {status}"
    decision = play.close(None)
    assert isinstance(decision, Done)
    assert decision.ended == "not_played"


def test_called_off_and_on_again() -> None:
    """A match that is called off and then begins after all is recorded."""
    play = Play()
    play.receive(AUTH, packet(1, currentStatus="Postponed"), packet(2, currentStatus="Scheduled"))
    assert play.wait(2000).close is None


# Gaps in time


def test_drop_and_return() -> None:
    """From the last frame before a drop until everything has come again: a gap of ours, then closed."""
    play = Play()
    play.receive(AUTH, *(packet(seq) for seq in range(1, 9)))
    play.close()
    [lost] = [operation.gap for operation in play.stored if isinstance(operation, OpenGap)]
    assert (lost.cause, lost.ours, lost.from_position, lost.to_position) == ("network", True, 8, None)
    assert lost.from_us <= play.us
    play.ns += 60 * S
    play.open()
    play.receive(AUTH)
    assert play.gaps() == ["network"]
    play.receive(packet(6))  # where it begins is not proven yet
    play.close(None)
    play.open()
    play.receive(AUTH, *(packet(seq) for seq in range(1, 8)))
    assert play.gaps() == ["network"]
    play.receive(packet(8))
    assert play.gaps() == []
    [resolved] = [operation for operation in play.stored if isinstance(operation, ResolveGaps)]
    assert resolved.to_position == 8


def test_asked_to_leave_is_no_gap() -> None:
    """A stop on request says nothing about the network."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.stored += play.session.stopped(play.us)
    assert play.gaps() == []


def test_recorder_was_down() -> None:
    """Between two runs nobody watched; the first connection that shows everything closes the gap."""
    before = Play()
    before.receive(AUTH, packet(1))
    [action] = [operation.action for operation in before.stored if isinstance(operation, AddAction)]
    seen = StoredStream(
        contents=((action.content_digest, 1),),
        frame_digests=(action.frame_digest,),
        last_closed_us=OPENED_US - 3_600_000_000,
    )
    play = Play(stored=seen)
    play.stored += play.ledger.begin(play.us)
    assert play.gaps() == ["recorder_down"]
    assert play.ledger.begin(play.us) == ()
    play.receive(AUTH)
    assert play.gaps() == ["recorder_down"]
    play.receive(packet(1))
    assert play.gaps() == []


def test_nothing_to_miss_of_what_never_began() -> None:
    """A stream of which nothing is stored begins with the first there is: no drop is a gap."""
    play = Play(stored=StoredStream(last_closed_us=OPENED_US))
    assert play.ledger.begin(play.us) == ()
    play.receive(AUTH)
    play.close()
    assert play.gaps() == []


def test_nothing_to_miss_of_a_finished_match() -> None:
    """A match that is over goes on without us."""
    play = Play(stored=StoredStream(last_closed_us=OPENED_US, finished=True))
    assert play.ledger.begin(play.us) == ()


def test_vendor_suspended() -> None:
    """The vendor's own blindness is a gap of the vendor's, from the packet that says so to the one that ends it."""
    play = Play()
    play.receive(AUTH, packet(1, collectionStatus="CollectingLive"))
    play.receive(packet(2, collectionStatus="CollectionSuspended"), packet(3, collectionStatus="CollectionDropped"))
    gaps = [operation.gap for operation in play.stored if isinstance(operation, OpenGap)]
    assert [(gap.cause, gap.ours, gap.from_position) for gap in gaps] == [("vendor_suspended", False, 1)]
    play.receive(packet(4, collectionStatus="CollectingLive"))
    assert play.gaps() == []


def test_vendor_delayed() -> None:
    """Packets that were collected offline are marked as a range."""
    play = Play()
    play.receive(AUTH, packet(1), packet(2, delay="DELAYED"), packet(3, delay="DELAYED"))
    assert play.gaps() == ["vendor_delayed"]
    play.receive(packet(4))
    [resolved] = [operation for operation in play.stored if isinstance(operation, ResolveGaps)]
    assert (resolved.causes, resolved.to_position) == (("vendor_delayed",), 3)


def test_too_large() -> None:
    """The beginning of a message that is longer than we keep is kept, with a gap where it came; then it goes on."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.stored += play.session.received(b'{"fixtureAction": "xx', "text", play.us, play.ns, size=10**8).operations
    play.receive(packet(2))
    assert play.kinds()[-2:] == [Kind.QUARANTINED, Kind.ACTION]
    assert play.gaps() == ["frame_too_large"]
    assert play.positions() == [0, 1]


# Clocks


@pytest.mark.parametrize("step_s", [3600, -3600, 1, -1, 13 * 365 * 86400])
def test_clock_step(step_s: int) -> None:
    """A step of the wall clock changes no decision; it is a row, and no doubt."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(30)
    play.wall_error_us = step_s * 1_000_000
    assert play.wait(300).close is None
    [step] = [operation.gap for operation in play.stored if isinstance(operation, OpenGap)]
    assert (step.cause, step.to_us is not None, step.resolved_us is not None) == ("clock_step", True, True)
    assert abs((step.to_us or 0) - step.from_us - play.wall_error_us) < 1000
    assert not play.wait(24, heartbeats=False).abort
    assert play.wait(2, heartbeats=False).abort


def test_slewed_clock() -> None:
    """A clock that is brought right little by little has not stepped."""
    play = Play()
    play.receive(AUTH, packet(1))
    for _ in range(100):
        play.wall_error_us += 10_000
        play.wait(0.25)
    assert not [operation for operation in play.stored if isinstance(operation, OpenGap)]


def test_wall_clock_decides_no_linger() -> None:
    """With a wall clock far ahead every packet looks old; the end that we watched is lingered after all the same."""
    play = Play()
    play.wall_error_us = 3600_000_000
    play.open()
    play.receive(AUTH, packet(1))
    play.wait(2)
    play.receive(packet(2, finished=True))
    assert play.wait(880).close is None


def test_no_false_alarm_in_a_day() -> None:
    """24 hours of a fixture that has not begun, of a suspended one, of a half-time, with heartbeats 20 s apart."""
    suspended = packet(1, currentStatus="Suspended", collectionStatus="CollectionSuspended")
    for quiet in (AUTH, suspended, packet(1, currentStatus="Live", type_id=7)):
        play = Play()
        play.receive(AUTH, quiet)
        assert play.wait(86400, every=20, tick=1.0).close is None


def test_deaf() -> None:
    """In play, and nothing but heartbeats for ten minutes: a new connection shows whether it is us; no gap."""
    play = Play()
    play.receive(AUTH, packet(1, currentStatus="Live", type_id=6))
    assert play.wait(595).close is None
    answer = play.wait(10)
    assert answer.close is not None
    assert not answer.abort
    decision = play.close(None)
    assert isinstance(decision, Retry)
    assert decision.at_once
    assert play.gaps() == []


def test_awake_again() -> None:
    """After a sleep of our own the socket is read before it is judged."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(2)
    play.ns += 600 * S
    assert play.session.tick(play.ns, play.us).close is None
    play.ns += S // 4
    assert play.session.tick(play.ns, play.us).abort


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


@pytest.mark.parametrize("messages", [[AUTH], [AUTH, packet(1)]], ids=["nothing yet", "a list"])
def test_ticks_are_few_while_only_a_silence_may_happen(messages: list[bytes]) -> None:
    """Thousands of streams that wait cost little: once all has come, the clock is looked at four times a silence."""
    play = Play()
    play.receive(*messages)
    play.wait(TIMING.quiet + 2)
    session: Any = play.session
    assert session.tick_s == TIMING.quiet / 4


# Ends that are no ordinary ones


def over(*, channel: str = "actions") -> Play:
    """A match of eight actions that is over, read whole, and dialled once more."""
    first = Play(channel=channel)
    first.receive(AUTH, *THEIRS)
    first.wait(2)
    actions = [operation.action for operation in first.stored if isinstance(operation, AddAction)]
    return Play(
        stored=StoredStream(
            contents=tuple((action.content_digest, action.fields.fixture_seq_num) for action in actions),
            frame_digests=tuple(action.frame_digest for action in actions),
            finished=True,
            read_whole=True,
            last_closed_us=OPENED_US,
        )
    )


THEIRS = [packet(seq, finished=seq == 8) for seq in range(1, 9)]


def test_lets_us_in_and_has_nothing() -> None:
    """A finished match whose list is empty now, and a vendor that closes at once: the second time says it."""
    play = over()
    for _ in range(4):
        play.receive(AUTH)
        decision = play.close(ConnectionOver(1000, ""))
        if isinstance(decision, Done):
            break
        play.open()
    assert isinstance(decision, Done)
    assert decision.ended == "finished"
    assert play.gaps() == []


def test_sends_everything_again_and_closes() -> None:
    """A vendor that ignores startPosition and closes behind its list: nothing new came, so it is over."""
    play = over()
    for _ in range(5):
        play.receive(AUTH, *THEIRS)
        decision = play.close(ConnectionOver(1000, ""))
        if isinstance(decision, Done):
            break
        play.open()
    assert decision == Done("the match is over", "finished")
    assert play.gaps() == []


def test_let_in_and_dropped_for_hours() -> None:
    """A stream that only ever lets us in and drops us has no match either."""
    play = Play(give_up=3600)
    play.receive(AUTH)
    assert isinstance(play.close(), Retry)
    play.ns += 3600 * S
    play.open()
    play.receive(AUTH)
    decision = play.close()
    assert isinstance(decision, Done)
    assert decision.ended == "not_played"


def test_not_there_behind_a_reply() -> None:
    """An error that says so means it, also behind an auth reply; one about the token too."""
    play = Play()
    play.receive(AUTH, b'{"message": "Could not find fixture topic x", "level": "WARN"}')
    assert isinstance(play.close(ConnectionOver(1000, "")), NotYet)
    play.open()
    play.receive(HEARTBEAT, b'{"errorMessage": "token could not be authenticated"}')
    assert isinstance(play.close(ConnectionOver(1008, "")), Refused)


def test_on_again_while_we_leave() -> None:
    """A packet that takes the end back while we close is heard."""
    play = over()
    play.receive(AUTH, THEIRS[5])
    play.close(None)
    play.open()
    play.receive(AUTH, *THEIRS)
    assert play.wait(2).close == "the match is over"
    play.receive(packet(9))
    decision = play.close(None)
    assert isinstance(decision, Retry)
    assert decision.at_once


def test_live_only_shows_nothing_of_a_drop() -> None:
    """From a vendor that sends only what is new nobody learns what a drop has cost: the gap stays."""
    live = StoredStream(
        contents=over().ledger.resume.n * ((b"0" * 16, None),), frame_digests=(b"0" * 16,) * 8, calibration="live",
        last_closed_us=OPENED_US,
    )  # fmt: skip
    play = Play(until="caught_up", stored=live)
    play.stored += play.ledger.begin(play.us)
    play.receive(AUTH)
    assert play.wait(15).close == "caught up"
    play.close(None)
    assert play.gaps() == ["recorder_down"]


def test_dials_that_fail_behind_a_close_of_ours() -> None:
    """We left a connection, and no other came about: nobody watches from the last message on."""
    play = Play()
    play.receive(AUTH, packet(1, currentStatus="Live", type_id=6))
    play.wait(605)
    assert isinstance(play.close(None), Retry)
    assert play.gaps() == []
    play.open()
    play.ns += 60 * S
    play.close(HandshakeRefused(503, "", None))
    assert play.gaps() == ["network"]


def test_new_epoch_of_the_last_read() -> None:
    """A list that is shorter and differs is the current one as soon as the stream has ended with it."""
    play = over()
    play.receive(AUTH, packet(6))
    play.close(None)
    play.open()
    play.receive(AUTH, *THEIRS[:5], packet(16), packet(17, finished=True))
    assert play.wait(2).close == "the match is over"
    assert [type(operation) for operation in play.stored].count(MakeEpochCurrent) == 1


def test_a_fork_is_no_progress() -> None:
    """A changed past does not reset the back-off: a vendor may flap between two lists."""
    play = over()
    play.receive(AUTH, packet(6))
    play.close(None)
    play.open()
    play.receive(AUTH, *THEIRS[:5], packet(16))
    assert play.gaps()[-1] == "list_changed"
    assert play.session.new == 0


def test_a_breath_in_the_last_read() -> None:
    """A vendor that takes a breath in the middle of a list that we know has not come to its end."""
    play = over()
    play.receive(AUTH, THEIRS[5])
    play.close(None)
    play.open()
    play.receive(AUTH, *THEIRS[:4])
    play.wait(3)
    play.receive(*THEIRS[4:])
    assert play.wait(2).close == "the match is over"
    assert play.ledger.counts.proven == 8


def test_what_the_vendor_could_not_see_ends_with_the_match() -> None:
    """A suspension that nobody took back is over when the stream is."""
    play = Play()
    play.receive(AUTH, packet(1, collectionStatus="CollectionSuspended"), packet(2, finished=True))
    assert play.gaps() == ["vendor_suspended"]
    assert play.wait(2).close == "the match is over"
    assert play.gaps() == []


def test_a_long_message_is_no_silence() -> None:
    """Bytes of a message that is not whole yet: the vendor is neither dead nor has it come to its end."""
    play = Play(until="caught_up")
    play.receive(AUTH)
    for _ in range(50):
        play.ns += S
        assert play.session.tick(play.ns, play.us, bytes_ns=play.ns) == Answer()
    play.ns += 40 * S
    assert play.session.tick(play.ns, play.us, bytes_ns=play.ns) == Answer()  # late by itself: looked at again
    play.ns += S
    assert play.session.tick(play.ns, play.us, bytes_ns=play.ns).abort  # but not for ever


def test_clock_step_between_two_connections() -> None:
    """A clock that is set while we are not connected is told by the next connection."""
    play = Play()
    play.receive(AUTH, packet(1))
    play.wait(1)
    play.close()
    play.wall_error_us = 3600_000_000
    play.open()
    play.receive(AUTH, packet(1))
    play.wait(1)
    causes = [operation.gap.cause for operation in play.stored if isinstance(operation, OpenGap)]
    assert causes == ["network", "clock_step"]


# Other channels


def data(number: int) -> bytes:
    return b'{"seqNum": 1, "value": {"n": %d}}' % number


def kept(play: Play) -> list[bytes]:
    return [op.frame.payload for op in play.stored if isinstance(op, AddFrame) and op.frame.kind is Kind.UNKNOWN]


def test_messages_that_repeat_are_kept() -> None:
    """A message that comes twice on a live connection happened twice; the list that comes again is known."""
    play = Play(channel="statistics")
    theirs = [data(1), data(2), data(1), data(3)]
    play.receive(AUTH, *theirs)
    assert kept(play) == theirs
    play.reopen(*theirs)
    assert kept(play) == theirs
    assert play.gaps() == []
    play.wait(12)
    play.receive(data(1), data(2))
    assert kept(play) == [*theirs, data(1), data(2)]


def test_live_messages_that_look_like_the_list() -> None:
    """Once a connection has fallen silent, nothing that comes is the list again."""
    play = Play(channel="statistics")
    play.receive(AUTH, data(0), data(1), data(0), data(1))
    play.reopen()
    play.wait(60)
    play.receive(data(0), data(1), data(0), data(1))
    assert len(kept(play)) == 8
    assert play.gaps() == ["network"]
