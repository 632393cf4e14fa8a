"""What to ask for: the first row of the decision table."""

from __future__ import annotations

from dataclasses import dataclass

from recorder.feed.alignment.connection import Connection, Mode
from recorder.feed.alignment.steps import Alignment


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask for. ``start_position`` None: leave the parameter out (rule 8), the vendor begins with the first."""

    start_position: int | None
    from_zero: bool
    overlap: int
    """How many stored items should come again; 0: none, or all of them."""
    why: str
    past_all: bool = False
    """Whether whatever comes should be new, so that silence says that there is no more."""


def dial(a: Alignment) -> Ask:
    """Begin a connection."""
    # dialling | proof due, parked, behind, or n ≤ overlap | Z, else R at n − overlap
    if a.proof.needs_read:
        return _next_piece(a) or _from_zero(a, a.proof.reason)
    a.proof.walk = None  # it came to its end: a later proof begins at 0 again (rule 1)
    overlap, shift = _overlap(a), _shift(a)
    if a.n <= overlap or a.n - overlap - shift <= 0:
        return _from_zero(a, "the list is short")
    return _from(a, Mode.RESUME, a.n - overlap, shift, "resume")


def _next_piece(a: Alignment) -> Ask | None:
    """Go on with a read from 0 that was cut, where that is any shorter."""
    walk = a.proof.walk
    if walk is None or not a.n:
        return None
    expected = walk.place if walk.blind else walk.place - 1
    if expected - walk.shift <= 0:
        return None
    return _from(a, Mode.PIECE, expected, walk.shift, "the next piece of a proof from 0")


def _overlap(a: Alignment) -> int:
    if a.overlap == 1 and not a.proof.calibration and a.working.last_seq is None:
        return 2  # rule 9: without seq, anchor on two
    return a.overlap


def _shift(a: Alignment) -> int:
    calibration = a.proof.calibration
    if calibration and calibration.shift is not None:
        return calibration.shift
    return 0 if a.overlap else a.proof.likely_shift  # cut short again and again: only a guess can bring us further


def _from(a: Alignment, mode: Mode, expected: int, shift: int, why: str) -> Ask:
    past_all = expected >= a.n or a.proof.is_live
    a.connection = Connection(mode, expected - shift, expected, a.n, asked_past_all=past_all)
    return Ask(expected - shift, False, a.n - expected, why, past_all)


def _from_zero(a: Alignment, why: str) -> Ask:
    a.connection = Connection(Mode.READ, length_before=a.n, place=None if a.n else 0)
    return Ask(None, True, 0, why)
