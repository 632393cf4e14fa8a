"""`recorder status`: how every stream stands, and what has not arrived in Postgres yet."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    LogFormat,
    LogLevel,
    MovedSpool,
    Quiet,
    Verbose,
    command,
    duration_option,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption, match_of, score_of
from recorder.cli.screen import span
from recorder.errors import DatabaseAway, Doubt
from recorder.model import moment_text
from recorder.signals import until_asked

if TYPE_CHECKING:
    from recorder.fixtures import Entry
    from recorder.query.backlog import Backlog
    from recorder.query.listing import Standing
    from recorder.query.looking import Look

_AGAIN_S = 2.0
_COLUMNS = ("state", "feed", "sport", "match", "score", "actions", "last_action_at", "lag", "gaps", "open_session")


@command
def status(
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    form: FormatOption = Format.TABLE,
    watch: Annotated[
        bool, typer.Option("--watch", help="Live, until q or Ctrl-C; into a pipe: print anew every 2 seconds.")
    ] = False,
    max_lag: Annotated[
        float | None,
        duration_option("--max-lag", "Exit 4 when nothing has come for longer that should have, e.g. 60s."),
    ] = None,
    expect: Annotated[
        Path | None,
        typer.Option(
            "--expect", metavar="FILE", help="For --max-lag: the streams of this fixture list count, and no others."
        ),
    ] = None,
    spool: MovedSpool = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Show every stream: state, stored actions, last action, lag, gaps, open session; with Postgres the backlog too."""
    from recorder.query.looking import look

    if watch:
        with until_asked():
            _watch(partial(look, database_url, spool), database_url, form, max_lag)
        return
    seen = look(database_url, spool)
    if not (quiet and max_lag is not None and form is Format.TABLE):
        _print(seen, form)
    if not quiet:
        _tell(seen)
    if seen.away is not None:
        raise DatabaseAway(f"{seen.away}; this is what the spool of this machine holds")
    if max_lag is not None:
        _check(seen, max_lag, expect, quiet=quiet)


def _watch(look: Callable[[], Look], database_url: str, form: Format, max_lag: float | None) -> None:
    from recorder.archive.dialect import parse_url

    if form is Format.TABLE and sys.stdout.isatty():
        from recorder.cli import watching

        url, dialect = parse_url(database_url)
        watching.watch(look, dialect.place(url), max_lag)
        return
    while True:
        seen = look()
        _print(seen, form)
        _tell(seen)
        if seen.away is not None:
            say(f"{seen.away}; this is what the spool of this machine holds")
        time.sleep(_AGAIN_S)


def verdict(standings: Sequence[Standing], max_lag_s: float, unknown: Sequence[Entry] = ()) -> tuple[bool, str]:
    """Return whether every stream that should talk has been heard within ``max_lag_s`` seconds, and one line on it.

    ``unknown``: streams that are due and not in the archive.
    """
    silent = sorted((each for each in standings if each.lag_s is not None), key=lambda each: -(each.lag_s or 0.0))
    late = [each for each in silent if (each.lag_s or 0.0) > max_lag_s]
    if unknown:
        also = f", and {len(late)} of the others have been silent for more than {max_lag_s:g} s" if late else ""
        first = unknown[0].label or unknown[0].stream
        return False, (
            f"{_streams(len(unknown))} of the list should be recorded by now and the archive knows nothing of them, "
            f"the first: {first}{also}; is a recorder running with this list?"
        )
    if late:
        longest = late[0]
        dialled = f"last dialled at {longest.dialled_at}" if longest.dialled_at else "never dialled"
        return False, (
            f"{_streams(len(late))} {'has' if len(late) == 1 else 'have'} been silent for more than {max_lag_s:g} s, "
            f"longest {match_of(longest.stream)} for {span(longest.lag_s or 0.0)} ({dialled}); look at their recorder"
        )
    starts = [each.next_start for each in standings if each.next_start is not None]
    ahead = f"; {len(starts)} to come, the next at {min(starts)}" if starts else ""
    if not silent:
        return True, f"nothing is expected now of {_streams(len(standings))}{ahead}"
    talk = f"{_streams(len(silent))} {'talks' if len(silent) == 1 else 'talk'}"
    return True, f"{talk}, none was silent for more than {span(silent[0].lag_s or 0.0)}{ahead}"


def _streams(count: int) -> str:
    return f"{count} stream{'' if count == 1 else 's'}"


def _check(seen: Look, max_lag_s: float, expect: Path | None, *, quiet: bool) -> None:
    if expect is None:
        is_well, line = verdict(seen.standings, max_lag_s)
    else:
        from recorder.fixtures import read_list

        is_well, line = verdict_on(read_list(str(expect))[0], seen, max_lag_s)
    if not is_well:
        raise Doubt(line)
    if quiet:  # the line is all that was asked for
        typer.echo(line)
    else:
        say(line)


def verdict_on(entries: Sequence[Entry], seen: Look, max_lag_s: float) -> tuple[bool, str]:
    """Return the verdict on the streams of a list; what no recorder has begun with, though it is due, is late too."""
    wanted = {entry.stream.stream_id for entry in entries}
    standings = [each for each in seen.standings if each.stream.stream_id in wanted]
    known = {each.stream.stream_id for each in standings}
    due_us = seen.at_us - max_lag_s * 1e6
    unknown = [entry for entry in entries if entry.stream.stream_id not in known and (entry.starts_us or 0) < due_us]
    return verdict(standings, max_lag_s, unknown)


def _print(seen: Look, form: Format) -> None:
    missing = {each.stream_id: each.missing for each in seen.waiting}
    rows = [_row(standing, missing) for standing in seen.standings]
    extra = {
        "actions_last_minute": any(standing.stream.state == "recording" for standing in seen.standings),
        "next_start": any(standing.next_start for standing in seen.standings),
        "backlog": bool(missing),
    }
    if form is Format.TABLE:
        rows = [_for_eyes(row) for row in rows]
    write(rows, form, (*_COLUMNS, *(name for name, is_shown in extra.items() if is_shown)))
    sys.stdout.flush()  # with --watch somebody may be waiting at the other end of a pipe


def _for_eyes(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with times to the second, and the lag in words."""
    lag_s = row["lag_s"]
    times = {
        name: (row[name] or "")[:19].replace("T", " ") for name in ("last_action_at", "open_session", "next_start")
    }
    return row | times | {"lag": "" if lag_s is None else span(lag_s)}


def _row(standing: Standing, missing: Mapping[int, int]) -> dict[str, Any]:
    from recorder.query.rows import StreamRow, kinds

    stream = standing.stream
    return {
        **{name: stream._mapping[name] for name in kinds(StreamRow)},
        "match": match_of(stream),
        "score": score_of(stream),
        "last_action_at": standing.last_action_at,
        "open_session": standing.open_session,
        "lag_s": standing.lag_s,
        "lag": "" if standing.lag_s is None else f"{standing.lag_s:.0f} s",
        "backlog": missing.get(stream.stream_id, 0),
        "starts_at": standing.starts_at,
        "next_start": standing.next_start,
        "dialled_at": standing.dialled_at,
        "messages": standing.messages,
        "actions_last_minute": standing.actions_last_minute,
        "pruned_to": standing.moved.to.lake if standing.moved else None,
        "pruned_at": standing.moved.at if standing.moved else None,
    }


def _tell(seen: Look) -> None:
    """Spell out the open gaps, what was moved into a lake, and what waits for Postgres."""
    for standing in seen.standings:
        for gap in standing.open_gaps:
            say(f"{standing.stream.fixture_id}: open gap {gap.cause}: {gap.detail}")
    pruned = Counter(standing.moved.to.lake for standing in seen.standings if standing.moved is not None)
    for lake, count in sorted(pruned.items()):
        say(f"{_streams(count)} pruned into {lake}: `recorder timeline FIXTURE --lake {lake}` shows them")
    if seen.waiting:
        say(_backlog(seen.waiting))


def _backlog(waiting: Sequence[Backlog]) -> str:
    since = min(each.since_us for each in waiting if each.since_us is not None)
    return (
        f"backlog: {sum(each.missing for each in waiting)} frames of {len(waiting)} streams are in the spool of this "
        f"machine and not in Postgres yet, the oldest received at {moment_text(since)}"
    )
