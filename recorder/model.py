"""The values that the rooms pass to each other. Frozen; units and sentinels stand in the names and here.

What is made for every message is a struct of msgspec: made in a fifth of the time that a frozen dataclass takes, and no
work for the garbage collector.

Times named ``*_us`` are microseconds since 1970-01-01 UTC, by our wall clock; ``*_ns`` elapsed nanoseconds (`clock`)
that only mean something beside another reading of the same session. Digests are the first 16 bytes of a SHA-256.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

from msgspec import Struct

Feed = Literal["betting", "media"]
Speed = Literal["normal", "fast"]
Opcode = Literal["text", "binary"]
Side = Literal["home", "away"]
Arrival = Literal["live", "catch_up", "audit"]
Asked = Literal["websocket", "rest"]
AuditVerdict = Literal["equal", "late", "changed", "behind", "unanswered"]
"""Of an audit: nothing new; something was missed, and is stored now; other content at a position that was known; the
vendor holds less than we do; it could not be asked."""

ACTIONS = "actions"
"""The only channel whose frames hold actions; every other channel is kept as raw frames."""

FIXTURE = "fixture"
"""The channel whose frames are what the vendor's REST said of the fixture, each on a session of its own."""

DIGEST_BYTES = 16


def digest(data: bytes) -> bytes:
    """Return the 16 bytes that stand for ``data`` in the archive (SHA-256, cut)."""
    return hashlib.sha256(data).digest()[:DIGEST_BYTES]


def microseconds(moment: str | datetime) -> int:
    """Return a moment as microseconds since 1970 UTC; text is RFC 3339, and without a zone it is UTC.

    Raises ValueError for text that is no time. Integer arithmetic: a float would lose microseconds.
    """
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    since = (when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_text(micros: int) -> str:
    """Return microseconds since 1970 UTC as the views write a time: ISO 8601 with microseconds and ``Z``."""
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Stream:
    """One channel of one feed of one fixture: what one websocket connection carries.

    ``sport`` is the vendor's slug and may hold a slash (``v2/volleyball``); ``fixture_id`` is lower case.
    The id is derived from the name alone, so that two archives agree on it without asking anyone.
    """

    feed: Feed
    sport: str
    fixture_id: str
    channel: str = ACTIONS
    stream_id: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        hashed = hashlib.sha256(self.name.encode()).digest()
        object.__setattr__(self, "stream_id", int.from_bytes(hashed[:8]) >> 1)

    @property
    def name(self) -> str:
        """``feed/sport/fixture/channel``: the text that ``stream_id`` is the hash of (63 bits)."""
        return f"{self.feed}/{self.sport}/{self.fixture_id}/{self.channel}"

    def __str__(self) -> str:
        prefix = "media/" if self.feed == "media" else ""
        suffix = "" if self.channel == ACTIONS else f" {self.channel}"
        return f"{prefix}{self.sport}/{self.fixture_id}{suffix}"


class Kind(StrEnum):
    """What a frame is. Only frames of kind ACTION hold actions that have a position."""

    ACTION = "action"
    HEARTBEAT = "heartbeat"
    AUTH = "auth"
    ERROR = "error"
    UNKNOWN = "unknown"
    UNPLACED = "unplaced"
    """Bears an action whose position cannot be told yet; an open gap says so."""
    QUARANTINED = "quarantined"
    """Bears a ``fixtureAction`` that is another fixture's, or that cannot be read."""


class Frame(Struct, frozen=True, gc=False):
    """One websocket message exactly as it arrived. Key: (stream, session, number from 0)."""

    stream_id: int
    session_id: int
    frame_number: int
    received_us: int
    monotonic_ns: int
    kind: Kind
    opcode: Opcode
    payload: bytes
    digest: bytes
    reason: str | None = None
    """Why the frame has the kind it has, when that is not plain."""


class Fields(Struct, frozen=True, gc=False):
    """What one packet says, column by column, as derived from its bytes; None where it says nothing readable.

    ``timeline_sequence`` is exact: 6 digits, a point and 20 digits, text that sorts as the number does. ``occurred_us``
    is the vendor's own time; JSON columns are compact JSON text.
    """

    action_id: str | None = None
    fixture_seq_num: int | None = None
    timeline_sequence: str | None = None
    send_type: str | None = None
    send_type_id: int | None = None
    type: str | None = None
    type_id: int | None = None
    sub_type: str | None = None
    sub_type_id: int | None = None
    period: int | None = None
    clock: str | None = None
    clock_seconds: int | None = None
    occurred_us: int | None = None
    team_id: str | None = None
    team: str | None = None
    side: Side | None = None
    player_id: str | None = None
    player: str | None = None
    related_action_ids: str | None = None
    delay_status: str | None = None
    metadata: str | None = None
    home_score: int | None = None
    away_score: int | None = None
    current_period: int | None = None
    current_clock_seconds: int | None = None
    clock_state: str | None = None
    possession: Side | None = None
    status: str | None = None
    collection_status: str | None = None
    finished: bool | None = None
    trace_id: str | None = None
    extra: str | None = None
    """JSON object with every field of the packet that no column holds, under the names it was sent with."""
    parse_error: str | None = None


class Action(Struct, frozen=True, gc=False):
    """One revision of a thing that happened, at its position in the vendor's list.

    ``content_digest`` stands for the canonical ``fixtureAction``, ``frame_digest`` for the bytes of the frame that
    it was read from (``part`` is its index when a frame bears several).
    """

    stream_id: int
    epoch: int
    position: int
    session_id: int
    frame_number: int
    part: int
    received_us: int
    arrival: Arrival
    content_digest: bytes
    frame_digest: bytes
    fields: Fields


@dataclass(frozen=True, slots=True)
class Gap:
    """From here to there we cannot prove that we have everything, and why.

    ``from_position``/``to_position`` are half-open: the first position in doubt, and the first one behind it
    (None when nobody can tell). ``from_us`` is when the last thing that is certain was received, ``to_us`` when
    certainty began again. ``ours`` is False for the vendor's own outages. ``resolved_us`` is set from the start for
    what is told and is no doubt (a step of our clock).
    """

    stream_id: int
    gap_id: int
    epoch: int
    cause: str
    ours: bool
    detail: str
    from_position: int | None
    to_position: int | None
    from_us: int
    to_us: int | None
    resolved_us: int | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of asking the vendor for the whole list again; key: (stream, id, time-ordered).

    ``asked``: on a websocket from position 0, or by REST; ``session_id`` of the connection that read it, None for REST.
    ``epoch`` is the one that is current afterwards. ``listed``: how many actions the vendor told, ``equal``: how many
    of them were stored already with the same content at the same position, ``late``: how many were missed and are
    stored since (asked by REST: and are not stored). ``changed_at``: the first position with other content. ``root``:
    of the vendor's list, as in `archive.chains`.
    """

    stream_id: int
    audit_id: int
    asked: Asked
    began_us: int
    ended_us: int
    session_id: int | None
    epoch: int
    listed: int
    equal: int
    late: int
    changed_at: int | None
    root: bytes | None
    verdict: AuditVerdict
    detail: str


@dataclass(frozen=True, slots=True)
class StoredStream:
    """The newest epoch of a stream, and what is still in doubt.

    ``parent`` is the epoch that it began as a change of, ``last_epoch`` the highest number of any.
    ``contents`` holds (content digest, fixtureSeqNum) by position, ``frame_digests`` the digest of the frame that each
    was read from. ``epoch`` is the newest, which need not be the one that users see yet:
    ``current_length`` is the length of that one, None when they are the same.
    ``unplaced`` are the frames kept without a position; ``control_digests`` those of frames that bear no readable
    action, ``unreadable`` how many of these may have been actions, ``unknown_digests`` those that are nothing known, in
    the order in which they came.
    ``status`` is the newest that an action told. ``read_whole``: after the last action had come, the vendor's list was
    read from 0 and was ours. ``last_closed_us``: when the last connection ended, None when there was none.
    """

    epoch: int = 0
    parent: int | None = None
    last_epoch: int = 0
    contents: tuple[tuple[bytes, int | None], ...] = ()
    frame_digests: tuple[bytes, ...] = ()
    current_length: int | None = None
    unplaced: tuple[Frame, ...] = ()
    control_digests: frozenset[bytes] = frozenset()
    unknown_digests: tuple[bytes, ...] = ()
    unreadable: int = 0
    open_causes: frozenset[str] = frozenset()
    calibration: str | None = None
    finished: bool = False
    status: str | None = None
    read_whole: bool = False
    last_received_us: int | None = None
    last_closed_us: int | None = None
    last_session_id: int = 0
