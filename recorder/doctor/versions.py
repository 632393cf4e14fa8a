"""What is installed, and whether it is what this version was made for."""

from __future__ import annotations

import platform
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version

from recorder import __version__
from recorder.doctor.findings import Finding, bad, note, ok, warning
from recorder.doctor.installation import Installation

_WAL_MENDED = (3, 51, 3)
_FULL = 2
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?(?P<range>[^;]*)(;.*extra == ['\"](?P<extra>[^'\"]+))?"
)
_BOUND = re.compile(r"(>=|<=|==|<|>)\s*([0-9][0-9.]*)")
_ORDERS = {">=": (0, 1), "<=": (-1, 0), "==": (0,), "<": (-1,), ">": (1,)}
_OF_NO_INTEREST = frozenset({"dev", "all"})


@dataclass(frozen=True, slots=True)
class _Needed:
    """One library, the versions that will do, and the extra that it is for."""

    name: str
    wanted: str
    extra: str | None


def programs(_installation: Installation) -> Iterator[Finding]:
    """Look at Python and at the libraries that recorder needs."""
    needed = [one for one in _requirements() if one.extra is None]
    wrong = [told for one in needed if (told := _wrong(one.name, one.wanted))]
    remedy = f"pip install --force-reinstall 'recorder=={__version__}'"
    for told in wrong:
        yield bad("versions", told, remedy) if "not installed" in told else warning("versions", told, remedy)
    named = ", ".join(f"{one.name} {version(one.name)}" for one in needed if not _wrong(one.name, ""))
    ours = f"recorder {__version__}, Python {platform.python_version()}"
    yield ok("versions", f"{ours}, {named}" if named else f"{ours}, from a checkout that is not installed")


def extras(_installation: Installation) -> Iterator[Finding]:
    """Look at the libraries that only some commands need."""
    by_extra: dict[str, list[str]] = {}
    for one in _requirements():
        if one.extra is not None and one.extra not in _OF_NO_INTEREST:
            by_extra.setdefault(one.extra, []).append(one.name)
    missing = [extra for extra, names in by_extra.items() if any(_wrong(name, "") for name in names)]
    there = [extra for extra in by_extra if extra not in missing]
    if there or not missing:
        yield ok("extras", f"installed: {', '.join(there) or 'none'}")
    if missing:
        remedy = f"if you need them: pip install 'recorder[{','.join(missing)}]'"
        yield note("extras", f"not installed: {', '.join(missing)}", remedy)


def sqlite(_installation: Installation) -> Iterator[Finding]:
    """Look at the SQLite library that Python brings."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if level != _FULL:
        yield bad("sqlite", "this SQLite does not obey PRAGMA synchronous=FULL", "use the one that Python comes with")
    elif sqlite3.sqlite_version_info < _WAL_MENDED:
        yield note(
            "sqlite",
            f"SQLite {sqlite3.sqlite_version}: before 3.51.3 two processes that write and checkpoint one file at the "
            "same moment may damage it",
            "nothing while recorder alone writes the archive: let other programs open it read-only",
        )
    else:
        yield ok("sqlite", f"SQLite {sqlite3.sqlite_version}, synchronous=FULL is obeyed")


def _requirements() -> list[_Needed]:
    """Return what the installed recorder needs; nothing where it runs from a checkout."""
    try:
        told = distribution("recorder").requires or []
    except PackageNotFoundError:
        return []
    found = [matched for one in told if (matched := _REQUIREMENT.match(one))]
    return [_Needed(one["name"], one["range"].strip(), one["extra"]) for one in found]


def _wrong(name: str, wanted: str) -> str | None:
    """Say what is wrong with a library, if anything is."""
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"{name} is not installed"
    for sign, bound in _BOUND.findall(wanted):
        if _compared(found, bound) not in _ORDERS[sign]:
            return f"{name} {found} is installed, and this version was made for {wanted}"
    return None


def _compared(found: str, bound: str) -> int:
    """Return -1, 0 or 1: whether a version is before, at or behind another, by its leading numbers."""
    here, there = ([int(number) for number in re.findall(r"\d+", text)] for text in (found, bound))
    width = max(len(here), len(there))
    one, other = here + [0] * (width - len(here)), there + [0] * (width - len(there))
    return (one > other) - (one < other)
