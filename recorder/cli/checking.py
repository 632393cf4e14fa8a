"""`recorder doctor` and `recorder probe`: what an installation lacks, and what the vendor's pages leave open."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from recorder.cli.configuring import values_of
from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Endpoint,
    LogFormat,
    LogLevel,
    MovedSpool,
    Proxy,
    Quiet,
    TokenFile,
    Verbose,
    command,
    duration_option,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.errors import UsageError
from recorder.feed.endpoint import DEFAULT_ENDPOINT

if TYPE_CHECKING:
    from recorder.model import Stream
    from recorder.probing.answers import Answer

T = TypeVar("T")


@command
def doctor(
    context: typer.Context,
    fixtures: Annotated[
        Path | None,
        typer.Option("--fixtures", help="The fixture list, or a directory of lists; - reads stdin.", allow_dash=True),
    ] = None,
    fixture: Annotated[
        str | None, typer.Option("--fixture", help="Ask the vendor for this one: media/soccer/ID.", metavar="FIXTURE")
    ] = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    token_file: TokenFile = None,
    proxy: Proxy = None,
    spool: MovedSpool = None,
    no_feed: Annotated[bool, typer.Option("--no-feed", help="Make no attempt at the vendor's server.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 4 for warnings.")] = False,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Examine this installation and say what to do about each finding; nothing is created or changed."""
    from recorder import hardening
    from recorder.daemon import Settings
    from recorder.doctor.examining import examine
    from recorder.doctor.findings import exit_code
    from recorder.doctor.installation import Installation
    from recorder.doctor.telling import lines

    hardening.harden()
    run = values_of(context, "run")

    def as_run(name: str, value: T) -> T:
        """What is not said here is what `run` would have."""
        is_said = (source := context.get_parameter_source(name)) is not None and source.name != "DEFAULT"
        return value if is_said else run.get(name, value)

    list_file = as_run("fixtures", fixtures)
    installation = Installation(
        Settings(
            database_url,
            endpoint=as_run("endpoint", endpoint),
            token_file=as_run("token_file", token_file),
            proxy=as_run("proxy", proxy),
            spool=as_run("spool", spool),
            metrics=run.get("metrics"),
            on_event=run.get("on_event"),
            describe=run.get("describe", False),
        ),
        fixtures=None if list_file is None else str(list_file),
        stream=None if fixture is None else _stream(fixture),
        asks_feed=not no_feed,
    )
    findings = list(examine(installation))
    shown = [finding for finding in findings if not quiet or finding.verdict in ("warning", "bad")]
    if form is Format.TABLE and sys.stdout.isatty():
        for line in lines(shown, get_terminal_size().columns):
            typer.echo(line)
    else:
        write((finding.row() for finding in shown), form, ("check", "verdict", "what", "remedy"))
    code = exit_code(findings, strict=strict)
    if not quiet:
        counted = Counter(finding.verdict.value for finding in findings)
        say(", ".join(f"{counted[verdict]} {verdict}" for verdict in ("bad", "warning", "note", "ok")))
    if code:
        raise typer.Exit(code)


@command
def probe(
    fixture: Annotated[
        str,
        typer.Argument(metavar="FIXTURE", help="One line of a fixture list: media/soccer/ID, or the vendor's path."),
    ],
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    token_file: TokenFile = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    proxy: Proxy = None,
    watch: Annotated[float, duration_option("--watch", "Stay for heartbeats so long, once.")] = "60s",  # type: ignore[assignment]
    out: Annotated[Path | None, typer.Option("--out", help="The file to write.", metavar="FILE")] = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Ask one fixture what the vendor's pages leave open, with at most six connections, and write it into a file."""
    from recorder import clock, hardening
    from recorder.config import TokenSource
    from recorder.daemon import Settings
    from recorder.probing import talking, writing
    from recorder.probing.asking import ask_all, verdict
    from recorder.probing.judging import judge
    from recorder.probing.planning import MOST
    from recorder.sharing.limiting import shared_limiter

    hardening.harden()
    stream = _stream(fixture)
    path = out or Path(writing.default_name(stream))
    writing.require_new(path)
    Settings(database_url, endpoint=endpoint).check()
    token, began_us = TokenSource(token_file), clock.wall_us()
    token.read()
    with closing(shared_limiter(endpoint, database_url)) as limiter:
        line = talking.Line(endpoint, stream, token, limiter, proxy)
        talks = asyncio.run(
            ask_all(
                line,
                replace(talking.PATIENCE, watch=watch),
                lambda number, ask: None if quiet else say(f"connection {number} of {MOST} at most: {ask.purpose}"),
            )
        )
    answers = judge(talks)
    writing.write(path, writing.document(stream, endpoint, began_us, talks, answers, token.hide_text))
    _show(answers, form, path, quiet=quiet)
    if (error := verdict(talks, str(stream))) is not None:
        raise error


def _stream(text: str) -> Stream:
    from recorder.feed.endpoint import is_whole_path, parse_path
    from recorder.model import ACTIONS

    try:
        stream = parse_path(text)
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    if is_whole_path(stream) or stream.channel != ACTIONS:
        raise UsageError(f"{stream} has no actions; probe a stream of actions, e.g. media/soccer/ID")
    return stream


def _show(answers: Sequence[Answer], form: Format, path: Path, *, quiet: bool) -> None:
    rows = [
        {
            "question": answer.question,
            "settled": "yes" if answer.is_settled else "no",
            "answer": answer.answer,
            "value": answer.value,
        }
        for answer in answers
    ]
    if form in (Format.TABLE, Format.CSV):
        for row in rows:
            del row["value"]
    write(rows, form, ("question", "settled", "answer"))
    if quiet:
        return
    left = [answer.question for answer in answers if not answer.is_settled]
    if left:
        say(f"still open: {', '.join(left)}")
    say(f"written to {path.absolute()}: no token, no data of the match but digests and counts; read it, then send it")
