"""`recorder merge`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    refuse_password,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.errors import Doubt

if TYPE_CHECKING:
    from recorder.archive.merging.whole import Merged


@command
def merge(
    source_url: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE_URL",
            envvar="RECORDER_SOURCE_URL",
            callback=refuse_password,
            help="The archive whose streams are brought in.",
        ),
    ],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    fixture: Annotated[
        list[str] | None, typer.Option("--fixture", help="Only the streams of this fixture (may be repeated).")
    ] = None,
    only_report: Annotated[
        bool, typer.Option("--report", help="Change nothing: tell where the two differ, and who was first.")
    ] = False,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Bring another archive's streams in: compared by content, nothing overwritten, again as often as you like.

    Exit 4 when a recording differs from ours: both are kept, see `recorder status`.
    """
    if only_report:
        _report(source_url, database_url, fixture or [], form)
        return
    from recorder.archive.merging.whole import merge as bring

    with _progress(quiet) as progress:
        done = bring(source_url, database_url, fixtures=fixture, progress=progress)
    if not quiet:
        say(_told(done))
    if done.clashes or done.new_epochs:
        raise Doubt(
            f"{done.new_epochs} new epoch{_s(done.new_epochs)}, {done.clashes} of recordings that differ from ours: "
            "both are kept; see `recorder status`, or compare the two with `recorder merge --report`"
        )


def _told(done: Merged) -> str:
    return f"{done.streams} stream{_s(done.streams)} merged, {done.rows:,} new rows{stayed_away(done)}"


def stayed_away(done: Merged) -> str:
    """Return what of a merge was not brought, to be put behind what was."""
    counts = {"purged": done.purged, "pruned": done.pruned}
    return "".join(f"; {count} {how} here stayed away" for how, count in counts.items() if count)


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _report(source_url: str, database_url: str, fixtures: list[str], form: Format) -> None:
    from recorder.archive.merging.report import COLUMNS, DIFFERENT, TABLE, report

    different = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal different
        for row in report(source_url, database_url, fixtures):
            different += row["verdict"] == DIFFERENT
            yield row

    write(rows(), form, TABLE, COLUMNS)
    if different:
        raise Doubt(f"{different} stream{_s(different)} recorded differently; `recorder merge` would keep both")


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr where somebody watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("merging streams"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)
