"""`recorder status`: how every stream stands, and what has not arrived in Postgres yet."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli.options import DEFAULT_DATABASE, DatabaseUrl, Quiet, Verbose, command, duration_option, say
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption, match_of, score_of
from recorder.errors import DatabaseAway, Doubt
from recorder.model import moment_text
from recorder.signals import until_asked

if TYPE_CHECKING:
    from recorder.query.backlog import Backlog
    from recorder.query.listing import Standing

_AGAIN_S = 2.0
_COLUMNS = ("state", "feed", "sport", "match", "score", "actions", "last_action_at", "lag", "gaps", "open_session")


@command
def status(
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    form: FormatOption = Format.TABLE,
    watch: Annotated[bool, typer.Option("--watch", help="Print anew every 2 seconds.")] = False,
    max_lag: Annotated[
        float | None, duration_option("--max-lag", "Exit 4 when nothing has come for longer, e.g. 60s.")
    ] = None,
    spool: Annotated[
        Path | None, typer.Option("--spool", metavar="DIR", help="This machine's spool, if it was moved.")
    ] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Show every stream: state, stored actions, last action, lag, gaps, open session; with Postgres the backlog too."""
    standings: Sequence[Standing] = ()
    away: DatabaseAway | None = None
    with until_asked() if watch else nullcontext():
        while True:
            standings, waiting, away = _look(database_url, spool)
            _print(standings, waiting, form, watch=watch)
            if not watch:
                break
            if away is not None:
                say(f"{away}; this is what the spool of this machine holds")
            time.sleep(_AGAIN_S)
    if away is not None:
        raise DatabaseAway(f"{away}; this is what the spool of this machine holds")
    late = [standing for standing in standings if max_lag is not None and (standing.lag_s or 0.0) > max_lag]
    if late:
        raise Doubt(f"{len(late)} streams have been silent for more than {max_lag:g} s; look at their recorder")


def _look(database_url: str, spool: Path | None) -> tuple[Sequence[Standing], Sequence[Backlog], DatabaseAway | None]:
    """Return how the streams stand, what waits on this machine, and why Postgres could not be asked."""
    from recorder.archive.spool import FILE, spool_directory, spool_url
    from recorder.query.backlog import backlog
    from recorder.query.listing import status as ask
    from recorder.query.reading import reading

    directory = spool_directory(database_url, spool)
    local = None if directory is None or not (directory / FILE).exists() else spool_url(directory)
    waiting = [] if local is None else [each for each in backlog(local, database_url) if each.missing]
    try:
        with reading(database_url) as reader:
            return ask(reader), waiting, None
    except DatabaseAway as error:
        if local is None:
            raise
        with reading(local) as reader:
            return ask(reader), waiting, error


def _print(standings: Sequence[Standing], waiting: Sequence[Backlog], form: Format, *, watch: bool) -> None:
    if watch and sys.stdout.isatty():
        sys.stdout.write("\x1b[H\x1b[2J")
    missing: Mapping[int, int] = {each.stream_id: each.missing for each in waiting}
    rows = [
        {
            **standing.stream._mapping,
            "match": match_of(standing.stream),
            "score": score_of(standing.stream),
            "last_action_at": standing.last_action_at,
            "open_session": standing.open_session,
            "lag_s": standing.lag_s,
            "lag": "" if standing.lag_s is None else f"{standing.lag_s:.0f} s",
            "backlog": missing.get(standing.stream.stream_id, 0),
        }
        for standing in standings
    ]
    write(rows, form, (*_COLUMNS, "backlog") if waiting else _COLUMNS, paged=not watch)
    sys.stdout.flush()  # with --watch somebody may be waiting at the other end of a pipe
    for standing in standings:
        for gap in standing.open_gaps:
            say(f"{standing.stream.fixture_id}: open gap {gap.cause}: {gap.detail}")
    if waiting:
        since = min(each.since_us for each in waiting if each.since_us is not None)
        say(
            f"backlog: {sum(missing.values())} frames of {len(waiting)} streams are in the spool of this machine and "
            f"not in Postgres yet, the oldest received at {moment_text(since)}"
        )
