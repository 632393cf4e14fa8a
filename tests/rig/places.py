"""Where a recorder under test writes, new for each point, and how it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psycopg

from tests.postgres import PostgresServer
from tests.rig.oracle import Held, held_in, held_in_file, seen_in_file
from tests.rig.tracing import FILES, SENDS


class Place(Protocol):
    """An archive that is not there yet, or is empty."""

    arguments: list[str]
    """What a command that reads it is told."""
    recording: list[str]
    """What `recorder run` is told."""
    calls: frozenset[str]
    """Which calls change it."""

    def seen(self) -> int:
        """Return how many actions a reader sees in it now."""

    def held(self, copies: Path) -> list[Held]:
        """Return what is in it, without changing it; of a spool and a server both, the server's last."""

    def close(self) -> None:
        """Remove what does not lie in the directory."""


NewPlace = Callable[[Path], Place]
"""Makes one that keeps its files in a directory."""


class FilePlace:
    """An SQLite file in a directory."""

    calls = FILES

    def __init__(self, directory: Path) -> None:
        self.path = directory / "recorder.db"
        self.arguments = self.recording = ["--database-url", f"sqlite:///{self.path}"]

    def seen(self) -> int:
        """Return how many actions a reader sees in it now."""
        return seen_in_file(self.path)

    def held(self, copies: Path) -> list[Held]:
        """Return what a copy of it holds."""
        return [held_in_file(self.path, copies)]

    def close(self) -> None:
        """Do nothing."""


class ServerPlace:
    """A database of a server's, its spool in a directory; every statement sent to it counts as well."""

    calls = FILES | SENDS

    def __init__(self, server: PostgresServer, directory: Path) -> None:
        self._server, self._database = server, server.archive()
        self._url = server.url(self._database)
        self.arguments = ["--database-url", self._url]
        self.recording = [*self.arguments, "--spool", str(directory / "spool")]
        self._spool = directory / "spool" / "spool.db"
        self._looking = psycopg.connect(self._url, autocommit=True)

    def seen(self) -> int:
        """Return how many actions a reader sees in it now."""
        ((count,),) = self._looking.execute("SELECT count(*) FROM action").fetchall()
        return int(count)

    def held(self, copies: Path) -> list[Held]:
        """Return what the spool and the database hold."""
        return [held_in_file(self._spool, copies), held_in(self._url)]

    def close(self) -> None:
        """Drop it."""
        self._looking.close()
        self._server.drop(self._database)


def places(server: PostgresServer) -> dict[str, NewPlace]:
    """Return both kinds: a file, and a spool whose rows go to a server."""
    return {"file": FilePlace, "server": lambda directory: ServerPlace(server, directory)}
