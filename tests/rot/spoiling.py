"""One archive, spoiled again and again inside transactions that are never committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from sqlalchemy import Connection, text

from recorder.archive.dialect import DiskErrors, parse_url
from recorder.model import Kind
from recorder.operations import AddFrame, Counts, EndStream, Operation
from recorder.query.reading import Reader
from recorder.query.verifying import Certificate, verify
from tests.archive.filling import START_US, Filled, History, close_session, open_session, recorded, stream_of
from tests.vendor import Match

CONTROLS = (
    (Kind.AUTH, b'{"status":"accepted"}', None),
    (Kind.HEARTBEAT, b'{"type":"heartbeat"}', None),
    (Kind.ERROR, b'{"errorMessage":"try again"}', "try again"),
    (Kind.UNKNOWN, b'{"note":"maintenance at noon"}', "an object without a fixtureAction"),
)
"""Control frames as a recorder keeps them: one of each kind that is no doubt."""


def control_session(match: Match) -> Iterator[Operation]:
    """A later connection that brought nothing but control frames."""
    session_id, at_us = 3 + (START_US // 1000 << 21), START_US + 9_000_000_000
    made = History(stream_of(match), session_id)
    yield open_session(made.stream, session_id, at_us)
    for kind, payload, reason in CONTROLS:
        yield AddFrame(made.frame(kind, payload, at_us + 1_000_000 * made.frames, reason=reason))
    counts = Counts(frames=len(CONTROLS), heartbeats=1, last_heartbeat_us=at_us + 1_000_000)
    yield close_session(made.stream, session_id, at_us + 60_000_000, counts=counts)


def whole(match: Match, first: int | None = None) -> list[Operation]:
    """A finished recording over two connections, of which nothing is on its way any more."""
    end = EndStream(stream_of(match).stream_id, "finished", "why")
    return [*recorded(match, first=first), *control_session(match), end]


@dataclass
class Spoiled:
    """An archive that is written to and verified on one connection."""

    connection: Connection
    reader: Reader

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        with self.connection.begin():
            return [dict(row) for row in self.connection.execute(text(f"SELECT * FROM {table}")).mappings()]

    def verdicts(self, *harm: tuple[str, Mapping[str, Any]], only: str | None = None) -> list[str]:
        """Return what comes out when this is done, of each stream; ``only``: of those of one fixture."""
        return [certificate.verdict() for certificate in self.certificates(*harm, only=only)]

    def certificates(self, *harm: tuple[str, Mapping[str, Any]], only: str | None = None) -> list[Certificate]:
        """Return the certificates of what this makes of the archive."""
        with self.connection.begin() as transaction:
            for statement, values in harm:
                changed = self.connection.execute(text(statement), values).rowcount
                assert changed, (statement, values)
            told = list(verify(self.reader, (only,) if only else ()))
            transaction.rollback()
        return told


@contextmanager
def spoiling(filled: Filled) -> Iterator[Spoiled]:
    """Open an archive to be harmed."""
    url, dialect = parse_url(filled.url)
    still = replace(dialect, document=lambda column: column, stand_still=lambda _connection: None)
    engine = dialect.writer(url)
    try:
        with engine.connect() as connection:
            yield Spoiled(connection, Reader(_Joined(connection), still, DiskErrors(dialect, url)))  # type: ignore[arg-type]
    finally:
        engine.dispose()


class _Joined:
    """The connection of the harm: whoever begins a transaction on it takes part in the one that is open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def begin(self) -> Iterator[None]:
        yield

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def flipped(value: Any, random: Random) -> Any:
    """Return a value with one bit flipped: of an integer's 63, of a blob's bytes, of a text's code points."""
    if isinstance(value, int):
        return value ^ (1 << random.randrange(63))
    if isinstance(value, bytes):
        at = random.randrange(8 * len(value))
        return value[: at // 8] + bytes([value[at // 8] ^ (1 << at % 8)]) + value[at // 8 + 1 :]
    at = random.randrange(len(value))
    other = chr(ord(value[at]) ^ (1 << random.randrange(8)))
    return value[:at] + (other if other != "\0" else "\1") + value[at + 1 :]  # Postgres holds no NUL
