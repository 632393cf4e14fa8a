"""What a settings file says, for each command; or all that is wrong with it, at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder.errors import ConfigurationError
from recorder.settings.file import File
from recorder.settings.known import Known, Setting, nearest
from recorder.settings.masking import masked
from recorder.settings.names import refusal

_SHOWN = 60


@dataclass(frozen=True)
class Given:
    """A value out of the file. ``key`` is where: ``linger``, ``run.linger``."""

    value: object
    key: str


@dataclass(frozen=True)
class FromFile:
    """What a file says; ``path`` is None when there is none."""

    path: Path | None = None
    given: Mapping[Setting, Given] = field(default_factory=dict)

    def by_command(self) -> dict[str, Any]:
        """Return the values as tables within tables: by the words of the command, then by parameter."""
        tables: dict[str, Any] = {}
        for setting, given in self.given.items():
            table = tables
            for word in setting.command:
                table = table.setdefault(word, {})
            table[setting.parameter] = given.value
        return tables


def check(file: File, known: Known) -> FromFile:
    """Return what the file says; ConfigurationError names every key that cannot be used, and why."""
    reading = _Reading(known)
    reading.top(file.values)
    if reading.problems:
        raise ConfigurationError(_sentence(file.path, reading.problems))
    return FromFile(file.path, reading.given)


def _sentence(path: Path, problems: list[str]) -> str:
    if len(problems) == 1:
        return f"settings file {path}: {problems[0]}"
    lines = "\n".join(f"  {problem}" for problem in problems)
    return f"settings file {path}: {len(problems)} keys cannot be used; mend them and run again:\n{lines}"


class _Reading:
    def __init__(self, known: Known) -> None:
        self._known = known
        self.given: dict[Setting, Given] = {}
        self.problems: list[str] = []

    def top(self, values: Mapping[str, Any]) -> None:
        """Read the keys that are meant for all commands, then the tables, whose word counts more."""
        tables = {key: value for key, value in values.items() if self._is_command(key, value)}
        for key, value in values.items():
            if key not in tables:
                self._common(key, value)
        for key, table in tables.items():
            self._table((key,), table)

    def _is_command(self, key: str, value: object) -> bool:
        # `fixtures` is both: an option that names the list, and a command.
        is_option = key in self._known.by_key and not isinstance(value, Mapping)
        return key in self._known.words_below(()) and not is_option

    def _common(self, key: str, value: Any) -> None:
        settings = self._known.by_key.get(key, [])
        if not settings:
            self._unknown(key, key, (), {*self._known.by_key, *self._known.words_below(())})
        for setting in settings:
            if not self._take(setting, key, value):
                return

    def _table(self, command: tuple[str, ...], table: Any) -> None:
        place = ".".join(command)
        if not isinstance(table, Mapping):
            self.problems.append(f"{place}: is a command; its options stand below [{place}]")
            return
        options, below = self._known.commands.get(command, {}), self._known.words_below(command)
        for key, value in table.items():
            if key in options:
                self._take(options[key], f"{place}.{key}", value)
            elif key in below:
                self._table((*command, key), value)
            else:
                self._unknown(key, f"{place}.{key}", command, {*options, *below})

    def _take(self, setting: Setting, key: str, value: Any) -> bool:
        """Keep a value if the setting can have it."""
        items = value if setting.is_list and isinstance(value, list) else [value]
        wrong = [item for item in items if not setting.takes.holds(item)]
        if wrong or isinstance(value, list) != setting.is_list:
            self.problems.append(f"{key}: expected {setting.expected}, found {_shown((wrong or [value])[0])}")
            return False
        if setting.is_path:
            value = [os.path.expanduser(item) for item in value] if setting.is_list else os.path.expanduser(value)
        try:
            setting.read(value)
        except ValueError as error:
            self.problems.append(f"{key}: {masked(str(error))}")
            return False
        self.given[setting] = Given(value, key)
        return True

    def _unknown(self, key: str, place: str, command: tuple[str, ...], known: set[str]) -> None:
        why = refusal(command, key)
        if why is not None:
            self.problems.append(f"{place}: is not taken from a file: {why}")
            return
        where = f"of `recorder {' '.join(command)}`" if command else "of any command"
        elsewhere = sorted({" ".join(each) for each, options in self._known.commands.items() if key in options})
        also = f" (it is one of `recorder {elsewhere[0]}`)" if command and elsewhere else ""
        near = nearest(key, {*known, "token"})
        near = "token-file" if near == "token" else near
        self.problems.append(f"{place}: no setting {where}{also}; the nearest known one is {near}")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = masked(value) if isinstance(value, str) else str(value)
    return f'"{text[:_SHOWN]}"' if isinstance(value, str) else text[:_SHOWN]
