"""A proxy between recorder and Postgres that cuts a connection off within the exchange about a COMMIT."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""What the client sends."""
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00Z\x00\x00\x00\x05I"
"""What the server answers."""
LANDED = b"INSERT INTO frame"
"""A transaction that holds this brings frames."""


@dataclass(frozen=True)
class Cut:
    """After so many bytes of that side's part of the exchange have been passed on."""

    side: Literal["client", "server"]
    after: int


EVERY = [
    *(Cut("client", after) for after in range(len(COMMIT) + 1)),
    *(Cut("server", after) for after in range(len(COMMITTED) + 1)),
]
SOME = [cut for cut in EVERY if cut.after in (0, 3, len(COMMIT) - 1, len(COMMIT), len(COMMITTED) - 1, len(COMMITTED))]


@dataclass(eq=False)
class _Link:
    client: socket.socket
    server: socket.socket
    cut: Cut | None = None
    has_landed: bool = False
    is_over: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        for each in (self.client, self.server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class CommitProxy:
    """Listens on a socket in ``directory``; ``cuts`` are carried out one after another, each on one commit."""

    def __init__(self, upstream: Path, cuts: list[Cut]) -> None:
        self.left = list(cuts)
        self._upstream = upstream / ".s.PGSQL.5432"
        self._place = tempfile.TemporaryDirectory(prefix="px", dir="/tmp")
        self.directory = Path(self._place.name)
        self._lock = threading.Lock()
        self._links: list[_Link] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.directory / ".s.PGSQL.5432"))
        self._listener.listen()

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.end()
        for thread in self._threads:
            thread.join(10)
        for link in self._links:
            link.client.close()
            link.server.close()
        self._place.cleanup()

    def url(self, database: str) -> str:
        return f"postgresql://recorder@/{database}?host={self.directory}"

    def _begin(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._upstream))
                link = _Link(client, server)
                self._links.append(link)
                self._begin(self._from_client, link)
                self._begin(self._from_server, link)

    def _from_client(self, link: _Link) -> None:
        with suppress(OSError):
            for data in _chunks(link.client):
                link.has_landed |= LANDED in data
                at = data.find(COMMIT)
                if at >= 0 and link.has_landed:
                    link.has_landed = False
                    with self._lock:
                        link.cut = self.left.pop(0) if self.left else None
                    if link.cut is not None and link.cut.side == "client":
                        link.server.sendall(data[: at + link.cut.after])
                        break
                link.server.sendall(data)
        link.end()

    def _from_server(self, link: _Link) -> None:
        with suppress(OSError):
            for data in _chunks(link.server):
                if link.cut is not None and link.cut.side == "server":
                    link.client.sendall(data[: link.cut.after])
                    break
                link.client.sendall(data)
        link.end()


def _chunks(source: socket.socket) -> Iterator[bytes]:
    while data := source.recv(65536):
        yield data
