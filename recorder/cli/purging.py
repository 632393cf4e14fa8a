"""`recorder purge`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.query.holdings import Holding, Selectors
    from recorder.query.reading import Reader

_COLUMNS = ("feed", "sport", "fixture_id", "channel", "match", "frames", "actions", "bytes", "where")


@command
def purge(
    fixtures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FIXTURE",
            help="Fixtures as in the other commands; feed/sport/id also of one that was never recorded.",
        ),
    ] = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Annotated[str | None, typer.Option("--feed", help="Of this feed alone: betting or media.")] = None,
    competition: Annotated[str | None, typer.Option("--competition", help="Fixtures of this competition.")] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="YYYY-MM-DD", help="Fixtures played before this date (UTC).")
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, kept in the tombstone.")] = "purged",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else only what would go is listed.")] = False,
    lift: Annotated[
        bool, typer.Option("--lift", help="Take the tombstones of these away: they may be recorded again.")
    ] = False,
    no_vacuum: Annotated[
        bool, typer.Option("--no-vacuum", help="Leave it to you to have the archive's tables rewritten.")
    ] = False,
    spool: MovedSpool = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Remove fixtures for good: rows, spool, free pages; a tombstone keeps them from coming back.

    Lists what would go, unless --yes. On Postgres the tables are rewritten (VACUUM FULL): who reads them waits until
    that is done, and recorders go on into their spools.
    """
    from recorder.archive.purging import out_of_reach
    from recorder.archive.purging import purge as remove
    from recorder.archive.spool import spool_directory
    from recorder.query.holdings import Selectors

    selectors = Selectors(tuple(fixtures or ()), feed, competition, before)
    if lift:
        _lift(database_url, selectors)
        return
    if not (selectors.fixtures or competition or before):
        raise UsageError("name what to purge: fixtures, --competition or --before; never everything")
    directory = spool_directory(database_url, spool)
    found = _found(database_url, directory, selectors)
    if not found:
        raise UsageError("nothing that is recorded meets all of these; `recorder fixtures` lists what there is")
    _print(found, form)
    left = []
    if yes:
        ids = [holding.stream.stream_id for holding in found]
        left = remove(database_url, ids, why, spool=directory, vacuum=not no_vacuum)
    for place in left:
        say(f"not reached: {place}")
    if not quiet:
        for place in out_of_reach(database_url, directory):
            say(f"not reached: {place}")
        say(_conclusion(found, done=yes))


def _lift(database_url: str, selectors: Selectors) -> None:
    from recorder.archive.purging import lift
    from recorder.query.holdings import named_streams
    from recorder.query.reading import reading

    if selectors.competition or selectors.before or not selectors.fixtures:
        raise UsageError("--lift needs each fixture's full feed/sport/id: nothing else is known of what was purged")
    streams = {stream for text in selectors.fixtures for stream in named_streams(text, selectors.feed)}
    with reading(database_url):  # never makes a database
        pass
    count = lift(database_url, [stream.stream_id for stream in streams])
    if not count:
        raise UsageError("none of these was purged from this archive")
    say(f"{_streams(count)} may be recorded and brought in again")


def _found(database_url: str, spool: Path | None, selectors: Selectors) -> list[Holding]:
    from recorder.archive.spool import FILE, spool_url
    from recorder.query.holdings import ARCHIVE, holdings
    from recorder.query.reading import reading

    with ExitStack() as stack:
        places: dict[str, Reader] = {ARCHIVE: stack.enter_context(reading(database_url))}
        if spool is not None and (spool / FILE).exists():
            places["spool"] = stack.enter_context(reading(spool_url(spool)))
        return holdings(places, selectors)


def _print(found: Sequence[Holding], form: Format) -> None:
    rows = [
        {
            "stream_id": holding.stream.stream_id,
            "feed": holding.stream.feed,
            "sport": holding.stream.sport,
            "fixture_id": holding.stream.fixture_id,
            "channel": holding.stream.channel,
            "match": holding.match,
            "frames": holding.frames,
            "actions": holding.actions,
            "bytes": holding.size,
            "where": " ".join(holding.where) or ("purged before" if holding.is_purged else "nowhere"),
        }
        for holding in found
    ]
    write(rows, form, _COLUMNS)


def _conclusion(found: Sequence[Holding], *, done: bool) -> str:
    stored = sum(1 for holding in found if holding.where)
    if done:
        return f"{_streams(stored)} removed; {_streams(len(found))} can no longer be recorded, merged or imported"
    return (
        f"nothing was changed: --yes would remove {_streams(stored)} "
        f"and keep {_streams(len(found))} from being recorded, merged or imported"
    )


def _streams(count: int) -> str:
    return f"{count} stream{'' if count == 1 else 's'}"
