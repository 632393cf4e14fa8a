"""`recorder timeline`: a match as it stands, as it was known at a moment, or what changed between two."""

from __future__ import annotations

import contextlib
import shutil
import sys
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from recorder.cli.changing import show_changes
from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Feed,
    Fixture,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption, score
from recorder.cli.telling import closing_lines
from recorder.errors import UsageError
from recorder.extras import need
from recorder.query.rows import Action, TimelineAction, kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from recorder.query.timelines import Question

_SPARK_WIDTH = 100
_MOMENT = "TIME, PERIOD/MM:SS of the match's clock, or a position"


@command
def timeline(
    fixture: Fixture,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Feed = None,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As we knew it then (RFC 3339).")] = None,
    as_of_position: Annotated[int | None, typer.Option("--as-of-position", min=0, help="After this action.")] = None,
    as_of_clock: Annotated[
        str | None, typer.Option("--as-of-clock", metavar="PERIOD/MM:SS", help="As the match's clock stood there.")
    ] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option("--diff", metavar="T1 T2", help=f"What changed between two moments, each a {_MOMENT}."),
    ] = None,
    revisions: Annotated[bool, typer.Option("--revisions", help="Every action as sent, by position.")] = False,
    order: Annotated[
        Literal["match", "arrival"], typer.Option("--order", help="The match's order, or the one of what is shown.")
    ] = "match",
    types: Annotated[list[str] | None, typer.Option("--type", help="Only these types; repeatable.")] = None,
    team: Annotated[str | None, typer.Option("--team", help="home, away or a name.")] = None,
    period: Annotated[int | None, typer.Option("--period")] = None,
    lake: Annotated[
        str | None,
        typer.Option("--lake", metavar="URL", help="Of the lake that the match was published to, not of the archive."),
    ] = None,
    zone: Annotated[str, typer.Option("--tz", help="Zone of the times in the table, e.g. Europe/Paris.")] = "UTC",
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw it: a .png, .svg or .html file.")
    ] = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Print a match: each action once, as it stands; or as it was known at a moment; or what changed between two."""
    from recorder.charts.drawing import draw_match
    from recorder.charts.files import ending
    from recorder.query.moments import known_at
    from recorder.query.pruned import require_here
    from recorder.query.reading import reading
    from recorder.query.selecting import select_stream
    from recorder.query.timelines import Question
    from recorder.query.timelines import timeline as ask

    if diff and (as_of or as_of_clock or as_of_position is not None or revisions or chart):
        raise UsageError("--diff tells its own two moments: leave --as-of…, --revisions and --chart out")
    tz = _zone(zone)
    if chart is not None:
        ending(chart)
        need("altair", "analysis")
    with _place_of(fixture, feed, database_url, lake) as (url, name), reading(url) as reader:
        stream, note = select_stream(reader, name, feed)
        if note:
            say(note)
        require_here(reader, stream)
        at = known_at(reader, stream.stream_id, as_of, as_of_position, as_of_clock, None if zone == "UTC" else tz)
        question = Question(
            stream_id=stream.stream_id,
            as_of_us=at.as_of_us,
            as_of_position=at.as_of_position,
            revisions=revisions,
            by_arrival=order == "arrival",
            types=tuple(types or ()),
            team=team,
            period=period,
        )
        if diff:
            show_changes(reader, question, diff, tz, form, _mark(lake))
            return
        rows = ask(reader, question)
        _show(rows, question, tz, form, _mark(lake))
        if form is Format.TABLE and not quiet and sys.stdout.isatty():
            _show_spark(rows)
        if chart is not None:
            draw_match(reader, stream, question, chart)
        if form is Format.TABLE and not quiet:
            for line in closing_lines(reader, stream, question, _moments(as_of, as_of_position, as_of_clock)):
                say(line)


@contextlib.contextmanager
def _place_of(fixture: str, feed: str | None, database_url: str, lake: str | None) -> Iterator[tuple[str, str]]:
    """Give the database that is asked, and the fixture's name there: of a lake the match alone, as it was published."""
    if lake is None:
        yield database_url, fixture
        return
    from recorder.lake import open as open_lake

    with open_lake(lake) as there:
        url, name = there.rebuilt(fixture, feed)
        say(f"from the lake {there.url}: {name} as it was published")
        yield url, name


def _mark(lake: str | None) -> dict[str, str]:
    """Return what every row says beside its columns when it is not of the archive."""
    return {} if lake is None else {"lake": lake}


def _show(rows: Sequence[Any], question: Question, zone: tzinfo, form: Format, mark: Mapping[str, str]) -> None:
    found = [{**row._mapping, **mark} for row in rows]
    columns = ("position", "send_type") if question.revisions else ("ordinal",)
    shown = [_row(row, zone) for row in found] if form is Format.TABLE else found
    table = (*columns, "period", "clock", "team", "type", "player", "score", "state", "at")
    write(shown, form, table, [*kinds(Action if question.revisions else TimelineAction), *mark])


def _row(row: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    moment = datetime.fromisoformat(row["occurred_at"] or row["received_at"])
    with contextlib.suppress(OverflowError):  # the first and the last day there is
        moment = moment.astimezone(zone)
    states = {
        "pending": (row["send_type"] or "").lower() == "pending",
        "unreadable": row["type"] is None and bool(row["parse_error"]),
        "delayed": row["delay_status"] is not None,
    }
    return {
        **row,
        "score": score(row["home_score"], row["away_score"]),
        "state": ", ".join(state for state, holds in states.items() if holds),
        "at": f"{moment:%Y-%m-%d %H:%M:%S}",
    }


def _show_spark(rows: Sequence[Any]) -> None:
    """Beneath a table that somebody looks at: how much happened when, and the score where it changed."""
    from recorder.charts.spark import can_draw, spark

    width = min(shutil.get_terminal_size().columns - 2, _SPARK_WIDTH)
    for line in spark(rows, width=width, plain=not can_draw(sys.stdout.encoding)):
        sys.stdout.write(line.rstrip() + "\n")


def _moments(as_of: str | None, as_of_position: int | None, as_of_clock: str | None) -> list[str]:
    """Return the moments that are asked about, as people say them."""
    moments = [] if as_of is None else [f"at {as_of}"]
    if as_of_position is not None:
        moments.append(f"after the action at position {as_of_position}")
    if as_of_clock is not None:
        moments.append(f"when the clock stood at {as_of_clock}")
    return moments


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone {name!r}; expected e.g. Europe/Paris") from None
