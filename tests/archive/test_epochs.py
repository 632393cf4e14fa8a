"""Versions of the vendor's list: a new one leaves the old one as it was, and users see one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, event, insert

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.load import load
from recorder.archive.writer import Writer
from recorder.feed.booking import frame_of
from recorder.feed.ledger import Ledger
from recorder.feed.parsed import parsed_of
from recorder.ids import TimeOrderedIds
from recorder.model import Kind, StoredStream
from recorder.operations import (
    AddAction,
    BeginEpoch,
    CopyAction,
    MakeEpochCurrent,
    PlaceFrame,
    ResolveGaps,
)
from tests.archive.filling import START_US, Filled, History, action_in, ship

LATER_US = START_US + 3_600_000_000


@contextmanager
def connected(archive: Filled) -> Iterator[Connection]:
    url, dialect = parse_url(archive.url)
    with dialect.reader(url).connect() as connection:
        yield connection


def stored(archive: Filled, history: History) -> StoredStream:
    with connected(archive) as connection:
        return load(connection, history.stream.stream_id)


def five(*types: str) -> History:
    """Make a list of five actions, or of these."""
    history = History()
    for number, name in enumerate(types or ("A", "B", "C", "D", "E")):
        history.add(type=name, action_id=f"id {number}")
    return history


def forked(archive: Filled, *, current: bool = True) -> History:
    """Store five actions; then the vendor changes the third and leaves the fourth out: A B x E."""
    history = five()
    archive.write(*history.operations)
    stream_id = history.stream.stream_id
    changed = history.frame(Kind.ACTION, b"changed", LATER_US)
    operations = [
        BeginEpoch(stream_id, 1, 0, 2, LATER_US, "position 2 has other content"),
        *history.operations[-1:],
        AddAction(action_in(changed, 1, 2, type="x", action_id="id 2")),
        CopyAction(stream_id, 1, 3, 0, 4),
    ]
    archive.write(*operations, *([MakeEpochCurrent(stream_id, 1, LATER_US + 7)] if current else []))
    return history


def types(archive: Filled, view: str, epoch: int | None = None) -> str:
    where = "" if epoch is None else f"WHERE epoch = {epoch}"
    return "".join(row[0] for row in archive.select(f"SELECT type FROM {view} {where} ORDER BY epoch, position"))


def test_a_new_epoch_leaves_the_old_one(archive: Filled) -> None:
    """What the vendor had sent stays, row by row, beside what it sends now."""
    history = forked(archive)
    untouched = [(action.position, action.received_us, action.content_digest) for action in history.actions]
    found = archive.select("SELECT position, received_us, content_digest FROM action WHERE epoch = 0 ORDER BY position")
    assert found == untouched
    assert types(archive, "actions_all", 0) == "ABCDE"
    assert types(archive, "actions_all", 1) == "ABxE"


def test_actions_shows_the_current_epoch_only(archive: Filled) -> None:
    """`actions_all` has every epoch, `actions` and `timeline` the one that users see."""
    forked(archive)
    assert types(archive, "actions") == "ABxE"
    assert types(archive, "actions_all") == "ABCDEABxE"
    assert types(archive, "timeline") == "ABxE"
    assert archive.select("SELECT epoch, actions FROM streams") == [(1, 4)]


def test_an_epoch_that_is_not_current_is_not_shown(archive: Filled) -> None:
    """Until it has reached the old one's length users see the old one."""
    history = forked(archive, current=False)
    assert types(archive, "actions") == "ABCDE"
    assert archive.select("SELECT epoch, actions FROM streams") == [(0, 5)]
    found = stored(archive, history)
    assert (found.epoch, len(found.contents), found.current_length) == (1, 4, 5)


def test_unchanged_actions_keep_when_they_were_first_received(archive: Filled) -> None:
    """Copies name the frame, session and moment of the first arrival; only what changed is new."""
    history = forked(archive)
    first = [action.received_us for action in history.actions]
    found = archive.select("SELECT received_us, frame_number FROM action WHERE epoch = 1 ORDER BY position")
    assert found == [(first[0], 0), (first[1], 1), (LATER_US, 5), (first[4], 4)]


def test_every_epoch_has_its_positions_without_holes(archive: Filled) -> None:
    """0..n-1 in each."""
    forked(archive)
    counts = archive.select("SELECT count(*), min(position), max(position) FROM action GROUP BY epoch")
    assert counts == [(5, 0, 4), (4, 0, 3)]


def test_what_an_old_epoch_said_is_known_until_the_new_one_is_current(archive: Filled) -> None:
    """A newer epoch replaces all of an older one, at the moment at which it became current."""
    forked(archive)
    ends = archive.select("SELECT DISTINCT known_until FROM actions_all WHERE epoch = 0")
    assert ends == [("2023-11-14T23:13:20.000007Z",)]
    assert archive.select("SELECT DISTINCT known_until FROM actions") == [(None,)]


def test_a_revision_may_end_before_its_epoch_does(archive: Filled) -> None:
    """In an old epoch a replaced revision ends with its successor, not with the epoch."""
    history = History()
    for name in ("first", "second"):
        history.add(type=name, action_id="same")
    stream_id = history.stream.stream_id
    archive.write(*history.operations, BeginEpoch(stream_id, 1, 0, 1, LATER_US, "why"))
    archive.write(MakeEpochCurrent(stream_id, 1, LATER_US))
    assert archive.select("SELECT epoch, type, known_until FROM actions_all ORDER BY epoch, position") == [
        (0, "first", "2023-11-14T22:13:21.000000Z"),
        (0, "second", "2023-11-14T23:13:20.000000Z"),
        (1, "first", None),
    ]


def test_the_newest_epoch_is_what_a_recorder_goes_on_with(archive: Filled) -> None:
    """Contents and frame digests are those of the newest epoch, in the order of positions."""
    found = stored(archive, forked(archive))
    assert (found.epoch, found.current_length) == (1, None)
    rows = archive.select("SELECT content_digest, frame_digest FROM action WHERE epoch = 1 ORDER BY position")
    assert [(content, frame) for (content, _), frame in zip(found.contents, found.frame_digests, strict=True)] == rows


def test_a_list_that_a_merge_brought_is_not_gone_on_with(archive: Filled) -> None:
    """An epoch that did not begin as a change of ours is another recording's; its number is taken."""
    history = five()
    archive.write(*history.operations)
    other = {"stream_id": history.stream.stream_id, "epoch": 3, "created_us": LATER_US, "why": "another recording"}
    with Writer(archive.spool_url) as writer:
        writer.carry_out(lambda connection: connection.execute(insert(tables.epoch).values(other))).result()
    ship(archive)
    found = stored(archive, history)
    assert (found.epoch, found.parent, found.last_epoch, found.current_length) == (0, None, 3, None)
    assert len(found.contents) == 5


def test_an_unknown_stream_is_empty(archive: Filled) -> None:
    """A stream that was never recorded is asked for from 0."""
    archive.write()
    assert stored(archive, History()) == StoredStream()


def test_what_a_recorder_must_know_comes_from_the_rows(archive: Filled) -> None:
    """Length, finish, doubts and the last session are computed from what is stored."""
    history = five()
    history.add(finished=True, fixture_seq_num=6)
    history.gap("hole")
    control = history.frame(Kind.UNKNOWN, b"what is this")
    archive.write(*history.operations)
    found = stored(archive, history)
    assert len(found.contents) == 6
    assert found.contents[5] == (history.actions[5].content_digest, 6)
    assert (found.finished, found.open_causes, found.last_session_id) == (True, frozenset({"hole"}), 1)
    assert found.control_digests == {control.digest}


def test_finished_is_what_was_said_last(archive: Filled) -> None:
    """A match that goes on after all is not over; a packet that says nothing about it changes nothing."""
    history = History()
    for finished in (True, False, None):
        history.add(finished=finished)
    archive.write(*history.operations)
    assert stored(archive, history).finished is False
    assert archive.select("SELECT finished FROM streams") == [(False,)]


# -- frames without a place, and doubts --------------------------------------------------------------------------------


def test_a_frame_without_a_place_is_placed(archive: Filled) -> None:
    """Kept as unplaced, with its bytes; once its position is known it is an action's frame like any other."""
    history = five()
    parked = history.frame(Kind.UNPLACED, b"parked")
    archive.write(*history.operations)
    assert [frame.payload for frame in stored(archive, history).unplaced] == [b"parked"]
    archive.write(
        PlaceFrame(parked.stream_id, parked.session_id, parked.frame_number), AddAction(action_in(parked, 0, 5))
    )
    assert stored(archive, history).unplaced == ()
    assert archive.select("SELECT kind, payload FROM raw_frames WHERE frame_number = 5") == [("action", b"parked")]
    assert archive.value("SELECT max(position) FROM actions") == 5


def test_unplaced_frames_come_back_as_they_were(archive: Filled) -> None:
    """The frame that is loaded equals the one that was stored, bytes, times and digest."""
    history = History()
    frame = history.frame(Kind.UNPLACED, b"\xff\0parked", START_US + 1)
    archive.write(*history.operations)
    assert stored(archive, history).unplaced == (frame,)


def test_gaps_of_a_cause_are_resolved(archive: Filled) -> None:
    """A doubt that is settled keeps its row, with when; doubts of other causes and other streams stay open."""
    one, other = History(), History()
    one.gap("hole", gap_id=1)
    one.gap("restart", gap_id=2, ours=False)
    other.gap("hole")
    archive.write(*one.operations, *other.operations)
    archive.write(ResolveGaps(one.stream.stream_id, ("hole", "nonesuch"), LATER_US))
    archive.write(ResolveGaps(one.stream.stream_id, ("hole",), LATER_US + 1))
    at_stream = "SELECT cause, ours, from_position, to_position, resolved_at FROM gaps WHERE stream_id = ?"
    assert archive.select(at_stream, one.stream.stream_id) == [
        ("hole", 1, 3, 5, "2023-11-14T23:13:20.000000Z"),
        ("restart", 0, 3, 5, None),
    ]
    assert archive.select(at_stream, other.stream.stream_id) == [("hole", 1, 3, 5, None)]
    assert stored(archive, one).open_causes == {"restart"}
    assert archive.select("SELECT gaps FROM streams") == [(1,), (1,)]


# -- the same through the books ----------------------------------------------------------------------------------------


def packet(history: History, number: int, text: str) -> bytes:
    return (
        f'{{"fixtureAction":{{"fixtureId":"{history.stream.fixture_id}","actionId":"id {number}",'
        f'"fixtureSeqNum":{number + 1},"fixtureActionType":"{text}"}}}}'
    ).encode()


def read_from_the_start(archive: Filled, history: History, contents: Sequence[str], at_us: int) -> None:
    """One connection on which the vendor sends all of ``contents``, and nothing more for a while."""
    ids = TimeOrderedIds()
    ledger = Ledger(history.stream, stored(archive, history), ids, overlap=3)
    ledger.resume.demand_proof()
    assert ledger.resume.ask().start_position is None
    session_id, operations = ids.next(at_us), list(history.taken())
    for number, text in enumerate(contents):
        payload = packet(history, number, text)
        frame = frame_of(history.stream, session_id, number, payload, opcode="text", received_us=at_us + number,
                         monotonic_ns=number)  # fmt: skip
        operations += ledger.actions(frame, parsed_of(payload), at_us).operations
    operations += ledger.quiet(at_us + 1_000_000).operations
    archive.write(*operations, *ledger.close_session(authorised=True, now_us=at_us + 2_000_000))


@pytest.mark.parametrize("changed", range(5))
def test_a_vendor_that_changes_its_list(archive: Filled, changed: int) -> None:
    """Whatever position has other content the next time: the old list is kept, users see the new one, a gap tells."""
    history, new = History(), list("ABCDEFG")
    new[changed] = "x"
    archive.write()
    read_from_the_start(archive, history, "ABCDE", START_US)
    read_from_the_start(archive, history, new, LATER_US)
    assert types(archive, "actions_all", 0) == "ABCDE"
    assert types(archive, "actions") == "".join(new)
    times = [row[0] for row in archive.select("SELECT received_us FROM action WHERE epoch = 1 ORDER BY position")]
    first_of_b = 0 if changed else 1
    assert times[first_of_b] == START_US + first_of_b
    assert ("list_changed",) in archive.select("SELECT cause FROM gaps")


def test_an_unknown_stream_is_looked_for_where_its_rows_will_be(archive: Filled) -> None:
    """Before its first frames come, the places of its actions, frames and sessions were read: not while they wait."""
    archive.write(*five().operations)
    asked: list[str] = []
    with connected(archive) as connection:
        event.listen(
            connection, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: asked.append(statement)
        )
        assert load(connection, 17) == StoredStream()
    assert [statement.split("FROM ")[1].split()[0] for statement in asked] == ["epoch", "action", "frame", "session"]
