"""How one path of the test server behaves. All plain data; tests may also change fields while clients are connected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Drop = Literal["close", "abort", "eof"] | int
"""How to end a connection: clean 1000 close, TCP reset, TCP end without a close frame, or a close with that code."""
Start = Literal["ignore", "live"] | int
Auth = Literal[
    "message",
    "silent",
    "refuse_message",
    "refuse_close",
    "refuse_401",
    "refuse_403",
    "refuse_silent_close",
    "refuse_at_once",
    "refuse_mute",
]


@dataclass
class Script:
    """The packets of one stream and the faults of the server that sends them; the default is a flawless vendor."""

    packets: list[bytes] = field(default_factory=list)
    """The vendor's list, the truth that archives are compared with; ``VendorServer.append`` and others change it."""
    available: int | None = None
    """How many packets exist so far (None = all; an int stays an int: appended packets then wait for ``release``)."""
    live_pace: float | None = None
    """One more packet exists every so many seconds from the first attempt on (and ``available`` None then means 0)."""

    start: Start = 0
    """First index = max(0, startPosition + start): 0 skips n, -1 starts at the n-th, +1 one later. Without a
    startPosition, 0. "ignore": always 0. "live": no replay, only what comes to exist after the request."""
    pace: float = 0.0
    """Seconds between packets on one connection; 0 = as fast as the socket takes them."""
    after_end: Literal["stay"] | Drop = "stay"
    """What happens once a connection has sent all packets."""

    token: str | None = None
    """The right token; any other is refused as by "refuse_message". None accepts every token."""
    auth: Auth = "message"
    """How a token is answered: with ``auth_reply``, not at all, with an error and 1008, with 4401 and no message,
    or with 1000 and no message (all after the token came), or by saying nothing for ever ("refuse_mute"). "at_once"
    closes with 1000 before the token came; 401 and 403 refuse the handshake."""
    auth_reply: str = '{"dataType":"connectionState","message":"Connection is authorised"}'
    """The vendor's own text is unknown (protocol.md 1.4)."""
    refusal_text: str | None = None
    """What a refusal says instead of the vendor's words: the error message, or the body of the HTTP answer."""
    refusal_code: int | None = None
    """The close code of a refusal instead of its own."""
    close_reason: str = ""
    """The reason in every close frame of the server's."""
    handshake_status: int | None = None
    """Refuse the handshake with this HTTP status, e.g. 204, 404, 429, 503."""
    retry_after: int | str | Callable[[], str] | None = None
    """Retry-After header of that refusal: seconds, or an HTTP date; what is called is asked for each refusal."""
    refusal_headers: Mapping[str, str] = field(default_factory=dict)
    """More headers of a refused handshake."""
    refusals: int | None = None
    """How many times ``auth`` or ``handshake_status`` refuses before the path works (None = for ever)."""

    cut_every: int | None = None
    """Drop a connection after that many packets sent on it (0 = right after the auth reply)."""
    cut_at: list[int] = field(default_factory=list)
    """Drop the connection that has just sent the packet of this index; each index fires once in a script's life."""
    cut: Drop = "close"
    """How ``cut_every`` and ``cut_at`` drop."""

    heartbeat: float | None = 10.0
    """Seconds between heartbeats of a connection, between packets and while idle; None = never."""
    heartbeat_every: int | None = None
    """A heartbeat right before every k-th packet of the list: before index k-1, 2k-1, ..., whatever the connection."""

    group: int | None = None
    """Send packets as JSON arrays of up to that many."""
    wrap: bool = False
    """Send ``{"action": packet}``, or ``{"action": [packets]}`` with ``group``."""
    fragment: int | None = None
    """Send messages that bear packets in fragments of so many bytes, with pings between them."""
    duplicate: bool = False
    """Send each message that bears packets twice."""
    reserialise: bool = False
    """Same JSON content, but key order, white space, escapes and traceId differ on each connection."""
    mangle: Callable[[int, bytes], bytes | None] | None = None
    """What is really sent for the packet of an index (after ``reserialise``); None leaves it out."""
    inject: dict[int, list[bytes | str]] = field(default_factory=dict)
    """Extra messages (str = text, bytes = binary) once a connection has come to that index, so before its packet;
    index ``len(packets)`` is after the last."""
    inject_once: bool = False
    """Inject on the first connection that comes to the index only, not on every one."""

    @property
    def head(self) -> int:
        """How many packets exist so far."""
        return len(self.packets) if self.available is None else min(self.available, len(self.packets))

    def release(self, count: int | None = None) -> None:
        """Let ``count`` more of the present packets exist; None: all, and later ones at once."""
        self.available = None if count is None else min(self.head + count, len(self.packets))

    def first_index(self, start_position: int | None) -> int:
        """Where a connection with this startPosition begins."""
        if self.start == "live":
            return self.head
        if self.start == "ignore" or start_position is None:
            return 0
        return max(0, start_position + self.start)
