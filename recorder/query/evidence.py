"""One frame and the actions read from it, against its own bytes: the rows are made again by what first made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from operator import itemgetter
from typing import Any

from recorder.archive.dialect import fixed_point
from recorder.feed.actions import derive, fixture_id
from recorder.feed.content import content_digest
from recorder.feed.messages import Message, Packet
from recorder.model import ACTIONS, FIXTURE, Fields, Kind, Stream

FACTS = ("received_us", "content_digest", "frame_digest")
DERIVED = tuple(field.name for field in fields(Fields))
"""The columns of an action that its frame's bytes give, in the order of `Remade.values`."""

_derived = itemgetter(*DERIVED)
_NOTHING: dict[str, Any] = dict.fromkeys(DERIVED)
_TOO_LARGE = "frame too large"
_SHOWN = 40


class Remade:
    """What one packet gives: its content, its derived columns, whose it is and when it happened (the vendor's time)."""

    __slots__ = ("content", "fixture_id", "occurred_us", "values")

    def __init__(self, packet: Packet) -> None:
        said = {**_NOTHING, **derive(packet.envelope)}
        said["timeline_sequence"] = fixed_point(said["timeline_sequence"])
        self.content = content_digest(packet.fixture_action)
        self.fixture_id = fixture_id(packet.envelope)
        self.occurred_us = said["occurred_us"]
        self.values: tuple[Any, ...] = _derived(said)


def differing(names: tuple[str, ...], stored: tuple[Any, ...], again: tuple[Any, ...]) -> Iterator[str]:
    """Say which columns are not what the frame gives. A flag is 0 or 1 on SQLite: equal to what it says."""
    for name, here, there in zip(names, stored, again, strict=True):
        if here != there:
            yield f"{name} is {_shown(here)}, its frame gives {_shown(there)}"


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def wrong_kind(
    stream: Stream, kind: str, reason: str | None, message: Message, *, is_ours: bool, first: bool, alone: bool
) -> str | None:
    """Say what is wrong with what a frame is kept as; None: nothing.

    ``is_ours``: no packet of it names another fixture. ``first``: it was the first message of its connection;
    ``alone``: nothing but errors is stored of the connection before it.
    """
    allowed = _allowed(stream, message, is_ours=is_ours, first=first, alone=alone)
    if kind in allowed or (kind == Kind.QUARANTINED and (reason or "").startswith(_TOO_LARGE)):
        return None
    return f"it is kept as {kind!r}, and its bytes say {' or '.join(repr(str(each)) for each in allowed)}"


def _allowed(stream: Stream, message: Message, *, is_ours: bool, first: bool, alone: bool) -> tuple[Kind, ...]:
    if stream.channel == FIXTURE:
        return (Kind.UNKNOWN,)  # the REST's answers are kept as they come
    if message.kind is Kind.ACTION and stream.channel == ACTIONS:
        return (Kind.ACTION, Kind.UNPLACED) if is_ours else (Kind.QUARANTINED,)
    if message.kind is Kind.ACTION:
        return (Kind.UNKNOWN,)
    if message.kind is not Kind.UNKNOWN:
        return (message.kind,)
    if first and stream.channel == ACTIONS:
        return (Kind.AUTH,)  # protocol 1.4: the first message that is nothing else is the reply to our token
    return (Kind.UNKNOWN, Kind.AUTH) if alone else (Kind.UNKNOWN,)


def as_bytes(stored: object) -> bytes:
    """Return a payload as bytes, also where somebody has put text in its place."""
    return stored if isinstance(stored, bytes) else str(stored).encode()
