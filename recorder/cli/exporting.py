"""`recorder export` and `recorder import`: the archive as files, and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Fixtures,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    say,
)
from recorder.cli.reading import check_dates
from recorder.errors import Doubt
from recorder.export.formats import Format

if TYPE_CHECKING:
    from recorder.archive.merging.whole import Merged
    from recorder.export.writing import Done


@command
def export(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The directory; made if it is not there.")],
    fixtures: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    form: Annotated[Format, typer.Option("--format", help="What the files are.")] = Format.PARQUET,
    feed: Annotated[str | None, typer.Option("--feed", help="betting or media; both unless one is said.")] = None,
    sport: Annotated[str | None, typer.Option("--sport")] = None,
    team: Annotated[str | None, typer.Option("--team", help="Part of a team's name.")] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First date (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="YYYY-MM-DD", help="Last date (UTC).")] = None,
    competition: Annotated[str | None, typer.Option("--competition")] = None,
    again: Annotated[bool, typer.Option("--again", help="Write also what has not changed.")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Write matches into a directory of files: what has changed since the last time, whole files only."""
    from recorder.export.selecting import Wanted
    from recorder.export.writing import export as write
    from recorder.query.listing import Filter
    from recorder.query.selecting import check_feed

    check_feed(feed)
    check_dates(since, until)
    wanted = Wanted(fixtures or (), feed, Filter(sport, team, since, until, competition))
    with _progress("exporting streams", quiet) as progress:
        done = write(database_url, to, form, wanted, again=again, processes=os.cpu_count() or 1, progress=progress)
    if not quiet:
        for name in done.removed:
            say(f"{name} was purged from the archive: removed from {to}")
        for name in done.lost:
            say(f"{name} is not whole in {to}, nor in this archive: removed from there")
        say(_told(done, to))
        if not (done.written or done.unchanged):
            say("no recorded fixture is like that")


@command
def import_(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What `recorder export --to` has written.")],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Bring exported matches back, byte for byte: compared by content, nothing overwritten, again as often as you like.

    Exit 65 when a file is not what was exported, 4 when a recording differs from ours: both are kept.
    """
    from recorder.export.bringing import bring

    with _progress("importing streams", quiet) as progress:
        done = bring(directory, database_url, progress=progress)
    if not quiet:
        say(_brought(done))
    if done.clashes or done.new_epochs:
        raise Doubt(
            f"{done.new_epochs} new epoch{_s(done.new_epochs)}, {done.clashes} of recordings that differ from ours: "
            "both are kept; see `recorder status`"
        )


def _told(done: Done, to: Path) -> str:
    rows = f": {done.actions:,} actions, {done.frames:,} frames" if done.written else ""
    unchanged = f"; {done.unchanged} unchanged" if done.unchanged else ""
    return f"{done.written} stream{_s(done.written)} written to {to}{rows}{unchanged}"


def _brought(done: Merged) -> str:
    from recorder.cli.merging import stayed_away

    return f"{done.streams} stream{_s(done.streams)} imported, {done.rows:,} new rows{stayed_away(done)}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


@contextmanager
def _progress(what: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr where somebody watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)
