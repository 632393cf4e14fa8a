"""Archives without sockets: real matches through Ledger and Writer, and histories made by hand."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import structs

from recorder.archive import maintain
from recorder.archive.dialect import parse_url
from recorder.archive.merging.whole import merge
from recorder.archive.writer import Writer
from recorder.feed.booking import frame_of
from recorder.feed.ledger import Ledger
from recorder.feed.parsed import parsed_of
from recorder.ids import TimeOrderedIds
from recorder.model import Action, Arrival, Fields, Frame, Gap, Kind, StoredStream, Stream, digest
from recorder.operations import (
    AddAction,
    AddFrame,
    CloseSession,
    Counts,
    OpenGap,
    OpenSession,
    OpenStream,
    Operation,
    UpdateSession,
)
from tests.vendor import Match

START_US = 1_700_000_000_000_000
"""When the recordings of the tests begin: 2023-11-14T22:13:20Z."""

_fixtures = itertools.count(1)


@dataclass
class Filled:
    """An archive, written as a recorder does and read as a user's own SQL reads it.

    A recorder writes the file. Where ``url`` is a Postgres database that is where it is read, and the file is the
    spool from which it is shipped.
    """

    path: Path
    url: str = ""

    def __post_init__(self) -> None:
        self.url = self.url or self.spool_url

    @property
    def spool_url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def is_shipped(self) -> bool:
        return self.url != self.spool_url

    def write(self, *operations: Operation) -> None:
        """Open the file, store, close it, ship it."""
        if not self.path.exists():
            self.path.write_bytes(empty())
        with Writer(self.spool_url) as writer:
            writer.submit(operations)
        ship(self)

    def select(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return what plain SQL with ``?`` for parameters selects: times and JSON as text on both databases."""
        if not self.is_shipped:
            with closing(sqlite3.connect(self.path)) as connection:
                return connection.execute(statement, parameters).fetchall()
        url, dialect = parse_url(self.url)
        with dialect.reader(url).connect() as shipped:
            return [tuple(row) for row in shipped.exec_driver_sql(statement.replace("?", "%s"), parameters)]

    def columns(self, view: str) -> list[str]:
        url, dialect = parse_url(self.url)
        with dialect.reader(url).connect() as connection:
            return list(connection.exec_driver_sql(f"SELECT * FROM {view} WHERE 1 = 0").keys())

    def value(self, statement: str, *parameters: object) -> Any:
        ((value,),) = self.select(statement, *parameters)
        return value


@cache
def empty() -> bytes:
    """Return the file of an archive that holds nothing: to make the schema takes longer than most tests."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "archive.db"
        maintain.upgrade(f"sqlite:///{path}")
        return path.read_bytes()


def open_stream(stream: Stream, **said: Any) -> OpenStream:
    """Make the operation that begins a stream, saying nothing that is not in ``said``."""
    nothing: dict[str, Any] = dict.fromkeys(("label", "competition", "starts_us", "origin_host"))
    return OpenStream(**{"stream": stream, "speed": "normal", "at_us": START_US, **nothing, **said})


def open_session(stream: Stream, session_id: int = 1, opened_us: int = START_US) -> OpenSession:
    return OpenSession(
        stream_id=stream.stream_id,
        session_id=session_id,
        opened_us=opened_us,
        opened_ns=0,
        url="wss://vendor.example/actions?startPosition=0",
        start_position=0,
        overlap=3,
        asked_because="nothing is stored",
        recorder="r1",
        host="h1",
        version="0.1.0",
    )


def close_session(stream: Stream, session_id: int = 1, closed_us: int = START_US, **said: Any) -> CloseSession:
    usual = {"counts": Counts(), "close_code": 1000, "close_reason": "", "outcome": "closed"}
    return CloseSession(**{"stream_id": stream.stream_id, "session_id": session_id, "closed_us": closed_us, **usual,
                           **said})  # fmt: skip


def stream_of(match: Match) -> Stream:
    return Stream("media" if match.feed == "media" else "betting", match.sport, match.fixture_id)


def recorded(match: Match, *, first: int | None = None, end: bool = True, **said: Any) -> list[Operation]:
    """Return all that one uninterrupted connection stores of a match, or of its ``first`` packets."""
    stream, ids = stream_of(match), TimeOrderedIds()
    ledger = Ledger(stream, StoredStream(), ids, overlap=3)
    ledger.resume.ask()
    session_id = 1 + (START_US // 1000 << 21)  # without chance: two processes make the same rows
    found: list[Operation] = [open_stream(stream, **said), open_session(stream, session_id)]
    now_us = START_US
    for number, (packet, offset) in enumerate(zip(match.packets[:first], match.offsets_ms, strict=False)):
        now_us = START_US + offset * 1000
        frame = frame_of(
            stream, session_id, number, packet, opcode="text", received_us=now_us, monotonic_ns=offset * 1_000_000
        )
        found.extend(ledger.actions(frame, parsed_of(packet), START_US).operations)
    if end:
        found.append(close_session(stream, session_id, now_us, counts=ledger.counts))
    else:
        found.append(UpdateSession(stream.stream_id, session_id, ledger.counts))
    return found


def fill(path: Path, *matches: Match, url: str = "") -> Filled:
    """Make an archive that holds these matches."""
    filled = Filled(path, url)
    filled.write(*(operation for match in matches for operation in recorded(match)))
    return filled


def ship(filled: Filled, stream_ids: Sequence[int] | None = None) -> None:
    """Bring what is in the file, or these streams of it, to where it is read."""
    if filled.is_shipped:
        merge(filled.spool_url, filled.url, stream_ids)


@dataclass
class History:
    """A stream made by hand: ``add`` appends the next action; ``operations`` is what a recorder would have stored."""

    stream: Stream = field(default_factory=lambda: Stream("betting", "soccer", f"made-by-hand-{next(_fixtures)}"))
    session_id: int = 1
    epoch: int = 0
    operations: list[Operation] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    frames: int = 0

    def __post_init__(self) -> None:
        self.operations += [open_stream(self.stream), open_session(self.stream, self.session_id)]

    def add(self, received_us: int | None = None, *, arrival: Arrival = "live", **fields: Any) -> Action:
        """Append an action and the frame that bears it; a second after the one before unless told otherwise."""
        position = len(self.actions)
        at_us = START_US + position * 1_000_000 if received_us is None else received_us
        said = self.frame(Kind.ACTION, b"%d %r" % (position, sorted(fields)), at_us)
        self.actions.append(action_in(said, self.epoch, position, arrival=arrival, **fields))
        self.operations.append(AddAction(self.actions[-1]))
        return self.actions[-1]

    def frame(self, kind: Kind, payload: bytes, received_us: int = START_US, **changes: Any) -> Frame:
        """Append a frame; its number is the next one."""
        number, self.frames = self.frames, self.frames + 1
        plain = frame_of(
            self.stream, self.session_id, number, payload, opcode="text", received_us=received_us, monotonic_ns=number
        )
        made = structs.replace(plain, kind=kind, **changes)
        self.operations.append(AddFrame(made))
        return made

    def gap(self, cause: str, *, ours: bool = True, gap_id: int = 1) -> None:
        """Append a doubt about positions 3 and 4."""
        self.operations.append(OpenGap(Gap(self.stream.stream_id, gap_id, self.epoch, cause, ours, "why", 3, 5,
                                           START_US, None)))  # fmt: skip

    def taken(self) -> Sequence[Operation]:
        """Return what was added since this was last called."""
        taken, self.operations = self.operations, []
        return taken


def action_in(frame: Frame, epoch: int, position: int, *, arrival: Arrival = "live", **fields: Any) -> Action:
    return Action(
        stream_id=frame.stream_id,
        epoch=epoch,
        position=position,
        session_id=frame.session_id,
        frame_number=frame.frame_number,
        part=0,
        received_us=frame.received_us,
        arrival=arrival,
        content_digest=digest(frame.payload),
        frame_digest=frame.digest,
        fields=Fields(**fields),
    )


def payloads(operations: Iterable[Operation]) -> Iterator[bytes]:
    return (operation.frame.payload for operation in operations if isinstance(operation, AddFrame))
