"""What a run has recorded, counted as it becomes durable: by hand, from real matches, and behind a real daemon."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder import clock
from recorder.archive.writer import Writer
from recorder.errors import ConnectionOver, HandshakeRefused, NotConnected, StoppedEarly, Untrusted, WireError
from recorder.feed.decisions import Done, after_failure
from recorder.feed.messages import read
from recorder.feed.outages import VENDORS_CAUSES
from recorder.model import FIXTURE, Arrival, Gap, Kind, StoredStream, Stream
from recorder.operations import (
    BeginEpoch,
    CloseSession,
    Counts,
    EndStream,
    OpenGap,
    Operation,
    ResolveGaps,
    UpdateSession,
)
from recorder.tally import CLOSING, GAPS, Overview, StreamTally, Tally, folding, is_ours
from recorder.tally.causes import closing_cause
from tests.archive.filling import START_US, Filled, History, close_session, open_session, open_stream, recorded
from tests.faults.looking import until
from tests.recording import QUICK, Recording
from tests.vendor import Auth, Match, Script, VendorServer, load

S = 1_000_000_000


def tallied(*commits: list[Operation]) -> Tally:
    """Return a tally that has heard of these commits."""
    tally = Tally()
    for operations in commits:
        tally.committed(operations, 0.01)
    return tally


def of(tally: Tally, stream: Stream) -> StreamTally:
    found = tally.stream(stream.stream_id)
    assert found is not None
    return found


def overview(tally: Tally, *, later_s: float = 0, now_us: int = START_US) -> Overview:
    return tally.overview(now_us, clock.elapsed_ns() + int(later_s * S), overdue_s=600)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Tally:
    """A tally that listens to every writer of the test."""
    tally, begin = Tally(), Writer.__init__

    def listening(writer: Writer, *arguments: Any, **more: Any) -> None:
        begin(writer, *arguments, **more)
        writer.listeners.append(tally.committed)

    monkeypatch.setattr(Writer, "__init__", listening)
    return tally


# What is counted


def test_as_many_as_are_stored(file: Filled) -> None:
    """Frames, bytes, actions and sessions of two real matches are those that the archive then holds."""
    tally = Tally()
    matches = [load("snooker-1"), load("soccer-france-romania")]
    with Writer(file.url) as writer:
        writer.listeners.append(tally.committed)
        for match in matches:
            writer.submit(recorded(match))
    totals = tally.totals()
    assert sum(totals.frames.values()) == file.value("SELECT count(*) FROM raw_frames")
    assert totals.bytes == file.value("SELECT sum(length(payload)) FROM raw_frames")
    assert dict(totals.actions) == dict(file.select("SELECT arrival, count(*) FROM actions GROUP BY 1"))
    assert totals.received == file.value("SELECT sum(frames) FROM sessions")
    assert (totals.sessions, sum(totals.closed.values())) == (2, 2)
    assert totals.commits.count >= 1
    for stream_id, tallied_stream in tally.streams().items():
        stored = file.select("SELECT actions, first_received_at FROM streams WHERE stream_id = ?", stream_id)
        assert tallied_stream.actions == stored[0][0]


def test_latency_is_of_live_actions_only() -> None:
    """A backlog says nothing of latency; who comes before the vendor's time counts as 0, and as early."""
    history = History()
    for late_us, arrival in ((1_500_000, "live"), (-200_000, "live"), (9_000_000, "catch_up")):
        told: Arrival = arrival  # type: ignore[assignment]
        history.add(START_US, arrival=told, occurred_us=START_US - late_us)
    history.add(START_US)  # tells no time
    totals = tallied(history.operations).totals()
    assert (totals.latency.count, totals.latency.total, totals.early) == (2, 1.5, 1)
    assert dict(totals.actions) == {"live": 3, "catch_up": 1}


def test_a_value_on_a_bound_is_below_it() -> None:
    """Prometheus' `le`: at most."""
    tally = Tally()
    for seconds in (0.001, 0.0011, 10.0, 99.0):
        tally.committed([], seconds)
    commits = tally.totals().commits
    assert (commits.counts[0], commits.counts[1], commits.counts[-2], commits.counts[-1]) == (1, 1, 1, 1)
    assert commits.total == pytest.approx(109.0021)


def test_counts_of_a_session_are_totals() -> None:
    """What a session has counted is written again and again, and counts once."""
    stream = History().stream
    first, more = Counts(frames=10, heartbeats=4, last_heartbeat_us=5), Counts(frames=12, heartbeats=5)
    tally = tallied(
        [open_stream(stream), open_session(stream)],
        [UpdateSession(stream.stream_id, 1, first), UpdateSession(stream.stream_id, 1, first)],
        [close_session(stream, counts=more), open_session(stream, 2), UpdateSession(stream.stream_id, 2, first)],
    )
    assert (tally.totals().received, tally.totals().heartbeats) == (22, 9)
    assert (of(tally, stream).received, of(tally, stream).last_heartbeat_us) == (22, 5)


def test_quarantine() -> None:
    """A quarantined frame is a doubt."""
    history = History()
    history.frame(Kind.QUARANTINED, b"not ours")
    tally = tallied(history.operations)
    assert of(tally, history.stream).quarantined == 1
    assert tally.totals().last_doubt_us == START_US


def test_a_new_epoch() -> None:
    """That the vendor changed what it had sent is a doubt too."""
    stream = History().stream
    tally = tallied([BeginEpoch(stream.stream_id, 1, 0, 3, START_US, "why")])
    assert (of(tally, stream).epochs, tally.totals().epochs, tally.totals().last_doubt_us) == (1, 1, START_US)


@pytest.mark.parametrize(("cause", "ours", "doubt"), [("head", True, True), ("network", True, False),
                                                      ("server_behind", False, False)])  # fmt: skip
def test_which_gaps_are_doubts(cause: str, ours: bool, doubt: bool) -> None:
    """The vendor's own are none, nor is an outage that the next connection settles."""
    tally = tallied([OpenGap(Gap(History().stream.stream_id, 1, 0, cause, ours, "why", 3, None, START_US, None))])
    assert (tally.totals().last_doubt_us is not None) is doubt


# How a stream stands


def test_states() -> None:
    """Not dialled, open, between two connections, over; and begun anew."""
    stream = History().stream
    tally, states = Tally(), []
    for operation in (
        open_stream(stream),
        open_session(stream),
        close_session(stream, outcome="closed with code 1001"),
        open_session(stream, 2),
        EndStream(stream.stream_id, "finished", "the match is over"),
        open_stream(stream),
    ):
        tally.committed([operation], 0.01)
        states.append(of(tally, stream).state)
    assert states == ["waiting", "connected", "between", "connected", "over", "connected"]
    assert dict(overview(tally).states) == {"connected": 1}


@pytest.mark.parametrize("outcome", ["stopped", "caught up"])
def test_a_stream_that_we_leave_is_not_silent(outcome: str) -> None:
    """Halted, or all of it read: nothing is missed from then on, until it begins anew."""
    history = History()
    history.frame(Kind.AUTH, b"let in")
    tally = tallied([*history.operations, close_session(history.stream, outcome=outcome)])
    assert of(tally, history.stream).state == "over"
    assert overview(tally, later_s=500).longest_silence_s == 0
    tally.committed([open_stream(history.stream)], 0.01)
    assert of(tally, history.stream).state == "waiting"


def test_left_between_two_connections() -> None:
    """Whoever stops a stream says so: no row does, when no connection is open."""
    history = History()
    history.frame(Kind.AUTH, b"let in")
    tally = tallied([*history.operations, close_session(history.stream, outcome="silence")])
    assert overview(tally, later_s=500).longest_silence_s >= 500
    tally.left(history.stream.stream_id)
    assert overview(tally, later_s=500).longest_silence_s == 0
    tally.left(1)  # nothing was ever heard of it


def test_silence() -> None:
    """The longest time without anything is told; a heartbeat that was only counted ends it, an attempt does not."""
    history = History()
    stream = history.stream
    tally = tallied(history.operations)
    assert overview(tally, later_s=500).longest_silence_s == 0  # never heard
    history.frame(Kind.AUTH, b"let in")
    tally.committed(history.operations[-1:], 0.01)
    before = of(tally, stream).heard_ns
    assert before is not None
    failed = close_session(stream, outcome="no frame of any kind for 25 s", counts=Counts(frames=1))
    tally.committed([failed, open_session(stream, 2), close_session(stream, 2, outcome="no route")], 0.01)
    assert of(tally, stream).heard_ns == before
    beat = UpdateSession(stream.stream_id, 3, Counts(frames=1, heartbeats=1, last_heartbeat_us=START_US))
    tally.committed([open_session(stream, 3), beat], 0.01)
    after = of(tally, stream).heard_ns
    assert after is not None
    assert after > before


def test_a_new_start_in_the_list_changes_nothing_else() -> None:
    """The list may say something else of a stream while its connection is open."""
    history = History()
    history.frame(Kind.AUTH, b"let in")
    tally = tallied(history.operations)
    before = of(tally, history.stream)
    tally.committed([open_stream(history.stream, starts_us=7, label="A - B")], 0.01)
    assert of(tally, history.stream) == replace(before, starts_us=7, label="A - B")


def test_overdue() -> None:
    """A match whose start is ten minutes past is missed until its first frame; an auth reply is none."""
    history = History()
    history.operations[0] = open_stream(history.stream, starts_us=START_US)
    history.frame(Kind.AUTH, b"let in")
    tally = tallied(history.taken())  # type: ignore[arg-type]
    late_us = START_US + 601 * 1_000_000
    assert (overview(tally).overdue, overview(tally, now_us=late_us).overdue) == (0, 1)
    history.add()
    tally.committed(history.taken(), 0.01)
    assert overview(tally, now_us=late_us).overdue == 0


def test_what_was_stored_before() -> None:
    """A stream with frames from an earlier run is not overdue, and its open gaps are known."""
    stream = History().stream
    tally = Tally()
    tally.resumed(stream.stream_id, StoredStream(last_received_us=5, open_causes=frozenset({"network", "head"})))
    tally.committed([open_stream(stream, starts_us=1)], 0.01)
    assert dict(overview(tally).open_gaps) == {"network": 1, "head": 1}
    assert overview(tally).overdue == 0
    assert tally.totals().gaps == {}


def test_gaps() -> None:
    """Opened, settled by proof; a step of our clock is told and never open; an unknown cause is one word."""
    stream = History().stream

    def gap(cause: str, resolved_us: int | None = None) -> Operation:
        return OpenGap(Gap(stream.stream_id, 1, 0, cause, True, "why", 3, None, START_US, None, resolved_us))

    tally = tallied([gap("network"), gap("network"), gap("clock_step", 1), gap("from a later version")])
    assert dict(overview(tally).open_gaps) == {"network": 2, "other": 1}
    tally.committed([ResolveGaps(stream.stream_id, ("network",), 1)], 0.01)
    assert dict(overview(tally).open_gaps) == {"other": 1}
    assert tally.totals().gaps == {"network": 2, "clock_step": 1, "other": 1}


def test_what_the_rest_says_is_no_connection() -> None:
    """A snapshot's frames are counted; it is no stream that could fall silent."""
    stream = Stream("betting", "soccer", "made-by-hand", FIXTURE)
    history = History(stream)
    history.frame(Kind.UNKNOWN, b"{}")
    tally = tallied([*history.operations, close_session(stream)])
    assert tally.totals().frames == {"unknown": 1}
    assert tally.totals().sessions == 0
    assert overview(tally, later_s=500) == Overview({}, {}, 0.0, 0)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of streams that are over only the last are told of one by one; what was counted stays."""
    monkeypatch.setattr(folding, "KEPT_OVER", 3)
    tally = Tally()
    streams = [Stream("betting", "soccer", f"fixture-{number}") for number in range(8)]
    for stream in streams:
        tally.committed([open_stream(stream), open_session(stream), close_session(stream, outcome="stopped")], 0.01)
    assert list(tally.streams()) == [stream.stream_id for stream in streams[-3:]]
    assert tally.totals().sessions == 8


def test_who_was_asked_before_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each operation a tally that is asked all the time says of every stream what one says that never was."""
    monkeypatch.setattr(clock, "elapsed_ns", lambda: S)
    history, other = History(), History()
    for _ in range(3):
        history.add(type="Pass")
        other.add(type="Pass")
    history.gap("network")
    stream, heard = history.stream, Counts(frames=9, heartbeats=5, last_heartbeat_us=START_US)
    operations = [
        *other.operations,
        *history.operations,
        UpdateSession(stream.stream_id, 1, heard),
        ResolveGaps(stream.stream_id, ("network",), START_US),
        BeginEpoch(stream.stream_id, 1, 0, 2, START_US, "another list"),
        close_session(stream),
        EndStream(stream.stream_id, "finished", "said so"),
        open_stream(stream),
    ]
    asked, earlier = Tally(), []
    for number, operation in enumerate(operations, 1):
        asked.committed([operation], 0.01)
        fresh = tallied([], *([each] for each in operations[:number]))
        assert asked.streams() == fresh.streams(), operation
        earlier.append((asked.streams(), fresh.streams()))
    asked.left(other.stream.stream_id)
    assert of(asked, other.stream).has_left
    asked.resumed(other.stream.stream_id, StoredStream(last_received_us=7, open_causes=frozenset({"network"})))
    assert of(asked, other.stream).open_gaps
    assert [then for then, _ in earlier] == [fresh for _, fresh in earlier]  # what was told does not change behind us


def test_readers_and_the_writer(file: Filled) -> None:
    """Whoever reads while commits go on sees each of them whole: a frame never without its action."""
    tally, seen, done = Tally(), [], threading.Event()

    def read_on() -> None:
        while not done.is_set():
            totals = tally.totals()
            seen.append(totals.frames.get("action", 0) - sum(totals.actions.values()))
            tally.streams()

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        history = History()
        for _ in range(300):
            history.add()
            tally.committed(history.taken(), 0.01)
    finally:
        done.set()
        reader.join()
    assert set(seen) == {0}


# Why connections end


def ended(error: WireError | None, said: bytes | None = None, *, frames: int = 0, authorised: bool = False) -> str:
    """Return the word for what the feed decides after such an end."""
    message = None if said is None else read(said)
    decision = after_failure(error, message, frames=frames, authorised=authorised, is_due=True, now_us=START_US)
    assert not isinstance(decision, Done)
    return closing_cause(decision.why, frames=frames, said_error=said is not None)


@pytest.mark.parametrize(
    ("error", "cause"),
    [(HandshakeRefused(status, "", None), "refused") for status in (401, 403)]
    + [(HandshakeRefused(status, "soon", None), "not_there") for status in (204, 404, 425)]
    + [
        (HandshakeRefused(429, "", None), "too_many"),
        (HandshakeRefused(503, "", None), "http_error"),
        (HandshakeRefused(302, "", None), "untrusted"),
        (Untrusted("the certificate does not verify: self-signed"), "untrusted"),
        (NotConnected("Connection refused"), "not_connected"),
        (NotConnected("by way of the proxy: no answer within 10 s"), "not_connected"),
        (None, "unanswered"),
        (ConnectionOver(None, ""), "unanswered"),
    ],
)  # fmt: skip
def test_never_let_in(error: WireError | None, cause: str) -> None:
    """Attempts that brought nothing."""
    assert ended(error) == cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [(ConnectionOver(code, ""), "closed") for code in (1000, 1001, 1011, 4000)]
    + [(ConnectionOver(code, "deploy"), "restarting") for code in (1012, 1013)]
    + [(ConnectionOver(None, ""), "cut_off"), (None, "silence")],
)
def test_lost(error: WireError | None, cause: str) -> None:
    """Connections that were let in, and ended against our will."""
    assert ended(error, frames=5, authorised=True) == cause


def test_in_the_vendors_words() -> None:
    """An error message says why in words that nobody can foresee."""
    assert ended(ConnectionOver(1008, ""), b'{"errorMessage": "no!"}', frames=1) == "vendor_error"


@pytest.mark.parametrize(
    ("auth", "status", "cause"),
    [
        ("refuse_message", None, "vendor_error"),
        ("refuse_silent_close", None, "unanswered"),
        ("refuse_401", None, "refused"),
        ("message", 503, "http_error"),
    ],
)
def test_refusals_over_sockets(
    recording: Recording, server: VendorServer, watched: Tally, auth: Auth, status: int | None, cause: str
) -> None:
    """What a real server does once before it lets us in is the cause of one reconnect."""
    match = load("snooker-1")
    server.serve(match, Script(match.packets[-5:], auth=auth, handshake_status=status, refusals=1))
    stopped(recording, match, watched, lambda tally: tally.totals().reconnects.get(cause, 0) == 1)


def test_reconnects_over_sockets(recording: Recording, server: VendorServer, watched: Tally) -> None:
    """A cut, and our own wish to read again, are reconnects by their causes; no doubt stays open."""
    match = load("snooker-1")
    server.serve(match, Script(match.packets, cut_at=[10], cut="eof"))
    recording.run(match)
    totals = watched.totals()
    assert (totals.reconnects["cut_off"], set(totals.reconnects)) == (1, {"cut_off", "reread"})
    assert sum(totals.reconnects.values()) == totals.sessions - 1
    assert totals.closed["ended"] == 1
    assert totals.gaps["network"] == 1
    assert overview(watched) == Overview({"over": 1}, {}, 0.0, 0)
    assert sum(totals.actions.values()) == len(match.packets)


def test_silence_over_sockets(recording: Recording, server: VendorServer, watched: Tally) -> None:
    """A connection on which nothing comes is given up, and dialled again because of silence."""
    match = load("snooker-1")
    server.serve(match, Script(match.packets, available=3, heartbeat=None))
    dead = replace(QUICK, dead=1.0)
    stopped(recording, match, watched, lambda tally: tally.totals().reconnects.get("silence", 0) > 0, timing=dead)


def stopped(recording: Recording, match: Match, tally: Tally, reached: Callable[[Tally], bool], **changes: Any) -> None:
    """Record until the tally says so."""
    with recording.running(match, **changes) as running:
        until(lambda: reached(tally), what=tally.totals)
    assert running.error is None or isinstance(running.error, StoppedEarly)


def test_the_words_are_a_closed_set() -> None:
    """Whatever an outcome says, its word is one of the list."""
    outcomes = ["stopped", "", "x" * 500, "the match is Postponed", "asked for 3, got position 2: to be proven"]
    found = {closing_cause(said, frames=n, said_error=e) for said in outcomes for n in (0, 3) for e in (False, True)}
    assert found == {"stopped", "ended", "reread", "vendor_error", "not_connected"}
    assert found <= set(CLOSING)


def test_gap_causes_are_those_of_the_documents() -> None:
    """The table of causes in docs/resume.md and ours name the same ones, and whose they are."""
    table = (Path(__file__).parents[1] / "docs/resume.md").read_text().partition("\n## Gaps\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(GAPS)
    assert {cause for cause in GAPS if not is_ours(cause)} == set(VENDORS_CAUSES)


def test_unknown_operation_costs_nothing() -> None:
    """A close without its session, as after a restart of the tally, is counted and no more."""
    stream = History().stream
    closed = CloseSession(stream.stream_id, 1, Counts(), START_US, 1000, "", "closed with code 1000")
    assert tallied([closed]).totals().closed == {"closed": 1}
