"""`recorder verify`: what the archive says of itself, proven from its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
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
    from recorder.query.verifying import Report

_COLUMNS = ("stream", "verdict", "frames", "actions", "epochs", "damage", "doubts", "notes", "score")


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
    """Recompute from the stored bytes what the archive says: digests, positions, fields; and check the score."""
    from recorder.query import verifying
    from recorder.query.reading import reading

    counted = {"whole": 0, "doubts": 0, "damaged": 0}

    def rows() -> Iterator[dict[str, Any]]:
        for report in verifying.verify(reader, fixtures or (), feed):
            counted[report.verdict(strict=strict)] += 1
            _tell(report, quiet=quiet)
            yield (_flat if form in (Format.TABLE, Format.CSV) else _nested)(report, strict)

    with reading(database_url) as reader:
        write(rows(), form, _COLUMNS)
    _judge(counted, quiet=quiet)


def _tell(report: Report, *, quiet: bool) -> None:
    """Say what is wrong and where; unless quiet, also what is only in doubt or noted."""
    name = report.stream.name
    for finding in report.findings:
        say(f"{name}: {finding}")
    if report.damage > len(report.findings):
        say(f"{name}: and {report.damage - len(report.findings)} more")
    for line in [] if quiet else [*report.doubts, *(f"note: {note}" for note in report.notes)]:
        say(f"{name}: {line}")


def _judge(counted: dict[str, int], *, quiet: bool) -> None:
    streams = sum(counted.values())
    if counted["damaged"]:
        raise DamagedArchive(
            f"{counted['damaged']} of {streams} streams are damaged, as told above; keep the archive as it is, and "
            "restore a backup beside it or record these again into another one"
        )
    if counted["doubts"]:
        raise Doubt(f"nothing is damaged, and {counted['doubts']} of {streams} streams hold what cannot be proven")
    if not quiet:
        say(f"{streams} streams: every row is what its stored bytes say" if streams else "the archive holds no streams")


def _flat(report: Report, strict: bool) -> dict[str, Any]:
    return {
        "stream": report.stream.name,
        "verdict": report.verdict(strict=strict),
        "frames": report.frames,
        "actions": report.actions,
        "epochs": report.epochs,
        "damage": report.damage,
        "doubts": len(report.doubts),
        "notes": len(report.notes),
        "score": report.score,
    }


def _nested(report: Report, strict: bool) -> dict[str, Any]:
    findings = [asdict(finding) for finding in report.findings]
    for finding in findings:
        # As text, like every id: it passes 2^53.
        finding["session_id"] = None if finding["session_id"] is None else str(finding["session_id"])
    return {
        **_flat(report, strict),
        "stream_id": report.stream.stream_id,
        "findings": findings,
        "doubts": report.doubts,
        "notes": report.notes,
        "score_rules": list(report.rules),
        "score_findings": [asdict(finding) for finding in report.score_findings],
    }
