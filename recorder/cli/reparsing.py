"""`recorder reparse`: what the actions' columns are by the parser as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Feed,
    Fixtures,
    LogFormat,
    LogLevel,
    MovedSpool,
    Quiet,
    Verbose,
    command,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.errors import DamagedArchive, NewerArchive

if TYPE_CHECKING:
    from recorder.reparsing import Change, Report, Unreached

_REPORT = ("stream", "place", "rows", "changed", "renumbered", "newer", "damage", "parser", "digest")
_CHANGE = ("stream", "place", "epoch", "position", "column", "old", "new")
_CHANGE_ALL = ("stream", "stream_id", "place", "epoch", "position", "session_id", "frame_number", "part", "parser",
               "column", "old", "new")  # fmt: skip
_SHOWN = 40
_COUNTED = ("rows", "changed", "renumbered", "newer", "damage")


@command
def reparse(
    fixtures: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Feed = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; print each column that would change, old and new.")
    ] = False,
    spool: MovedSpool = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Derive the actions' columns again from their frames, by this version's parser; print a digest of what comes out.

    Needs the archive for itself where it is a SQLite file; into Postgres recorders go on meanwhile.
    """
    from recorder.archive.spool import spool_directory
    from recorder.reparsing import reparse as derive

    directory = spool_directory(database_url, spool)
    told = _Told(quiet=quiet)
    found = told.listened(derive(database_url, fixtures or (), feed, spool=directory, changing=not diff))
    if diff:
        write(_changes(found, form), form, _CHANGE, _CHANGE_ALL)
    else:
        write(_reports(found, told), form, _REPORT, ("stream", "stream_id", *_REPORT[1:]))
    told.judge(diff=diff)


class _Told:
    """What is said on stderr, of all streams together."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.reports: list[Report] = []

    def listened(self, found: Iterable[Change | Report | Unreached]) -> Iterator[Change | Report]:
        """Yield what is found, and say what is wrong as soon as it is known."""
        from recorder.reparsing import Report, Unreached

        for each in found:
            if isinstance(each, Unreached):
                say(f"not reached: the {each.place}, whose rows stay as they are: {each.why}")
                continue
            if isinstance(each, Report):
                self.reports.append(each)
                self._tell(each)
            yield each

    def _tell(self, report: Report) -> None:
        name = f"{report.stream.name}{_beside(report.place)}"
        for finding in report.findings:
            say(f"{name}: {finding}")
        if report.damage > len(report.findings):
            say(f"{name}: and {report.damage - len(report.findings)} more")

    def judge(self, *, diff: bool) -> None:
        """Sum up; raise what ends the command."""
        whole = _whole(self.reports)
        if not self._quiet:
            did = "would be changed" if diff else "changed"
            say(
                f"{whole['rows']} rows read, {whole['changed']} {did}; parser {whole['parser']}, digest of all rows "
                f"{whole['digest']}"
            )
        counted = {name: sum(getattr(report, name) for report in self.reports) for name in ("newer", "damage")}
        if counted["newer"]:
            raise NewerArchive(
                f"rows that the parser of a newer recorder has derived: {counted['newer']}; they stay as they are: run "
                "that version's `recorder reparse`"
            )
        if counted["damage"]:
            raise DamagedArchive(
                f"rows that do not fit their frames: {counted['damage']}, as told above; they stay as they are: see "
                "`recorder verify`, and restore a backup beside this archive"
            )


def _beside(place: str) -> str:
    from recorder.reparsing import ARCHIVE

    return "" if place == ARCHIVE else f" ({place})"


def _reports(found: Iterable[Change | Report], told: _Told) -> Iterator[dict[str, Any]]:
    from recorder.reparsing import Report

    for each in found:
        if isinstance(each, Report):
            yield _report(each)
    yield _whole(told.reports)


def _report(report: Report) -> dict[str, Any]:
    from recorder.feed.actions import PARSER

    return {
        "stream": report.stream.name,
        "stream_id": report.stream.stream_id,
        "place": report.place,
        **{name: getattr(report, name) for name in _COUNTED},
        "parser": PARSER,
        "digest": report.digest,
    }


def _whole(reports: Iterable[Report]) -> dict[str, Any]:
    """Return the row of all streams of the archive together; the spool holds copies of some."""
    from recorder.feed.actions import PARSER
    from recorder.reparsing import ARCHIVE
    from recorder.reparsing.digesting import total

    ours = [report for report in reports if report.place == ARCHIVE]
    return {
        "stream": "all",
        "stream_id": None,
        "place": ARCHIVE,
        **{name: sum(getattr(report, name) for report in ours) for name in _COUNTED},
        "parser": PARSER,
        "digest": total((report.stream.stream_id, report.derived, report.digest) for report in ours),
    }


def _changes(found: Iterable[Change | Report], form: Format) -> Iterator[dict[str, Any]]:
    from recorder.reparsing import Change

    for each in found:
        if isinstance(each, Change):
            yield _change(each, form)


def _change(change: Change, form: Format) -> dict[str, Any]:
    row = {name: getattr(change, name) for name in _CHANGE_ALL if name not in ("stream", "stream_id")}
    told = {"stream": change.stream.name, "stream_id": change.stream.stream_id, **row}
    if form is Format.TABLE:
        told |= {name: _shown(told[name]) for name in ("old", "new")}
    return told


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
