"""The command line as a whole: which commands there are. Each one's work is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recorder import __version__
from recorder.cli import (
    auditing,
    checking,
    configuring,
    copying,
    database,
    discovering,
    exporting,
    merging,
    purging,
    reading,
    recording,
    reparsing,
    replaying,
    scheduling,
    serving,
    stats,
    status,
    tailing,
    timeline,
    verifying,
)
from recorder.cli.sources import Settled

app = typer.Typer(
    name="recorder",
    cls=Settled,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_show_locals=False,
    help="Record live sports feeds of IMG Arena / Sportradar without holes, and ask what was known when.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"recorder {__version__}")
        raise typer.Exit


@app.callback()
def _recorder(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="RECORDER_CONFIG", metavar="FILE", help="The settings file (TOML)."),
    ] = None,
) -> None:
    del version, config  # what the file says is the default of the command's options by now: see `sources`


for _function in (
    serving.demo,
    recording.run,
    status.status,
    scheduling.schedule,
    discovering.discover,
    reading.fixtures,
    timeline.timeline,
    tailing.tail,
    reading.frames,
    stats.stats,
    verifying.verify,
    auditing.audit,
    reparsing.reparse,
    exporting.export,
    merging.merge,
    purging.purge,
    copying.backup,
    copying.recover,
    checking.doctor,
    checking.probe,
    replaying.replay,
):
    app.command()(_function)
app.command("import")(exporting.import_)
app.add_typer(database.app, name="db")
app.add_typer(configuring.app, name="config")
