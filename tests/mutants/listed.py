"""The mutants as they are listed: one table each in ``lists/*.toml``, named by its header."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTS = Path(__file__).parent / "lists"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. In ``file`` (below the root) the text ``find`` stands once; with ``replace`` in its place it is there.

    ``harm`` is what it would do to a user. At least one of ``tests`` (node ids) must fail. ``slow``: they take more
    than about three CPU seconds.
    """

    name: str
    file: str
    find: str
    replace: str
    harm: str
    tests: tuple[str, ...]
    slow: bool = False

    def applied(self, source: str) -> str:
        """Return the source with the bug in it; ValueError when the text does not stand there exactly once."""
        if (found := source.count(self.find)) != 1:
            raise ValueError(f"{self.name}: {self.find!r} stands {found} times in {self.file}, not once")
        return source.replace(self.find, self.replace)

    @property
    def test_files(self) -> set[str]:
        """The files of its tests, below the root."""
        return {test.partition("::")[0] for test in self.tests}


def mutants() -> list[Mutant]:
    """Return all that are listed, by file and in their order there."""
    return [mutant for path in sorted(LISTS.glob("*.toml")) for mutant in _read(path)]


def _read(path: Path) -> list[Mutant]:
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Mutant(name=name, **(table | {"tests": tuple(table["tests"])})) for name, table in tables.items()]


def named(names: Sequence[str]) -> list[Mutant]:
    """Return the mutants of these names, or all when none is given; ValueError for a name that is not listed."""
    listed = {mutant.name: mutant for mutant in mutants()}
    if unknown := [name for name in names if name not in listed]:
        raise ValueError(f"no mutant is called {', '.join(unknown)}; --list shows all names")
    return [listed[name] for name in names] if names else list(listed.values())
