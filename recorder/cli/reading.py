"""The commands that list matches and give their messages: fixtures, frames."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

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
from recorder.errors import UsageError
from recorder.query.rows import Match, kinds

FormatOption = Annotated[Format, typer.Option("--format", help="How to print.")]


@command
def fixtures(
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    sport: Annotated[str | None, typer.Option("--sport")] = None,
    team: Annotated[str | None, typer.Option("--team", help="Part of a team's name.")] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First date (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last date (UTC).")] = None,
    competition: Annotated[str | None, typer.Option("--competition")] = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """List the matches that the archive holds."""
    from recorder.query import listing
    from recorder.query.reading import reading

    check_dates(since, until)
    with reading(database_url) as reader:
        rows = listing.fixtures(reader, listing.Filter(sport, team, since, until, competition))
    shown = [
        {**row._mapping, "match": match_of(row), "score": score_of(row), "date": (row.first_occurred_at or "")[:10]}
        for row in rows
    ]
    table = ("date", "sport", "match", "score", "state", "actions", "gaps", "feeds", "fixture_id")
    write(shown, form, table, (*kinds(Match), "first_occurred_at", "match", "score", "date"))
    if not rows and form is Format.TABLE and not quiet:
        is_chosen = any((sport, team, since, until, competition))
        say("no recorded fixture is like that" if is_chosen else "nothing is recorded yet")


class FrameFormat(StrEnum):
    """How frames are printed; ``raw``: the stored bytes, one frame a line, nothing else."""

    RAW = "raw"
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


@command
def frames(
    fixture: Fixture,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Feed = None,
    control: Annotated[bool, typer.Option("--all", help="Control frames too, in the order received.")] = False,
    form: Annotated[FrameFormat, typer.Option("--format", help="How to print.")] = FrameFormat.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Print the stored messages, byte for byte, in position order."""
    from recorder.query.frames import frames as ask
    from recorder.query.pruned import require_here
    from recorder.query.reading import reading
    from recorder.query.selecting import select_stream

    with reading(database_url) as reader:
        stream, note = select_stream(reader, fixture, feed)
        if note:
            say(note)
        require_here(reader, stream)
        found = ask(reader, stream.stream_id, control=control)
        if form is FrameFormat.RAW:
            for frame in found:
                if b"\n" in frame.payload:
                    raise UsageError(
                        f"frame {frame.frame_number} of session {frame.session_id} holds a newline itself; "
                        "use --format jsonl, which has the bytes as base64"
                    )
                sys.stdout.buffer.write(frame.payload + b"\n")
            sys.stdout.buffer.flush()
            return
        rows = ({**frame._mapping, "bytes": len(frame.payload)} for frame in found)
        columns = ("position", "received_at", "kind", "opcode", "bytes", "session_id", "frame_number", "reason")
        write(rows, Format(form.value), columns, ("position", "session_id", "frame_number"))


def match_of(row: Any) -> str:
    """Return what a person calls a match: its teams, else what the list says, else its id."""
    if row.home_team and row.away_team:
        return f"{row.home_team} - {row.away_team}"
    return str(row.label or row.fixture_id)


def score_of(row: Any) -> str:
    """Return the score of a match as people write it; empty when none was told."""
    return score(row.home_score, row.away_score)


def score(home: int | None, away: int | None) -> str:
    """Return a score as people write it; ``?`` for a side of which nothing was told."""
    if home is None and away is None:
        return ""
    return "-".join("?" if side is None else str(side) for side in (home, away))


def check_dates(*dates: str | None) -> None:
    """Raise UsageError for what is no date."""
    for date in dates:
        try:
            is_date = date is None or datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat() == date
        except ValueError:
            is_date = False
        if not is_date:
            raise UsageError(f"{date!r} is no date; expected YYYY-MM-DD")
