"""What the tally tells: one stream, all together, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recorder.model import FIXTURE, Stream
from recorder.tally.causes import AWAY

State = Literal["waiting", "connected", "between", "over"]
STATES: tuple[State, ...] = ("waiting", "connected", "between", "over")


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values by size. ``counts[i]``: how many are in (``bounds[i - 1]``, ``bounds[i]``]; the last: above all bounds.

    ``total`` is their sum.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts)


@dataclass(slots=True)
class StreamTally:
    """One stream, in this run. Times ``*_us`` are wall clock, ``*_ns`` elapsed; None: not yet.

    ``received``: messages that came, also those that are only counted (heartbeats, what is known already), as the
    session's counts tell (every 30 s). ``frames``, ``bytes``, ``actions``: what was stored.
    """

    stream: Stream | None = None
    label: str | None = None
    starts_us: int | None = None
    came_us: int | None = None
    """Since when it is recorded here."""
    frames: int = 0
    bytes: int = 0
    actions: int = 0
    received: int = 0
    heartbeats: int = 0
    quarantined: int = 0
    epochs: int = 0
    sessions: int = 0
    last_received_us: int | None = None
    """When the last stored frame came."""
    last_data_us: int | None = None
    """When the last stored frame came that is no heartbeat, auth reply or error; also before this run."""
    last_heartbeat_us: int | None = None
    heard_ns: int | None = None
    """When (elapsed) something of the vendor's was last written down, if only as a count."""
    session_id: int | None = None
    """The open connection; it may still be dialling."""
    closed_because: str | None = None
    """Why the last connection ended: a word of `causes.CLOSING`."""
    open_gaps: dict[str, int] = field(default_factory=dict)
    """How many gaps are open, by cause; of those from before this run, at most one each is counted."""
    ended: str | None = None
    """``finished`` or ``not_played``."""
    has_left: bool = False
    """Nothing more of it is recorded here, whether it has ended or not."""
    said_error: bool = False
    """The last message of the open connection that counted was an error."""
    counted: tuple[int, int] = (0, 0)
    """Messages and heartbeats of the open connection that are in ``received`` and ``heartbeats`` already."""

    @property
    def last_heard_us(self) -> int | None:
        """When the vendor was last heard, by anything."""
        return max((us for us in (self.last_received_us, self.last_heartbeat_us) if us is not None), default=None)

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it is recorded here."""
        return self.has_left or self.ended is not None

    @property
    def is_snapshot(self) -> bool:
        """Whether it is what the vendor's REST says of a fixture: asked for now and then, on no connection."""
        return self.stream is not None and self.stream.channel == FIXTURE

    @property
    def state(self) -> State:
        """``waiting``: not dialled yet; ``between``: another connection is to follow."""
        if self.is_over:
            return "over"
        if self.session_id is not None:
            return "connected"
        return "waiting" if self.closed_because is None else "between"

    @property
    def gaps(self) -> Mapping[str, int]:
        """The open gaps that are ours to close: of a stream that is over here, not those that a connection closes."""
        return {cause: count for cause, count in self.open_gaps.items() if not (self.is_over and cause in AWAY)}

    def silence_s(self, now_ns: int) -> float | None:
        """Return for how long a stream that goes on has not been heard; None: it is over, or never was heard."""
        if self.heard_ns is None or self.is_over:
            return None
        return max(0, now_ns - self.heard_ns) / 1e9

    def is_overdue(self, now_us: int, after_s: float) -> bool:
        """Whether its start, and our coming, are ``after_s`` seconds past and no frame of it has ever come."""
        if self.starts_us is None or self.last_data_us is not None or self.is_over:
            return False
        return now_us - max(self.starts_us, self.came_us or 0) > after_s * 1e6


@dataclass(frozen=True, slots=True)
class Totals:
    """All streams together, since the process began."""

    frames: Mapping[str, int]
    """Stored, by `Kind`."""
    bytes: int
    actions: Mapping[str, int]
    """Stored, by arrival: ``live``, ``catch_up``, ``audit``."""
    received: int
    heartbeats: int
    epochs: int
    early: int
    """Live actions that came before the time that the vendor gives them: its clock or ours is wrong."""
    commits: Distribution
    """Seconds that commits took."""
    latency: Distribution
    """Seconds from the vendor's time of a live action to its receipt; what came early counts as 0."""
    sessions: int
    closed: Mapping[str, int]
    """Connections by why they ended: words of `causes.CLOSING`."""
    reconnects: Mapping[str, int]
    """Connections that followed another one of the same stream, by why that one had ended."""
    gaps: Mapping[str, int]
    """Gaps that began, by cause."""
    last_received_us: int | None
    last_commit_ns: int | None
    """When (elapsed) something was last committed."""
    last_doubt_us: int | None
    """When something last happened that cannot be proven: a gap of ours that no connection will settle by itself, a
    new epoch, a quarantined frame."""


@dataclass(frozen=True, slots=True)
class Overview:
    """How the streams stand at one moment: of those that are over only `KEPT_OVER` are counted."""

    states: Mapping[State, int]
    open_gaps: Mapping[str, int]
    """How many are open, by cause."""
    longest_silence_s: float
    """The longest that a stream that goes on has not been heard; 0.0 when each has, or none was yet."""
    overdue: int
    """Streams whose start is past and of which no frame has ever come."""
