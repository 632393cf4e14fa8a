"""What one packet gives: its content, whose it is, and its columns; by the way that takes any packet.

For nearly every packet `usual.read_usual` gives the same in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from recorder.feed import actions
from recorder.feed.content import content_digest
from recorder.feed.messages import Packet, read
from recorder.model import Fields


class Parsed(Struct, frozen=True, gc=False):
    """One packet. ``content``: its content's digest; ``fixture_id`` in lower case, None when it does not say one.

    ``part`` is its index among the bearing objects of its message, from 0.
    """

    content: bytes
    fixture_id: str | None
    fields: Fields
    part: int = 0


def parsed(packet: Packet) -> Parsed:
    """Return what a packet gives, whatever it looks like; never raises."""
    content = content_digest(packet.fixture_action)
    return Parsed(content, actions.fixture_id(packet.envelope), actions.parse(packet.envelope), packet.part)


def parsed_of(payload: bytes) -> Sequence[Parsed]:
    """Return what the packets of a message give; empty when it bears none."""
    return [parsed(packet) for packet in read(payload).packets]
