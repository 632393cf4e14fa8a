"""What seasons have found, each in its smallest form."""

from __future__ import annotations

from recorder.archive.dialect import parse_url
from recorder.archive.load import load
from recorder.errors import ConnectionOver
from recorder.feed.alignment import Calibration, EpochCurrent, Fork, Item, Resume
from recorder.feed.decisions import Done, Retry
from recorder.feed.ledger import Ledger
from recorder.ids import TimeOrderedIds
from recorder.model import StoredStream
from recorder.operations import OpenGap
from tests.archive.filling import Filled, History
from tests.feed.test_session import AUTH, Play, packet

_LIST = [(bytes([number]) * 16, number) for number in range(1, 7)]
_CLEAN = ConnectionOver(1000, "")
_FOREIGN = b'{"fixtureAction": {"fixtureId": "of another match"}}'


def over(count: int) -> list[bytes]:
    """Return the packets of a match of so many actions that is over."""
    return [packet(seq, finished=seq == count) for seq in range(1, count + 1)]


def test_ids_after_the_wall_clock_was_set_back(archive: Filled) -> None:
    """A gap that was written behind a clock step has the greatest id: a restart must not hand it out again.

    Seed 23: it did, the row was refused, and the recorder could not be started until the clock had caught up.
    """
    ids = TimeOrderedIds()
    session_id = ids.next(7_200_000_000)
    gap_id = ids.next(3_600_000_000)
    assert gap_id == session_id + 1
    history = History(session_id=session_id)
    history.gap("clock_step", gap_id=gap_id)
    archive.write(*history.operations)
    url, dialect = parse_url(archive.spool_url)
    with dialect.reader(url).connect() as connection:
        stored = load(connection, history.stream.stream_id)
    assert TimeOrderedIds(stored.last_session_id).next(3_600_000_001) > gap_id


def test_a_recorder_that_was_killed_in_its_first_minute_was_there(archive: Filled) -> None:
    """Its session has frames and no counts yet: that nobody watched since is told (seed 529: it was not)."""
    history = History()
    last = history.add()
    archive.write(*history.operations)
    archive.write()
    url, dialect = parse_url(archive.spool_url)
    with dialect.reader(url).connect() as connection:
        stored = load(connection, history.stream.stream_id)
    assert stored.last_closed_us == last.received_us
    ledger = Ledger(history.stream, stored, TimeOrderedIds(stored.last_session_id), 3)
    (told,) = ledger.begin(last.received_us + 60_000_000)
    assert isinstance(told, OpenGap)
    assert (told.gap.cause, told.gap.from_us) == ("recorder_down", last.received_us)


def test_a_shorter_epoch_that_nothing_follows_is_current() -> None:
    """It was read to its end; asked for what is behind that, it is silent (seed 369: users saw the old list)."""
    resume = Resume(_LIST[:5], overlap=0, calibration=Calibration(frozenset({0})), current_length=6)
    assert resume.ask().past_all
    resume.quiet()
    assert resume.complete() == [EpochCurrent()]


def test_a_resume_that_begins_with_the_first_item_is_a_read_of_all() -> None:
    """A vendor that ignores startPosition and closes at the end was dialled for ever (seed 392)."""
    resume = Resume(_LIST, overlap=1, calibration=Calibration(zero=True))
    assert not resume.ask().from_zero
    for digest, seq in _LIST:
        assert not resume.read_whole
        resume.item(Item(digest, seq))
    assert resume.read_whole


def test_a_resume_that_begins_later_is_none() -> None:
    """What was before its beginning may have changed."""
    resume = Resume(_LIST, overlap=1, calibration=Calibration(frozenset({0})))
    resume.ask()
    resume.item(Item(*_LIST[5]))
    assert resume.caught_up
    assert not resume.read_whole


def test_another_fixtures_packet_keeps_no_stream_open() -> None:
    """Asked for what is behind everything, it is no answer: the match ends (seed 5764: it never did)."""
    contents = contents_of(over(6))
    stored = StoredStream(contents=contents, frame_digests=tuple(digest for digest, _ in contents), finished=True,
                          calibration="0", read_whole=True)  # fmt: skip
    play = Play(stored=stored, overlap=0)
    play.receive(AUTH, _FOREIGN)
    answer = play.wait(15)
    assert answer.close == "the match is over"
    decision = play.close(None)
    assert isinstance(decision, Done)
    assert decision.ended == "finished"


def contents_of(packets: list[bytes]) -> tuple[tuple[bytes, int | None], ...]:
    """Return what is stored of packets that were recorded."""
    play = Play()
    play.receive(AUTH, *packets)
    return tuple(zip(play.ledger.resume.digests, range(1, len(packets) + 1), strict=True))


def test_a_clean_end_after_what_is_known_leads_to_the_last_read() -> None:
    """A vendor that closes at its end, and counts a frame that nobody can read, was dialled for ever (seed 100519)."""
    contents = contents_of(over(6))
    stored = StoredStream(contents=contents, frame_digests=tuple(digest for digest, _ in contents), finished=True,
                          calibration="0")  # fmt: skip
    play = Play(stored=stored, overlap=1)
    play.receive(AUTH, over(6)[-1])
    decision = play.close(_CLEAN)
    assert isinstance(decision, Retry)
    assert decision.at_once
    play.open()
    assert play.asked is None
    play.receive(AUTH, *over(6))
    decision = play.close(_CLEAN)
    assert isinstance(decision, Done)
    assert decision.ended == "finished"


def test_a_list_that_begins_with_two_new_items_is_no_live_server() -> None:
    """Both later than our last: they were taken for all that the vendor sends (seed 752778318: never put right)."""
    first, second = Item(b"7" * 16, 7), Item(b"8" * 16, 8)
    resume = Resume(_LIST, overlap=1)
    resume.demand_proof()
    listed = [first, second, *(Item(digest, seq) for digest, seq in _LIST)]
    for _ in range(2):
        assert resume.ask().from_zero
        effects = [effect for item in listed for effect in resume.item(item)]
        resume.ended(authorised=True)
    assert list(resume.digests) == [item.digest for item in listed]
    assert [effect.position for effect in effects if isinstance(effect, Fork)] == [0]
    assert resume.calibration is None


def test_a_changed_list_that_was_parked_is_no_live_server() -> None:
    """What a resume had parked went behind our list with the seam: what is old came at a place that is not the end.

    Seed 4128864161: it was taken for disorder.
    """
    listed = [Item(bytes([number]) * 16, number) for number in (17, 18, 1, 2, 3, 4, 5, 6)]
    resume = Resume(_LIST, overlap=1)
    resume.ask()
    for item in (*listed[:2], Item(b"9" * 16, 19), Item(b"A" * 16, 20)):
        resume.item(item)
    resume.ended(authorised=True)
    for _ in range(2):
        assert resume.ask().from_zero
        for item in listed:
            resume.item(item)
        resume.ended(authorised=True)
    assert list(resume.digests) == [item.digest for item in listed]


def test_silence_of_a_vendor_whose_start_is_unproven_is_no_end() -> None:
    """It may have begun behind the last corrections: the list is read once more (seed 801476082: two were missed)."""
    contents = contents_of(over(6))
    stored = StoredStream(contents=contents, frame_digests=tuple(digest for digest, _ in contents), finished=True,
                          read_whole=True)  # fmt: skip
    play = Play(stored=stored, overlap=0)
    assert play.asked == 6
    play.receive(AUTH)
    assert play.wait(15).close == "nothing came, and no start is proven"
    play.close(None)
    play.open()
    assert play.asked is None


def test_a_match_is_not_over_where_more_was_seen_before() -> None:
    """Its last correction came behind a close, and not on the dead connection after it (seed 2192521518: left out)."""
    listed = [*over(6), packet(7, finished=True)]
    contents = contents_of(listed[:5])
    stored = StoredStream(contents=contents, frame_digests=tuple(digest for digest, _ in contents))
    play = Play(stored=stored, overlap=1, linger=0)
    answers = [play.session.received(each, "text", play.us, play.ns) for each in (AUTH, *listed[3:])]
    assert answers[1].close is not None
    assert [item.seq for item in play.ledger.resume.parked] == [6, 7]
    play.close(None)
    play.open()
    play.receive(AUTH, *listed[:6])
    assert play.wait(30, heartbeats=False).close == "no frame of any kind for 25 s"
    decision = play.close(None)
    for _ in range(2):
        assert isinstance(decision, Retry)
        play.open()
        play.receive(AUTH, *listed[play.asked or 0 :])
        decision = play.close(_CLEAN)
    assert (play.ledger.resume.n, play.ledger.resume.parked) == (7, ())
