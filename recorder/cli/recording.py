"""`recorder run`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from recorder.cli.auditing import AuditAfter
from recorder.cli.options import (
    DEFAULT_DATABASE,
    ConnectRate,
    DatabaseUrl,
    Endpoint,
    FixtureList,
    GiveUp,
    Lead,
    Linger,
    LogFormat,
    LogLevel,
    Proxy,
    Quiet,
    RestEndpoint,
    Spool,
    Strict,
    TokenFile,
    Verbose,
    command,
    duration_option,
    say,
)
from recorder.cli.screen import has_terminal
from recorder.discover import DEFAULT_REST_ENDPOINT
from recorder.feed.endpoint import DEFAULT_ENDPOINT
from recorder.pacing import DEFAULT_RATE


@command
def run(
    fixtures: FixtureList,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    token_file: TokenFile = None,
    until_finished: Annotated[
        bool, typer.Option("--until-finished", help="Exit when every stream has ended (3: stopped before).")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Catch up with what is there and leave.")] = False,
    for_: Annotated[float | None, duration_option("--for", "Leave after this time, e.g. 90m.")] = None,
    linger: Linger = "15m",  # type: ignore[assignment]
    give_up: GiveUp = "6h",  # type: ignore[assignment]
    lead: Lead = "15m",  # type: ignore[assignment]
    dead_after: Annotated[
        float, duration_option("--dead-after", "Dial anew when no frame of any kind came for so long.")
    ] = "25s",  # type: ignore[assignment]
    grace: Annotated[
        float, duration_option("--grace", "When asked to leave, wait so long for Postgres to take what it lacks.")
    ] = "20s",  # type: ignore[assignment]
    on_event: Annotated[
        str | None,
        typer.Option("--on-event", help="Run this for what needs a hand, with JSON on its input.", metavar="CMD"),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics", help="Serve /metrics, /healthz and /readyz there; off by default.", metavar="HOST:PORT"
        ),
    ] = None,
    keep_trying: Annotated[
        bool, typer.Option("--keep-trying", help="Go on, once a minute, though the token is refused.")
    ] = False,
    strict: Strict = False,
    proxy: Proxy = None,
    spool: Spool = None,
    spool_keep: Annotated[
        float,
        duration_option(
            "--spool-keep", "A match stays in the spool so long after Postgres was seen to have all of it."
        ),
    ] = "7d",  # type: ignore[assignment]
    connect_rate: ConnectRate = DEFAULT_RATE,
    audit_after: AuditAfter = "2h,24h",
    describe: Annotated[
        bool, typer.Option("--describe", help="Ask the vendor's REST what it says of each fixture, and keep it.")
    ] = False,
    rest_endpoint: RestEndpoint = DEFAULT_REST_ENDPOINT,
    overlap: Annotated[int, typer.Option("--overlap", min=1, help="Stored actions to compare at each resume.")] = 3,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Record the fixtures of a list until stopped."""
    from recorder import daemon, hardening
    from recorder.feed.timing import Timing
    from recorder.fixtures import STANDARD_INPUT, read_list

    hardening.harden()
    entries, notes = read_list(str(fixtures))
    for note in notes:
        say(note)
    if not entries:
        say(f"{fixtures}: no fixtures in the list, nothing to do")
    settings = daemon.Settings(
        database_url=database_url,
        endpoint=endpoint,
        token_file=token_file,
        until_finished=until_finished,
        once=once,
        for_s=for_,
        connect_rate=connect_rate,
        overlap=overlap,
        lead_s=lead,
        keep_trying=keep_trying,
        strict=strict,
        proxy=proxy,
        spool=spool,
        spool_keep_s=spool_keep,
        grace_s=grace,
        on_event=on_event,
        audit_after_s=audit_after,  # type: ignore[arg-type]  # its callback has read it
        describe=describe,
        rest_endpoint=rest_endpoint,
        metrics=metrics,
        timing=Timing(dead=dead_after, linger=linger, give_up=give_up),
    )
    with _screen(database_url, spool) if has_terminal() and not (quiet or verbose) else nullcontext():
        daemon.run(settings, entries, source=None if str(fixtures) == STANDARD_INPUT or once else fixtures)


def _screen(database_url: str, spool: Path | None) -> AbstractContextManager[None]:
    """Show the live table meanwhile."""
    from recorder.cli.watching import live_screen  # brings rich

    return live_screen(database_url, spool)
