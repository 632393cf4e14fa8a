"""The vendor: a list that grows and sometimes changes, and how its server tells it. It judges: nothing here is ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import msgspec

from tests.season.playing import Match, Packet
from tests.season.timeline import S, Timeline

_CALM_NS = 3 * S
"""So long after the last message a reader has noticed that he has come to the end of the list."""

_HEARTBEATS = (
    b'{"eventElementType": "Heartbeat", "timestamp": "2026-09-21T13:00:00Z"}',
    b'{"eventelementType": "heartbeat", "message": "Heartbeat sent at 2026-09-21T13:00:00Z"}',
    b'{"message": "Heartbeat"}',
    b'{"dataType": "heartbeats"}',
)
_UNREADABLE = b'{"fixtureAction": {"actionId": "%d'


@dataclass(frozen=True)
class Dialect:
    """How one server speaks. ``start``: a shift, as ``startPosition`` may be understood; live: no replay at all."""

    start: int | Literal["ignored", "live"]
    numbered: bool
    replies: bool
    heartbeat: bytes
    beat_s: float
    group: int
    """So many packets in one message."""
    wrapped: bool
    shuffled: bool
    """What is around the content differs from one connection to the next."""
    late: bool
    """It knows nothing of the match until it has begun."""
    closes: bool
    """It closes a connection (1000) that has heard the end of the match."""

    @classmethod
    def drawn(cls, random: Random) -> Dialect:
        """Return one of them."""
        return cls(
            start=random.choice((0, 0, 0, -1, -1, 1, 2, -2, "ignored", "live")),
            numbered=random.random() < 0.7,
            replies=random.random() < 0.8,
            heartbeat=random.choice(_HEARTBEATS),
            beat_s=random.choice((10.0, 10.0, 20.0)),
            group=random.choice((1, 1, 1, 2, 5)),
            wrapped=random.random() < 0.2,
            shuffled=random.random() < 0.2,
            late=random.random() < 0.2,
            closes=random.random() < 0.15,
        )

    @property
    def words(self) -> list[str]:
        """What is said of it in the count of the season."""
        said = {
            f"start {self.start}": True,
            "unnumbered": not self.numbered,
            "no reply to the token": not self.replies,
            "arrays": self.group > 1,
            "wrapped": self.wrapped,
            "other bytes each time": self.shuffled,
            "not there yet": self.late,
            "closes after the end": self.closes,
        }
        return [word for word, holds in said.items() if holds]


Send = Callable[[bytes], int]
"""Sends a message; returns when (ns) it will arrive, unless something happens to it."""

Close = Callable[[int], None]
"""Closes a connection, with a code."""


class Feed:
    """One connection as the server has it: ``at`` is the index of the item that it is to send next."""

    def __init__(self, at: int, trace: int, send: Send, close: Close) -> None:
        self.at = at
        self.trace = trace
        self.send = send
        self.close = close
        self.arrives_ns = 0


class Server:
    """Holds the truth. ``sent``: every message that bore packets, and which."""

    def __init__(self, timeline: Timeline, random: Random, dialect: Dialect, match: Match) -> None:
        self.dialect = dialect
        self.items: list[Packet] = []
        self.appended_ns: list[int] = []
        self.sent: dict[bytes, tuple[Packet, ...]] = {}
        self.over_ns: int | None = None
        """When the last item was added, once nothing will be added any more."""
        self.changes = 0
        self.unheard_ns: list[int] = []
        """When something happened in the match, and nobody was connected."""
        self._timeline = timeline
        self._random = random
        self._match = match
        self._feeds: set[Feed] = set()
        self._shown: int | None = None
        self.planned = match.length
        self._happenings = match.happenings()

    @property
    def readable(self) -> list[Packet]:
        """What the list holds that anybody could read."""
        return [packet for packet in self.items if packet.readable]

    @property
    def length(self) -> int:
        """How many items a connection can get at present."""
        return len(self.items) if self._shown is None else min(self._shown, len(self.items))

    # -- the match ---------------------------------------------------------------------------------------------------

    def kick_off(self) -> None:
        """Let the match begin, and go on by itself."""
        happening = next(self._happenings, None)
        if happening is None:
            self.over_ns = self._timeline.now_ns
            return
        pause, packet = happening
        self._timeline.after(pause, lambda: self._happen(packet))

    def _happen(self, packet: Packet) -> None:
        self.append(packet)
        self.kick_off()

    def append(self, packet: Packet) -> None:
        """Add an item at the end."""
        self.items.append(packet)
        self.appended_ns.append(self._timeline.now_ns)
        if packet.readable and not (self._feeds or packet.summary["finished"]):
            self.unheard_ns.append(self._timeline.now_ns)
        self._pump_all()

    # -- the list changes --------------------------------------------------------------------------------------------

    @property
    def may_change(self) -> bool:
        """Whether a change would be noticed for sure: nobody is being read to, and something is still to come.

        A change of what a reader was just read is one that no reader of such a feed can notice.
        """
        now_ns = self._timeline.now_ns
        is_calm = all(now_ns - feed.arrives_ns > _CALM_NS for feed in self._feeds)
        return is_calm and self._shown is None and len(self.items) > 4 and not self.items[-1].summary["finished"]

    def change(self, kind: str) -> None:
        """Change what was told already."""
        self.changes += 1
        last = len(self.items) - 1
        index = {"head edited": 0, "tail edited": last}.get(kind, self._random.randrange(last))
        match kind:
            case "inserted":
                self._insert(index, self._match.next_packet())
            case "deleted":
                self._delete(index)
            case "swapped":
                self.items[index], self.items[index + 1] = self.items[index + 1], self.items[index]
            case "shorter for a while":
                self._shorten(self._random.randint(1, min(10, last)), self._random.uniform(15, 90))
            case _:
                self.items[index] = self._match.changed(self.items[index])

    def _insert(self, index: int, packet: Packet) -> None:
        self.items.insert(index, packet)
        self.appended_ns.insert(index, self._timeline.now_ns)
        for feed in self._feeds:
            feed.at += feed.at > index

    def _delete(self, index: int) -> None:
        del self.items[index], self.appended_ns[index]
        for feed in self._feeds:
            feed.at -= feed.at > index

    def _shorten(self, by: int, seconds: float) -> None:
        self._shown = len(self.items) - by
        for feed in list(self._feeds):
            feed.close(1012)
        self._timeline.after(seconds, self._restore)

    def _restore(self) -> None:
        self._shown = None
        self._pump_all()

    # -- what is no list ---------------------------------------------------------------------------------------------

    def say(self, kind: str) -> bool:
        """Say something odd to whoever is connected, if anybody is; an unreadable item stands in the list."""
        if kind == "unreadable":
            number = -1 - len(self.items)
            self.append(Packet({}, {"finished": False}, b"unreadable %d" % number, readable=False, number=number))
            return True
        other = {"fixtureAction": {"actionId": "1", "fixtureId": "of another match"}, "finished": True}
        said = {"dataType": "notice", "level": "info"} if kind == "control message" else other
        for feed in self._feeds:
            feed.send(msgspec.json.encode(said))
        return bool(self._feeds)

    # -- connections -------------------------------------------------------------------------------------------------

    @property
    def knows(self) -> bool:
        """Whether the match can be asked for."""
        return not self.dialect.late or bool(self.items)

    def open(self, start_position: int | None, send: Send, close: Close) -> Feed:
        """Begin a connection."""
        feed = Feed(self._first(start_position), self._random.getrandbits(64), send, close)
        self._feeds.add(feed)
        if self.dialect.replies:
            send(b'{"dataType": "connectionState", "message": "Connection is authorised"}')
        self._timeline.after(self._random.uniform(0.1, self.dialect.beat_s), lambda: self._beat(feed))
        self._pump(feed)
        return feed

    def forget(self, feed: Feed) -> None:
        """The connection is over."""
        self._feeds.discard(feed)

    def _first(self, start_position: int | None) -> int:
        start = self.dialect.start
        if start == "live":
            return len(self.items)
        if start == "ignored" or start_position is None:
            return 0
        assert isinstance(start, int)
        return max(0, start_position + start)

    def _beat(self, feed: Feed) -> None:
        if feed in self._feeds:
            feed.send(self.dialect.heartbeat)
            self._timeline.after(self.dialect.beat_s, lambda: self._beat(feed))

    def _pump_all(self) -> None:
        for feed in list(self._feeds):
            self._pump(feed)

    def _pump(self, feed: Feed) -> None:
        """Send what is there and was not sent."""
        while feed.at < self.length:
            some = self.items[feed.at : min(feed.at + self.dialect.group, self.length)]
            feed.at += len(some)
            for payload in self._payloads(some, feed.trace):
                feed.arrives_ns = feed.send(payload)
            if self.dialect.closes and feed.at == len(self.items) and self.items[-1].summary["finished"]:
                feed.close(1000)

    def _payloads(self, packets: list[Packet], trace: int) -> list[bytes]:
        if not all(packet.readable for packet in packets):
            return [self._payload([packet], trace) for packet in packets]
        return [self._payload(packets, trace)]

    def _payload(self, packets: list[Packet], trace: int) -> bytes:
        if not packets[0].readable:
            return _UNREADABLE % packets[0].number
        shuffled = self.dialect.shuffled
        told: Any = [
            packet.payload(trace if shuffled else packet.number, shuffled=shuffled and trace % 2 == 0)
            for packet in packets
        ]
        told = told if self.dialect.group > 1 else told[0]
        payload = msgspec.json.encode({"action": told} if self.dialect.wrapped else told)
        self.sent[payload] = tuple(packets)
        return payload
