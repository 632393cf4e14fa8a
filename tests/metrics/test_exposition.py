"""The numbers under their names: the format, the conventions, what each is read from, and what is never told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from prometheus_client.parser import text_string_to_metric_families

from recorder.disk import Level
from recorder.feed.novelty import Novelties, What
from recorder.model import Arrival, Kind
from recorder.tally import CLOSING, GAPS, STATES
from tests.archive.filling import START_US, History, close_session, open_session, open_stream, recorded
from tests.metrics.conftest import FINE, Promtool, Run, series
from tests.vendor import load


def test_promtool(run: Run, promtool: Promtool) -> None:
    """Prometheus' own linter has nothing to say, of an idle run and of one with a match."""
    for _ in range(2):
        assert promtool("check", "metrics", said=run.text()) == ""
        run.tally.committed(recorded(load("snooker-1")), 0.01)


def test_names(run: Run) -> None:
    """Counters end in _total, times are seconds, sizes bytes; every family has a type and a sentence."""
    for family in text_string_to_metric_families(run.text()):
        assert re.fullmatch(r"(recorder|process)_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "gauge", "histogram"}
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb)(_|$)", family.name)
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)


def test_every_series_is_there_from_the_start(run: Run) -> None:
    """What appears only when it happens cannot be seen to grow: the same series before a match and after it."""
    before = set(series(run.text()))
    run.tally.committed(recorded(load("snooker-1")), 0.01)
    assert set(series(run.text())) == before


def test_closed_sets(run: Run) -> None:
    """Labels have the words of closed sets, so that nothing which is recorded makes a series."""
    labels: dict[str, set[str]] = {}
    for _, pairs in series(run.text()):
        for name, value in pairs:
            labels.setdefault(name, set()).add(value)
    del labels["le"], labels["version"]
    assert labels == {
        "kind": {str(kind) for kind in Kind} | set(get_args(What)),
        "arrival": set(get_args(Arrival)),
        "cause": {*CLOSING, *GAPS, "other"},
        "ours": {"true", "false"},
        "state": set(STATES),
    }


def test_nothing_of_the_match_is_told(run: Run) -> None:
    """No team, no player, no fixture, and no label of the list."""
    history = History()
    history.operations[0] = open_stream(history.stream, label="France - Romania", competition="Euro 2016")
    history.add(team="France", player="Payet", type="Goal", home_score=1)
    run.tally.committed(history.operations, 0.01)
    text = run.text()
    assert not re.search(r"France|Payet|Goal|Euro", text)
    assert history.stream.fixture_id not in text
    assert str(history.stream.stream_id) not in text


def test_what_was_recorded(run: Run) -> None:
    """Frames, actions, bytes, latency and commits of a match that was recorded live."""
    history = History()
    for late_us in (200_000, 700_000, 100_000_000):
        history.add(START_US, occurred_us=START_US - late_us)
    history.frame(Kind.HEARTBEAT, b"beat")
    run.tally.committed(history.operations, 0.004)
    size = sum(len(each.frame.payload) for each in history.operations if hasattr(each, "frame"))
    assert run.value("recorder_frames_total", kind="action") == 3
    assert run.value("recorder_frames_total", kind="heartbeat") == 1
    assert run.value("recorder_frame_bytes_total") == size
    assert run.value("recorder_actions_total", arrival="live") == 3
    assert run.value("recorder_last_frame_timestamp_seconds") == START_US / 1e6
    assert run.value("recorder_commit_seconds_bucket", le="0.0025") == 0
    assert run.value("recorder_commit_seconds_bucket", le="0.005") == 1
    assert [
        run.value("recorder_receive_latency_seconds_bucket", le=bound) for bound in ("0.1", "0.25", "1.0", "+Inf")
    ] == [0, 1, 2, 3]
    assert run.value("recorder_receive_latency_seconds_sum") == 100.9


def test_connections_and_doubts(run: Run) -> None:
    """Why connections end, what is in doubt, and since when."""
    history = History()
    stream = history.stream
    history.gap("network")
    history.gap("server_behind", ours=False, gap_id=2)
    history.operations += [close_session(stream, outcome="closed with code 1012"), open_session(stream, 2)]
    run.tally.committed(history.operations, 0.01)
    assert run.value("recorder_sessions_closed_total", cause="restarting") == 1
    assert run.value("recorder_reconnects_total", cause="restarting") == 1
    assert run.value("recorder_sessions_opened_total") == 2
    assert run.value("recorder_gaps_total", cause="network", ours="true") == 1
    assert run.value("recorder_open_gaps", cause="server_behind", ours="false") == 1
    assert run.value("recorder_streams", state="connected") == 1
    assert run.value("recorder_last_doubt_timestamp_seconds") == 0
    history.frame(Kind.QUARANTINED, b"not ours")
    run.tally.committed(history.operations[-1:], 0.01)
    assert run.value("recorder_last_doubt_timestamp_seconds") == START_US / 1e6


def test_what_the_run_knows(run: Run) -> None:
    """The facts, and the verdicts over them."""
    run.facts = replace(
        FINE, limited=True, backlog_frames=7, away_s=90.0, pending_bytes=5, disk_free_bytes=6, disk_level=Level.low
    )
    said = {
        name: run.value(f"recorder_{name}")
        for name in (
            "healthy",
            "ready",
            "vendor_reached",
            "vendor_refusing",
            "backlog_frames",
            "database_away_seconds",
            "pending_bytes",
            "disk_free_bytes",
            "disk_level",
        )
    }
    assert list(said.values()) == [1, 0, 1, 1, 7, 90, 5, 6, 1]


def test_novelties(run: Run) -> None:
    """By what they are; the words themselves are the log's."""
    novelties = Novelties()
    history = History()
    novelties.look(history.add(extra='{"neverSeen": 1}').fields)
    run.novelties = novelties.counts  # type: ignore[assignment]
    assert run.value("recorder_novelties_total", kind="key") == 1
    assert "neverSeen" not in run.text()


def test_a_long_list_costs_little(run: Run) -> None:
    """Two thousand streams make no text that is longer."""
    before = len(run.text().splitlines())
    many: list[Any] = [History() for _ in range(2000)]
    run.tally.committed([operation for history in many for operation in history.operations], 0.01)
    assert run.value("recorder_streams", state="connected") == 2000
    assert len(run.text().splitlines()) == before


def test_every_metric_is_documented(run: Run) -> None:
    """docs/metrics.md has a row with the labels of each, and of no other."""
    text = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `((?:recorder|process)_\w+)` \| (.*?) ?\| .+ \|$", text, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    there: dict[str, set[str]] = {}
    for name, labels in series(run.text()):
        family = re.sub(r"(_seconds)_(bucket|sum|count)$", r"\1", name)
        there.setdefault(family, set()).update(label for label, _ in labels)
    assert told == there
    causes = text.partition("### Why connections end")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", causes, re.MULTILINE) == [*CLOSING, "other"]
