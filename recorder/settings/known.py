"""What may be set, as values; and the nearest known name of what may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from recorder.settings import names

_LOOKS_LIKE = 0.8
"""From here on a variable that means nothing to us is taken for a slip of the pen, not for another program's."""


class Takes(StrEnum):
    """What a setting is in TOML, as sentences say it."""

    SWITCH = "true or false"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TEXT = "text in quotes"
    DURATION = 'a duration in quotes, such as "15m"'

    def holds(self, value: object) -> bool:
        """Whether a value out of TOML is of this kind; true and false are no numbers."""
        if isinstance(value, bool) or self is Takes.SWITCH:
            return isinstance(value, bool) and self is Takes.SWITCH
        numbers: Mapping[Takes, tuple[type, ...]] = {Takes.WHOLE: (int,), Takes.NUMBER: (int, float)}
        return isinstance(value, numbers.get(self, (str,)))


@dataclass(frozen=True)
class Setting:
    """One option of one command. ``read`` turns a value of the right kind into the option's, or raises ValueError."""

    command: tuple[str, ...]
    """The words of the command: ``("run",)``, ``("db", "check")``."""
    option: str
    """The option without its dashes: its key in the command's own table."""
    parameter: str
    """What the command's function calls it."""
    variable: str
    takes: Takes
    is_list: bool = False
    is_path: bool = False
    read: Callable[[Any], object] = field(default=lambda value: value, compare=False)

    @property
    def key(self) -> str:
        """Its key at the top of the file, where it is meant for every command that has it."""
        return names.key(self.variable)

    @property
    def expected(self) -> str:
        """What it takes, for a sentence."""
        return f"a list of {self.takes}" if self.is_list else self.takes.value


@dataclass(frozen=True)
class Known:
    """All settings of all commands. ``variables``: names that mean something besides those of the settings."""

    settings: tuple[Setting, ...]
    variables: frozenset[str] = frozenset()

    @cached_property
    def by_key(self) -> Mapping[str, list[Setting]]:
        """Settings by their key at the top of the file."""
        found: dict[str, list[Setting]] = {}
        for setting in self.settings:
            found.setdefault(setting.key, []).append(setting)
        return found

    @cached_property
    def commands(self) -> Mapping[tuple[str, ...], dict[str, Setting]]:
        """Each command's settings by option."""
        found: dict[tuple[str, ...], dict[str, Setting]] = {}
        for setting in self.settings:
            found.setdefault(setting.command, {})[setting.option] = setting
        return found

    @cached_property
    def every_variable(self) -> frozenset[str]:
        """The variables that mean something."""
        return self.variables | {setting.variable for setting in self.settings}

    def words_below(self, command: tuple[str, ...]) -> list[str]:
        """Return what may come next: the commands of all (none given), or of a group."""
        depth = len(command)
        return sorted({each[depth] for each in self.commands if each[:depth] == command and len(each) > depth})

    def foreign(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the ``RECORDER_*`` variables that mean nothing here, each with a sentence; never their values."""
        told = {}
        for name in sorted(environment):
            if name.startswith(names.PREFIX) and name not in self.every_variable and environment[name]:
                refused = names.refused_variables().get(name)
                instead = refused or f"the nearest known one is {nearest(name, self.every_variable)}"
                told[name] = f"{name} in the environment is no setting and is not used: {instead}"
        return told

    def slips(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return those of `foreign` that were probably meant for us."""
        every = self.every_variable
        return {
            name: sentence
            for name, sentence in self.foreign(environment).items()
            if name in names.refused_variables() or _likeness(name, nearest(name, every)) >= _LOOKS_LIKE
        }


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like ``name``; an empty text when none is known."""
    return max(sorted(known), key=lambda each: _likeness(name, each), default="")


def _likeness(one: str, other: str) -> float:
    from difflib import SequenceMatcher

    first, second = (each.removeprefix(names.PREFIX).lower().replace("_", "-") for each in (one, other))
    return SequenceMatcher(None, first, second).ratio()
