"""The rows of `recorder stats`: with every number for programs, short for people."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from recorder.cli.reading import match_of
from recorder.model import moment_text

if TYPE_CHECKING:
    from recorder.query.coverage import Coverage
    from recorder.query.percentiles import Spread

COLUMNS = (
    "of", "stream_id", "feed", "sport", "fixture_id", "channel", "match", "state", "streams", "recorded_from",
    "recorded_to", "recorded_from_start", "sessions", "recorders", "hosts", "reconnects", "reconnects_by_outcome",
    "gaps_open", "gaps", "silences", "longest_silence_s", "possible_silences", "suspensions", "suspended_s",
    "longest_suspension_s", "suspended_now", "actions", "delayed", "delayed_share", "revisions_mean", "revisions_max",
    "live", "latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "latency_ms_max", "confirmations", "confirm_ms_p50",
    "confirm_ms_p95", "confirm_ms_max",
)  # fmt: skip


def row_of(each: Coverage) -> dict[str, Any]:
    """Return one row: of a stream, or (``of`` is ``sport``) of all streams of a sport, where the names are None."""
    row = {**_identity(each), **_connections(each), **_feed(each), **_times(each)}
    return {name: row[name] for name in COLUMNS}


def _identity(each: Coverage) -> dict[str, Any]:
    stream = each.stream
    return {
        "of": "sport" if stream is None else "stream",
        "stream_id": None if stream is None else stream.stream_id,
        "feed": None if stream is None else stream.feed,
        "sport": each.sport,
        "fixture_id": None if stream is None else stream.fixture_id,
        "channel": None if stream is None else stream.channel,
        "match": None if stream is None else match_of(stream),
        "state": None if stream is None else stream.state,
        "streams": each.streams,
        "recorded_from": _moment(each.recorded_from_us),
        "recorded_to": _moment(each.recorded_to_us),
        "recorded_from_start": None if stream is None else stream.recorded_from_start,
    }


def _connections(each: Coverage) -> dict[str, Any]:
    sessions, silences = each.sessions, each.silences
    return {
        "sessions": sessions.count,
        "recorders": sessions.recorders,
        "hosts": sorted(sessions.hosts),
        "reconnects": sessions.reconnects.total(),
        "reconnects_by_outcome": dict(sorted(sessions.reconnects.items())),
        "gaps_open": sum(gap.open for gap in each.gaps),
        "gaps": [
            {"cause": gap.cause, "ours": gap.ours, "open": gap.open, "resolved": gap.resolved} for gap in each.gaps
        ],
        "silences": silences.count,
        "longest_silence_s": silences.longest_s,
        "possible_silences": silences.possible,
    }


def _feed(each: Coverage) -> dict[str, Any]:
    suspensions, revisions = each.suspensions, each.revisions
    return {
        "suspensions": suspensions.count,
        "suspended_s": suspensions.total_s,
        "longest_suspension_s": suspensions.longest_s,
        "suspended_now": suspensions.is_open,
        "actions": revisions.actions,
        "delayed": revisions.delayed,
        "delayed_share": revisions.delayed / revisions.actions if revisions.actions else None,
        "revisions_mean": revisions.identified / revisions.distinct if revisions.distinct else None,
        "revisions_max": revisions.most or None,
    }


def _times(each: Coverage) -> dict[str, Any]:
    late, waits = each.latency, each.confirming
    return {
        "live": late.count,
        "latency_ms_p50": late.p50_ms,
        "latency_ms_p95": late.p95_ms,
        "latency_ms_p99": late.p99_ms,
        "latency_ms_max": late.max_ms,
        "confirmations": waits.count,
        "confirm_ms_p50": waits.p50_ms,
        "confirm_ms_p95": waits.p95_ms,
        "confirm_ms_max": waits.max_ms,
    }


# -- for people --------------------------------------------------------------------------------------------------------


def shown(each: Coverage) -> dict[str, Any]:
    """Return the same for a person: how many and the longest, ``p50 / p95``; nothing where there is nothing."""
    row = row_of(each)
    stream, plural = each.stream, "" if each.streams == 1 else "s"
    name = f"all, {each.streams} stream{plural}" if stream is None else row["match"]
    share, mean = row["delayed_share"], row["revisions_mean"]
    return {
        "sport": each.sport,
        "match": name,
        "feed": "" if stream is None else " ".join([stream.feed] + [stream.channel] * (stream.channel != "actions")),
        "recorded": _span(each),
        "sessions": row["sessions"],
        "gaps": _gaps(each),
        "silences": _counted(row["silences"], row["longest_silence_s"]),
        "suspended": _counted(row["suspensions"], row["longest_suspension_s"]),
        "delayed": f"{share:.1%}" if share else "",
        "revised": f"{mean:.2f}" if mean else "",
        "latency": _percentiles(each.latency),
        "pending": _percentiles(each.confirming),
    }


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else moment_text(at_us)


def _span(each: Coverage) -> str:
    if each.recorded_from_us is None or each.recorded_to_us is None:
        return ""
    lasted = timedelta(seconds=(each.recorded_to_us - each.recorded_from_us) // 1_000_000)
    return f"{moment_text(each.recorded_from_us)[:16].replace('T', ' ')}, {lasted}"


def _gaps(each: Coverage) -> str:
    ours = sum(gap.open for gap in each.gaps if gap.ours)
    theirs = sum(gap.open for gap in each.gaps if not gap.ours)
    closed = sum(gap.resolved for gap in each.gaps)
    told = ((ours, "open"), (theirs, "vendor's"), (closed, "closed"))
    return ", ".join(f"{count} {what}" for count, what in told if count)


def _counted(count: int, longest_s: float | None) -> str:
    if not count:
        return ""
    return f"{count}, {timedelta(seconds=round(longest_s))}" if longest_s is not None else str(count)


def _percentiles(spread: Spread) -> str:
    if spread.p50_ms is None or spread.p95_ms is None:
        return ""
    return f"{_seconds(spread.p50_ms)} / {_seconds(spread.p95_ms)} s"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3g}" if abs(milliseconds) < 100_000 else f"{milliseconds / 1000:.0f}"
