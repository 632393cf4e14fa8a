"""What a match's page shows, from rows of real matches and of matches made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.model import Kind, microseconds
from recorder.operations import AddAction, BeginEpoch, MakeEpochCurrent
from recorder.query import latency, story
from recorder.query.reading import Reader, reading
from recorder.query.timelines import Question, timeline
from recorder.web import match
from recorder.web.gathered import Gathered, gather, stream_row
from tests.archive.filling import START_US, Filled, History, action_in, close_session, fill
from tests.conftest import NewArchive
from tests.vendor import load, names


@pytest.fixture(scope="module")
def matches(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """All bundled matches, on each kind of database."""
    place = new_archive(tmp_path_factory.mktemp("matches") / "archive.db")
    fill(place.path, *map(load, names()), url=place.url)
    with reading(place.url) as reader:
        yield reader


def stream_ids(reader: Reader) -> list[int]:
    return [row.stream_id for row in reader.rows("SELECT stream_id FROM stream ORDER BY stream_id")]


def gathered(reader: Reader, stream_id: int, as_of_us: int | None = None) -> Gathered:
    stream = stream_row(reader, stream_id)
    assert stream is not None
    return gather(reader, stream, [stream.feed], as_of_us)


def made(path: Path, *histories: History) -> Filled:
    archive = Filled(path / "archive.db")
    archive.write(*(operation for history in histories for operation in history.taken()))
    return archive


def test_what_stands_is_the_timeline_in_its_order_in_every_bundled_match(matches: Reader) -> None:
    for stream_id in stream_ids(matches):
        shown = [entry.shown.position for entry in gathered(matches, stream_id).entries if entry.stands]
        assert shown == [row.position for row in timeline(matches, Question(stream_id))]


def test_what_stood_at_a_moment_is_the_timeline_of_that_moment(matches: Reader) -> None:
    for stream_id in stream_ids(matches):
        received = sorted({each.received_us for each in story.revisions(matches, stream_id)})
        for as_of_us in (*received[:: len(received) // 6], received[0] - 1):
            shown = [each.shown.position for each in gathered(matches, stream_id, as_of_us).entries if each.stands]
            assert shown == [row.position for row in timeline(matches, Question(stream_id, as_of_us))]


REVISION = st.fixed_dictionaries(
    {
        "action_id": st.sampled_from(["a", "b", "c", None]),
        "send_type": st.sampled_from(["Pending", "Confirmed", "Deleted", "cancelled", None]),
        "fixture_seq_num": st.one_of(st.none(), st.integers(-2, 9)),
        "period": st.one_of(st.none(), st.integers(0, 2)),
        "clock_seconds": st.one_of(st.none(), st.integers(0, 99)),
        "timeline_sequence": st.one_of(st.none(), st.sampled_from(["000001.00000000000000000001", "000002.5"])),
        "finished": st.sampled_from([True, False, None]),
    }
)


@settings(max_examples=30, deadline=None)
@given(st.lists(REVISION, max_size=9))
def test_whatever_is_sent_what_stands_is_the_timeline_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, sent: list[dict[str, Any]]
) -> None:
    history = History()
    for each in sent:
        history.add(**each)
    archive = made(tmp_path_factory.mktemp("any"), history)
    with reading(archive.url) as reader:
        found = gathered(reader, history.stream.stream_id)
        rows = timeline(reader, Question(history.stream.stream_id))
        assert [each.shown.position for each in found.entries if each.stands] == [row.position for row in rows]
        # One by one, as whoever follows live gets them, they have the same place.
        is_over = bool(found.stream.finished)
        for entry in found.entries:
            assert story.one(reader, entry.revisions, is_over=is_over) == entry
        assert [each.order for each in found.entries] == sorted(each.order for each in found.entries)


def test_a_deleted_action_keeps_its_place_and_tells_how_long_it_stood(tmp_path: Path) -> None:
    history = History()
    history.add(action_id="kick off", fixture_seq_num=1, send_type="Confirmed", type="Start Period")
    history.add(action_id="goal", fixture_seq_num=2, send_type="Pending", type="Goal")
    history.add(action_id="corner", fixture_seq_num=3, send_type="Confirmed", type="Corner")
    history.add(action_id="check", fixture_seq_num=4, send_type="Confirmed", type="Video Check Result",
                related_action_ids='["goal"]')  # fmt: skip
    history.add(START_US + 97_000_000, action_id="goal", fixture_seq_num=2, send_type="Deleted", type="Goal")
    with reading(made(tmp_path, history).url) as reader:
        found = gathered(reader, history.stream.stream_id)
    assert [(entry.key, entry.stands) for entry in found.entries] == [
        ("kick off", True), ("goal", False), ("corner", True), ("check", True),
    ]  # fmt: skip
    assert found.taken_back["goal"].stood_s == 96
    assert found.taken_back["goal"].detail == "deleted after video check"


def test_the_score_line_of_a_moment_tells_nothing_that_came_later(matches: Reader) -> None:
    (stream_id,) = (
        row.stream_id for row in matches.rows("SELECT stream_id FROM streams WHERE home_team = 'France' "
                                              "AND away_team = 'Romania'")
    )  # fmt: skip
    revisions = story.revisions(matches, stream_id)
    taken = next(each for each in revisions if each.type == "Goal" and each.send_type == "Deleted")
    before = match.as_was_known(gathered(matches, stream_id, taken.received_us - 60_000_000))
    now = match.as_was_known(gathered(matches, stream_id))
    assert (before.home_score, before.away_score, before.said, before.period) == (1, 0, "Live", "1st half")
    assert (now.home_score, now.away_score, now.said, now.period, now.clock) == (2, 1, "Finished", "", "")


def test_before_the_first_action_nothing_is_known(matches: Reader) -> None:
    stream_id = stream_ids(matches)[0]
    found = gathered(matches, stream_id, START_US - 1)
    assert match.as_was_known(found).said == "Nothing known yet"
    assert match.notices(found) == ["No action had been received by 2023-11-14T22:13:19.999999Z."]
    assert (found.revisions, found.periods, found.sessions) == ([], [], [])


def test_a_moment_at_which_nobody_listened_is_said_to_be_one(tmp_path: Path) -> None:
    history = History()
    history.add(action_id="a", type="Foul", send_type="Confirmed")
    history.operations.append(close_session(history.stream, closed_us=START_US + 5_000_000))
    with reading(made(tmp_path, history).url) as reader:
        at = [gathered(reader, history.stream.stream_id, START_US + second * 1_000_000) for second in (3, 9)]
    assert [match.notices(each) for each in at] == [
        [],
        ["No connection was open at that moment: what had happened by then may have come later."],
    ]
    assert [match.as_was_known(each).said for each in at] == ["Live", "Not connected"]
    assert [each.sessions[0].closed_at is None for each in at] == [True, False]


def test_a_list_that_the_vendor_changed_was_another_one_before(tmp_path: Path) -> None:
    history = History()
    for number in range(3):
        history.add(action_id=str(number), type="Foul", send_type="Confirmed", fixture_seq_num=number + 1)
    at_us, stream_id = START_US + 60_000_000, history.stream.stream_id
    changed = [history.frame(Kind.ACTION, b"changed %d" % position, at_us) for position in range(2)]
    history.operations += [
        BeginEpoch(stream_id, 1, 0, 0, at_us, "other content"),
        *(AddAction(action_in(frame, 1, position, action_id=f"new {position}", type="Goal", send_type="Confirmed"))
          for position, frame in enumerate(changed)),
        MakeEpochCurrent(stream_id, 1, at_us),
    ]  # fmt: skip
    with reading(made(tmp_path, history).url) as reader:
        then, now = gathered(reader, stream_id, at_us - 1), gathered(reader, stream_id)
    assert (then.epoch, [entry.key for entry in then.entries]) == (0, ["0", "1", "2"])
    assert (now.epoch, [entry.key for entry in now.entries]) == (1, ["new 0", "new 1"])


def test_a_suspended_collection_is_told_in_the_score_line(tmp_path: Path) -> None:
    history = History()
    history.add(action_id="a", type="Status Updated", send_type="Confirmed", collection_status="CollectionSuspended")
    with reading(made(tmp_path, history).url) as reader:
        assert match.as_was_known(gathered(reader, history.stream.stream_id)).suspended == "CollectionSuspended"


def test_the_latency_of_the_page_is_that_of_the_statistics(matches: Reader) -> None:
    for stream_id in stream_ids(matches):
        found = gathered(matches, stream_id)
        assert match.latency_of(found.revisions) == latency.latency(matches, stream_id)


def test_the_score_moves_where_a_packet_tells_another_one(tmp_path: Path) -> None:
    history = History()
    for at, (home, away) in enumerate([(0, 0), (None, None), (0, 0), (1, 0), (0, 0), (0, 1)]):
        history.add(action_id=str(at), home_score=home, away_score=away, current_period=1,
                    current_clock_seconds=at * 61)  # fmt: skip
    with reading(made(tmp_path, history).url) as reader:
        moves = match.score_moves(story.revisions(reader, history.stream.stream_id))
    assert [(move.home, move.away, move.clock) for move in moves] == [
        (0, 0, "00:00"), (1, 0, "03:03"), (0, 0, "04:04"), (0, 1, "05:05"),
    ]  # fmt: skip


def test_steps_lead_to_the_changes_next_to_the_moment_and_never_out_of_the_match(matches: Reader) -> None:
    stream_id = stream_ids(matches)[0]
    received = sorted({each.received_us for each in story.revisions(matches, stream_id)})
    middle = gathered(matches, stream_id, received[100])
    steps = {step.words: microseconds(step.as_of) for step in match.steps(middle)}
    assert steps["previous change"] == received[99]
    assert steps["next change"] == received[101]
    assert steps["10 s forward"] == received[100] + 10_000_000
    assert {step.words for step in match.steps(gathered(matches, stream_id))} == {
        "previous change", "10 s back", "1 min back", "10 min back",
    }  # fmt: skip
    assert match.steps(gathered(matches, stream_id, received[0] - 1))[-1].words == "next change"


def test_the_filters_offer_what_a_match_turns_on_first(matches: Reader) -> None:
    found = match.offered(gathered(matches, stream_ids(matches)[0]).entries)
    is_key = [each[2] for each in found.types]
    assert is_key == sorted(is_key, reverse=True)
    assert "Goal" in found.key_types
    assert found.periods == [1, 2]
