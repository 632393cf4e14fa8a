"""What the vendor sent of eleven matches, as plain Python: the facts that the worked queries are checked against."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.archive.filling import START_US
from tests.vendor import Match, load, names

LIVE = "00000000-0000-4000-8000-0000000011fe"
"""The fixture id of a match that was not: France - Romania as if it had happened while it was recorded."""

_CARD = {
    b'"sendType":"Pending"': b'"sendType":"%s"',
    b'"Yellow Card","fixtureActionTypeId":107': b'"%s","fixtureActionTypeId":%d',
    b'"actionId":"1d5fed0c-c890-5d87-8a5d-58827e4f8d21"': b'"actionId":"%s"',
}
_CARDS = [
    (b"Confirmed", b"Yellow Card", 107, b"a-card-that-turns-red"),
    (b"Updated", b"Red Card", 108, b"a-card-that-turns-red"),
    (b"Confirmed", b"Yellow Card", 107, b"a-card-that-is-taken-back"),
    (b"Deleted", b"Yellow Card", 107, b"a-card-that-is-taken-back"),
]


def live_match() -> Match:
    """Return a match of the betting feed whose packets are some hundred milliseconds old, with four of cards added."""
    match = load("soccer-france-romania", feed="betting")
    first = next(at for at, packet in enumerate(match.packets) if b"Yellow Card" in packet)
    cards = [_card(match.packets[first], *said) for said in _CARDS]
    packets = [*match.packets[: first + 1], *cards, *match.packets[first + 1 :]]
    offset = match.offsets_ms[first]
    offsets = [*match.offsets_ms[: first + 1], *range(offset + 1, offset + 5), *match.offsets_ms[first + 1 :]]
    now = [_now(packet, at, offset) for at, (packet, offset) in enumerate(zip(packets, offsets, strict=True))]
    return replace(match, name="live", packets=now, offsets_ms=sorted(offsets)).under(LIVE)


def _card(packet: bytes, send_type: bytes, kind: bytes, kind_id: int, action_id: bytes) -> bytes:
    values: list[object] = [send_type, (kind, kind_id), action_id]
    for (said, wanted), value in zip(_CARD.items(), values, strict=True):
        assert said in packet
        packet = packet.replace(said, wanted % value)
    return packet


def _now(packet: bytes, number: int, offset_ms: int) -> bytes:
    sent = moment(START_US + offset_ms * 1000 - 1000 * (700 + number * 37 % 500))
    return re.sub(rb'"timestamp":"[^"]+"', b'"timestamp":"%s"' % sent.encode(), packet)


def moment(micros: int) -> str:
    """Return a time as the views show it."""
    shown = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return shown.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class Packet:
    """One packet of a match: its action, and the summary that came with it."""

    match: Match
    position: int
    action: dict[str, Any]
    summary: dict[str, Any]

    @property
    def fixture_id(self) -> str:
        return self.match.fixture_id

    @property
    def received_us(self) -> int:
        return START_US + self.match.offsets_ms[self.position] * 1000

    @property
    def sent_us(self) -> int:
        return round(datetime.fromisoformat(self.action["timestamp"]).timestamp() * 1_000_000)

    @property
    def type(self) -> str:
        return str(self.action["fixtureActionType"])

    @property
    def clock(self) -> str:
        return str(self.action["clockTime"])

    @property
    def team(self) -> str | None:
        return (self.action.get("team") or {}).get("name")

    @property
    def player(self) -> str | None:
        return (self.action.get("player") or {}).get("name")

    @property
    def score(self) -> tuple[int, int]:
        return self.summary["homeTeamScore"], self.summary["awayTeamScore"]

    @property
    def is_taken_back(self) -> bool:
        return self.action["sendType"] in ("Deleted", "Cancelled")


def seconds(clock: str) -> int:
    minutes, rest = clock.split(":")
    return int(minutes) * 60 + int(rest)


def matches() -> list[Match]:
    """Return the ten matches and the made one."""
    return [*map(load, names()), live_match()]


def packets(match: Match) -> list[Packet]:
    found = [json.loads(packet, parse_float=Decimal) for packet in match.packets]
    return [Packet(match, at, each["fixtureAction"], each["fixtureSummary"]) for at, each in enumerate(found)]


def actions(told: Iterable[Packet]) -> Iterator[list[Packet]]:
    """Yield the revisions of each action of one match, the newest last."""
    found: dict[str, list[Packet]] = {}
    for packet in told:
        found.setdefault(packet.action["actionId"], []).append(packet)
    yield from found.values()


def standing(told: Iterable[Packet]) -> list[Packet]:
    """Return the newest revision of each action, where that was not taken back."""
    return [revisions[-1] for revisions in actions(told) if not revisions[-1].is_taken_back]
