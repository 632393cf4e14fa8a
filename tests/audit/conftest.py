"""What the tests of the audit begin with: an archive on each database, recorded from the test vendor, and a REST."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder import daemon
from recorder.daemon.asking_again import Answered, AskingAgain, chosen
from recorder.fixtures import Entry, parse_list
from recorder.query.reading import reading
from tests.discover.server import Asked, Reply, RestServer
from tests.postgres import PostgresServer
from tests.recording import QUICK, TOKEN
from tests.vendor import Match, Script, VendorServer, load

LAST_READ = "the match is over"


class Auditing:
    """An archive, in SQLite or in Postgres behind a spool, and one match of a vendor that may change its mind."""

    def __init__(self, directory: Path, server: VendorServer, database_url: str, match: Match) -> None:
        self.directory = directory
        token = directory / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        self.server, self.match = server, match
        self.settings = daemon.Settings(
            database_url=database_url,
            endpoint=server.endpoint,
            token_file=token,
            spool=None if database_url.startswith("sqlite") else directory / "spool",
            until_finished=True,
            connect_rate=2000,
            for_s=60.0,
            timing=QUICK,
        )

    def record(self, **changes: Any) -> None:
        """Record the match to its end."""
        entries, _ = parse_list(self.match.line, "list")
        daemon.run(replace(self.settings, **changes), entries)

    def ask(self, *fixtures: str, **changes: Any) -> Answered:
        """Ask the vendor again, as the command does: for what is named, or for all that has ended."""
        return asyncio.run(AskingAgain(replace(self.settings, **changes), self.chosen(*fixtures)).run())

    def chosen(self, *fixtures: str) -> list[Entry]:
        """Return what `ask` asks for."""
        with reading(self.settings.database_url) as reader:
            return chosen(reader, fixtures, None, 0)

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """Return what a statement selects."""
        with reading(self.settings.database_url) as reader:
            return reader.rows(statement, parameters)

    def one(self, statement: str) -> Any:
        """Return the one value that a statement selects."""
        [(value,)] = self.rows(statement)
        return value

    def audits(self) -> list[tuple[str, str, int, int, int, int | None]]:
        """Return (asked, verdict, listed, equal, late, changed_at) of the rows, in order.

        Without those of a recording's last read, which it makes or not as it has seen the match end or come too late.
        """
        told = (
            "SELECT a.asked, a.verdict, a.listed, a.equal, a.late, a.changed_at FROM audit a LEFT JOIN session s "
            "ON s.stream_id = a.stream_id AND s.session_id = a.session_id "
            "WHERE coalesce(s.asked_because, '') <> :last_read ORDER BY a.audit_id"
        )
        return [tuple(row) for row in self.rows(told, last_read=LAST_READ)]

    def open_gaps(self) -> list[tuple[str, bool]]:
        """Return the cause of each open gap, and whether it is ours."""
        return [tuple(row) for row in self.rows("SELECT cause, ours FROM gaps WHERE resolved_at IS NULL")]

    def payloads(self) -> list[bytes]:
        """Return the bytes of each action's frame, in the order of the current list."""
        told = (
            "SELECT f.payload FROM actions a JOIN raw_frames f ON f.stream_id = a.stream_id "
            "AND f.session_id = a.session_id AND f.frame_number = a.frame_number ORDER BY a.position"
        )
        return [bytes(row.payload) for row in self.rows(told)]


@pytest.fixture
def dead_endpoint() -> Iterator[str]:
    """An address at which nobody listens, kept from others while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"ws://127.0.0.1:{taken.getsockname()[1]}"


def edited(packet: bytes, **changes: Any) -> bytes:
    """Return a packet whose ``fixtureAction`` says something else."""
    envelope = json.loads(packet)
    envelope["fixtureAction"] |= changes
    return json.dumps(envelope).encode()


def short(match: Match, length: int = 60) -> Match:
    """Return the end of a match as a match of its own, which is read in no time."""
    return replace(match, packets=match.packets[-length:])


@pytest.fixture
def auditing(tmp_path: Path, server: VendorServer, database: str, request: pytest.FixtureRequest) -> Iterator[Auditing]:
    """A match that is recorded to its end, on each kind of database in turn."""
    match = short(load("snooker-1"))
    server.serve(match, Script(list(match.packets)))
    url, name = f"sqlite:///{tmp_path / 'archive.db'}", None
    if database == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        name = postgres.archive()
        url = postgres.url(name)
    made = Auditing(tmp_path, server, url, match)
    made.record()
    yield made
    if name is not None:
        postgres.drop(name)


@pytest.fixture
def kept(tmp_path: Path, server: VendorServer) -> Auditing:
    """The same in SQLite alone, where the database makes no difference."""
    match = short(load("snooker-1"))
    server.serve(match, Script(list(match.packets)))
    made = Auditing(tmp_path, server, f"sqlite:///{tmp_path / 'archive.db'}", match)
    made.record()
    return made


class ListServer(RestServer):
    """A vendor's REST that gives ``body`` for a match's list of actions; None: it has none."""

    def __init__(self, packets: Sequence[bytes]) -> None:
        super().__init__()
        self.body: bytes | None = array(packets)
        self.status = 404

    def reply(self, asked: Asked) -> Reply:
        """Answer for the list of actions; anything else is not there."""
        if self.body is None or not asked.path.endswith("/actions"):
            return Reply(self.status, b"")
        return Reply(200, self.body)


def array(packets: Sequence[bytes]) -> bytes:
    """Return envelopes as the REST lists them: an array of the same."""
    return b"[" + b",".join(packets) + b"]"


@pytest.fixture
def rest(kept: Auditing) -> Iterator[ListServer]:
    """A REST that lists what the websocket does."""
    with ListServer(kept.match.packets) as running:
        yield running
