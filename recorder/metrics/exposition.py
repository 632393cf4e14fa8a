"""The numbers of one run under Prometheus' names; docs/metrics.md has the list.

Read when asked for, from the tally and the run's facts: nothing is counted twice, and between two scrapes nothing costs
anything. No label grows with what is recorded: there is none for a stream, a team or a type of action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from recorder import __version__, clock
from recorder.metrics.health import Facts, health, readiness
from recorder.metrics.pulse import Pulse
from recorder.model import Kind
from recorder.tally import CLOSING, GAPS, OTHER, STATES, Distribution, Overview, Tally, Totals, is_ours

OVERDUE_S = 600.0
"""So long after its start a match without a frame is missed."""

_ARRIVALS = ("live", "catch_up", "audit")
_NOVELTIES = ("key", "type", "word", "many")


def registry(
    tally: Tally, pulse: Pulse, facts: Callable[[], Facts], novelties: Callable[[], Mapping[str, int]]
) -> CollectorRegistry:
    """Return what is to be exposed of one run: its own numbers, and those of the process (`process_…`).

    ``facts`` and ``novelties`` (how many of each kind: `Novelties.counts`) are called at every scrape, on its thread.
    """
    found = CollectorRegistry()
    ProcessCollector(registry=found)
    found.register(RunCollector(tally, pulse, facts, novelties))
    return found


class RunCollector(Collector):
    """Asked once for each scrape."""

    def __init__(
        self, tally: Tally, pulse: Pulse, facts: Callable[[], Facts], novelties: Callable[[], Mapping[str, int]]
    ) -> None:
        self._tally = tally
        self._pulse = pulse
        self._facts = facts
        self._novelties = novelties

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not ask a run that is only beginning."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every number as it is now."""
        yield InfoMetricFamily("recorder_build", "Which recorder this is.", {"version": __version__})
        totals = self._tally.totals()
        yield from _recorded(totals)
        yield from _connections(totals)
        yield from _standing(totals, self._tally.overview(clock.wall_us(), clock.elapsed_ns(), OVERDUE_S))
        yield _counter("recorder_novelties", "What the vendor sends and its pages do not tell of.", "kind",
                       _NOVELTIES, self._novelties())  # fmt: skip
        yield from self._run(self._facts())

    def _run(self, facts: Facts) -> Iterator[Metric]:
        age_s = self._pulse.age_s()
        gauge = GaugeMetricFamily
        yield gauge("recorder_healthy", "1: the process gets on (/healthz).", health(facts, age_s).is_well)
        yield gauge("recorder_ready", "1: what is sent now is recorded (/readyz).", readiness(facts, age_s).is_well)
        yield gauge(
            "recorder_loop_lag_seconds",
            "How late the event loop was, at worst, in the last one to two minutes.",
            self._pulse.lag_s(),
        )
        yield gauge("recorder_vendor_reached", "1: the vendor's server has answered at least once.", facts.reached)
        yield gauge(
            "recorder_vendor_refusing",
            "1: the vendor refused us several times in a row, and one attempt a minute goes through.",
            facts.limited,
        )
        yield gauge("recorder_pending_bytes", "Payload received that waits to be committed.", facts.pending_bytes)
        if facts.disk_free_bytes is not None:
            yield gauge(
                "recorder_disk_free_bytes",
                "What the disk of the archive, or of the spool, has left.",
                facts.disk_free_bytes,
            )
            yield gauge(
                "recorder_disk_level", "0: enough room, 1: low, 2: very low, 3: recording stops.", facts.disk_level
            )
        yield gauge("recorder_backlog_frames", "Frames in the spool not known to be in Postgres.", facts.backlog_frames)
        yield gauge(
            "recorder_database_away_seconds", "For how long Postgres cannot be used; 0: it can.", facts.away_s or 0.0
        )


def _recorded(totals: Totals) -> Iterator[Metric]:
    yield _counter("recorder_frames", "Frames stored, by kind.", "kind", [str(kind) for kind in Kind], totals.frames)
    yield CounterMetricFamily("recorder_frame_bytes", "Payload of the frames stored.", totals.bytes)
    yield CounterMetricFamily(
        "recorder_received_frames",
        "Frames received, also those that are only counted: heartbeats, and what is known already.",
        totals.received,
    )
    yield CounterMetricFamily("recorder_heartbeats", "Heartbeats received.", totals.heartbeats)
    yield _counter("recorder_actions", "Actions stored, by arrival.", "arrival", _ARRIVALS, totals.actions)
    yield CounterMetricFamily(
        "recorder_early_actions", "Live actions received before the time the vendor gives them.", totals.early
    )
    yield CounterMetricFamily("recorder_epochs", "New epochs: the vendor changed what it had sent.", totals.epochs)
    yield _histogram("recorder_commit_seconds", "What a durable commit took.", totals.commits)
    yield _histogram(
        "recorder_receive_latency_seconds",
        "From the vendor's time of a live action to its receipt; early ones count as 0.",
        totals.latency,
    )


def _connections(totals: Totals) -> Iterator[Metric]:
    yield CounterMetricFamily("recorder_sessions_opened", "Connections dialled.", totals.sessions)
    yield _counter(
        "recorder_sessions_closed", "Connections by why they ended.", "cause", (*CLOSING, OTHER), totals.closed
    )
    yield _counter(
        "recorder_reconnects",
        "Connections that followed another one of their stream, by why that one had ended.",
        "cause",
        (*CLOSING, OTHER),
        totals.reconnects,
    )
    gaps = CounterMetricFamily("recorder_gaps", "Gaps that began, by cause.", labels=("cause", "ours"))
    for cause in (*GAPS, OTHER):
        gaps.add_metric((cause, _ours(cause)), totals.gaps.get(cause, 0))
    yield gaps


def _standing(totals: Totals, overview: Overview) -> Iterator[Metric]:
    streams = GaugeMetricFamily("recorder_streams", "Streams by state.", labels=("state",))
    for state in STATES:
        streams.add_metric((state,), overview.states.get(state, 0))
    yield streams
    gaps = GaugeMetricFamily("recorder_open_gaps", "Gaps that are open, by cause.", labels=("cause", "ours"))
    for cause in (*GAPS, OTHER):
        gaps.add_metric((cause, _ours(cause)), overview.open_gaps.get(cause, 0))
    yield gaps
    yield GaugeMetricFamily(
        "recorder_longest_silence_seconds",
        "Of the streams that go on and were heard: the longest that one has not been.",
        overview.longest_silence_s,
    )
    yield GaugeMetricFamily(
        "recorder_overdue_streams", "Streams without any frame ten minutes after their start.", overview.overdue
    )
    yield GaugeMetricFamily(
        "recorder_last_frame_timestamp_seconds",
        "When the last stored frame was received, by our wall clock; 0: none yet.",
        (totals.last_received_us or 0) / 1e6,
    )
    yield GaugeMetricFamily(
        "recorder_last_doubt_timestamp_seconds",
        "When something last happened that cannot be proven; 0: nothing did.",
        (totals.last_doubt_us or 0) / 1e6,
    )


def _counter(name: str, text: str, label: str, values: Iterable[str], counts: Mapping[str, int]) -> Metric:
    """Return one counter for each of ``values``, also where it is 0: what was never there cannot be seen to grow."""
    family = CounterMetricFamily(name, text, labels=(label,))
    for value in values:
        family.add_metric((value,), counts.get(value, 0))
    return family


def _histogram(name: str, text: str, values: Distribution) -> Metric:
    buckets, below = [], 0
    for bound, count in zip((*map(str, values.bounds), "+Inf"), values.counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    return HistogramMetricFamily(name, text, buckets, values.total)


def _ours(cause: str) -> str:
    return "true" if is_ours(cause) else "false"
