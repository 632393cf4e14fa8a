"""How a read from 0 begins (Z): the rows for its first item, and for the second while the first is held.

Where nothing is stored (Z, n = 0 | x | append) there is nothing to find out: the place is 0 from the start.
"""

from __future__ import annotations

from recorder.feed.alignment.effects import Item
from recorder.feed.alignment.steps import Alignment


def first_of_read(a: Alignment, item: Item) -> None:
    """Z, first item."""
    places = a.places(item)
    if not places:
        _unknown_head(a, item)
    elif places[0] <= a.connection.unreadable:
        # Z, first item | q = 0 | match, p = 1 (or: accept the skip)
        a.match(places[0], item)
    elif places[0] == a.proof.heads.late:
        # Z, first item | q > 0 | late by exactly q before: fork at 0 (head deleted)
        a.fork(0, f"the vendor no longer sends the first {places[0]}", item)
    else:
        # Z, first item | q > 0 | … else gap `head`, same epoch
        a.connection.late = a.proof.heads.late = places[0]
        a.working.gap("head", 0, places[0], f"a read from 0 began with position {places[0]}")
        a.proof.require("the last read from 0 began late")
        a.match(places[0], item)


def _unknown_head(a: Alignment, item: Item) -> None:
    before, a.proof.heads.unknown = a.proof.heads.unknown, item.digest
    if before == item.digest and _may_be_replay(a, item):
        # Z, first item | same as the last Z's first, seq ≤ last stored | replay proven: fork at 0
        a.fork(0, "the vendor replays another list", item)
    else:
        # Z, first item | unknown | hold and park
        a.connection.held = item
        a.park(item, "the first item of a read from 0 is unknown")


def second_of_read(a: Alignment, held: Item, item: Item) -> None:
    """Z, held."""
    if item.digest == held.digest:
        a.resent(item)
    elif a.places(item):
        # Z, held | a known item | the head changed: fork at 0 with held + x
        a.fork(0, "the first item has changed", held, item)
    else:
        seam_or_again(a, held, item)


def seam_or_again(a: Alignment, held: Item, second: Item | None) -> None:
    """Z, held, and nothing known follows."""
    # Z, held | a second unknown, or quiet | seq(first) ≤ seq(last stored): close, Z once; else live-only seam, gap
    if _may_be_replay(a, held) and not a.proof.heads.asked_again:
        a.proof.heads.asked_again = True
        if second is not None:
            a.park(second, "a read from 0 shows another list")
        a.close("is this a replay, or does the vendor send only what is new?")
    else:
        a.seam(held, *([] if second is None else [second]))


def _may_be_replay(a: Alignment, item: Item) -> bool:
    """Whether an unknown head may be another list, rather than what is new."""
    if item.seq is None:  # no hint: then a server that was proven to keep a list is not live-only
        return a.proof.calibration is not None and not a.proof.is_live
    return a.working.not_later(item)
