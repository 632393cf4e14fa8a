"""The page's HTTP server, in the loop of whoever starts it."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from recorder.errors import ConfigurationError, UsageError
from recorder.web.app import application
from recorder.web.guarding import Guard, is_loopback, read_credentials
from recorder.web.packing import Packed
from recorder.web.patience import Patient

_LEAVING_S = 3
"""So long the answers that are being sent may take when we leave."""
_MOST_CONNECTIONS = 2_000
_BACKLOG = 512
_OTHER_FILES = 100
"""What else is open: the archive, its readers, the log."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the command."""
        yield


def guarded(database_url: str, host: str, auth_file: Path | None) -> ASGIApp:
    """Return the page for who may see it; ConfigurationError for one that is open to others and has no --auth-file."""
    is_local = is_loopback(host)
    if not is_local and auth_file is None:
        raise ConfigurationError(
            f"--host {host} lets other machines in: name with --auth-file who may see the page, or leave --host out"
        )
    credentials = None if auth_file is None else read_credentials(auth_file)
    app: ASGIApp = application(database_url)
    if not is_local:  # to pack a long match takes longer than to hand it over on one machine; events are never packed
        app = Packed(app)
    return Guard(app, credentials, is_local=is_local)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; UsageError says why it cannot."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        # Told the protocol, asyncio sends at once (TCP_NODELAY); else a browser waits 40 ms for each answer's body.
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(where)
        found.listen(_BACKLOG)  # whoever dials before the server runs waits, and is not refused
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{host}, port {port} cannot be opened: {why}; choose another with --port or --host") from None
    return found


def address_of(listener: socket.socket) -> str:
    """Return the page's URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def most_connections() -> int:
    """Return how many may be open: beyond what the system lets us open, the archive could not be opened either."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if most == resource.RLIM_INFINITY else max(1, min(_MOST_CONNECTIONS, most - _OTHER_FILES))


@contextlib.asynccontextmanager
async def served(app: ASGIApp, listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """Serve while inside; the task ends when the server does. Streams are cut when we leave."""
    server = _Server(
        uvicorn.Config(
            app,
            http=Patient,
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            lifespan="on",
            limit_concurrency=most_connections(),
            server_header=False,
            timeout_graceful_shutdown=_LEAVING_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield serving
    finally:
        server.should_exit = True
        await serving
