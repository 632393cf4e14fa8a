"""`recorder verify`: what the archive says of itself, proven from its bytes."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Feed,
    Fixtures,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.errors import DamagedArchive, Doubt

if TYPE_CHECKING:
    from recorder.query.verifying import Certificate, Verdict

_SHOWN = ("stream", "verdict", "ended", "actions", "doubts", "score")
_FLAT = (
    "stream",
    "verdict",
    "ended",
    "frames",
    "actions",
    "epochs",
    "damage",
    "doubts",
    "notes",
    "score",
    "content_root",
)


@command
def verify(
    fixtures: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Feed = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="The vendor's outages and score findings are doubts as well: 4.")
    ] = False,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Recompute from the stored bytes what the archive says, and write a certificate of each stream."""
    from recorder.query import verifying
    from recorder.query.reading import reading

    counted = dict.fromkeys(verifying.VERDICTS, 0)
    unended = fields = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal unended, fields
        for report in verifying.verify(reader, fixtures or (), feed):
            counted[report.verdict(strict=strict)] += 1
            unended += report.ended is None
            fields += bool(report.findings) and all(finding.what == "fields" for finding in report.findings)
            _tell(report, quiet=quiet)
            yield _row(report, form, strict=strict)

    with reading(database_url) as reader, few_collections():
        write(rows(), form, _SHOWN, _FLAT)
    if counted["damaged"] == fields > 0:
        raise DamagedArchive(
            f"{_streams(fields)} held columns that its frames do not give, as told above; the frames themselves are "
            "whole: `recorder reparse` reads the columns from them again"
        )
    _judge(counted, unended, quiet=quiet)


@contextmanager
def few_collections() -> Iterator[None]:
    """Let Python look for rings of garbage rarely: millions of rows are made here, and none of them is in a ring."""
    thresholds = gc.get_threshold()
    gc.set_threshold(500_000, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _row(report: Certificate, form: Format, *, strict: bool) -> dict[str, Any]:
    """Return what is written of one stream: a table's row is short enough for a terminal of 120 columns."""
    from recorder.query.proving.document import document, flat

    if form is Format.TABLE:
        return flat(report, strict=strict) | {"stream": str(report.stream)}
    return (flat if form is Format.CSV else document)(report, strict=strict)


def _tell(report: Certificate, *, quiet: bool) -> None:
    """Say what is wrong and where; unless quiet, also what is only in doubt or noted."""
    name = report.stream.name
    for finding in report.findings:
        say(f"{name}: {finding}")
    if report.damage > len(report.findings):
        say(f"{name}: and {report.damage - len(report.findings)} more")
    for line in [] if quiet else [*report.doubts, *(f"note: {note}" for note in report.notes)]:
        say(f"{name}: {line}")


def _judge(counted: Mapping[Verdict, int], unended: int, *, quiet: bool) -> None:
    streams = sum(counted.values())
    if counted["damaged"]:
        raise DamagedArchive(
            f"of {_streams(streams)} damaged: {counted['damaged']}, as told above; keep the archive as it is, and "
            "restore a backup beside it, or save what it holds with `recorder recover`"
        )
    if counted["unproven"]:
        raise Doubt(f"nothing is damaged; of {_streams(streams)} not wholly proven: {counted['unproven']}")
    if not quiet:
        if counted["pruned"]:
            say(f"{_streams(counted['pruned'])} pruned into a lake: `recorder publish --to LAKE --check` proves these")
            streams -= counted["pruned"]
            if not streams:
                return
        so_far = f"; not ended yet: {unended}, of which this holds for what is stored so far" if unended else ""
        said = f"{_streams(streams)}: every row is what its stored bytes say{so_far}"
        say(said if streams else "the archive holds no streams")


def _streams(count: int) -> str:
    return f"{count} stream{'' if count == 1 else 's'}"
