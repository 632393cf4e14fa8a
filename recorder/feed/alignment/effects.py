"""What arrives and what is answered: an item, and the effects that the archive has to obey in their order.

Positions and indices count from 0, everywhere in the alignment.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from recorder.feed.alignment.calibration import Calibration


class Item(Struct, frozen=True, gc=False):
    """One action as it arrives; or one that was parked."""

    digest: bytes
    """16 bytes that stand for its canonical content."""
    seq: int | None
    """``fixtureSeqNum``: a hint, never a key (resume, rule 10)."""
    ref: object = None
    """Which frame and part it came in; alignment only hands it back."""


class Append(Struct, frozen=True, gc=False):
    """``item`` takes ``position`` in the working list."""

    position: int
    item: Item
    parked: Item | None = None
    """The same content, kept earlier without a place: that frame is the evidence, it came first."""
    same_as: int | None = None
    """In a new epoch: the position in its parent that holds the same content, and whose first arrival counts."""


class Match(Struct, frozen=True, gc=False):
    """``item`` equals what is stored at ``position``: compare and count, store nothing."""

    position: int
    item: Item


class Resent(Struct, frozen=True, gc=False):
    """``item`` has the content that came just before it, or that is parked already: count it."""

    item: Item
    position: int | None = None
    """Where the same content is stored; None: it is parked."""


@dataclass(frozen=True, slots=True)
class Park:
    """Keep the frame of ``item`` as `unplaced`: its position cannot be told yet."""

    item: Item
    why: str


@dataclass(frozen=True, slots=True)
class Fork:
    """A new epoch begins: positions [0, ``position``) of the working list, and what follows."""

    position: int
    why: str


@dataclass(frozen=True, slots=True)
class EpochCurrent:
    """The new epoch is as long as the current one, or was read to its end: it is the current one now."""


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A doubt, in [``from_position``, ``to_position``); None: nobody can tell. Equal: a seam just before that place."""

    cause: str
    from_position: int | None
    to_position: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Heal:
    """The open gaps of these causes are closed by proof."""

    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Close this connection and dial again; the next question is known already."""

    why: str


@dataclass(frozen=True, slots=True)
class Proven:
    """This start behaviour is proven: keep it on the session row."""

    calibration: Calibration


Effect = Append | Match | Resent | Park | Fork | EpochCurrent | OpenGap | Heal | Reconnect | Proven
