"""`recorder status`: the table, and `--max-lag` as a check for whoever watches many machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recorder import clock
from recorder.cli.status import verdict
from recorder.model import Stream, moment_text
from recorder.operations import EndStream, Operation
from tests.archive.filling import Filled, History, close_session, open_stream
from tests.cli.conftest import Call

S = 1_000_000


def talking(name: str, before_s: float = 1.0) -> list[Operation]:
    """Return a stream whose connection stands and that was heard so many seconds ago."""
    history = History(Stream("betting", "soccer", name))
    history.add(clock.wall_us() - int(before_s * S))
    return history.operations


def waiting(name: str, in_s: float) -> list[Operation]:
    """Return a stream of which nothing came, and which starts so many seconds from now."""
    return [open_stream(Stream("betting", "soccer", name), starts_us=clock.wall_us() + int(in_s * S))]


def ended(name: str) -> list[Operation]:
    """Return a stream of last year that was played."""
    history = History(Stream("betting", "soccer", name))
    history.add(finished=True)
    stream = history.stream
    return [*history.operations, close_session(stream), EndStream(stream.stream_id, "finished", "the match is over")]


def made(path: Path, *operations: Operation) -> Filled:
    path.mkdir(exist_ok=True)
    archive = Filled(path / "recorder.db")
    archive.write(*operations)
    return archive


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ([*ended("a")], "nothing is expected now of 1 stream\n"),
        ([*ended("a"), *waiting("b", 3600), *waiting("c", 7200)], "nothing is expected now of 3 streams; 2 to come"),
        ([open_stream(Stream("betting", "soccer", "undated"))], "nothing is expected now of 1 stream\n"),
    ],
)
def test_no_cry_at_night(call: Call, tmp_path: Path, operations: list[Operation], said: str) -> None:
    """Where nothing is to be heard the check is content, and -q says it in one line: 0."""
    left = call("status", "--max-lag", "1ms", "-q", database=made(tmp_path, *operations))
    assert (left.code, left.err, left.out.count("\n")) == (0, "", 1)
    assert left.out.startswith(said)


def test_content_while_they_talk(call: Call, tmp_path: Path) -> None:
    """What is heard of is counted; without -q the table comes too, and the line goes to stderr: 0."""
    archive = made(tmp_path, *talking("a"), *ended("b"))
    left = call("status", "--max-lag", "1h", database=archive)
    assert left.code == 0
    assert left.err.startswith("recorder: 1 stream talks, none was silent for more than")
    assert left.out.splitlines()[0].startswith("state")
    assert call("status", "--max-lag", "1h", "-q", database=archive).out.startswith("1 stream talks")


def test_the_recorder_is_dead(call: Call, tmp_path: Path) -> None:
    """A match is due and nothing was ever heard of it: 4, one line on stderr that names it, nothing else."""
    archive = made(tmp_path, *waiting("due", -700), *waiting("later", 3600), *ended("old"))
    left = call("status", "--max-lag", "10m", "-q", database=archive)
    assert (left.code, left.out, left.err.count("\n")) == (4, "", 1)
    assert left.err.startswith("recorder: 1 stream has been silent for more than 600 s, longest due for 11 min")
    assert "(never dialled)" in left.err
    assert call("status", "--max-lag", "1h", "-q", database=archive).code == 0


def test_the_longest_is_told(call: Call, tmp_path: Path) -> None:
    """Of several silent ones the check names the one that was silent longest, and when it was last dialled."""
    archive = made(tmp_path, *talking("one", 4000), *talking("other", 8000), *talking("third", 1))
    left = call("status", "--max-lag", "60s", "-q", database=archive)
    assert left.code == 4
    assert "2 streams have been silent for more than 60 s, longest other for 2 h 13 min (last dialled at" in left.err


def test_an_archive_without_streams(call: Call, tmp_path: Path) -> None:
    """Nobody has been told to record anything: nothing is late."""
    assert call("status", "--max-lag", "1s", "-q", database=made(tmp_path)).code == 0


def test_a_check_may_want_json(call: Call, tmp_path: Path) -> None:
    """With a format for programs -q leaves the rows there: 4 still."""
    left = call("status", "--max-lag", "1s", "-q", "--format", "json", database=made(tmp_path, *talking("a", 99)))
    assert (left.code, len(json.loads(left.out))) == (4, 1)


def test_what_json_adds(call: Call, tmp_path: Path) -> None:
    """The start, the moment of the last dialling and what rates are made of are there for programs."""
    starts_us = clock.wall_us() + 3600 * S
    archive = made(tmp_path, open_stream(Stream("media", "soccer", "b"), starts_us=starts_us), *talking("a"))
    first, second = json.loads(call("status", "--format", "json", database=archive).out)
    assert (first["actions_last_minute"], first["messages"], first["starts_at"], first["next_start"]) == (
        1,
        1,
        None,
        None,
    )
    assert first["dialled_at"] == first["open_session"] == "2023-11-14T22:13:20.000000Z"
    assert second["starts_at"] == second["next_start"] == moment_text(starts_us)
    assert (second["lag_s"], second["lag"], second["dialled_at"], second["backlog"]) == (None, "", None, 0)


def test_the_table_shows_starts_where_some_lie_ahead(call: Call, tmp_path: Path) -> None:
    """A column that nobody needs is not there."""
    heads = [
        call("status", database=archive).out.splitlines()[0]
        for archive in (made(tmp_path / "one", *ended("a")), made(tmp_path / "two", *waiting("a", 60)))
    ]
    assert ["next start" in head for head in heads] == [False, True]


def test_quiet_keeps_to_the_data(call: Call, tmp_path: Path) -> None:
    """-q without a check prints the table, and of the open gaps nothing."""
    history = History()
    history.add()
    history.gap("hole")
    archive = made(tmp_path, *history.operations)
    left = call("status", "-q", database=archive)
    assert (left.code, left.err) == (0, "")
    assert history.stream.fixture_id in left.out


def test_a_list_tells_what_is_missing(call: Call, tmp_path: Path) -> None:
    """With the list the check knows what no recorder has begun with: a match that is due, or that has no start: 4."""
    ids = [f"433eac65-2c3c-4164-bcae-b6f27db27d0{number}" for number in range(4)]
    known, ahead, due, undated = ids
    archive = made(tmp_path, *talking(known), *talking("of another list", 9000))
    fixtures = tmp_path / "list.txt"
    told = "".join(
        f"soccer/{name} starts={moment_text(clock.wall_us() + hours * 3600 * S)}\n"
        for name, hours in ((ahead, 1), (due, -1))
    )
    fixtures.write_text(f"soccer/{known}\nsoccer/{ahead} starts={moment_text(clock.wall_us() + 3600 * S)}\n")
    check = ("status", "--max-lag", "10m", "-q", "--expect", str(fixtures))
    assert call(*check, database=archive).out.startswith("1 stream talks")
    fixtures.write_text(f"soccer/{known}\nsoccer/{undated}\n{told}")
    left = call(*check, database=archive)
    assert (left.code, left.out) == (4, "")
    assert left.err.startswith("recorder: 2 streams of the list should be recorded by now")
    assert f"the first: soccer/{undated}" in left.err
    fixtures.write_text("nonsense\n")
    assert call(*check, database=archive).code == 64


def test_nothing_at_all() -> None:
    """The verdict on no streams is a sentence, too."""
    assert verdict([], 60) == (True, "nothing is expected now of 0 streams")
