"""`recorder publish`: sealed matches into a lake."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Fixtures,
    LogFormat,
    LogLevel,
    Quiet,
    SealedAfter,
    Verbose,
    command,
    say,
)
from recorder.errors import DamagedArchive, Doubt, UsageError
from recorder.publishing.forms import Form

if TYPE_CHECKING:
    from recorder.export.selecting import Wanted
    from recorder.publishing.publishing import Done

_TOLD = 20
"""Streams that are named one by one."""


@command
def publish(
    to: Annotated[str, typer.Option("--to", metavar="URL", help="A folder, or s3://bucket/prefix.")],
    fixtures: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    form: Annotated[
        Form | None, typer.Option("--format", help="Of a new lake: Delta tables, unless plain Parquet is asked for.")
    ] = None,
    sealed_after: SealedAfter = "25h",  # type: ignore[assignment]
    compact: Annotated[bool, typer.Option("--compact", help="Then make few files of many.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Publish nothing: prove that the lake holds what the archive does.")
    ] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Publish matches that are over into a lake of Delta tables or Parquet, each exactly once.

    With --check: exit 65 when the lake holds a match otherwise than the archive, 4 when it lacks one.
    """
    from recorder.export.selecting import Wanted
    from recorder.publishing.publishing import publish as bring

    if check and (compact or form is not None):
        raise UsageError("--check publishes nothing: leave --compact and --format away")
    wanted = Wanted(fixtures or ())
    if check:
        _check(database_url, to, wanted, sealed_after, quiet)
        return
    with _progress(quiet) as progress:
        done = bring(database_url, to, form, wanted, deadline_s=sealed_after, compact=compact, progress=progress)
    if not quiet:
        say(_told(done, to))


def _told(done: Done, to: str) -> str:
    parts = [f"{done.written} stream{_s(done.written)} published to {to}", f"{done.unchanged} unchanged"]
    if done.open:
        parts.append(f"{done.open} not sealed yet")
    if done.removed:
        parts.append(f"{len(done.removed)} purged from the archive removed: their files go with --compact, in a week")
    return "; ".join(parts)


def _check(database_url: str, to: str, wanted: Wanted, sealed_after: float, quiet: bool) -> None:
    from recorder.publishing.checking import check
    from recorder.publishing.keeping import check_pruned

    found = list(check(database_url, to, wanted, deadline_s=sealed_after))
    pruned = list(check_pruned(database_url, to, wanted.fixtures))
    lost = [one for one in pruned if one.verdict == "differs"]
    differing = [one for one in found if one.verdict == "differs"]
    behind = [one for one in found if one.verdict in ("older", "missing")]
    if not quiet:
        for one in [*lost, *differing, *behind][:_TOLD]:
            say(f"{one.name}: {one.detail or _WORDS[one.verdict]}")
        say(f"{len(found) - len(differing) - len(behind)} of {len(found)} sealed streams are in {to} as in the archive")
        if pruned:
            say(f"{len(pruned) - len(lost)} of {len(pruned)} pruned streams are in {to} as they were")
    if lost:
        raise DamagedArchive(
            f"{len(lost)} stream{_s(len(lost))} pruned from the archive, and not in {to} as then: restore a copy of it"
        )
    if differing:
        raise DamagedArchive(
            f"{len(differing)} stream{_s(len(differing))} of the lake {to} are not what was published: keep both, and "
            "publish the archive into another place"
        )
    if behind:
        raise Doubt(f"{len(behind)} sealed stream{_s(len(behind))} are not in {to} as they are now: publish again")


_WORDS = {"older": "the archive has more of it since", "missing": "not published yet"}


def _s(count: int) -> str:
    return "" if count == 1 else "s"


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr where somebody watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("publishing streams"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)
