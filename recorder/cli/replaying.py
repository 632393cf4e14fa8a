"""`recorder replay`."""

from __future__ import annotations

import ipaddress
import resource
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Fixtures,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    duration_option,
    say,
)
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.replay import Pace, ReplayServer
    from recorder.replay.trouble_log import TroubleLog

_BASES = {"0": 0, "1": 1, "ignored": None}


@command
def replay(
    fixtures: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Annotated[str | None, typer.Option("--feed", help="Only betting or media; both, unless a path says.")] = None,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen: beyond 127.0.0.1 only when it is named.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8787,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="The server's certificate (PEM): wss instead of ws.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="Its private key (PEM), when that is in a file of its own.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", envvar="RECORDER_TOKEN_FILE", help="File (mode 600) with the only token that is let in."
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option("--scale", min=0.001, max=1_000_000, help="How many times as fast as recorded.")
    ] = 1.0,
    speed: Annotated[Literal["normal", "fast"], typer.Option("--speed", help="fast: no pauses at all.")] = "normal",
    times: Annotated[
        Literal["received", "vendor"], typer.Option("--times", help="When we received it, or the vendor's own times.")
    ] = "received",
    every: Annotated[
        float | None, duration_option("--every", "Instead of either: so long between two messages of a stream.")
    ] = None,
    max_gap: Annotated[
        float | None, duration_option("--max-gap", "Shorten every time in which nothing happens to this.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="MOMENT", help="Begin at MM:SS or PERIOD/MM:SS of the match, or at a time."),
    ] = None,
    start_at: Annotated[
        Literal["first", "kickoff"] | None,
        typer.Option("--start-at", help="Begin at the first message (default), or when the first match begins."),
    ] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Time stands still until space or n is pressed.")] = False,
    heartbeat: Annotated[
        float, typer.Option("--heartbeat", min=0.05, metavar="SECONDS", help="Seconds between two heartbeats.")
    ] = 10.0,
    heartbeat_form: Annotated[
        Literal["golf", "table", "multiplexer", "message"],
        typer.Option("--heartbeat-form", help="Which of the forms that the vendor's pages show."),
    ] = "golf",
    start_position_base: Annotated[
        Literal["0", "1", "ignored"],
        typer.Option(
            "--start-position-base", help="startPosition=5: skip five, begin with the fifth, or always from the first."
        ),
    ] = "0",
    as_recorded: Annotated[
        bool, typer.Option("--as-recorded", help="What happened to the recorder happens to every client again.")
    ] = False,
    chaos: Annotated[
        int | None, typer.Option("--chaos", metavar="SEED", help="Do to clients whatever this number leads to.")
    ] = None,
    troubles: Annotated[
        Path | None, typer.Option("--troubles", help="Add what is done to clients to this file, as lines of JSON.")
    ] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Serve recorded matches as the vendor would, on this machine unless --host says more; keys control it."""
    import asyncio

    from recorder import logs
    from recorder.config import TokenSource
    from recorder.replay import Behaviour, ReplayServer
    from recorder.replay.certificate import server_tls
    from recorder.replay.chaos import Chaos, most_resent
    from recorder.replay.stored import stored
    from recorder.replay.trouble_log import TroubleLog

    if speed == "fast" and not paused and (every is not None or max_gap is not None):
        raise UsageError("with --speed fast all is due at once: leave it out, or --every and --max-gap")
    if not host.strip():
        raise UsageError("--host names no address; leave it out to listen on this machine only")
    if tls_key is not None and tls_cert is None:
        raise UsageError("--tls-key without --tls-cert: name the certificate that it belongs to")
    token = TokenSource(token_file).read() if token_file else None
    if token is not None:
        logs.keep_secret(token)
    recordings = stored(database_url, fixtures or (), feed)
    behaviour = Behaviour(
        scale=None if speed == "fast" else scale,
        pace=_pace(times, every, max_gap, from_, start_at),
        heartbeat_s=heartbeat,
        heartbeat_form=heartbeat_form,
        token=None if token is None else token.reveal(),
        start_position_base=_BASES[start_position_base],
        as_recorded=as_recorded,
        troublemaker=None if chaos is None else Chaos(chaos, most_resent=most_resent(recordings)),
        is_paused=paused,
    )
    tls = None if tls_cert is None else server_tls(tls_cert, tls_key)
    with TroubleLog(troubles) as log:
        server = ReplayServer(recordings, behaviour, host=host, port=port, tls=tls, on_trouble=log.note)
        notes = [] if quiet else _exposed(host, has_token=token is not None, has_tls=tls is not None)
        asyncio.run(_serve(server, log, notes, where=f"{host}, port {port}", quiet=quiet))


def _pace(times: str, every: float | None, max_gap: float | None, from_: str | None, start_at: str | None) -> Pace:
    from recorder.replay import Pace

    if from_ is not None and start_at is not None:
        raise UsageError("--from and --start-at both say where the replay begins: give one of them")
    if every is not None and (times != "received" or max_gap is not None):
        raise UsageError("--every takes the place of all recorded times: leave out --times and --max-gap, or --every")
    return Pace(times=times, every_s=every, begin=from_ or start_at or "first", max_gap_s=max_gap)  # type: ignore[arg-type]


def _exposed(host: str, *, has_token: bool, has_tls: bool) -> list[str]:
    """Return what somebody should know who opens a port beyond this machine."""
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if is_local:
        return []
    is_any = host in ("0.0.0.0", "::")  # noqa: S104 - what a user asked for
    notes = [f"others dial this machine's name or address in place of {host}"] if is_any else []
    if not has_token:
        notes.append("anybody who reaches this port can read the matches; --token-file lets in only who has its token")
    elif not has_tls:
        notes.append("clients send the token in clear over the network; --tls-cert encrypts it")
    return notes


def _allow_many_clients() -> None:
    """Each client takes a file descriptor; 1,024 are the usual limit, which any process may raise to the hard one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(server: ReplayServer, log: TroubleLog, notes: list[str], *, where: str, quiet: bool) -> None:
    import asyncio

    from recorder import signals
    from recorder.cli.controlling import controlled, is_watched

    stopped = asyncio.Event()
    log.failed = stopped.set
    _allow_many_clients()

    def stop(_name: str) -> None:
        stopped.set()

    # A second signal changes nothing, a third one kills. A terminal that is closed ends it, too.
    with signals.handled(stop, stop), signals.on_hangup(stopped.set, stopped.set):
        async with AsyncExitStack() as serving:
            try:
                await serving.enter_async_context(server)
            except (OSError, UnicodeError) as error:  # the second for what can be no host's name
                why = getattr(error, "strerror", None) or error
                raise UsageError(f"{where} cannot be opened: {why}; choose another with --port or --host") from None
            for address in server.addresses:
                typer.echo(address)
            sys.stdout.flush()
            for note in notes:
                say(note)
            if not quiet:
                say(f"record it with --endpoint {server.address}; Ctrl-C ends the replay")
            if not quiet and is_watched():
                await serving.enter_async_context(controlled(server, log, stopped.set))
            await stopped.wait()
    if not quiet:
        say("the replay has ended")
