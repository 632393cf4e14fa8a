"""Where options get their values besides the command line: every one from `RECORDER_*`, and from the settings file.

One pass over the commands as they were built gives each option its variable: nobody writes `envvar=` by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer
from typer.core import TyperGroup, TyperOption

from recorder.cli.options import say
from recorder.errors import RecorderError
from recorder.settings import names
from recorder.settings.known import Known, Setting, Takes

if TYPE_CHECKING:
    from typer._click import Command, Context, Parameter

    from recorder.settings.checking import FromFile

_FROM_FILE = "recorder.settings"


class Settled(TyperGroup):
    """The command line as a whole; its options may be set elsewhere. Its callback has an option ``config``."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.known = known(self)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the settings file before the command's own options are read, for which it has the defaults."""
        rest = super().parse_args(ctx, args)
        if ctx.resilient_parsing:
            self._read_while_typing(ctx)
        elif "--help" not in ctx.args:
            self._read(ctx, is_quiet=bool({"-q", "--quiet"} & {*ctx.args}))
        return rest

    def _read(self, ctx: Context, *, is_quiet: bool) -> None:
        try:
            settle(ctx, self.known)
        except RecorderError as error:
            say(str(error))
            raise typer.Exit(error.exit_code) from None
        for sentence in () if is_quiet else self.known.slips(os.environ).values():
            say(sentence)

    def _read_while_typing(self, ctx: Context) -> None:
        try:
            settle(ctx, self.known)
        except RecorderError:
            return  # nobody reads an error while typing


def settle(ctx: Context, known: Known) -> None:
    """Read the settings file, the named one or the first that is there, and make its values the commands' defaults."""
    from recorder.settings.file import find

    named: Path | None = ctx.params.get("config")
    file = find(named)
    if file is None:
        return
    from recorder.settings.checking import check

    found = check(file, known)
    ctx.meta[_FROM_FILE] = found
    ctx.default_map = found.by_command()


def from_file(ctx: Context) -> FromFile:
    """Return what the settings file of this call says."""
    from recorder.settings.checking import FromFile

    found: FromFile = ctx.meta.get(_FROM_FILE) or FromFile()
    return found


def known(group: TyperGroup) -> Known:
    """Give every option of every command its variable, and return all that may be set."""
    settings, variables = [], {names.TOKEN, names.CONFIG}
    for command, built in leaves(group):
        for parameter in built.params:
            if isinstance(parameter, TyperOption):
                if (setting := _setting(command, parameter)) is not None:
                    settings.append(setting)
            elif isinstance(parameter.envvar, str):
                variables.add(parameter.envvar)
    return Known(tuple(settings), frozenset(variables))


def leaves(group: TyperGroup, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Give every command that does something, with the words it is called by."""
    for word, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from leaves(command, (*above, word))
        else:
            yield (*above, word), command


def long_name(parameter: Parameter) -> str:
    """Return an option's name without dashes: the long one, if it has one."""
    return max(parameter.opts, key=len).lstrip("-")


def _setting(command: tuple[str, ...], option: TyperOption) -> Setting | None:
    """Return an option as a setting, its variable set; None when it is said in each call."""
    name = long_name(option)
    if names.refusal(command, name) is not None:
        option.envvar = None
        return None
    if not isinstance(option.envvar, str):
        option.envvar = names.variable(command, name)
    if option.multiple or option.nargs != 1:
        option.envvar_list_splitter = ","  # type: ignore[misc]  # blanks may be part of a name: Yellow Card
    return Setting(
        command=command,
        option=name,
        parameter=option.name,
        variable=option.envvar,
        takes=_takes(option),
        is_list=option.multiple or option.nargs != 1,
        is_path=_item(option) is Path,
        read=lambda value: coerced(option, value),
    )


def coerced(option: TyperOption, value: Any) -> Any:
    """Return a value as the command gets it; ValueError says what is wrong with it."""
    try:
        return option.get_runtime_param().coerce(value, option, typer.Context(_NO_COMMAND))
    except typer.BadParameter as error:
        raise ValueError(error.message.removeprefix("Value error, ")) from None


def _item(option: TyperOption) -> Any:
    annotation = option.type_descriptor.annotation
    return (get_args(annotation) or (annotation,))[0] if option.multiple else annotation


def _takes(option: TyperOption) -> Takes:
    kinds = {int: Takes.WHOLE, float: Takes.NUMBER, bool: Takes.SWITCH}
    if option.type_descriptor.parameter_info.parser is not None:
        return Takes.DURATION if option.metavar == "DURATION" else Takes.TEXT
    return kinds.get(_item(option), Takes.TEXT)


_NO_COMMAND = TyperGroup(name="recorder")
