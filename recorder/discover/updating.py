"""A fixture list brought up to date: kick-offs that moved, fixtures that are new; every other byte as it was. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo

from recorder.discover.fixtures import Fixture
from recorder.discover.lines import line_of, time_text
from recorder.errors import FixtureListError
from recorder.fixtures import Entry, parse_list
from recorder.model import Stream

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_END = re.compile(r"\r\n|\n|\r")
_STARTS = re.compile(r"""(?<!\S)starts=(?:"([^"\\]*)"|'([^']*)'|([^\s"'\\]*))(?!\S)""")
_KEEP = re.compile(r"#.*\bkeep\b")


@dataclass(slots=True)
class Updated:
    """``text``: the list as it is to be. ``notes`` say what was changed, ``warnings`` what a person should look at."""

    text: str
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def update(text: str, source: str, found: Mapping[Stream, Fixture], gone: Mapping[Stream, str]) -> Updated:
    """Return the list ``text`` (named ``source``) with the fixtures that the vendor has ``found``.

    ``gone``: streams that it no longer has, and what it says. Lines are never removed, and never commented out: what
    is called off may be called on again, and recording it meanwhile costs nothing. A line with ``keep`` in its comment
    keeps its start. A fixture that stands in a comment is not added. Raises FixtureListError for a list with bad lines.
    """
    entries, _ = parse_list(text, source)
    listed = {entry.stream: entry for entry in entries}
    done = Updated("")
    lines = [line for line in _LINE.findall(text) if line]
    for stream, fixture in found.items():
        if (entry := listed.get(stream)) is not None:
            _settle(lines, entry, fixture, done)
    for stream, why in gone.items():
        if (entry := listed.get(stream)) is not None:
            done.warnings.append(f"line {entry.line}: {stream}: {why}; the line stays")
    new = [(stream, fixture) for stream, fixture in found.items() if stream not in listed]
    done.text = "".join(lines) + _appended(text, new, done)
    return done


def _settle(lines: list[str], entry: Entry, fixture: Fixture, done: Updated) -> None:
    """Bring one line's start up to date, and tell of what is called off."""
    where = f"line {entry.line}: {entry.stream}"
    if fixture.is_called_off:
        said = "deleted it" if fixture.is_deleted else f"says {fixture.status}"
        done.warnings.append(f"{where}: the vendor {said}; the line stays")
    if fixture.starts_us is None or entry.starts_us is None or fixture.starts_us == entry.starts_us:
        return
    moved = f"from {time_text(entry.starts_us)} to {time_text(fixture.starts_us)}"
    line = lines[entry.line - 1]
    if _KEEP.search(line):
        done.warnings.append(f"{where}: moved {moved}; its comment says to keep the line as it is")
        return
    changed = _moved(line, entry, fixture.starts_us)
    if changed is None:
        done.warnings.append(f"{where}: moved {moved}; starts= cannot be changed in this line, write it by hand")
        return
    lines[entry.line - 1] = changed
    done.notes.append(f"{where}: moved {moved}")


def _moved(line: str, entry: Entry, starts_us: int) -> str | None:
    """Return the line with another start, in the offset that it is written in; None where that cannot be done safely.

    Whether it was is asked of the list's own reader: nothing but the start may read differently.
    """
    for match in _STARTS.finditer(line):
        group = match.lastindex or 1
        zone = _zone(match[group])
        changed = line[: match.start(group)] + time_text(starts_us, zone) + line[match.end(group) :]
        if _read(changed) == replace(entry, line=1, starts_us=starts_us):
            return changed
    return None


def _zone(text: str) -> tzinfo:
    try:
        return datetime.fromisoformat(text.upper()).tzinfo or UTC
    except ValueError:
        return UTC


def _read(line: str) -> Entry | None:
    try:
        entries, _ = parse_list(line, "")
    except FixtureListError:
        return None
    return entries[0] if len(entries) == 1 else None


def _appended(text: str, new: Sequence[tuple[Stream, Fixture]], done: Updated) -> str:
    """Return the lines of fixtures that the list does not know, with the line ends that it has."""
    ends = _END.findall(text)
    end = max(set(ends), key=ends.count) if ends else "\n"
    comments = "".join(line.partition("#")[2].lower() for line in _LINE.findall(text))
    added = ""
    for stream, fixture in new:
        if fixture.is_called_off:
            continue
        if stream.fixture_id in comments:
            done.notes.append(f"{stream}: stands in a comment, and is not added")
            continue
        line = line_of(stream, fixture)
        done.notes.append(f"added: {line}")
        added += line + end
    return (end if added and text and not _END.search(text[-1:]) else "") + added
