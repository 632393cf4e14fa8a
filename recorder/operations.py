"""What a recorder may do to an archive, as values. The writer carries them out in the order they were submitted.

There is no operation that edits or deletes a frame's bytes or an action.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from recorder.model import Action, Audit, Frame, Gap, Speed, Stream


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Make the stream known, with epoch 0; what the list says of it is brought up to date, and it is open again."""

    stream: Stream
    label: str | None
    competition: str | None
    speed: Speed
    starts_us: int | None
    origin_host: str | None
    at_us: int


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A connection is about to be dialled."""

    stream_id: int
    session_id: int
    opened_us: int
    opened_ns: int
    url: str
    start_position: int | None
    overlap: int
    asked_because: str
    recorder: str
    host: str
    version: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What a session has counted so far; totals, so that writing them twice changes nothing."""

    frames: int = 0
    actions: int = 0
    overlap_checked: int = 0
    resent: int = 0
    envelope_differences: int = 0
    heartbeats: int = 0
    last_heartbeat_us: int | None = None
    calibration: str | None = None
    proven: int | None = None
    """How many positions a read from 0 has shown to be the vendor's whole list; None: none. What came live is not
    among them: it has not been read again."""


@dataclass(frozen=True, slots=True)
class UpdateSession:
    """Bring a session's counts up to date."""

    stream_id: int
    session_id: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class CloseSession:
    """The connection is over."""

    stream_id: int
    session_id: int
    counts: Counts
    closed_us: int
    close_code: int | None
    close_reason: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class EndStream:
    """Nothing more is expected of the stream: ``ended`` is ``finished`` or ``not_played``; ``why`` in words."""

    stream_id: int
    ended: str
    why: str


@dataclass(frozen=True, slots=True)
class Description:
    """What the vendor's REST says of a fixture; None: nothing. ``rest_starts_us``: its start, microseconds UTC.

    Named as the columns of the table ``stream``.
    """

    rest_label: str | None = None
    rest_competition: str | None = None
    rest_home_team_id: str | None = None
    rest_home_team: str | None = None
    rest_away_team_id: str | None = None
    rest_away_team: str | None = None
    season: str | None = None
    venue: str | None = None
    coverage_level: str | None = None
    rest_starts_us: int | None = None


@dataclass(frozen=True, slots=True)
class DescribeStream:
    """Write down what the vendor's REST says, in the place of what it said before. An unknown stream stays unknown."""

    stream_id: int
    description: Description
    at_us: int


class AddFrame(Struct, frozen=True, gc=False):
    """Store a frame. Its actions follow in the same submission, and so in the same transaction."""

    frame: Frame


class AddAction(Struct, frozen=True, gc=False):
    """Store an action read from a stored frame."""

    action: Action


@dataclass(frozen=True, slots=True)
class CopyAction:
    """In a new epoch: the parent's action at ``from_position`` holds ``position`` now; it was known since then."""

    stream_id: int
    epoch: int
    position: int
    from_epoch: int
    from_position: int


@dataclass(frozen=True, slots=True)
class PlaceFrame:
    """A frame that was kept as unplaced bears an action whose position is known now."""

    stream_id: int
    session_id: int
    frame_number: int


@dataclass(frozen=True, slots=True)
class BeginEpoch:
    """The vendor changed what it had sent: a new list, equal to the parent's before ``fork_position``."""

    stream_id: int
    epoch: int
    parent: int
    fork_position: int
    at_us: int
    why: str


@dataclass(frozen=True, slots=True)
class MakeEpochCurrent:
    """From now on the stream is what this epoch says."""

    stream_id: int
    epoch: int
    at_us: int


@dataclass(frozen=True, slots=True)
class OpenGap:
    """Write a doubt down."""

    gap: Gap


@dataclass(frozen=True, slots=True)
class ResolveGaps:
    """Doubts of these causes have been settled by proof; ``to_position`` is where each ended, if it had no end yet."""

    stream_id: int
    causes: tuple[str, ...]
    at_us: int
    to_position: int | None = None


@dataclass(frozen=True, slots=True)
class NoteAudit:
    """Write down what came of asking the vendor again."""

    audit: Audit


Operation = (
    OpenStream
    | OpenSession
    | UpdateSession
    | CloseSession
    | EndStream
    | DescribeStream
    | AddFrame
    | AddAction
    | CopyAction
    | PlaceFrame
    | BeginEpoch
    | MakeEpochCurrent
    | OpenGap
    | ResolveGaps
    | NoteAudit
)


def stream_of(operation: Operation) -> int:
    """Return the id of the stream that an operation is about."""
    match operation:
        case OpenStream(stream=stream):
            return stream.stream_id
        case AddFrame(frame=frame):
            return frame.stream_id
        case AddAction(action=action):
            return action.stream_id
        case OpenGap(gap=gap):
            return gap.stream_id
        case NoteAudit(audit=audit):
            return audit.stream_id
        case _:
            return operation.stream_id
