"""``python -m recorder.replay.looping``: the loop over any archive, and what came of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    duration_option,
    say,
)
from recorder.errors import ConfigurationError
from recorder.logs import printable
from recorder.settings.masking import holds_secret

if TYPE_CHECKING:
    from recorder.replay.looping import Compared, Looped


@command
def main(
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            metavar="URL",
            help="The new archive, which is kept; without, one that is gone afterwards.",
        ),
    ] = None,
    chaos: Annotated[int | None, typer.Option("--chaos", metavar="SEED", help="With trouble of this seed.")] = None,
    most: Annotated[float, duration_option("--for", "Give up after so long.")] = "1h",  # type: ignore[assignment]
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "error",
    log_format: LogFormat = "auto",
) -> None:
    """Serve an archive as the vendor would, record that into a new one, compare: 0 when all is the same, else 1."""
    from recorder.replay.looping import loop

    if into is not None and holds_secret(into):
        raise ConfigurationError(
            "a password on the command line shows in `ps`: leave it out of --into and put it into a password file "
            "(~/.pgpass, or ?passfile=FILE) or a service file (?service=NAME)"
        )
    with tempfile.TemporaryDirectory() as directory:
        new = into or f"sqlite:///{Path(directory) / 'again.db'}"
        result = loop(database_url, new, seed=chaos, most_s=most)
    for each in result.compared:
        if not (quiet and each.is_same):
            typer.echo(_line(each))
    if not quiet:
        _sum_up(result)
    if not result.is_same:
        differing = sum(not each.is_same for each in result.compared)
        say(f"not the same: {differing} of {len(result.compared)} streams, as told above")
        raise typer.Exit(1)


def _line(each: Compared) -> str:
    theirs, ours = each.packets
    name = printable(str(each.stream))
    if each.is_same:
        root = (each.roots[1] or b"").hex()
        held = f"{_counted(ours, 'packet')}, content root {root}" if each.is_list else _counted(ours, "message")
        return f"same     {name}: {held}, in {_counted(each.sessions, 'connection')}"
    return "\n".join([f"DIFFERS  {name}: {_counted(theirs, 'packet')} served, {ours} recorded", *_differences(each)])


def _differences(each: Compared) -> list[str]:
    theirs, ours = each.roots
    found = [printable(line) for line in each.damage]
    if each.differs_at is not None:
        found.append(f"position {each.differs_at} is the first that does not hold the same bytes")
    if theirs != ours:
        found.append(f"content root {theirs.hex() if theirs else 'none'}, and {ours.hex() if ours else 'none'}")
    return [f"         {line}" for line in found]


def _sum_up(result: Looped) -> None:
    packets = sum(each.packets[1] for each in result.compared)
    sessions = sum(each.sessions for each in result.compared)
    streams = _counted(len(result.compared), "stream")
    typer.echo(f"{streams}, {_counted(packets, 'packet')}, {_counted(sessions, 'connection')}")
    if result.troubles:
        made = ", ".join(f"{count} {kind}" for kind, count in sorted(result.troubles.items()))
        typer.echo(f"done to the recorder: {made}")
    for doubt in result.doubts:
        typer.echo(f"the recorder's doubts: {doubt}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(main)
    app()
