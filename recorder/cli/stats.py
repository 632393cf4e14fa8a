"""`recorder stats`: what was recorded of each stream, how late it came, and what was never seen before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recorder.cli.coverage import COLUMNS, row_of, shown
from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Feed,
    Fixtures,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    duration_option,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption, match_of
from recorder.errors import UsageError
from recorder.model import FIXTURE

if TYPE_CHECKING:
    from sqlalchemy import Row

    from recorder.query.drift import Found
    from recorder.query.feeds import Compared
    from recorder.query.reading import Reader

_TABLE = ("sport", "match", "feed", "recorded", "sessions", "gaps", "silences", "suspended", "delayed", "revised",
          "latency", "pending")  # fmt: skip
_FIRST_TABLE = ("sport", "fixture", "type", "in_both", "only_betting", "only_media", "live", "first_betting",
                "first_media", "lead_ms_median", "lead_ms_p95", "lead_ms_max")  # fmt: skip
_FIRST_COLUMNS = ("sport", "fixture_id", *_FIRST_TABLE[2:])
_DRIFT_TABLE = ("received", "what", "path", "said", "documented", "sport", "fixture", "feed", "position", "packets")
_DRIFT_COLUMNS = ("what", "path", "said", "documented", "sport", "feed", "fixture_id", "stream_id", "position",
                  "received_at", "packets")  # fmt: skip
_MACHINES = (Format.JSON, Format.JSONL)


@command
def stats(
    fixture: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Feed = None,
    sport: Annotated[str | None, typer.Option("--sport", help="Only this sport.")] = None,
    silence: Annotated[float, duration_option("--silence", "So long without a message is a silence.")] = "20s",  # type: ignore[assignment]
    who_first: Annotated[
        bool, typer.Option("--who-first", help="Which feed knew first, by type, where both were recorded.")
    ] = False,
    drift: Annotated[
        bool, typer.Option("--drift", help="What the vendor never told of, and what it no longer sends.")
    ] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="With --drift: what was never seen before (RFC 3339).")
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", metavar="FILE", help="Draw the receive latency: a .png, .svg or .html file."),
    ] = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Say what was recorded of each stream, with what gaps, and how late it came."""
    from recorder.query.reading import reading

    if drift and who_first:
        raise UsageError("--drift and --who-first are two questions; ask one at a time")
    if since is not None and not drift:
        raise UsageError("--since belongs to --drift")
    if chart is not None:
        _check_chart(chart, is_coverage=not (drift or who_first))
    with reading(database_url) as reader:
        streams = _streams(reader, fixture or (), feed, sport)
        if drift:
            _drift(reader, streams if _is_chosen(fixture, feed, sport) else None, since, form)
        elif who_first:
            _who_first(reader, streams, form)
        else:
            if chart is not None:
                _draw(reader, streams, chart)
            _coverage(reader, streams, int(silence * 1e6), form, sport, total=not fixture and feed is None)
            if fixture and form is Format.TABLE and not quiet:
                _say_who_first(reader, streams)


def _is_chosen(*choices: object) -> bool:
    return any(choices)


def _streams(reader: Reader, fixtures: Sequence[str], feed: str | None, sport: str | None) -> list[Row[Any]]:
    """Return rows of the `streams` view: every stream of each fixture that is named, or all there are."""
    from recorder.query.selecting import select_stream

    found: dict[int, Row[Any]] = {}
    for fixture in fixtures:
        chosen, _ = select_stream(reader, fixture, feed)
        asked = feed or (chosen.feed if "/" in fixture else None)
        for row in _rows(reader, fixture=chosen.fixture_id, feed=asked, sport=sport):
            found[row.stream_id] = row
    return list(found.values()) if fixtures else _rows(reader, fixture=None, feed=feed, sport=sport)


def _rows(reader: Reader, *, fixture: str | None, feed: str | None, sport: str | None) -> list[Row[Any]]:
    chosen = {"fixture_id": fixture, "feed": feed, "sport": sport}
    given = {name: value for name, value in chosen.items() if value is not None}
    # What the vendor's REST said was not recorded over a connection.
    where = " AND ".join([f"channel <> '{FIXTURE}'", *(f"{name} = :{name}" for name in given)])
    return reader.rows(f"SELECT * FROM streams WHERE {where} ORDER BY sport, fixture_id, feed, channel", given)


# -- coverage ----------------------------------------------------------------------------------------------------------


def _coverage(
    reader: Reader, streams: Iterable[Row[Any]], silence_us: int, form: Format, sport: str | None, *, total: bool
) -> None:
    from recorder.query.coverage import by_sport, coverage

    found = [coverage(reader, stream, silence_us) for stream in streams]
    if total:
        found += by_sport(reader, list(found), sport)
    rows = (shown(each) if form is Format.TABLE else row_of(each) for each in found)
    write(_flat(rows, form), form, _TABLE, COLUMNS)


def _flat(rows: Iterable[Mapping[str, Any]], form: Format) -> Iterator[Mapping[str, Any]]:
    """Give lists, objects and flags as text where a cell can hold nothing else."""
    for row in rows:
        yield row if form in _MACHINES else {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value) if isinstance(value, list | dict) else value


def _check_chart(chart: Path, *, is_coverage: bool) -> None:
    from recorder.charts.files import ending

    if not is_coverage:
        raise UsageError("--chart draws the receive latency: leave --drift and --who-first out")
    ending(chart)


def _draw(reader: Reader, streams: Sequence[Row[Any]], chart: Path) -> None:
    from recorder.charts.files import write_chart
    from recorder.charts.latency import latency_chart
    from recorder.query.latency import histogram

    names = list(dict.fromkeys(match_of(row) for row in streams))
    title = f"Receive latency: {names[0] if len(names) == 1 else f'{len(names)} matches'}"
    write_chart(latency_chart(title, histogram(reader, (row.stream_id for row in streams))), chart)


# -- who knew first ----------------------------------------------------------------------------------------------------


def _compared(reader: Reader, streams: Iterable[Row[Any]]) -> Iterator[Compared]:
    from recorder.query.feeds import compare

    return compare(reader, {(row.sport, row.fixture_id) for row in streams})


def _who_first(reader: Reader, streams: Iterable[Row[Any]], form: Format) -> None:
    rows = (
        {"sport": each.sport, "fixture_id": each.fixture_id, "fixture": each.fixture_id[:8], **asdict(leads)}
        for each in _compared(reader, streams)
        for leads in each.leads
    )
    if form is Format.TABLE:
        write(({**row, "type": "all" if row["type"] is None else row["type"]} for row in rows), form, _FIRST_TABLE)
    else:
        write(({name: row[name] for name in _FIRST_COLUMNS} for row in rows), form, _FIRST_TABLE, _FIRST_COLUMNS)


def _say_who_first(reader: Reader, streams: Iterable[Row[Any]]) -> None:
    for each in _compared(reader, streams):
        whole = each.leads[0]
        if not whole.live:
            say(f"{each.fixture_id}: {whole.in_both} actions are on both feeds, none of which came live on both")
            continue
        say(
            f"{each.fixture_id}: of {whole.live} actions that came live on both feeds betting was first with "
            f"{whole.first_betting}, media with {whole.first_media}; the betting feed's lead: median "
            f"{whole.lead_ms_median:g} ms; by type: --who-first"
        )


# -- drift -------------------------------------------------------------------------------------------------------------


def _drift(reader: Reader, streams: Iterable[Row[Any]] | None, since: str | None, form: Format) -> None:
    from recorder.query.drift import drift
    from recorder.query.moments import at_time

    found = drift(reader, None if since is None else at_time(since).as_of_us)
    chosen = None if streams is None else {row.stream_id for row in streams}
    drifts = [each for each in found.drifts if chosen is None or each.stream_id in chosen]
    rows = ({name: getattr(each, name) for name in _DRIFT_COLUMNS} for each in drifts)
    if form is Format.TABLE:
        rows = ({**row, "received": row["received_at"][:19].replace("T", " "), "fixture": row["fixture_id"][:8]}
                for row in rows)  # fmt: skip
    write(_flat(rows, form), form, _DRIFT_TABLE, _DRIFT_COLUMNS)
    _say_looked_at(found)


def _say_looked_at(found: Found) -> None:
    if found.left_out:
        say(
            f"{found.left_out} of {found.packets} packets were left out: there are more shapes of packets than are kept"
        )
