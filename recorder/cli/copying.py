"""`recorder backup` and `recorder recover`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
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
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.errors import Doubt

if TYPE_CHECKING:
    from recorder.salvage.losses import Loss, Outcome

_COLUMNS = ("what", "table", "stream", "epoch", "session_id", "first", "last", "count", "detail")


class CopyFormat(StrEnum):
    """How a backup is told: by its path alone, or with what is in it."""

    PATH = "path"
    JSON = "json"


@command
def backup(
    destination: Annotated[
        Path,
        typer.Argument(metavar="DEST", help="A new file, or a directory: recorder-<UTC>.db in it."),
    ],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    form: Annotated[CopyFormat, typer.Option("--format", help="How to print what was made.")] = CopyFormat.PATH,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Copy the archive as it is now, while it is recorded, into one SQLite file that was read back whole."""
    from recorder.salvage.backing_up import back_up

    path, proof = back_up(database_url, destination, datetime.now(UTC))
    if form is CopyFormat.JSON:
        told = {"path": str(path), "streams": proof.streams, "frames": proof.frames, "actions": proof.actions}
        typer.echo(json.dumps(told | {"roots": proof.roots}, indent=2))
    else:
        typer.echo(path)
    if not quiet:
        counts = f"{proof.streams:,} streams, {proof.frames:,} frames, {proof.actions:,} actions"
        say(f"the copy holds {counts}, and was read back whole")


@command
def recover(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The damaged SQLite archive; it stays as it is.")],
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="The new archive, a file that is not there yet.")],
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Save what can be saved of a damaged SQLite archive into a new one, and tell what could not.

    Exit 0 when everything was saved, 4 when not all was, 65 when nothing could be.
    """
    from recorder import clock
    from recorder.salvage.recovering import recover as save

    outcome = save(source, destination, clock.wall_us())
    if outcome.losses or form is not Format.TABLE:
        write(map(_row, outcome.losses), form, _COLUMNS)
    _tell(outcome, destination, quiet=quiet)


def _row(loss: Loss) -> dict[str, Any]:
    return {name: asdict(loss)[name] for name in _COLUMNS}


def _tell(outcome: Outcome, destination: Path, *, quiet: bool) -> None:
    for note in () if quiet else outcome.notes:
        say(f"note: {note}")
    counts = ", ".join(f"{outcome.saved[f'{table}']:,} {table}s" for table in ("stream", "frame", "action"))
    if not outcome.is_whole:
        lost = outcome.count("lost", "action"), outcome.count("lost", "frame")
        raise Doubt(
            f"{destination.absolute()} holds {counts}, and they verify; known to be lost: actions {lost[0]:,}, "
            f"frames at least {lost[1]:,}, all told above: keep the damaged file; where a backup has "
            "these matches whole, merge what was saved into a copy of it (`recorder merge`), else record them again"
        )
    if not quiet:
        say(f"everything was saved: {destination.absolute()} holds {counts}, and they verify")
