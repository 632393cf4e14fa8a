"""`recorder stats` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from recorder.cli.stats import stats
from recorder.model import Stream
from recorder.operations import Operation
from tests.archive.filling import START_US, Filled, History, close_session, open_session, recorded
from tests.cli.conftest import log_as_it_was
from tests.recording import Ended
from tests.vendor import load

S = 1_000_000
app = typer.Typer()
app.command()(stats)


def call(archive: Filled, *arguments: str) -> Ended:
    with log_as_it_was():
        left = CliRunner().invoke(app, ["--database-url", archive.url, *arguments])
    if left.exception is not None and not isinstance(left.exception, SystemExit):
        raise left.exception
    return Ended(left.exit_code, left.stdout, left.stderr)


def rows(archive: Filled, *arguments: str) -> list[dict[str, Any]]:
    found = call(archive, *arguments, "--format", "json")
    assert (found.code, found.err) == (0, "")
    told: list[dict[str, Any]] = json.loads(found.out)
    return told


@pytest.fixture
def both(archive: Filled) -> Filled:
    """One match of both feeds, by hand: a lost connection, a gap, a suspension, a correction."""
    operations: list[Operation] = []
    for feed, delay_us in (("betting", 1 * S), ("media", 3 * S)):
        history = History(Stream("betting" if feed == "betting" else "media", "soccer", "both"))
        for second, action_id, send_type, status in (
            (10, "goal", "Pending", "CollectingLive"),
            (20, "goal", "Confirmed", "CollectionSuspended"),
            (50, "card", "Confirmed", "CollectingLive"),
        ):
            at_us = START_US + second * S
            history.add(at_us + delay_us, action_id=action_id, send_type=send_type, collection_status=status,
                        type=action_id, occurred_us=at_us)  # fmt: skip
        history.gap("network")
        history.operations.append(close_session(history.stream, closed_us=START_US + 60 * S, outcome="cut"))
        history.operations.append(open_session(history.stream, 2, START_US + 61 * S))
        operations += history.operations
    archive.write(*operations)
    return archive


def test_a_stream_in_numbers(both: Filled) -> None:
    """Every number, the same on both databases."""
    (betting,) = rows(both, "both", "--feed", "betting")
    assert betting == {
        "of": "stream",
        "stream_id": str(Stream("betting", "soccer", "both").stream_id),
        "feed": "betting",
        "sport": "soccer",
        "fixture_id": "both",
        "channel": "actions",
        "match": "both",
        "state": "recording",
        "streams": 1,
        "recorded_from": "2023-11-14T22:13:31.000000Z",
        "recorded_to": "2023-11-14T22:14:11.000000Z",
        "recorded_from_start": True,
        "sessions": 2,
        "recorders": 1,
        "hosts": ["h1"],
        "reconnects": 1,
        "reconnects_by_outcome": {"cut": 1},
        "gaps_open": 1,
        "gaps": [{"cause": "network", "ours": True, "open": 1, "resolved": 0}],
        "silences": 1,
        "longest_silence_s": 30.0,
        "possible_silences": 0,
        "suspensions": 1,
        "suspended_s": 30.0,
        "longest_suspension_s": 30.0,
        "suspended_now": False,
        "actions": 3,
        "delayed": 0,
        "delayed_share": 0.0,
        "revisions_mean": 1.5,
        "revisions_max": 2,
        "live": 3,
        "latency_ms_p50": 1000.0,
        "latency_ms_p95": 1000.0,
        "latency_ms_p99": 1000.0,
        "latency_ms_max": 1000.0,
        "confirmations": 1,
        "confirm_ms_p50": 10_000.0,
        "confirm_ms_p95": 10_000.0,
        "confirm_ms_max": 10_000.0,
    }


def test_a_fixture_means_both_feeds(both: Filled) -> None:
    """Unless one is chosen, or the path says which."""
    assert [row["feed"] for row in rows(both, "both")] == ["betting", "media"]
    assert [row["feed"] for row in rows(both, "media/soccer/both")] == ["media"]
    assert [row["feed"] for row in rows(both, "--feed", "media")] == ["media"]


def test_all_streams_and_their_sport(both: Filled) -> None:
    """Without a fixture: every stream, then each sport as a whole."""
    found = rows(both)
    assert [(row["of"], row["feed"], row["streams"]) for row in found] == [
        ("stream", "betting", 1),
        ("stream", "media", 1),
        ("sport", None, 2),
    ]
    assert (found[2]["live"], found[2]["latency_ms_p50"], found[2]["latency_ms_p95"]) == (6, 1000.0, 3000.0)
    assert rows(both, "--sport", "snooker") == []


def test_how_long_a_silence_is(both: Filled) -> None:
    """`--silence` says what is longer than that."""
    assert [row["silences"] for row in rows(both, "both", "--silence", "30s")] == [0, 0]
    assert [row["silences"] for row in rows(both, "both", "--silence", "5s")] == [4, 4]


def test_for_people(both: Filled) -> None:
    """A short table, and who knew first on stderr; nothing of it with -q."""
    found = call(both, "both")
    assert found.code == 0
    assert "2023-11-14 22:13, 0:00:40" in found.out
    assert "1 open" in found.out
    assert "1 / 1 s" in found.out
    assert found.err == (
        "recorder: both: of 2 actions that came live on both feeds betting was first with 2, media with 0; "
        "the betting feed's lead: median 2000 ms; by type: --who-first\n"
    )
    assert call(both, "both", "-q").err == ""


def test_who_knew_first(both: Filled) -> None:
    """All types together, then each; in every format."""
    found = rows(both, "--who-first")
    assert [(row["type"], row["live"], row["first_betting"], row["lead_ms_median"]) for row in found] == [
        (None, 2, 2, 2000.0),
        ("card", 1, 1, 2000.0),
        ("goal", 1, 1, 2000.0),
    ]
    assert "all" in call(both, "--who-first").out
    told = list(csv.DictReader(io.StringIO(call(both, "both", "--who-first", "--format", "csv").out)))
    assert [row["type"] for row in told] == ["", "card", "goal"]


def test_the_latency_as_a_picture(both: Filled, tmp_path: Path) -> None:
    """Beside the table, of the streams that are in it; where nothing came live there is nothing to draw."""
    file = tmp_path / "latency.svg"
    assert call(both, "both", "--chart", str(file)).code == 0
    assert "6 live actions" in file.read_text()
    left = call(both, "--sport", "snooker", "--chart", str(file))
    assert (left.code, left.out) == (2, "")


def test_csv_has_a_cell_for_everything(both: Filled) -> None:
    """Lists and objects are JSON in their cell; the columns are those of json."""
    told = list(csv.DictReader(io.StringIO(call(both, "both", "--format", "csv").out)))
    assert list(told[0]) == list(rows(both, "both")[0])
    assert json.loads(told[0]["gaps"])[0]["cause"] == "network"
    assert (told[0]["suspended_now"], told[0]["recorded_from_start"]) == ("no", "yes")


def test_drift(archive: Filled) -> None:
    """What the vendor's pages do not tell of, of the fixture that is asked about, from a moment on."""
    match = load("snooker-1")
    archive.write(*recorded(match, first=40))
    found = rows(archive, "--drift")
    assert {row["documented"] for row in found} == {False}
    assert ("word", "fixtureAction.fixtureActionTypeId", "302") in {
        (row["what"], row["path"], row["said"]) for row in found
    }
    assert rows(archive, "--drift", match.fixture_id) == found
    assert rows(archive, "--drift", "--sport", "snooker", "--feed", "media") == []
    last = found[-1]["received_at"]
    assert {row["received_at"] for row in rows(archive, "--drift", "--since", last)} == {last}
    table = call(archive, "--drift")
    assert table.out.splitlines()[0].split()[:3] == ["received", "what", "path"]
    assert call(archive, "--drift", "--format", "csv", "--since", "2999-01-01T00:00:00Z").out.splitlines() == [
        "what,path,said,documented,sport,feed,fixture_id,stream_id,position,received_at,packets"
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--drift", "--who-first"), "one at a time"),
        (("--drift", "--chart", "x.svg"), "leave --drift"),
        (("--chart", "x.bmp"), ".bmp"),
        (("--since", "2999-01-01T00:00:00Z"), "belongs to --drift"),
        (("--drift", "--since", "2999-01-01T00:00:00"), "no offset"),
        (("nonesuch",), "nonesuch"),
    ],
)
def test_questions_that_make_no_sense(library: Filled, arguments: tuple[str, ...], said: str) -> None:
    """One sentence on stderr, nothing on stdout: 2."""
    left = call(library, *arguments)
    assert (left.code, left.out) == (2, "")
    assert said in left.err


def test_an_archive_that_holds_nothing(archive: Filled) -> None:
    """No rows and no error."""
    archive.write()
    assert rows(archive) == rows(archive, "--who-first") == rows(archive, "--drift") == []
    assert call(archive).code == 0
