"""What was recorded of a stream: connections, gaps, silences, suspensions, revisions; and of a sport."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from recorder.model import Kind, Stream
from recorder.operations import Counts, ResolveGaps, UpdateSession
from recorder.query.confirming import Revisions
from recorder.query.coverage import (
    SILENCE_US,
    Coverage,
    GapCount,
    Sessions,
    Suspensions,
    by_sport,
    coverage,
    suspensions,
)
from recorder.query.percentiles import NOTHING, Spread
from recorder.query.reading import Reader, reading
from recorder.query.silences import Mark, Silences, Span, Stored, spans, told
from tests.archive.filling import START_US, Filled, History, close_session, open_session, recorded
from tests.vendor import load

S = 1_000_000


def covered(archive: Filled, history: History, silence_us: int = SILENCE_US) -> Coverage:
    with reading(archive.url) as reader:
        return of(reader, history, silence_us)


def of(reader: Reader, history: History, silence_us: int = SILENCE_US) -> Coverage:
    (stream,) = reader.rows("SELECT * FROM streams WHERE stream_id = :id", {"id": history.stream.stream_id})
    return coverage(reader, stream, silence_us)


# -- connections and gaps ----------------------------------------------------------------------------------------------


def test_connections(archive: Filled) -> None:
    """How each ended that another one followed; the last one is not over."""
    history = History()
    stream = history.stream
    for session_id, outcome in enumerate(("cut", "cut", "refused"), start=1):
        closed_us = START_US + session_id * S
        history.operations.append(close_session(stream, session_id, closed_us, outcome=outcome))
        history.operations.append(open_session(stream, session_id + 1, closed_us))
    archive.write(*history.operations)
    found = covered(archive, history)
    assert found.sessions == Sessions(4, 1, frozenset({"h1"}), Counter({"cut": 2, "refused": 1}))


def test_a_stream_of_which_nothing_came(archive: Filled) -> None:
    """No number is made up."""
    archive.write(*(history := History()).operations)
    found = covered(archive, history)
    assert (found.recorded_from_us, found.recorded_to_us) == (None, None)
    assert (found.gaps, found.silences, found.suspensions) == ((), Silences(), Suspensions())
    assert (found.revisions, found.latency, found.confirming) == (Revisions(0, 0, 0, 0, 0), NOTHING, NOTHING)


def test_from_when_to_when(archive: Filled) -> None:
    """The first frame, and the last thing that came, a heartbeat too."""
    history = History()
    history.frame(Kind.AUTH, b"{}", START_US + S)
    history.add(START_US + 2 * S)
    counts = Counts(frames=3, actions=1, heartbeats=1, last_heartbeat_us=START_US + 9 * S)
    archive.write(*history.operations, UpdateSession(history.stream.stream_id, 1, counts))
    found = covered(archive, history)
    assert (found.recorded_from_us, found.recorded_to_us) == (START_US + S, START_US + 9 * S)


def test_gaps_by_cause(archive: Filled) -> None:
    """Ours and the vendor's, open and resolved."""
    history = History()
    history.gap("network", gap_id=1)
    history.gap("network", gap_id=2)
    history.operations.append(ResolveGaps(history.stream.stream_id, ("network",), START_US + S))
    history.gap("network", gap_id=3)
    history.gap("vendor_suspended", ours=False, gap_id=4)
    archive.write(*history.operations)
    assert covered(archive, history).gaps == (
        GapCount("network", ours=True, open=1, resolved=2),
        GapCount("vendor_suspended", ours=False, open=1, resolved=0),
    )


# -- silences ----------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """A row of `session`, as far as silences need it."""

    opened_us: int
    closed_us: int | None
    frames: int
    overlap_checked: int = 0
    resent: int = 0
    last_heartbeat_us: int | None = None


def test_silences_of_a_stream(archive: Filled) -> None:
    """Between two frames that follow each other nothing came; where messages were only counted, nobody can tell."""
    history = History()
    history.add(START_US + 1 * S)
    history.add(START_US + 60 * S)  # a minute in which nothing came
    history.frames += 5  # five heartbeats, counted
    history.add(START_US + 120 * S)
    counts = Counts(frames=8, actions=3, heartbeats=5, last_heartbeat_us=START_US + 119 * S)
    archive.write(*history.operations, close_session(history.stream, closed_us=START_US + 121 * S, counts=counts))
    assert covered(archive, history).silences == Silences(1, 59.0, 1)
    assert covered(archive, history, 61 * S).silences == Silences()


def test_many_messages_cannot_hide_a_long_silence() -> None:
    """Two messages in five minutes leave one silence of 100 s at least, whenever they came."""
    assert told([Span(0, 300 * S, 2)], 20 * S) == Silences(1, 100.0, 0)
    assert told([Span(0, 300 * S, 29)], 20 * S) == Silences(0, None, 1)


def test_the_end_of_a_session() -> None:
    """A connection that went dead was silent until it was closed; of an open one nobody knows yet."""
    stored = Stored(Mark(S, 0), Mark(S, 0))
    assert list(spans(Row(0, 26 * S, 1), stored)) == [Span(0, S, 0), Span(S, 26 * S, 0)]
    assert list(spans(Row(0, None, 1), stored)) == [Span(0, S, 0)]


def test_the_last_heartbeat_is_known() -> None:
    """Behind it no heartbeat came: the silence at the end of a connection is certain."""
    row = Row(0, 126 * S, frames=11, last_heartbeat_us=101 * S)
    found = list(spans(row, Stored(Mark(S, 0), Mark(S, 0))))
    assert found == [Span(0, S, 0), Span(S, 101 * S, 9), Span(101 * S, 126 * S, 0)]
    assert told(found, 20 * S) == Silences(1, 25.0, 1)


def test_a_connection_that_never_was() -> None:
    """What was dialled in vain was not silent; what brought only known actions may have been."""
    assert list(spans(Row(0, 60 * S, 0), None)) == []
    assert list(spans(Row(0, 60 * S, 3, overlap_checked=3), None)) == [Span(0, 60 * S, 3)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40 * S), st.sampled_from(["stored", "heartbeat", "again"])), max_size=12),
    st.integers(0, 40 * S),
)
def test_silences_are_no_invention(came: list[tuple[int, str]], tail_us: int) -> None:
    """Whatever is only counted: each certain silence was one, of that length, and no silence is left out."""
    at_us, moments, marks = 0, [0], list[Mark]()
    row = Row(0, None, len(came))
    for number, (pause_us, kind) in enumerate(came):
        at_us += pause_us
        moments.append(at_us)
        if kind == "stored":
            marks.append(Mark(at_us, number))
        elif kind == "heartbeat":
            row.last_heartbeat_us = at_us
        else:
            row.resent += 1
    row.closed_us = at_us + tail_us
    limit = 15 * S
    long = [
        Span(one.at_us, other.at_us, other.number - one.number - 1)
        for one, other in pairwise(marks)
        if other.at_us - one.at_us > limit
    ]
    found = told(spans(row, Stored(marks[0], marks[-1], long) if marks else None), limit)
    real = [end - start for start, end in zip(moments, [*moments[1:], row.closed_us], strict=True) if came]
    assert found.count <= sum(length > limit for length in real)
    assert found.longest_s is None or found.longest_s * S <= max(real) + 1
    assert found.count + found.possible > 0 or not any(length > limit for length in real)


# -- suspensions -------------------------------------------------------------------------------------------------------


def test_suspensions_of_a_stream(archive: Filled) -> None:
    """By our receive time; a packet that says nothing ends none, nor does one that says the same again."""
    history = History()
    told_statuses = ("CollectingLive", "CollectionSuspended", None, "CollectionSuspended", "CollectingLive",
                     "CollectionSuspended")  # fmt: skip
    for place, status in enumerate(told_statuses):
        history.add(START_US + place * 10 * S, collection_status=status)
    archive.write(*history.operations)
    assert covered(archive, history).suspensions == Suspensions(2, 30.0, 30.0, is_open=True)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ([], Suspensions()),
        ([(0, "CollectingLive")], Suspensions()),
        ([(0, "COLLECTIONSUSPENDED"), (5 * S, "CollectingLive")], Suspensions(1, 5.0, 5.0)),
        ([(9 * S, "CollectionSuspended"), (5 * S, "CollectingLive")], Suspensions(1, 0.0, 0.0)),
    ],
)
def test_suspensions(changes: list[tuple[int, str]], wanted: Suspensions) -> None:
    """Without regard to case; a wall clock that was set back makes no span shorter than nothing."""
    assert suspensions(changes) == wanted


# -- revisions ---------------------------------------------------------------------------------------------------------


def test_revisions(archive: Filled) -> None:
    """Per action id; one without an id is an action, and nothing's revision."""
    history = History()
    for action_id, delayed in (("a", None), ("b", "DELAYED"), ("a", None), ("a", None), (None, None), (None, None)):
        history.add(action_id=action_id, delay_status=delayed)
    archive.write(*history.operations)
    assert covered(archive, history).revisions == Revisions(actions=6, identified=4, distinct=2, most=3, delayed=1)


def test_from_pending_to_confirmed(archive: Filled) -> None:
    """From the first pending to the first confirmed or updated revision behind it, both live."""
    history = History()
    told_revisions: list[tuple[int, str, str, dict[str, Any]]] = [
        (0, "goal", "Pending", {}),
        (1, "goal", "Pending", {}),
        (7, "goal", "Confirmed", {}),
        (9, "goal", "Updated", {}),
        (10, "card", "PENDING", {}),
        (12, "card", "updated", {}),
        (20, "taken back", "Pending", {}),
        (21, "taken back", "Cancelled", {}),
        (30, "missed", "Pending", {"arrival": "catch_up"}),
        (31, "missed", "Confirmed", {}),
        (40, "at once", "Confirmed", {}),
    ]
    for second, action_id, send_type, more in told_revisions:
        history.add(START_US + second * S, action_id=action_id, send_type=send_type, **more)
    archive.write(*history.operations)
    found = covered(archive, history).confirming
    assert found == Spread(2, p50_ms=2000.0, p95_ms=7000.0, p99_ms=7000.0, max_ms=7000.0)


# -- sports ------------------------------------------------------------------------------------------------------------


def test_a_sport_is_the_sum_of_its_streams(archive: Filled) -> None:
    """Counts are added, the longest stays the longest, and percentiles are those of all values together."""
    one, other, third = History(), History(), History(stream=Stream("betting", "snooker", "s"))
    for history, lateness in ((one, 1_000), (other, 3_000), (third, 9_000)):
        for place in range(3):
            at_us = START_US + place * 30 * S
            history.add(at_us, action_id="a", occurred_us=at_us - lateness, delay_status="DELAYED")
        history.gap("network")
    archive.write(*one.operations, *other.operations, *third.operations)
    with reading(archive.url) as reader:
        found = [of(reader, history) for history in (one, other, third)]
        snooker, soccer = by_sport(reader, found)
    assert (snooker.sport, snooker.streams, soccer.sport, soccer.streams) == ("snooker", 1, "soccer", 2)
    assert soccer.stream is snooker.stream is None
    assert soccer.sessions.count == 2
    assert soccer.gaps == (GapCount("network", ours=True, open=2, resolved=0),)
    assert soccer.silences == Silences(4, 30.0, 0)
    assert soccer.revisions == Revisions(actions=6, identified=6, distinct=2, most=3, delayed=6)
    assert soccer.latency == Spread(6, 1.0, 3.0, 3.0, 3.0)
    assert (soccer.recorded_from_us, soccer.recorded_to_us) == (START_US, START_US + 60 * S)
    assert snooker.latency == found[2].latency


def test_one_stream_is_found_by_its_key(file: Filled) -> None:
    """Nothing that is asked of one stream reads the rows of the others (by SQLite's plans)."""
    file.write(*recorded(load("soccer-leganes-valencia")))
    asked: list[tuple[str, Any]] = []
    with reading(file.url) as reader:
        stream = reader.rows("SELECT * FROM streams ORDER BY stream_id")[0]
        event.listen(
            reader.connection.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3]))
        )
        coverage(reader, stream)
        assert len(asked) >= 7
        for statement, parameters in list(asked):
            plan = reader.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            details = [row[3] for row in plan]
            assert not [each for each in details if each.startswith("SCAN") and each.split()[1] in TABLES], statement


TABLES = {"s", "a", "f", "stream", "action", "frame", "session", "gap"}


def test_views_and_statistics_agree(reader: Reader) -> None:
    """Of real matches: as many actions and gaps as the view `streams` says."""
    for stream in reader.rows("SELECT * FROM streams"):
        found = coverage(reader, stream)
        assert found.revisions.actions == stream.actions
        assert sum(gap.open for gap in found.gaps) == stream.gaps
