"""The command line as a whole: which commands there are. Each one is imported when it is called or shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_group

from recorder import __version__
from recorder.cli.sources import Settled, name_variables

if TYPE_CHECKING:
    from typer._click import Command

COMMANDS = {
    "demo": "serving.demo",
    "run": "recording.run",
    "status": "status.status",
    "schedule": "scheduling.schedule",
    "discover": "discovering.discover",
    "fixtures": "reading.fixtures",
    "timeline": "timeline.timeline",
    "tail": "tailing.tail",
    "frames": "reading.frames",
    "serve": "web.serve",
    "page": "web.page",
    "stats": "stats.stats",
    "verify": "verifying.verify",
    "audit": "auditing.audit",
    "reparse": "reparsing.reparse",
    "export": "exporting.export",
    "publish": "publishing.publish",
    "prune": "pruning.prune",
    "merge": "merging.merge",
    "purge": "purging.purge",
    "backup": "copying.backup",
    "recover": "copying.recover",
    "doctor": "checking.doctor",
    "probe": "checking.probe",
    "replay": "replaying.replay",
    "import": "exporting.import_",
    "db": "database.app",
    "config": "configuring.app",
}
"""Each command, in the order of the help: its module in this room, and the function, or the Typer of several."""


class Commands(Mapping[str, "Command"]):
    """Each command by its word; it is built, and its module imported, when it is asked for."""

    def __init__(self) -> None:
        self._built: dict[str, Command] = {}

    def __getitem__(self, word: str) -> Command:
        if word not in self._built:
            self._built[word] = _build(word, *COMMANDS[word].split("."))
        return self._built[word]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _build(word: str, module: str, name: str) -> Command:
    found = getattr(import_module(f"recorder.cli.{module}"), name)
    only = typer.Typer()
    if isinstance(found, typer.Typer):
        only.add_typer(found, name=word)
    else:
        only.command(word)(found)
    command = get_group(only).commands[word]
    name_variables(command, (word,))
    return command


class _Recorder(Settled):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": Commands()})


app = typer.Typer(
    name="recorder",
    cls=_Recorder,
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
