"""A match as the vendor tells it: what happens when, and the packets that say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

BEGIN = datetime(2026, 9, 21, 13, tzinfo=UTC)
"""When virtual time begins, by a clock that is right."""

_TYPES = ((15, "Goal"), (304, "Foul"), (21, "Corner"), (30, "Substitution"), (8, "Start Clock"), (9, "Stop Clock"))


@dataclass(eq=False, slots=True)
class Packet:
    """One item of the vendor's list; two of the same content are two packets. ``text``: what of it counts."""

    action: dict[str, Any]
    summary: dict[str, Any]
    text: bytes
    readable: bool = True
    number: int = 0

    def payload(self, trace: int, *, shuffled: bool = False) -> dict[str, Any]:
        """Return the envelope, as a connection has it: what is around the content may differ from one to the next."""
        action = dict(reversed(self.action.items())) if shuffled else self.action
        head = {"traceId": f"{trace:032x}", "version": 3, "finished": self.summary["finished"]}
        if shuffled:
            return {"fixtureAction": action, "fixtureSummary": self.summary, **head}
        return {**head, "fixtureAction": action, "fixtureSummary": self.summary}


class Match:
    """Makes the packets of one match. ``numbered``: they bear a fixtureSeqNum."""

    def __init__(self, random: Random, fixture_id: str, *, numbered: bool) -> None:
        self._random = random
        self._fixture_id = fixture_id
        self._numbered = numbered
        self._made = self._packets = 0
        self._seq = 0
        self._score = [0, 0]
        self._pending: list[dict[str, Any]] = []
        self.length = min(150, 30 + int(random.expovariate(1 / 11)))

    def happenings(self) -> Iterator[tuple[float, Packet]]:
        """Yield (seconds since the last one, packet) up to the end of the match, and corrections behind it."""
        random = self._random
        late = random.choice((0, 0, 1, 3))
        for number in range(self.length - late - 1):
            pause = random.choice((0.0, 0.3, 2.0, 5.0, 8.0, 15.0, 30.0)) if number else 0.0
            yield pause, self.next_packet(pause)
        yield 20.0, self.next_packet(20.0, finished=True)
        for _ in range(late):
            pause = random.choice((0.1, 3.0, 20.0))
            yield pause, self.next_packet(pause, finished=True)

    def next_packet(self, seconds: float = 0.0, *, finished: bool = False) -> Packet:
        """Return a new action, or the next revision of one that is pending."""
        random = self._random
        if self._pending and random.random() < 0.5:
            action = dict(self._pending.pop(random.randrange(len(self._pending))))
            action |= {"sendType": random.choice(("Confirmed", "Updated", "Deleted")), "sendTypeId": 5}
        else:
            action = self._new()
        if action["sendType"] == "Pending" or random.random() < 0.2:
            self._pending.append(action)
        self._seq += 1
        if self._numbered:
            action["fixtureSeqNum"] = self._seq
        action["timelineSequence"] = f"1.{self._made:08d}{self._seq:08d}"
        return self.packet(action, finished=finished)

    def packet(self, action: dict[str, Any], *, finished: bool) -> Packet:
        """Return the packet of an action."""
        summary = {
            "homeTeamScore": self._score[0],
            "awayTeamScore": self._score[1],
            "currentPeriod": 1,
            "currentStatus": "Live",
            "finished": finished,
        }
        self._packets += 1
        return Packet(action, summary, msgspec.json.encode(action, order="sorted"), number=self._packets)

    def changed(self, packet: Packet) -> Packet:
        """Return the packet as the vendor tells it after a correction that is no new revision."""
        self._made += 1
        return self.packet({**packet.action, "clockTime": f"{self._made:02}:59"}, finished=packet.summary["finished"])

    def _new(self) -> dict[str, Any]:
        self._made += 1
        type_id, name = self._random.choice(_TYPES)
        if name == "Goal":
            self._score[self._random.randrange(2)] += 1
        return {
            "period": 1,
            "actionId": f"{self._fixture_id[:24]}{self._made:012d}",
            "sendType": self._random.choice(("Pending", "Confirmed")),
            "clockTime": f"{self._made // 60:02}:{self._made % 60:02}",
            "fixtureId": self._fixture_id,
            "timestamp": (BEGIN + timedelta(seconds=10 * self._made)).isoformat().replace("+00:00", "Z"),
            "fixtureActionType": name,
            "fixtureActionTypeId": type_id,
        }
