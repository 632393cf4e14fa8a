"""What lies between: delays, cuts, silence, refusals; and who knocks at the vendor's door, and when."""

from __future__ import annotations

from random import Random
from typing import Protocol

from recorder.errors import ConnectionOver, HandshakeRefused, NotConnected, WireError
from tests.season.faults import CLOSES, HANDSHAKES, Faults
from tests.season.server import Feed, Server
from tests.season.timeline import Call, S, Timeline

_CLOSING_S = 2.0
"""So long whoever closes a connection waits for the other side."""


class Peer(Protocol):
    """Our side of a connection."""

    def opened(self, link: Link) -> None: ...
    def message(self, payload: bytes) -> None: ...
    def over(self, error: WireError) -> None: ...


class Network:
    """``arrivals``: when (ns) each attempt to connect came to the vendor."""

    def __init__(self, timeline: Timeline, random: Random, faults: Faults) -> None:
        self.arrivals: list[int] = []
        self._timeline = timeline
        self._random = random
        self._faults = faults

    def dial(self, server: Server, peer: Peer, start_position: int | None) -> None:
        """Try to connect; the peer is told how it went."""
        fault = self._faults.of_connection()
        latency_s = self._random.uniform(0.005, 0.15)
        if fault == "no route":
            self._faults.fire(fault)
            error = NotConnected("no route to the host")
            self._timeline.after(self._random.uniform(0.01, 10.0), lambda: peer.over(error))
            return
        self._timeline.after(latency_s, lambda: self._arrive(server, peer, start_position, latency_s, fault))

    def _arrive(self, server: Server, peer: Peer, start: int | None, latency_s: float, fault: str | None) -> None:
        self.knock()
        status = HANDSHAKES.get(fault or "")
        if status is not None:
            self._faults.fire(fault or "")
            self._refuse(peer, latency_s, status)
        elif not server.knows:
            self._refuse(peer, latency_s, 404)
        else:
            link = Link(self._timeline, self._random, self._faults, server, peer, latency_s, fault)
            self._timeline.after(latency_s, lambda: link.begin(start))

    def _refuse(self, peer: Peer, latency_s: float, status: int) -> None:
        after = str(self._random.randint(1, 30)) if status in (429, 503) and self._random.random() < 0.5 else None
        self._timeline.after(latency_s, lambda: peer.over(HandshakeRefused(status, "", after)))

    def knock(self) -> None:
        """Count an attempt that comes to the vendor now."""
        self.arrivals.append(self._timeline.now_ns)

    def busiest_second(self) -> int:
        """Return the greatest number of attempts that came within any second."""
        times = sorted(self.arrivals)
        first = busiest = 0
        for last, time in enumerate(times):
            while times[first] <= time - S:
                first += 1
            busiest = max(busiest, last - first + 1)
        return busiest


class Link:
    """One connection, with what happens to it: messages arrive in order, until it is over."""

    def __init__(
        self,
        timeline: Timeline,
        random: Random,
        faults: Faults,
        server: Server,
        peer: Peer,
        latency_s: float,
        fault: str | None,
    ) -> None:
        self._timeline = timeline
        self._random = random
        self._faults = faults
        self._server = server
        self._peer = peer
        self._latency_s = latency_s
        self._fault = fault
        self._left = self._strikes_after()
        self._arrives_ns = 0
        self._is_open = True
        self._is_dark = False
        self._feed: Feed | None = None

    def _strikes_after(self) -> int:
        """Return how many messages come before it happens."""
        random = self._random
        return random.choice((0, 1, 2, 3, 4, random.randint(0, 10), random.randint(0, self._server.length + 4)))

    def begin(self, start_position: int | None) -> None:
        """The handshake has been answered, and the token is sent."""
        self._peer.opened(self)
        if not self._is_open:
            return
        if self._fault in ("mute", "refused by message"):
            self._turn_away()
            return
        self._feed = self._server.open(start_position, self.send, self._close)
        if self._fault is not None:
            self._timeline.after(self._random.choice((0.5, 20.0, 120.0)), self._strike)
            self._strike_if_due()

    def _turn_away(self) -> None:
        fault, self._fault = self._fault, None
        assert fault is not None
        self._faults.fire(fault)
        if fault == "refused by message":
            self.send(b'{"errorMessage": "Supplied token could not be authenticated"}')
            self._close(1008)

    # -- from the server ---------------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> int:
        """The server sends a message; return when it arrives."""
        self._later(lambda: self._arrived(payload))
        return self._arrives_ns

    def _close(self, code: int | None) -> None:
        self._later(lambda: self._over(code))

    def _later(self, call: Call) -> None:
        gap_ns = int(self._random.uniform(0, 0.004) * S)
        self._arrives_ns = max(self._timeline.now_ns + int(self._latency_s * S), self._arrives_ns + gap_ns)
        self._timeline.at(self._arrives_ns, call)

    def _arrived(self, payload: bytes) -> None:
        if not self._is_open or self._is_dark:
            return
        self._peer.message(payload)
        if self._fault is not None:
            self._left -= 1
            if self._fault == "sent twice" and self._left <= 0 and b"fixtureAction" in payload:
                self._fire()
                self._peer.message(payload)
            else:
                self._strike_if_due()

    def _over(self, code: int | None) -> None:
        if self._is_open and not self._is_dark:
            self._end()
            self._peer.over(ConnectionOver(code, ""))

    # -- what happens to it ------------------------------------------------------------------------------------------

    def _fire(self) -> str:
        fault, self._fault = self._fault, None
        assert fault is not None
        self._faults.fire(fault)
        return fault

    def _strike_if_due(self) -> None:
        if self._left <= 0 and self._fault != "sent twice":
            self._strike()

    def _strike(self) -> None:
        if self._fault is None or not self._is_open or self._fault == "sent twice":
            return
        fault = self._fire()
        if fault in CLOSES:
            self._over(CLOSES[fault])
        elif fault == "black hole":
            self._is_dark = True
        elif fault == "stalled":
            self._arrives_ns = max(self._arrives_ns, self._timeline.now_ns) + int(self._random.uniform(2, 24) * S)

    # -- from our side -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """We close it: what is on its way still comes."""
        if self._is_dark:
            self._timeline.after(_CLOSING_S, self._closed)
        else:
            self._timeline.after(2 * self._latency_s, self._closed)

    def _closed(self) -> None:
        if self._is_open:
            self._end()
            self._peer.over(ConnectionOver(1000, ""))

    def abort(self) -> None:
        """We let go of it at once."""
        self._end()
        self._timeline.after(0.0, lambda: self._peer.over(ConnectionOver(None, "")))

    def drop(self) -> None:
        """Our side is gone."""
        self._end()

    def _end(self) -> None:
        self._is_open = False
        if self._feed is not None:
            self._server.forget(self._feed)
