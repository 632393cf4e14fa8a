"""Silence is a signal (rule 2): nothing came for 10 s, and the end of a connection."""

from __future__ import annotations

from recorder.feed.alignment.connection import Connection, Mode
from recorder.feed.alignment.first_of_read import seam_or_again
from recorder.feed.alignment.pieces import walk_on
from recorder.feed.alignment.steps import Alignment

_REGAIN = 4  # new items on one connection that show that the vendor does not cut us short


def quiet(a: Alignment) -> None:
    """Nothing came for 10 s."""
    connection = a.connection
    connection.was_quiet = True
    if connection.place is None:
        _quiet_before_aligned(a)
    elif connection.place < a.n:
        # aligned, p < n | quiet | `server_behind`: keep ours, stay
        a.proof.fell_behind(connection.place)
    else:
        if connection.mode is not Mode.RESUME:
            a.proof.looking = False  # the vendor's list does not hold what is parked
        a.working.epoch_current()


def _quiet_before_aligned(a: Alignment) -> None:
    connection = a.connection
    if connection.held is not None:
        seam_or_again(a, connection.held, None)
    elif a.proof.is_live:
        a.proof.due = False  # it sends only what is new: a read from 0 proves nothing
    elif connection.mode is Mode.READ:
        a.proof.fell_behind(0)
    elif connection.expected < a.n:
        # R, not aligned | quiet / ended | Z
        if connection.mode is Mode.PIECE:
            a.proof.round_failed()
        a.close("asked for an overlap, and nothing came")
    elif connection.mode is Mode.PIECE:
        a.proof.looking = False  # everything before was equal, and nothing follows: so it does not hold what is parked
    elif not a.proof.calibration:
        # No overlap was asked and no start is proven: it may have begun behind something. It does not cut us now.
        a.overlap = a.full_overlap
        a.close("nothing came, and no start is proven")


def ended(a: Alignment, *, authorised: bool) -> None:
    """The connection is over."""
    if a.connection.is_open and authorised:
        _was_cut(a)
    new = a.n - a.connection.length_before
    if new > 0:
        a.proof.got_on()
    if new >= _REGAIN:
        a.overlap = a.full_overlap
        a.proof.try_again()
    a.connection = Connection(is_open=False, length_before=a.n)


def _was_cut(a: Alignment) -> None:
    """Not by us."""
    connection = a.connection
    if connection.mode is not Mode.RESUME:
        if not connection.was_quiet:
            walk_on(a)
    elif connection.place is None and (a.overlap or not a.proof.calibration) and not a.proof.is_live:
        # R, not aligned | quiet / ended | Z
        a.proof.require("the last resume showed nothing")
        if connection.anchor is not None:
            a.proof.round_failed()
    if _was_short(a):
        a.overlap //= 2


def _was_short(a: Alignment) -> bool:
    """Whether it was cut before it brought anything new, so that a smaller overlap may help."""
    connection = a.connection
    if not connection.items or connection.was_quiet or a.n > connection.length_before:
        return False
    in_proof = a.proof.needs_read and connection.place is not None and connection.place < a.n
    return not in_proof
