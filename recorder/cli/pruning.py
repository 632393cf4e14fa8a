"""`recorder prune`: out of the archive what a lake was proven to hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Fixtures,
    LogFormat,
    LogLevel,
    MovedSpool,
    Quiet,
    SealedAfter,
    Verbose,
    command,
    duration_option,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.errors import DamagedArchive, Doubt

if TYPE_CHECKING:
    from recorder.pruning.pruning import Asked, Judged

_COLUMNS = ("stream", "match", "frames", "actions", "outcome", "why")


@command
def prune(
    lake: Annotated[str, typer.Option("--lake", metavar="URL", help="The lake that has to hold what goes.")],
    older_than: Annotated[
        float, duration_option("--older-than", "Matches whose last connection was closed so long ago, e.g. 90d.")
    ],
    fixtures: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    sealed_after: SealedAfter = "25h",  # type: ignore[assignment]
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else only what would go is listed.")] = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Then have the archive's tables rewritten: the disk gets the room back.")
    ] = False,
    spool: MovedSpool = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Remove from the archive old matches that are over, each checked against the lake just before.

    Lists what would go, unless --yes. What is not in the lake as it is here stays: exit 4; 65 when the lake holds a
    match otherwise than it was published.
    """
    from recorder.archive.spool import spool_directory
    from recorder.export.selecting import Wanted
    from recorder.pruning.pruning import Asked

    directory: Path | None = spool_directory(database_url, spool)
    asked = Asked(database_url, lake, older_than, sealed_after, Wanted(fixtures or ()), directory)
    found = _done(asked, yes=yes, vacuum=vacuum)
    write([_row(one) for one in found], form, _COLUMNS, ("stream_id", *_COLUMNS))
    if not quiet:
        _tell(found, lake, yes=yes)
    _judge(found, lake)


def _done(asked: Asked, *, yes: bool, vacuum: bool) -> list[Judged]:
    from recorder.pruning.pruning import prune as remove
    from recorder.pruning.pruning import would

    return list(remove(asked, rewrite=vacuum) if yes else would(asked))


def _row(one: Judged) -> dict[str, object]:
    return {
        "stream_id": one.stream_id,
        "stream": one.name,
        "match": one.match,
        "frames": one.frames,
        "actions": one.actions,
        "outcome": one.outcome,
        "why": one.why,
    }


def _tell(found: Sequence[Judged], lake: str, *, yes: bool) -> None:
    """Say why what stays does, and what was done."""
    for (outcome, why), count in Counter((one.outcome, one.why) for one in found if one.why).items():
        if outcome != "differs":
            say(f"{_streams(count)} stay{'s' if count == 1 else ''}: {why}")
    count = sum(one.outcome in ("prunable", "pruned") for one in found)
    if yes:
        say(f"{_streams(count)} pruned, whose rows are in {lake}")
    else:
        say(f"nothing was changed: --yes would prune {_streams(count)}, whose rows are in {lake}")


def _judge(found: Sequence[Judged], lake: str) -> None:
    differing = [one for one in found if one.outcome == "differs"]
    if differing:
        raise DamagedArchive(
            f"{_streams(len(differing))} of the lake {lake} not as published, and kept here ({differing[0].name}: "
            f"{differing[0].why}): keep both, and publish the archive into another place"
        )
    unpublished = sum(one.outcome == "unpublished" for one in found)
    if unpublished:
        raise Doubt(f"{_streams(unpublished)} stayed that {lake} lacks as they are now: publish, then prune again")


def _streams(count: int) -> str:
    return f"{count} stream{'' if count == 1 else 's'}"
