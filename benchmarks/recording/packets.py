"""Real packets for any number of streams of any length: the bundled matches under other names, again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from uuid import NAMESPACE_URL, uuid5

from recorder.model import Stream
from recorder.replay import bundled
from tests.vendor import Match

_ID = re.compile(rb'"([0-9a-f]{8})(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")')
_IDS = re.compile(rb'"actionId":"[^"]*"|"relatedFixtureActionIds":\[[^\]]*\]')
_NUMBER = re.compile(rb'"fixtureSeqNum":(\d+)')


def streams(count: int, first: int = 0) -> list[Stream]:
    """Return so many streams from the ``first`` on, those of the bundled sports in turn."""
    kinds = [recording.stream for recording in bundled()]
    return [
        Stream(kind.feed, kind.sport, str(uuid5(NAMESPACE_URL, f"benchmark {number}")))
        for number in range(first, first + count)
        for kind in [kinds[number % len(kinds)]]
    ]


def packets(stream: Stream, number: int, length: int) -> list[bytes]:
    """Return the first ``length`` packets of the ``number``-th of `streams`; each stands there once."""
    fixture = stream.fixture_id.encode()
    return [packet.replace(b"00000000-0000-0000-0000-000000000000", fixture) for packet in _endless(number, length)]


def match_of(stream: Stream, number: int, length: int) -> Match:
    """Return `packets` as a match that came one a second."""
    return Match(
        name=str(number),
        fixture_id=stream.fixture_id,
        sport=stream.sport,
        feed=stream.feed,
        home="",
        away="",
        packets=packets(stream, number, length),
        offsets_ms=list(range(0, length * 1000, 1000)),
        sha256="",
        official_score=(0, 0),
    )


def _endless(number: int, length: int) -> Iterator[bytes]:
    templates = _templates()[number % len(_templates())]
    for position in range(length):
        lap, place = divmod(position, len(templates))
        packet = templates[place]
        yield packet if lap == 0 else _renamed(packet, lap, lap * len(templates))


@cache
def _templates() -> list[list[bytes]]:
    """Return each bundled match, of no fixture and not yet over."""
    found = []
    for recording in bundled():
        fixture = recording.stream.fixture_id.encode()
        match = [packet.replace(fixture, b"00000000-0000-0000-0000-000000000000") for packet in recording.load()]
        over = next((at for at, packet in enumerate(match) if b'"finished":true' in packet), len(match))
        found.append(match[:over])
    return found


def _renamed(packet: bytes, lap: int, offset: int) -> bytes:
    """Return a packet with other ids of actions and a later number."""

    def rename(found: re.Match[bytes]) -> bytes:
        return b'"%08x%s' % ((int(found[1], 16) + lap) % 2**32, found[2])

    packet = _IDS.sub(lambda found: _ID.sub(rename, found[0]), packet)
    return _NUMBER.sub(lambda found: b'"fixtureSeqNum":%d' % (int(found[1]) + offset), packet, count=1)
