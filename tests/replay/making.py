"""Recordings made by hand, for tests that need no archive."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from recorder.model import Stream
from recorder.replay.recordings import Recording, Session

US = 1_000_000
BEGAN_US = 1_465_585_200 * US
"""2016-06-10T19:00:00Z."""


def fixture_id(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def packet(number: int) -> bytes:
    """Return a packet that names its number."""
    return b'{"fixtureAction":{"fixtureSeqNum":%d,"n":1.0E-16},"finished":false}' % number


def recording(
    at_s: Sequence[float],
    *,
    number: int = 0,
    vendor_s: Sequence[float | None] = (),
    clocks: Sequence[tuple[int | None, int | None]] = (),
    sessions: Sequence[Session] = (),
    channel: str = "actions",
) -> Recording:
    """Return a stream with a message at each of these seconds; ``vendor_s`` as the vendor's own times tell it."""
    packets = [packet(index) for index in range(len(at_s))]
    occurred = [-(2**63) if each is None else BEGAN_US + round(each * US) for each in vendor_s or at_s]
    return Recording(
        stream=Stream("betting", "soccer", fixture_id(number), channel),
        title=f"match {number}",
        firsts=range(len(at_s)),
        packets=len(at_s),
        received_us=array("q", (BEGAN_US + round(each * US) for each in at_s)),
        occurred_us=array("q", occurred),
        load=lambda: packets,
        clocks=clocks or [(None, None)] * len(at_s),
        sessions=sessions,
        kickoff=next((index for index, (period, _) in enumerate(clocks) if (period or 0) >= 1), None),
    )
