"""`recorder config show`: every option of a command, its value, and where that comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from recorder.cli.options import LogFormat, LogLevel, Quiet, Verbose, command, say
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.errors import UsageError

if TYPE_CHECKING:
    from typer._click import Command, Context

    from recorder.settings.known import Setting

app = typer.Typer(no_args_is_help=True, help="The settings: what they are, and where each one comes from.")

_COLUMNS = ("option", "value", "from", "variable")


@app.command()
@command
def show(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="Of which command: run unless one is named.")
    ] = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Show every option of a command as a call without options would have it, and where its value comes from.

    Passwords and the token are never shown. Exit 2 when a value could not be used.
    """
    from recorder.cli.sources import Settled, from_file

    root = context.find_root()
    assert isinstance(root.command, Settled)
    with _asked(root, tuple(words or ("run",))) as asked:
        rows, problems = [], []
        for setting, option in _options(asked, root.command):
            row, problem = _row(asked, setting, option)
            rows.append(row)
            problems += [problem] if problem else []
    write([*rows, *_token_row(rows, os.environ)], form, _COLUMNS, paged=False)
    if not quiet:
        path = from_file(context).path
        say(f"settings file: {path}" if path else f"no settings file; looked for {_places()}")
        told = root.command.known.slips(os.environ)
        for name, sentence in root.command.known.foreign(os.environ).items():
            if name not in told:  # at the start of every command
                say(sentence)
    if problems:
        raise UsageError("; ".join(problems))


def values_of(context: typer.Context, *words: str) -> dict[str, Any]:
    """Return what the environment and the settings file say of a command's options, by the names of its parameters.

    A value that cannot be used is a UsageError.
    """
    from recorder.cli.sources import Settled, coerced

    root, found = context.find_root(), dict[str, Any]()
    if not isinstance(root.command, Settled):
        return found
    with _asked(root, words) as asked:
        for setting, option in _options(asked, root.command):
            value, source = option.consume_value(asked, {})
            if source.name in ("ENVIRONMENT", "DEFAULT_MAP"):
                try:
                    found[option.name or ""] = coerced(option, value)
                except ValueError as error:
                    raise UsageError(f"{setting.option} of `recorder {' '.join(words)}`: {error}") from None
    return found


def _asked(root: Context, words: tuple[str, ...]) -> Context:
    """Return the context in which a command would read its options; UsageError when there is none of that name."""
    context, found = root, root.command
    for word in words:
        below: Mapping[str, Command] = getattr(found, "commands", {})
        if word not in below:
            raise _no_command(words, word, below)
        found = below[word]
        context = typer.Context(found, info_name=word, parent=context, resilient_parsing=True)
    if isinstance(found, TyperGroup):
        raise UsageError(f"`recorder {' '.join(words)}` is several commands; name one: {', '.join(found.commands)}")
    return context


def _no_command(words: tuple[str, ...], word: str, below: Mapping[str, Command]) -> UsageError:
    from recorder.settings.known import nearest

    near = f"; the nearest known one is {nearest(word, below)}" if below else ""
    return UsageError(f"there is no command `recorder {' '.join(words)}`{near}")


def _options(asked: Context, root: Any) -> Iterator[tuple[Setting, TyperOption]]:
    """Give the settings of a command in the order of its help."""
    from recorder.cli.sources import long_name

    words = tuple(asked.command_path.split()[1:])
    settings: Mapping[str, Setting] = root.known.commands.get(words, {})
    for parameter in asked.command.params:
        if isinstance(parameter, TyperOption) and long_name(parameter) in settings:
            yield settings[long_name(parameter)], parameter


def _row(asked: Context, setting: Setting, option: TyperOption) -> tuple[dict[str, Any], str | None]:
    """Return what is shown of an option, and what is wrong with its value if something is."""
    from recorder.cli.sources import coerced, from_file
    from recorder.settings.masking import masked

    value, found = option.consume_value(asked, {})
    given = from_file(asked).given.get(setting)
    where = {
        "ENVIRONMENT": f"environment {setting.variable}",
        "DEFAULT_MAP": f"file {from_file(asked).path}:{given.key if given else ''}",
    }.get(found.name, "not set, required" if option.required else "default")
    problem = None
    try:
        coerced(option, value)
    except ValueError as error:
        problem = f"{where}: {masked(str(error))}"
    shown = None if value is None else masked(_text(value))
    return {"option": f"--{setting.option}", "value": shown, "from": where, "variable": setting.variable}, problem


def _text(value: object) -> str:
    """Return a value as it is written in the file or on the command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple):
        return ",".join(_text(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _token_row(rows: list[dict[str, Any]], environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Say where the token itself would come from, in the order in which it is looked for (`config.TokenSource`)."""
    file = next((row for row in rows if row["option"] == "--token-file"), None)
    if file is None:
        return
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    if file["value"]:
        value, where = "in the token file, hidden", file["from"]
    elif credentials and (Path(credentials) / "recorder-token").exists():
        value, where = "in a file, hidden", f"systemd {Path(credentials) / 'recorder-token'}"
    elif environment.get("RECORDER_TOKEN", "").strip():
        value, where = "set, hidden", "environment RECORDER_TOKEN"
    else:
        value, where = None, "not set"
    yield {"option": "(token)", "value": value, "from": where, "variable": "RECORDER_TOKEN"}


def _places() -> str:
    from recorder.settings.file import places

    return ", ".join(str(place) for place in places())
