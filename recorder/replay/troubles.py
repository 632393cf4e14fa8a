"""What can be done to a client, as plain data: planned by `chaos` or taken from a recording, carried out by `talk`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

How = Literal["abort", "eof"] | int
"""How a connection ends: TCP reset, TCP end without a close frame, or a close frame with that code."""


@dataclass(frozen=True, slots=True)
class Drop:
    """End the connection."""

    how: How
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stall:
    """Say nothing for so long, heartbeats neither; the connection stays open."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Resend:
    """Send the last so many messages again."""

    messages: int


@dataclass(frozen=True, slots=True)
class Say:
    """Send something that is neither packet nor heartbeat: a text, a binary message, a ping or a pong."""

    payload: bytes
    opcode: Literal["text", "binary", "ping", "pong"] = "text"


@dataclass(frozen=True, slots=True)
class Slow:
    """From here on let so many bytes through in a second, for so many messages."""

    bytes_per_s: int
    messages: int


Trouble = Drop | Stall | Resend | Say | Slow


@dataclass(frozen=True, slots=True)
class Refusal:
    """The handshake is refused."""

    status: int
    text: str = ""
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What one connection meets.

    ``refusal``: it does not come to be. ``auth_delay_s``: the token is answered so much later. ``offset``: where the
    list begins against what was asked for (1: one packet later); ``from_start``: at its beginning whatever was asked
    for. ``troubles``: by the index of a message, what happens right before it is sent.
    """

    refusal: Refusal | None = None
    auth_delay_s: float = 0.0
    offset: int = 0
    from_start: bool = False
    troubles: Mapping[int, Sequence[Trouble]] = field(default_factory=dict)


FLAWLESS = Plan()


def entry(path: str, client: int | None, what: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of the log of troubles: now, on a stream's path, to a client (None before there is one)."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"at": at, "path": path, "client": client, **what}


def told(trouble: Trouble | Refusal) -> dict[str, Any]:
    """Return a trouble as the log of troubles has it: its name, and what belongs to it."""
    fields = {name: getattr(trouble, name) for name in trouble.__dataclass_fields__}
    if isinstance(trouble, Say):
        fields["payload"] = trouble.payload.decode("utf-8", "replace")[:200]
    return {"trouble": type(trouble).__name__.lower(), **fields}
