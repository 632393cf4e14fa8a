"""The commands that read matches: fixtures, timeline, frames."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Feed,
    Fixture,
    Quiet,
    Verbose,
    command,
    say,
)
from recorder.cli.output import Format, write
from recorder.errors import UsageError
from recorder.model import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recorder.query.timelines import Known, Question

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
) -> None:
    """List the matches that the archive holds."""
    from recorder.query import listing
    from recorder.query.reading import reading

    for date in (since, until):
        _check_date(date)
    with reading(database_url) as reader:
        rows = listing.fixtures(reader, listing.Filter(sport, team, since, until, competition))
    shown = [
        {**row._mapping, "match": match_of(row), "score": score_of(row), "date": (row.first_occurred_at or "")[:10]}
        for row in rows
    ]
    write(shown, form, ("date", "sport", "match", "score", "state", "actions", "gaps", "feeds", "fixture_id"))


@command
def timeline(
    fixture: Fixture,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Feed = None,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As we knew it then (RFC 3339).")] = None,
    as_of_position: Annotated[int | None, typer.Option("--as-of-position", min=0, help="After this action.")] = None,
    revisions: Annotated[bool, typer.Option("--revisions", help="Every action as sent, by position.")] = False,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only these types; repeatable.")] = None,
    team: Annotated[str | None, typer.Option("--team", help="home, away or a name.")] = None,
    period: Annotated[int | None, typer.Option("--period")] = None,
    zone: Annotated[str, typer.Option("--tz", help="Zone of the times in the table, e.g. Europe/Paris.")] = "UTC",
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Print a match: each action once, as it stands."""
    from recorder.query import timelines
    from recorder.query.doubts import gaps
    from recorder.query.reading import reading
    from recorder.query.selecting import select_stream

    tz = _zone(zone)
    with reading(database_url) as reader:
        stream, note = select_stream(reader, fixture, feed)
        question = timelines.Question(
            stream_id=stream.stream_id,
            as_of_us=_moment(as_of) if as_of is not None else None,
            as_of_position=as_of_position,
            revisions=revisions,
            types=tuple(types or ()),
            team=team,
            period=period,
        )
        rows = timelines.timeline(reader, question)
        known = timelines.known(reader, question) if form is Format.TABLE and not quiet else None
        missing = gaps(reader, stream.stream_id, question.as_of_us) if known is not None else []
    if note:
        say(note)
    columns = ("position", "send_type") if revisions else ("ordinal",)
    found = [dict(row._mapping) for row in rows]
    shown = [_timeline_row(row, tz) for row in found] if form is Format.TABLE else found
    write(shown, form, (*columns, "period", "clock", "team", "type", "player", "score", "state", "at"))
    for line in _gap_lines(missing):
        say(line)
    if known is not None:
        say(_closing_line(stream, question, known, as_of))


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
) -> None:
    """Print the stored messages, byte for byte, in position order."""
    from recorder.query.frames import frames as ask
    from recorder.query.reading import reading
    from recorder.query.selecting import select_stream

    with reading(database_url) as reader:
        stream, note = select_stream(reader, fixture, feed)
        if note:
            say(note)
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


def _gap_lines(gaps: Sequence[Any]) -> Iterator[str]:
    """Say where something may be missing, and sum up what turned out to be complete, or was the vendor's own."""
    closed = Counter(gap.cause for gap in gaps if gap.resolved_at is not None)
    if closed:
        told = ", ".join(f"{cause} {count}" for cause, count in sorted(closed.items()))
        yield f"gaps closed since: {told}; when and why: the view `gaps`"
    for gap in gaps:
        if gap.resolved_at is None:
            whose = "open gap" if gap.ours else "open gap of the vendor's"
            yield f"{whose} {gap.cause}, from {gap.from_time}{_behind(gap)}: {gap.detail}"


def _behind(gap: Any) -> str:
    """Say behind which action a gap is, where it is known."""
    return "" if not gap.from_position else f" behind position {gap.from_position - 1}"


def _closing_line(stream: Any, question: Question, known: Known, as_of: str | None) -> str:
    """Say where the match stands; of an earlier moment, where it stood as far as was known then."""
    moments = []
    if as_of is not None:
        moments.append(f"at {as_of}")
    if question.as_of_position is not None:
        moments.append(f"after the action at position {question.as_of_position}")
    if not moments or not stream.actions:
        stored = f"{stream.actions} actions stored, {stream.gaps} open gaps"
        return f"{match_of(stream)} {score_of(stream)}, {stream.state}; {stored}"
    if not known.actions:
        first = stream.first_received_at
        what = "nothing" if (question.as_of_us or 0) < microseconds(first) else "no action"
        return f"{match_of(stream)}: {what} had been received by {as_of}; the archive's first message is of {first}"
    plural = "" if known.actions == 1 else "s"
    counted = f"{known.actions} action{plural} of the {stream.actions} stored now"
    return f"{match_of(stream)} {score_of(known)}, as known {' and '.join(moments)}: {counted}"


def _timeline_row(row: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
    at = row["occurred_at"] or row["received_at"]
    moment = datetime.fromisoformat(at).astimezone(zone)
    pending = (row["send_type"] or "").lower() == "pending"
    return {
        **row,
        "score": "" if row["home_score"] is None else f"{row['home_score']}-{row['away_score']}",
        "state": "pending" if pending else "unreadable" if row["type"] is None and row["parse_error"] else "",
        "at": f"{moment:%Y-%m-%d %H:%M:%S}",
    }


def match_of(row: Any) -> str:
    """Return what a person calls a match: its teams, else what the list says, else its id."""
    if row.home_team and row.away_team:
        return f"{row.home_team} - {row.away_team}"
    return str(row.label or row.fixture_id)


def score_of(row: Any) -> str:
    """Return the score as people write it; empty when none was told."""
    return "" if row.home_score is None else f"{row.home_score}-{row.away_score}"


def _check_date(date: str | None) -> None:
    try:
        if date is not None and datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat() == date:
            return
    except ValueError:
        pass
    if date is not None:
        raise UsageError(f"{date!r} is no date; expected YYYY-MM-DD")


def _moment(text: str) -> int:
    """Return a moment in microseconds UTC."""
    try:
        return microseconds(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time; expected e.g. 2016-06-10T19:02:00Z") from None


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(f"there is no time zone {name!r}; expected e.g. Europe/Paris") from None
