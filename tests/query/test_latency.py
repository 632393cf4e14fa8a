"""How late we knew, and the one definition of a percentile."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder.model import Stream
from recorder.operations import BeginEpoch, MakeEpochCurrent
from recorder.query.latency import EDGES_MS, Bin, histogram, latency, latency_by_sport
from recorder.query.percentiles import NOTHING, Spread, spreads
from recorder.query.reading import Reader, reading
from tests.archive.filling import START_US, Filled, History

values = st.lists(st.tuples(st.sampled_from("ab"), st.integers(-(10**12), 10**12)), max_size=30)


def late(*latencies_us: int, **more: Any) -> History:
    """A stream whose actions came so much later than they happened."""
    history = History(**more)
    for place, latency_us in enumerate(latencies_us):
        at_us = START_US + place * 1_000_000
        history.add(at_us, occurred_us=at_us - latency_us)
    return history


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=values)
def test_nearest_rank(reader: Reader, made: list[tuple[str, int]]) -> None:
    """Of each kind: the smallest stored value that so many per cent do not pass, on both databases."""
    rows = [f"SELECT '{kind}' AS kind, CAST({value} AS BIGINT) AS value" for kind, value in made]
    nobody = "SELECT 'a' AS kind, CAST(0 AS BIGINT) AS value WHERE 1 = 0"
    found = spreads(reader, " UNION ALL ".join([nobody, *rows]), {})
    for kind in {kind for kind, _ in made}:
        ordered = sorted(value for of, value in made if of == kind)
        ranks = [math.ceil(len(ordered) * percent / 100) for percent in (50, 95, 99, 100)]
        assert found.pop(kind) == Spread(len(ordered), *(ordered[rank - 1] / 1000 for rank in ranks))
    assert found == {}


def test_latency_of_what_came_live(archive: Filled) -> None:
    """Only what came live and tells its time counts; a clock ahead of ours gives less than 0."""
    history = late(*range(1_000_000, 101_000_000, 1_000_000), -250_000)
    history.add(START_US, arrival="catch_up", occurred_us=0)
    history.add(START_US)
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        found = latency(reader, history.stream.stream_id)
    assert found == Spread(101, p50_ms=50_000.0, p95_ms=95_000.0, p99_ms=99_000.0, max_ms=100_000.0)


def test_nothing_came_live(archive: Filled) -> None:
    """No number is made up."""
    history = History()
    history.add(arrival="catch_up", occurred_us=0)
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        assert latency(reader, history.stream.stream_id) == latency(reader, 1) == NOTHING
        assert latency_by_sport(reader) == {}
        assert histogram(reader, [history.stream.stream_id]) == []


def test_latency_by_sport(archive: Filled) -> None:
    """All streams of a sport are one; the sport may be chosen."""
    archive.write(
        *late(1_000, 2_000).operations,
        *late(3_000, 4_000).operations,
        *late(9_000, stream=Stream("betting", "snooker", "s")).operations,
    )
    with reading(archive.url) as reader:
        assert latency_by_sport(reader) == {
            "snooker": Spread(1, 9.0, 9.0, 9.0, 9.0),
            "soccer": Spread(4, 2.0, 4.0, 4.0, 4.0),
        }
        assert list(latency_by_sport(reader, "snooker")) == ["snooker"]


def test_the_current_epoch_counts(archive: Filled) -> None:
    """What the vendor has taken back is no part of it."""
    history = late(5_000, 6_000)
    stream_id = history.stream.stream_id
    history.operations.append(BeginEpoch(stream_id, 1, 0, 0, START_US, "why"))
    history.operations.append(MakeEpochCurrent(stream_id, 1, START_US))
    history.epoch, history.actions = 1, []
    history.add(START_US, occurred_us=START_US - 7_000)
    archive.write(*history.operations)
    with reading(archive.url) as reader:
        assert latency(reader, stream_id) == Spread(1, 7.0, 7.0, 7.0, 7.0)


# -- the histogram -----------------------------------------------------------------------------------------------------


def test_bins(archive: Filled) -> None:
    """At least the beginning of a bin and less than its end; no bin is left out between two that hold something."""
    archive.write(*(history := late(-1, 0, 999, 1_000, 1_999, 4_000, 99_999, 100_000)).operations)
    with reading(archive.url) as reader:
        bins = histogram(reader, [history.stream.stream_id])
    assert bins[:3] == [Bin(-1, 0, 1), Bin(0, 1, 2), Bin(1, 2, 2)]
    assert [each for each in bins[3:] if each.count] == [Bin(4, 5, 1), Bin(80, 100, 1), Bin(100, 125, 1)]
    assert [each.to_ms for each in bins[:-1]] == [each.from_ms for each in bins[1:]]


def test_streams_are_counted_together(archive: Filled) -> None:
    """The same bins over several streams; what lies beyond every edge is in the last one."""
    one, other = late(10_000), late(10_000, 10**15)
    archive.write(*one.operations, *other.operations)
    with reading(archive.url) as reader:
        bins = histogram(reader, [one.stream.stream_id, other.stream.stream_id])
    assert bins[0] == Bin(10, 12, 2)
    assert bins[-1] == Bin(EDGES_MS[-2], EDGES_MS[-1], 1)


def test_edges() -> None:
    """Ascending, the same on both sides of 0, no bin more than twice as far as it begins."""
    assert list(EDGES_MS) == sorted(set(EDGES_MS))
    assert tuple(-edge for edge in reversed(EDGES_MS)) == EDGES_MS
    assert all(end <= 2 * start for start, end in pairwise(EDGES_MS) if start > 0)
