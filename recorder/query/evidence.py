"""One frame and the actions read from it, against its own bytes: the rows are made again by what first made them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recorder.model import ACTIONS, FIXTURE, Fields, Kind, Stream

FACTS = ("received_us", "content_digest", "frame_digest")
DERIVED = Fields.__struct_fields__
"""The columns of an action that its frame's bytes give, in their order."""

_TOO_LARGE = "frame too large"
_SHOWN = 40


def differing(names: tuple[str, ...], stored: tuple[Any, ...], again: tuple[Any, ...]) -> Iterator[str]:
    """Say which columns are not what the frame gives. A flag is 0 or 1 on SQLite: equal to what it says."""
    for name, here, there in zip(names, stored, again, strict=True):
        if here != there:
            yield f"{name} is {_shown(here)}, its frame gives {_shown(there)}"


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def wrong_kind(
    stream: Stream, kind: str, reason: str | None, said: Kind, *, is_ours: bool, first: bool, alone: bool
) -> str | None:
    """Say what is wrong with what a frame is kept as; None: nothing.

    ``said``: what its bytes are. ``is_ours``: no packet of it names another fixture. ``first``: it was the first
    message of its connection; ``alone``: nothing but errors is stored of the connection before it.
    """
    allowed = _allowed(stream, said, is_ours=is_ours, first=first, alone=alone)
    if kind in allowed or (kind == Kind.QUARANTINED and (reason or "").startswith(_TOO_LARGE)):
        return None
    return f"it is kept as {kind!r}, and its bytes say {' or '.join(repr(str(each)) for each in allowed)}"


def _allowed(stream: Stream, said: Kind, *, is_ours: bool, first: bool, alone: bool) -> tuple[Kind, ...]:
    if stream.channel == FIXTURE:
        return (Kind.UNKNOWN,)  # the REST's answers are kept as they come
    if said is Kind.ACTION and stream.channel == ACTIONS:
        return (Kind.ACTION, Kind.UNPLACED) if is_ours else (Kind.QUARANTINED,)
    if said is Kind.ACTION:
        return (Kind.UNKNOWN,)
    if said is not Kind.UNKNOWN:
        return (said,)
    if first and stream.channel == ACTIONS:
        return (Kind.AUTH,)  # protocol 1.4: the first message that is nothing else is the reply to our token
    return (Kind.UNKNOWN, Kind.AUTH) if alone else (Kind.UNKNOWN,)


def as_bytes(stored: object) -> bytes:
    """Return a payload as bytes, also where somebody has put text in its place."""
    return stored if isinstance(stored, bytes) else str(stored).encode()
