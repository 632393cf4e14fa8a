"""Histories whose actions are what their messages say, and what two archives hold, to compare."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from recorder.archive.views import VIEWS
from recorder.feed.actions import parse
from recorder.feed.booking import frame_of
from recorder.feed.content import content_digest
from recorder.feed.messages import read
from recorder.model import Action, Audit, Frame, Gap, Kind, Stream
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    Counts,
    MakeEpochCurrent,
    NoteAudit,
    OpenGap,
    Operation,
    UpdateSession,
)
from tests.archive.filling import START_US, Filled, close_session, open_session, open_stream
from tests.merging.making import Rows, rows_of

_numbers = itertools.count(1)


def packet(number: int, **said: Any) -> bytes:
    """Return one packet as the vendor writes it; ``said`` goes into its ``fixtureAction``."""
    told = {"actionId": f"id {number}", "fixtureSeqNum": number, "fixtureActionType": "Goal", "sendType": "Confirmed"}
    summary = {"homeTeamScore": number, "awayTeamScore": 0, "currentPeriod": 1}
    return json.dumps({"traceId": f"t{number}", "fixtureAction": told | said, "fixtureSummary": summary}).encode()


@dataclass
class Told:
    """A stream, as a recorder stores it, whose fields are read from the bytes."""

    stream: Stream = field(default_factory=lambda: Stream("betting", "v2/volleyball", f"told-{next(_numbers)}"))
    operations: list[Operation] = field(default_factory=list)
    session_id: int = 1
    frames: int = 0
    epoch: int = 0
    positions: int = 0

    def __post_init__(self) -> None:
        self.operations += [open_stream(self.stream, starts_us=START_US), open_session(self.stream, self.session_id)]

    def frame(self, kind: Kind, payload: bytes, **changes: Any) -> Frame:
        """Append a message; it comes a second after the one before."""
        number, self.frames = self.frames, self.frames + 1
        at_us = START_US + (self.session_id * 1000 + number) * 1_000_001
        plain = frame_of(
            self.stream, self.session_id, number, payload, opcode="text", received_us=at_us, monotonic_ns=number * 10**9
        )
        self.operations.append(AddFrame(made := structs.replace(plain, kind=kind, **changes)))
        return made

    def add(self, payload: bytes, **changes: Any) -> Told:
        """Append a message and every action in it."""
        said = self.frame(Kind.ACTION, payload, **changes)
        for one in read(payload).packets:
            action = Action(
                stream_id=said.stream_id, epoch=self.epoch, position=self.positions, session_id=said.session_id,
                frame_number=said.frame_number, part=one.part, received_us=said.received_us, arrival="live",
                content_digest=content_digest(one.fixture_action), frame_digest=said.digest,
                fields=parse(one.envelope),
            )  # fmt: skip
            self.operations.append(AddAction(action))
            self.positions += 1
        return self

    def reconnect(self) -> Told:
        """End the session with what is counted of it, and begin the next."""
        said = {"close_code": None, "close_reason": None, "outcome": "cut off"}
        counts = Counts(frames=self.frames, heartbeats=3, last_heartbeat_us=START_US)
        self.operations.append(close_session(self.stream, self.session_id, START_US + 99, **said, counts=counts))
        self.session_id, self.frames = self.session_id + 1, 0
        self.operations.append(open_session(self.stream, self.session_id))
        return self

    def fork(self, position: int, *, current: bool = True) -> Told:
        """The vendor changes its list from a position on."""
        at_us = START_US + 10**12 + self.epoch
        self.operations.append(BeginEpoch(self.stream.stream_id, self.epoch + 1, self.epoch, position, at_us, "why"))
        self.epoch, self.positions = self.epoch + 1, position
        if current:
            self.operations.append(MakeEpochCurrent(self.stream.stream_id, self.epoch, at_us))
        return self

    def gap(self, gap_id: int, *, resolved: bool = False, detail: str = "") -> Told:
        """Append a doubt."""
        end_us = START_US + 5 if resolved else None
        gap = Gap(self.stream.stream_id, gap_id, self.epoch, "live_only", True, detail, 1, None, START_US, None, end_us)
        self.operations.append(OpenGap(gap))
        return self

    def audit(self) -> Told:
        """Append what came of asking again."""
        audit = Audit(
            self.stream.stream_id, 7, "websocket", START_US, START_US + 9, self.session_id, self.epoch, 3, 2, 1, 2,
            bytes(range(16)), "changed", "another list, from position 2 on",
        )  # fmt: skip
        self.operations.append(NoteAudit(audit))
        return self

    def count(self) -> Told:
        """Append what is counted of the session that is open."""
        self.operations.append(UpdateSession(self.stream.stream_id, self.session_id, Counts(frames=self.frames)))
        return self


def odd() -> Told:
    """Return a stream with everything that is not plain."""
    told = Told()
    told.frame(Kind.AUTH, b'{"message":"Authenticated"}')
    told.add(packet(1)).add(packet(2, timelineSequence="TOO SMALL FOR A FLOAT")).gap(1, detail='comma, "quotes"\nline')
    told.add(packet(3).replace(b'"Goal"', b'"Goal", "timelineSequence": 1.00000000000000000004'))
    told.frame(Kind.HEARTBEAT, b'{"type":"heartbeat"}')
    told.reconnect()
    told.add(b"[" + packet(4) + b"," + packet(5, metadata={"deep": [1, {"x": None}]}) + b"]", opcode="binary")
    told.add(packet(6, player={"name": "lone \\ud800 surrogate"}).replace(b"\\\\ud800", b"\\ud800"))
    told.add(packet(7, team={"name": "a \0 NUL"}))
    told.frame(Kind.QUARANTINED, bytes(range(256)), opcode="binary", reason="no JSON, at all; ünïcode")
    told.frame(Kind.UNKNOWN, b"")
    told.frame(Kind.UNPLACED, packet(99), reason="two places")
    told.gap(2, resolved=True)
    told.fork(3).add(packet(8)).add(packet(9))
    told.fork(1, current=False).add(packet(10)).audit()
    return told.count()


def held_by(filled: Filled) -> tuple[Rows, dict[str, list[tuple[Any, ...]]]]:
    """Return all that an archive holds of streams: the tables' rows, and those of every view."""
    views = {view: sorted(filled.select(f"SELECT * FROM {view}"), key=repr) for view in VIEWS}
    return rows_of(filled.url), views


def operations_of(told: Sequence[Told]) -> list[Operation]:
    return [operation for one in told for operation in one.operations]
