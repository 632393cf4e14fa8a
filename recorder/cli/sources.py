"""Where options get their values besides the command line: every one from `RECORDER_*`, and from the settings file.

Each command's options get their variables when it is built: nobody writes `envvar=` by hand. What all commands take is
looked up, and so all are built, only when there is a settings file, or a variable that the called one does not take.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer
from typer.core import TyperGroup, TyperOption

from recorder.errors import RecorderError
from recorder.settings import names
from recorder.settings.known import Known, Setting, Takes

if TYPE_CHECKING:
    from typer._click import Command, Context, Parameter

    from recorder.settings.checking import FromFile

_FROM_FILE = "recorder.settings"


class Settled(TyperGroup):
    """The command line as a whole; its options may be set elsewhere. Its callback has an option ``config``."""

    @cached_property
    def known(self) -> Known:
        """All that may be set in any command."""
        return known(self)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the settings file before the command's own options are read, for which it has the defaults."""
        rest = super().parse_args(ctx, args)
        if ctx.resilient_parsing:
            self._read_while_typing(ctx)
        elif "--help" not in ctx.args:
            self._read(ctx)
        return rest

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Tell of variables that were probably meant for us, now that it is known which command was called."""
        word, command, rest = super().resolve_command(ctx, args)
        if word is not None and command is not None and not {"-q", "--quiet", "--help"} & {*rest}:
            self._tell_slips(known(command, (word,)))
        return word, command, rest

    def _read(self, ctx: Context) -> None:
        try:
            settle(ctx, self)
        except RecorderError as error:
            from recorder.cli.options import say

            say(str(error))
            raise typer.Exit(error.exit_code) from None

    def _tell_slips(self, called: Known) -> None:
        if all(name in called.every_variable for name in os.environ if name.startswith(names.PREFIX)):
            return  # else all commands are looked through
        from recorder.cli.options import say

        for sentence in self.known.slips(os.environ).values():
            say(sentence)

    def _read_while_typing(self, ctx: Context) -> None:
        try:
            settle(ctx, self)
        except RecorderError:
            return  # nobody reads an error while typing


def settle(ctx: Context, commands: Settled) -> None:
    """Read the settings file, the named one or the first that is there, and make its values the commands' defaults."""
    from recorder.settings.file import find

    named: Path | None = ctx.params.get("config")
    file = find(named)
    if file is None:
        return
    from recorder.settings.checking import check

    found = check(file, commands.known)
    ctx.meta[_FROM_FILE] = found
    ctx.default_map = found.by_command()


def from_file(ctx: Context) -> FromFile:
    """Return what the settings file of this call says."""
    from recorder.settings.checking import FromFile

    found: FromFile = ctx.meta.get(_FROM_FILE) or FromFile()
    return found


def name_variables(command: Command, words: tuple[str, ...]) -> None:
    """Give every option of a command, which is called by ``words``, its variable; of several commands: of each."""
    for called, each in leaves(command, words):
        for option in each.params:
            if isinstance(option, TyperOption):
                _name_variable(called, option)


def _name_variable(command: tuple[str, ...], option: TyperOption) -> None:
    name = long_name(option)
    if names.refusal(command, name) is not None:
        option.envvar = None  # it is said in each call
    elif not isinstance(option.envvar, str):
        option.envvar = names.variable(command, name)
    if option.multiple or option.nargs != 1:
        option.envvar_list_splitter = ","  # type: ignore[misc]  # blanks may be part of a name: Yellow Card


def known(command: Command, words: tuple[str, ...] = ()) -> Known:
    """Return all that may be set in a command, or in several, once `name_variables` has named it."""
    settings, variables = [], {names.TOKEN, names.CONFIG}
    for called, each in leaves(command, words):
        for parameter in each.params:
            if not isinstance(parameter.envvar, str):
                continue
            if isinstance(parameter, TyperOption):
                settings.append(_setting(called, parameter, parameter.envvar))
            else:
                variables.add(parameter.envvar)
    return Known(tuple(settings), frozenset(variables))


def leaves(command: Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Give every command that does something, with the words it is called by; ``words``: those of the given one."""
    if not isinstance(command, TyperGroup):
        yield words, command
        return
    for word, below in command.commands.items():
        yield from leaves(below, (*words, word))


def long_name(parameter: Parameter) -> str:
    """Return an option's name without dashes: the long one, if it has one."""
    return max(parameter.opts, key=len).lstrip("-")


def _setting(command: tuple[str, ...], option: TyperOption, variable: str) -> Setting:
    return Setting(
        command=command,
        option=long_name(option),
        parameter=option.name,
        variable=variable,
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
