"""What a probe saw, connection by connection: values only. Of a packet its digests are kept, never its bytes.

Times named ``*_ns`` are elapsed nanoseconds since the handshake was answered; ``*_us`` microseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recorder.model import Kind, Opcode


@dataclass(frozen=True, slots=True)
class Ask:
    """What one connection asks for. ``enough``: leave after so many packets; None: once no more come.

    ``start_position`` None: the parameter is left out. ``watch``: stay for the heartbeats, and send a ping.
    ``any_message``: leave after the first message, of whatever kind.
    """

    purpose: str
    start_position: int | None = None
    enough: int | None = None
    watch: bool = False
    any_message: bool = False


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet with a ``fixtureAction``, as digests from the strictest to the loosest.

    ``raw``: the message's bytes; ``values``: the packet however it is spelt; ``bare``: that without ``traceId``;
    ``content``: the ``fixtureAction`` alone. ``beside``: how many other packets its message had; ``message``: which one
    of those with packets that was, from 0.
    """

    at_ns: int
    raw: bytes
    values: bytes
    bare: bytes
    content: bytes
    beside: int = 0
    message: int = 0
    seq: int | None = None
    """``fixtureSeqNum``, where it is a whole number."""


@dataclass(frozen=True, slots=True)
class Control:
    """One message that bears no packet. ``said_us``: the time that it tells itself, where it tells one.

    ``beginning``: its first characters, without the token; None for what may hold data of the match.
    """

    at_ns: int
    kind: Kind
    opcode: Opcode
    size: int
    shape: str
    beginning: str | None
    received_us: int
    said_us: int | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection, from dialling to close.

    ``failure``: why no websocket came about; ``status``: the HTTP status when that was the answer.
    ``is_untrusted``: it was sent no token, for its certificate, or because it sends us elsewhere.
    ``is_refused``, ``is_not_there``: what the server said of the token, or of the fixture. ``closed_by_server``: it
    ended the connection, with ``close_code`` and ``close_reason`` if it sent a close frame; else we did.
    ``forms``: the forms of its messages that bore packets, with how many there were of each; ``versions`` likewise.
    """

    ask: Ask
    failure: str | None = None
    status: int | None = None
    is_untrusted: bool = False
    is_refused: bool = False
    is_not_there: bool = False
    packets: tuple[Packet, ...] = ()
    controls: tuple[Control, ...] = ()
    forms: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    traced: int = 0
    """Packets that had a ``traceId``."""
    is_finished: bool = False
    """Whether a packet said that the match is over."""
    closed_by_server: bool = False
    close_code: int | None = None
    close_reason: str = ""
    lasted_ns: int = 0
    pings: int = 0
    """Websocket pings of the server's."""
    was_pinged: bool = False
    pong_ns: int | None = None
    """How long our own ping took to be answered; None: it was not, or there was none."""
    date: str | None = None
    """The handshake's ``Date`` header, and when it had come."""
    date_us: int = 0

    @property
    def is_connected(self) -> bool:
        """Whether a websocket came about."""
        return self.failure is None

    @property
    def first_ns(self) -> int | None:
        """When the first message came."""
        return min([one.at_ns for one in self.controls] + [one.at_ns for one in self.packets], default=None)
