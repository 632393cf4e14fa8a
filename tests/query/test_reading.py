"""What can be asked: frames, lists of matches, how streams stand, what is in doubt."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from recorder.errors import UsageError
from recorder.model import Kind, Stream
from recorder.operations import AddAction, BeginEpoch, Counts, MakeEpochCurrent, ResolveGaps, UpdateSession
from recorder.query.doubts import doubts
from recorder.query.frames import frames
from recorder.query.listing import Filter, fixtures, status
from recorder.query.reading import Reader, reading
from recorder.query.timelines import Question, timeline
from tests.archive.filling import (
    START_US,
    Filled,
    History,
    action_in,
    close_session,
    open_session,
    open_stream,
    stream_of,
)
from tests.vendor import load

LEGANES, ROMANIA, SNOOKER = load("soccer-leganes-valencia"), load("soccer-france-romania"), load("snooker-1")


# -- opening -----------------------------------------------------------------------------------------------------------


def test_no_archive(file: Filled) -> None:
    """The absolute path that was tried is named, and nothing is created: 2."""
    with pytest.raises(UsageError, match=str(file.path)), reading(file.url):
        pass
    assert list(file.path.parent.iterdir()) == []


def test_an_empty_file_is_no_archive(file: Filled) -> None:
    """A file without a byte is not turned into one."""
    file.path.touch()
    with pytest.raises(UsageError, match="no archive"), reading(file.url):
        pass
    assert file.path.stat().st_size == 0


def test_a_relative_path_is_told_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has started in another directory sees which."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=str(tmp_path / "recorder.db")), reading("sqlite:///recorder.db"):
        pass


def test_reading_leaves_the_file_as_it_is(library: Filled) -> None:
    """Not a byte changes, whatever is asked."""
    if library.is_shipped:
        return
    before = library.path.read_bytes()
    with reading(library.url) as reader:
        for view in ("timeline", "matches", "states", "raw_frames"):
            reader.rows(f"SELECT * FROM {view}")
    assert library.path.read_bytes() == before


# -- frames ------------------------------------------------------------------------------------------------------------


def test_frames_are_the_vendors_list(reader: Reader) -> None:
    """By position, byte for byte: the checksum that came with the match."""
    found = list(frames(reader, stream_of(LEGANES).stream_id))
    assert [frame.position for frame in found] == list(range(len(LEGANES.packets)))
    assert hashlib.sha256(b"\n".join(frame.payload for frame in found)).hexdigest() == LEGANES.sha256


def test_reading_some_frames_is_enough(reader: Reader) -> None:
    """Who stops in the middle leaves nothing open that disturbs the next question."""
    first = next(frames(reader, stream_of(LEGANES).stream_id))
    assert first.payload == LEGANES.packets[0]
    assert len(list(frames(reader, stream_of(ROMANIA).stream_id))) == len(ROMANIA.packets)


def test_frames_of_an_unknown_stream(reader: Reader) -> None:
    """There are none."""
    assert list(frames(reader, 1)) == []


def test_a_frame_that_was_placed_late_stands_in_its_place(archive: Filled) -> None:
    """Order is that of the positions, not of arrival."""
    history = History()
    late = [history.frame(Kind.ACTION, payload) for payload in (b"second", b"first")]
    archive.write(*history.operations, AddAction(action_in(late[0], 0, 1)), AddAction(action_in(late[1], 0, 0)))
    with reading(archive.url) as reader:
        assert [frame.payload for frame in frames(reader, history.stream.stream_id)] == [b"first", b"second"]


def test_a_frame_of_several_actions_comes_once(archive: Filled) -> None:
    """At its first action's position."""
    history = History()
    frame = history.frame(Kind.ACTION, b"[1,2,3]")
    parts = [AddAction(structs.replace(action_in(frame, 0, position), part=position)) for position in range(3)]
    archive.write(*history.operations, *parts)
    with reading(archive.url) as reader:
        found = [(frame.position, frame.payload) for frame in frames(reader, history.stream.stream_id)]
    assert found == [(0, b"[1,2,3]")]


def controlled() -> tuple[History, list[str]]:
    """Make a stream with every kind of frame between its two actions; return the kinds as received."""
    history = History()
    history.add()
    others = [kind for kind in Kind if kind is not Kind.ACTION]
    for kind in others:
        history.frame(kind, str(kind).encode())
    history.add()
    return history, ["action", *map(str, others), "action"]


def test_control_frames_are_shown_on_request(archive: Filled) -> None:
    """With `control` every stored frame comes, as received; without it those of actions."""
    history, kinds = controlled()
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        every = list(frames(reader, history.stream.stream_id, control=True))
        of_actions = list(frames(reader, history.stream.stream_id))
    assert [frame.kind for frame in every] == kinds
    assert [frame.position for frame in every] == [0, *[None] * 6, 1]
    assert [frame.position for frame in of_actions] == [0, 1]


def test_frames_of_an_old_epoch_are_control_frames_now(archive: Filled) -> None:
    """The list is the current epoch's; what bears none of its actions comes with `control`."""
    history = History()
    for _ in range(3):
        history.add()
    stream_id = history.stream.stream_id
    changed = history.frame(Kind.ACTION, b"changed")
    archive.write(*history.operations, BeginEpoch(stream_id, 1, 0, 2, START_US, "why"))
    archive.write(AddAction(action_in(changed, 1, 2)), MakeEpochCurrent(stream_id, 1, START_US))
    with reading(archive.url) as reader:
        assert [frame.frame_number for frame in frames(reader, stream_id)] == [0, 1, 3]
        assert [frame.position for frame in frames(reader, stream_id, control=True)] == [0, 1, None, 2]


def test_frames_come_back_with_all_that_was_stored(archive: Filled) -> None:
    """Opcode, kind, reason and time of arrival too."""
    history = History()
    history.frame(Kind.UNKNOWN, b"\xff", opcode="binary", reason="no JSON")
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        (found,) = frames(reader, history.stream.stream_id, control=True)
    assert (found.opcode, found.kind, found.reason, found.payload) == ("binary", "unknown", "no JSON", b"\xff")
    assert found.received_at == "2023-11-14T22:13:20.000000Z"


# -- lists of matches --------------------------------------------------------------------------------------------------


def listed(reader: Reader, **wanted: str) -> list[str]:
    return [row.home_team for row in fixtures(reader, Filter(**wanted))]


@pytest.mark.parametrize(
    ("wanted", "homes"),
    [
        ({}, ["France", "Leganés", "S. Dunn"]),
        ({"sport": "snooker"}, ["S. Dunn"]),
        ({"sport": "SOCCER"}, ["France", "Leganés"]),
        ({"sport": "soc"}, []),
        ({"team": "france"}, ["France"]),
        ({"team": "ROMA"}, ["France"]),
        ({"team": "leganes"}, ["Leganés"]),
        ({"team": "LEGANÉS"}, ["Leganés"]),
        ({"team": "n. eve"}, ["S. Dunn"]),
        ({"team": "%"}, []),
        ({"team": "北京"}, []),
        ({"since": "2016-06-10"}, ["France", "Leganés", "S. Dunn"]),
        ({"since": "2016-06-11"}, ["Leganés", "S. Dunn"]),
        ({"until": "2018-04-01"}, ["France", "Leganés"]),
        ({"until": "2018-03-31"}, ["France"]),
        ({"since": "2018-04-01", "until": "2018-04-01"}, ["Leganés"]),
        ({"competition": "Euro 2016"}, []),
        ({"sport": "soccer", "team": "s. dunn"}, []),
    ],
)
def test_filters(reader: Reader, wanted: dict[str, str], homes: list[str]) -> None:
    """Sport, team and dates choose, alone and together; the list goes by the matches' own dates."""
    assert listed(reader, **wanted) == homes


def test_a_competition_is_what_the_list_said(archive: Filled) -> None:
    """Compared without regard to case, in any alphabet; a match without one or without actions has none."""
    history = History()
    history.operations[0] = open_stream(history.stream, competition="ÉLITE Cup")
    archive.write(*history.operations, *History().operations)
    with reading(archive.url) as reader:
        assert len(fixtures(reader, Filter())) == 2
        assert len(fixtures(reader, Filter(competition="élite cup"))) == 1
        assert fixtures(reader, Filter(since="0001-01-01")) == []
        assert fixtures(reader, Filter(until="9999-12-31")) == []


# -- how streams stand -------------------------------------------------------------------------------------------------


def heard(*, before_s: float) -> int:
    return time.time_ns() // 1000 - int(before_s * 1e6)


def test_lag_is_the_time_since_anything_came(archive: Filled) -> None:
    """A heartbeat counts as much as an action."""
    silent, beating = History(), History()
    for history in (silent, beating):
        history.add(heard(before_s=3600))
    counts = Counts(heartbeats=9, last_heartbeat_us=heard(before_s=60))
    archive.write(*silent.operations, *beating.operations)
    archive.write(open_session(beating.stream, 2), UpdateSession(beating.stream.stream_id, 2, counts))
    with reading(archive.url) as reader:
        lags = {standing.stream.stream_id: standing.lag_s or 0 for standing in status(reader)}
    # An hour and a minute ago, and however long the test took.
    assert 3600 <= lags[silent.stream.stream_id] < 3600 + 300
    assert 60 <= lags[beating.stream.stream_id] < 60 + 300


def test_nothing_lags_when_nothing_is_expected(reader: Reader) -> None:
    """A finished match has no lag, however long ago it was."""
    assert [standing.lag_s for standing in status(reader)] == [None] * 4


def test_a_clock_that_was_set_back_makes_no_negative_lag(archive: Filled) -> None:
    """What came in the future came just now."""
    history = History()
    history.add(heard(before_s=-3600))
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        assert status(reader)[0].lag_s == 0.0


def test_a_stream_that_waits_has_no_lag(archive: Filled) -> None:
    """Nothing came yet: there is nothing to count from."""
    archive.write(History().operations[0])
    with reading(archive.url) as reader:
        (standing,) = status(reader)
    assert (standing.stream.state, standing.lag_s, standing.last_action_at) == ("waiting", None, None)


def test_streams_being_recorded_come_first(archive: Filled) -> None:
    """Finished ones follow; the open session and the open doubts stand with their stream."""
    over, running = History(Stream("betting", "a", "over")), History(Stream("betting", "b", "running"))
    over.add(finished=True)
    running.add()
    running.gap("hole", gap_id=1)
    running.gap("restart", gap_id=2)
    archive.write(*over.operations, close_session(over.stream), *running.operations)
    archive.write(ResolveGaps(running.stream.stream_id, ("restart",), START_US))
    archive.write(open_session(running.stream, 2))
    with reading(archive.url) as reader:
        first, second = status(reader)
    assert (first.stream.fixture_id, second.stream.fixture_id) == ("running", "over")
    assert [gap.cause for gap in first.open_gaps] == ["hole"]
    assert (first.last_action_at, second.open_session) == ("2023-11-14T22:13:20.000000Z", None)


# -- doubts ------------------------------------------------------------------------------------------------------------


def test_no_doubt(library: Filled) -> None:
    """Ten matches recorded without a hole leave nothing to say."""
    assert doubts(library.url, [stream_of(LEGANES).stream_id, stream_of(SNOOKER).stream_id, 1]) == []


def test_doubts_are_counted_by_kind(archive: Filled) -> None:
    """Open gaps of ours, new epochs and quarantined frames, over all the streams that are asked about."""
    one, other = History(), History()
    one.gap("hole", gap_id=1)
    one.gap("server_behind", ours=False, gap_id=2)
    one.gap("settled", gap_id=3)
    other.gap("hole")
    other.frame(Kind.QUARANTINED, b"another's")
    other.frame(Kind.UNKNOWN, b"odd")
    ids = [one.stream.stream_id, other.stream.stream_id]
    archive.write(*one.operations, *other.operations, ResolveGaps(ids[0], ("settled",), START_US))
    archive.write(BeginEpoch(ids[0], 1, 0, 0, START_US, "why"))
    assert doubts(archive.url, ids) == ["2 open gaps", "1 new epoch", "1 quarantined frame"]
    assert doubts(archive.url, ids[:1]) == ["1 open gap", "1 new epoch"]
    assert doubts(archive.url, []) == []


# -- the timeline's filters --------------------------------------------------------------------------------------------


def asked(reader: Reader, **question: Any) -> Sequence[tuple[str, str, int]]:
    rows = timeline(reader, Question(stream_of(ROMANIA).stream_id, **question))
    return [(row.type, row.side, row.period) for row in rows]


def test_goals_of_a_match(reader: Reader) -> None:
    """Types choose by name, without regard to case."""
    goals = asked(reader, types=("goal",))
    assert len(goals) == sum(ROMANIA.official_score)
    assert [side for _, side, _ in goals].count("home") == ROMANIA.official_score[0]
    assert asked(reader, types=("GOAL", "nonesuch")) == goals
    assert asked(reader, types=("nonesuch",)) == []


def test_filters_choose_from_the_fold(reader: Reader) -> None:
    """A team by side or name, and a period; together they leave what meets both."""
    home = asked(reader, team="home")
    assert home == asked(reader, team="FRANCE")
    assert {side for _, side, _ in home} == {"home"}
    second = asked(reader, period=2)
    assert asked(reader, team="home", period=2) == [row for row in second if row[1] == "home"]


def test_names_in_any_alphabet(archive: Filled) -> None:
    """The case of letters beyond ASCII does not matter either."""
    history = History()
    history.add(team="ÉTOILE", type="ÉCART")
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        for question in (
            Question(history.stream.stream_id, team="étoile"),
            Question(history.stream.stream_id, types=("écart",)),
        ):
            assert len(timeline(reader, question)) == 1


def test_revisions_are_every_action(reader: Reader) -> None:
    """Each packet in its position, also the replaced and the deleted ones."""
    assert len(asked(reader, revisions=True)) == len(ROMANIA.packets)
    assert len(asked(reader)) < len(ROMANIA.packets)


def test_a_filter_does_not_change_what_was_known(archive: Filled) -> None:
    """A goal that was cancelled by an action of another type does not come back when goals are asked for."""
    history = History()
    history.add(action_id="a", type="Goal", send_type="Confirmed")
    history.add(action_id="a", type="No Goal", send_type="Cancelled")
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        assert timeline(reader, Question(history.stream.stream_id, types=("Goal",))) == []
        then = timeline(reader, Question(history.stream.stream_id, types=("Goal",), as_of_position=0))
    assert [row.type for row in then] == ["Goal"]
