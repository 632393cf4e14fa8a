"""The fixture list: what to record, one stream a line, in the vendor's own words.

contract, "Fixture list". Every bad line is reported at once; duplicates collapse with a note; an empty list is valid.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recorder.errors import FixtureListError
from recorder.feed.endpoint import is_whole_path, parse_channel, parse_path
from recorder.feed.values import rfc3339_us
from recorder.model import Speed, Stream

STANDARD_INPUT = "-"

_OPTIONS = ("label", "competition", "starts", "speed", "channel")
_KNOWN = "known options: " + ", ".join(f"{key}=" for key in _OPTIONS)
_LINE_END = re.compile(r"\r\n|\n|\r")
_LOCAL_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream of the list, at ``line`` (from 1). ``starts_us``: microseconds since 1970-01-01 UTC."""

    stream: Stream
    line: int
    label: str | None = None
    competition: str | None = None
    starts_us: int | None = None
    speed: Speed = "normal"


def read_list(path: str | Path) -> tuple[list[Entry], list[str]]:
    """Read the list at ``path`` (``-`` for standard input) and return what :func:`parse_list` does.

    Raises FixtureListError for bad lines, and for a file that cannot be read (its absolute path is named).
    """
    if str(path) == STANDARD_INPUT:
        return parse_list(_decode(sys.stdin.buffer.read()), "standard input")
    source = Path(path).absolute()
    try:
        data = source.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problem = f"the fixture list cannot be read ({reason}), nothing was started; name one with --fixtures FILE"
        raise FixtureListError(str(source), [(0, problem)]) from error
    return parse_list(_decode(data), str(source))


def parse_list(text: str, source: str) -> tuple[list[Entry], list[str]]:
    """Return the entries of a list, in its order, and notes on what was left out (duplicates).

    ``source`` names the list in the error. Raises FixtureListError with all bad lines at once.
    """
    first: dict[Stream, Entry] = {}
    notes: list[str] = []
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), start=1):
        try:
            entry = _parse_line(line, number)
        except ValueError as problem:
            problems.append((number, str(problem)))
            continue
        if entry is None:
            continue
        kept = first.setdefault(entry.stream, entry)
        if kept is not entry:
            is_same = replace(kept, line=number) == entry
            notes.append(
                f"line {number}: same stream as line {kept.line}" + ("" if is_same else ", whose options hold")
            )
    if problems:
        raise FixtureListError(source, problems)
    return list(first.values()), notes


def _decode(data: bytes) -> str:
    """Decode UTF-8; a bad byte becomes a lone surrogate, so that its line is reported beside the other bad ones."""
    return data.decode("utf-8", "surrogateescape")


def _parse_line(line: str, number: int) -> Entry | None:
    """Return the line's entry, None when it holds none; raises ValueError with all that is wrong with the line."""
    if _SURROGATE.search(line):
        raise ValueError("not UTF-8; save the list as UTF-8 text")
    if "\0" in line:
        raise ValueError("holds a NUL character; save the list as UTF-8 text")
    try:
        words = shlex.split(_without_comment(line))
    except ValueError:
        raise ValueError('a quote or backslash leads nowhere; expected label="O\'Neill - Higgins"') from None
    if not words:
        return None
    problems: list[str] = []
    options = _parse_options(words[1:], problems)
    channel = options.pop("channel", None)
    stream = None
    try:
        stream = parse_path(words[0])
        if channel and is_whole_path(stream):
            raise ValueError(f"channel= cannot be added to {_show(words[0])}; expected the whole path alone")
    except ValueError as problem:
        problems.insert(0, str(problem))
    if stream is None or problems:
        raise ValueError("; ".join(problems))
    return Entry(replace(stream, channel=channel) if channel else stream, number, **options)


def _without_comment(line: str) -> str:
    """Cut the comment: a ``#`` at the start or behind white space, and not inside quotes (by shlex's own rules)."""
    quote = ""
    is_escaped = False
    starts_word = True
    for index, character in enumerate(line):
        if is_escaped:
            is_escaped = False
        elif character == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#" and starts_word:
            return line[:index]
        else:
            starts_word = character.isspace()
            continue
        starts_word = False
    return line


def _parse_options(words: list[str], problems: list[str]) -> dict[str, Any]:
    """Return the options by their Entry field (and ``channel``); what is wrong is added to ``problems``."""
    options: dict[str, Any] = {}
    seen: set[str] = set()
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            problems.append(f"{_show(word)} is no option, values with spaces need quotes; {_KNOWN}")
        elif key not in _OPTIONS:
            problems.append(f"unknown option {_show(key)}; {_KNOWN}")
        elif key in seen:
            problems.append(f"{key}= is given twice; {_KNOWN}")
        elif not value:
            problems.append(f"{key}= has no value; {_KNOWN}")
        else:
            try:
                options["starts_us" if key == "starts" else key] = _parse_value(key, value)
            except ValueError as problem:
                problems.append(f"{key}={_show(value)}: {problem}")
        seen.add(key)
    return options


def _parse_value(key: str, value: str) -> object:
    match key:
        case "starts":
            return _parse_start(value)
        case "speed" if value not in ("normal", "fast"):
            raise ValueError("expected normal or fast")
        case "channel":
            return parse_channel(value)
        case _:
            return value


def _parse_start(value: str) -> int:
    """Return microseconds since 1970; a time without an offset is refused with both of its readings."""
    local = _LOCAL_TIME.fullmatch(value)
    told = f"{local[1]}T{local[2]}{local[3] or ':00'}" if local else value
    try:
        moment = rfc3339_us(f"{told}Z" if local else value, needs_zone=True)
    except ValueError as problem:
        raise ValueError(f"{problem}; expected 2026-11-22T13:00:00Z or 2026-11-22T14:00:00+01:00") from None
    if local:
        raise ValueError(f"no offset; expected {told}Z (UTC) or {told}+01:00 (with the offset of your zone)")
    return moment


def _show(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
