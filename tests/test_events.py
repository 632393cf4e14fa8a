"""What needs a hand is told, once, by the operator's own command."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.archive.writer import Writer
from recorder.errors import ArchiveHeld, ConfigurationError, TokenError
from recorder.events import Event, Needs, Scene, Teller
from recorder.fixtures import parse_list
from recorder.tally import StreamTally
from tests.faults.made import make
from tests.recording import Recording
from tests.vendor import Script, VendorServer

MINUTE_US = 60_000_000
SECOND_NS = 1_000_000_000
START_US = 1_800_000_000_000_000
[ENTRY], _ = parse_list("media/soccer/39e713f0-ff68-57e7-89f6-d86eb5df59cb label=x", "list")
STREAM_ID = ENTRY.stream.stream_id


def scene(minute: float, tally: StreamTally, **changes: object) -> Scene:
    """How things stand so many minutes after the start."""
    made = Scene(
        now_us=START_US + int(minute * MINUTE_US), now_ns=int(minute * 60 * SECOND_NS), streams={STREAM_ID: tally}
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def tally(**changes: object) -> StreamTally:
    return replace(StreamTally(ENTRY.stream, ENTRY.label, START_US), **changes)  # type: ignore[arg-type]


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind for event in events]


def test_a_match_that_does_not_come() -> None:
    """Ten minutes after its start, once; and once more when it was moved and does not come again."""
    needs = Needs()
    assert needs.look(scene(9, tally())) == []
    [event] = needs.look(scene(11, tally()))
    assert (event.kind, event.stream, event.label) == ("expected_silent", ENTRY.stream.name, "x")
    assert "11 min ago" in event.sentence
    assert needs.look(scene(12, tally())) == []
    moved = tally(starts_us=START_US + 60 * MINUTE_US)
    assert needs.look(scene(13, moved)) == []
    assert kinds(needs.look(scene(71, moved))) == ["expected_silent"]


def test_a_match_that_comes() -> None:
    """One frame is enough; a stream whose start nobody told is never expected."""
    assert Needs().look(scene(11, tally(last_data_us=START_US))) == []
    assert Needs().look(scene(11, tally(starts_us=None))) == []


def test_a_gap_of_ours_that_stays_open() -> None:
    """Most are closed by the next connection: only one that lasts is told, and a new one of its kind again."""
    needs = Needs()
    gap, none = tally(last_data_us=1, open_gaps={"network": 1}), tally(last_data_us=1)
    assert [kinds(needs.look(scene(minute, gap))) for minute in (0, 0.4, 0.6, 0.7)] == [[], [], ["doubt"], []]
    assert [kinds(needs.look(scene(minute, each))) for minute, each in ((1, none), (2, gap), (3, gap))] == [
        [], [], ["doubt"]
    ]  # fmt: skip


def test_gaps_that_are_no_news() -> None:
    """The vendor's own, and ours that were open before we came."""
    needs = Needs()
    needs.resumed(STREAM_ID, frozenset({"recorder_down"}))
    old = tally(last_data_us=1, open_gaps={"recorder_down": 1, "vendor_suspended": 1})
    assert [needs.look(scene(minute, old)) for minute in (0, 5)] == [[], []]


def test_a_new_capture_makes_no_doubt_old() -> None:
    """A stream that is begun again, with the gap of this run still open, is told of all the same."""
    needs, gap = Needs(), tally(last_data_us=1, open_gaps={"network": 1})
    needs.resumed(STREAM_ID, frozenset())
    assert needs.look(scene(0, gap)) == []
    needs.resumed(STREAM_ID, frozenset({"network"}))
    assert kinds(needs.look(scene(1, gap))) == ["doubt"]


def test_one_outage_is_one_event() -> None:
    """However many streams the line was down for; and none for a stream that has left."""
    gap = tally(last_data_us=1, open_gaps={"network": 1})
    needs, many = Needs(), dict.fromkeys(range(10), gap)
    assert needs.look(replace(scene(0, gap), streams=many)) == []
    [event] = needs.look(replace(scene(1, gap), streams=many))
    assert event.sentence.startswith("10 streams at once, the first media/soccer/")
    gone = replace(gap, has_left=True)
    assert [Needs().look(scene(minute, gone)) for minute in (0, 1)] == [[], []]


def test_who_comes_late_is_not_told_at_once() -> None:
    """A recorder that starts in mid-match has ten minutes too."""
    late, needs = tally(came_us=START_US + 60 * MINUTE_US), Needs()
    assert [kinds(needs.look(scene(minute, late))) for minute in (61, 69, 71)] == [[], [], ["expected_silent"]]


def test_epochs_and_quarantined_frames() -> None:
    """Each new epoch is told, quarantined frames once a stream."""
    needs = Needs()
    found = [
        kinds(needs.look(scene(0, tally(last_data_us=1, epochs=epochs, quarantined=quarantined))))
        for epochs, quarantined in ((0, 0), (1, 0), (1, 2), (2, 3))
    ]
    assert found == [[], ["doubt"], ["doubt"], ["doubt"]]


def test_account_and_database() -> None:
    """A refused token at once, a database that is away after five minutes; each again once it was well between."""
    needs, quiet = Needs(), tally(last_data_us=1)
    found = [
        kinds(needs.look(scene(0, quiet, refused=refused, backlog_s=away_s, backlog=7)))
        for refused, away_s in ((None, 299.0), ("no", 299.0), ("no", 301.0), (None, None), ("no", 301.0))
    ]
    assert found == [[], ["token_refused"], ["backlog"], [], ["token_refused", "backlog"]]


# The command


def tell(command: str, *events: Event, within_s: float = 60) -> Teller:
    async def told() -> Teller:
        teller = Teller(command)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(teller.work())
            for event in events:
                teller.tell(event)
            await teller.finish(within_s)
            working.cancel()
        return teller

    return asyncio.run(told())


EVENT = Event("disk", "little room\non the disk \x1b[2J", START_US)


def test_the_command_gets_json(tmp_path: Path) -> None:
    """One object on its input for each event, in their order, with nothing in it that a terminal would obey."""
    tell(f"sh -c 'cat >> {tmp_path}/told'", EVENT, replace(EVENT, kind="doubt", stream="a/b", label="c"))
    first, second = (json.loads(line) for line in (tmp_path / "told").read_text().splitlines())
    assert first == first | {
        "kind": "disk", "stream": None, "label": None, "at": "2027-01-15T08:00:00.000000Z",
        "sentence": "little room; on the disk \\x1b[2J",
    }  # fmt: skip
    assert set(first) == {"kind", "sentence", "stream", "label", "at", "host", "version"}
    assert (second["kind"], second["stream"], second["label"]) == ("doubt", "a/b", "c")


def test_a_command_that_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """With its code and the end of what it said; the next event is told all the same."""
    teller = tell("sh -c 'echo mail is down >&2; exit 3'", EVENT, EVENT)
    assert teller.failures == 2
    assert "exit code 3: mail is down" in caplog.text


def test_a_command_that_does_not_end_holds_nobody_up(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Whoever waits for the events to be told waits no longer than it wants, and the command ends with us."""
    tell(f"sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000'", EVENT, within_s=1.0)
    pid = int((tmp_path / "pid").read_text() or 0) if (tmp_path / "pid").exists() else 0
    assert pid == 0 or not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_too_many_events_are_dropped_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """Memory stays bounded; what was not told stands in the log."""
    tell("true", *[replace(EVENT, stream="a/b")] * 101, EVENT)
    assert [record.levelno for record in caplog.records if "not told" in record.message] == [logging.ERROR]


@pytest.mark.parametrize("command", ["", "no-such-program --x", 'sh -c "unclosed'])
def test_a_command_that_cannot_be_run_is_refused_at_once(command: str) -> None:
    """Before anything is recorded, with exit code 78."""
    with pytest.raises(ConfigurationError, match="--on-event"):
        Teller(command)


def test_another_recorder_at_work_is_no_event(tmp_path: Path, server: VendorServer) -> None:
    """Cron starts one every minute, and is told by the exit code that one is there."""
    match, told = make("held", 5), tmp_path / "told"
    server.serve(match, Script(available=2))
    recording = Recording(tmp_path, server)
    with Writer(recording.settings.database_url), pytest.raises(ArchiveHeld):
        recording.run(match, on_event=f"sh -c 'cat >> {told}'")
    assert not told.exists()


def test_a_refused_token_reaches_the_command(tmp_path: Path, server: VendorServer) -> None:
    """A run that ends because of it tells so; the token is nowhere in it."""
    match, told = make("refused", 5), tmp_path / "told"
    server.serve(match, Script(auth="refuse_message"))
    recording = Recording(tmp_path, server)
    with pytest.raises(TokenError):
        recording.run(match, on_event=f"sh -c 'cat >> {told}; env >> {told}.env'")
    events = [json.loads(line) for line in told.read_text().splitlines()]
    assert [event["kind"] for event in events] == ["token_refused"]
    assert "check the token" in events[0]["sentence"]
    token = (tmp_path / "token").read_text()
    assert token not in told.read_text() + Path(f"{told}.env").read_text()
    assert os.environ.keys() >= {"PATH"}
