"""`recorder serve` and `recorder page`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Feed,
    Fixture,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    say,
)
from recorder.extras import need

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp


@command
def serve(
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen: beyond 127.0.0.1 only with --auth-file.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8080,
    auth_file: Annotated[
        Path | None,
        typer.Option(
            "--auth-file", metavar="FILE", help="Who may see it (mode 600): user:password or tokens, by line."
        ),
    ] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Show matches as web pages, live and as they were known, and as a JSON API; only reads the archive."""
    import asyncio

    for module in ("starlette", "uvicorn", "sse_starlette", "jinja2"):
        need(module, "web")
    from recorder.query.reading import reading
    from recorder.web.serving import guarded, listening

    with reading(database_url):
        pass  # there is one, and it can be read
    app = guarded(database_url, host, auth_file)
    with listening(host, port) as listener:
        asyncio.run(_serve(app, listener, quiet=quiet))


async def _serve(app: ASGIApp, listener: socket.socket, *, quiet: bool) -> None:
    import asyncio

    from recorder import signals
    from recorder.web.serving import address_of, served

    stopped = asyncio.Event()

    def stop(_name: str) -> None:
        stopped.set()

    with signals.handled(stop, stop), signals.on_hangup(stopped.set, stopped.set):
        async with served(app, listener) as serving:
            typer.echo(address_of(listener))
            sys.stdout.flush()
            if not quiet:
                say("open it in a browser; Ctrl-C ends it")
            asked = asyncio.create_task(stopped.wait())
            await asyncio.wait({asked, serving}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()


@command
def page(
    fixture: Fixture,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The HTML file to write.")],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Feed = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Write a match into one HTML file that needs nothing else, its slider through time included."""
    for module in ("starlette", "jinja2"):
        need(module, "web")
    from recorder.web.file_page import write_page

    note = write_page(database_url, fixture, feed, out)
    if note:
        say(note)
    if not quiet:
        say(f"{out.absolute()} is written; open it in a browser")
