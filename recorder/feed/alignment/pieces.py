"""The proof in pieces: a read from 0 that was cut goes on where it was cut, not at 0 again.

Each piece asks for the last item that was equal and what follows it. Where a vendor cuts after every single item there
is no room for that overlap: the pieces become blind, and ask for what follows alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from recorder.feed.alignment.effects import Item
from recorder.feed.alignment.first_of_resume import fits_the_end
from recorder.feed.alignment.proof import Walk
from recorder.feed.alignment.steps import Alignment


def first_of_piece(a: Alignment, item: Item) -> None:
    """It must stand where it is expected; before that it does as well, since what follows shows the rest."""
    walk = a.proof.walk or Walk(0, 0)
    asked, expected = a.connection.asked, a.connection.expected
    places = a.places(item)
    end = a.n if walk.place == a.n else expected
    if not places and fits_the_end(a, item, end):
        a.append(item)
    elif (found := _found(a, item, places, walk.place)) is not None:
        known = a.proof.observed or a.proof.calibration
        a.proof.observe(known, asked, found, a.connection.unreadable, a.unreadable)
        a.proof.walk = Walk(walk.place, found - asked, walk.blind)
        a.match(found, item)
    else:
        _not_found(a, item, places)
        a.proof.round_failed()
        a.close(f"asked for {asked}, and position {expected} did not come")


def _found(a: Alignment, item: Item, places: Sequence[int], proven_to: int) -> int | None:
    expected = a.connection.expected
    if expected in places:
        return expected
    if len(places) != 1:
        return None
    a.proof.last_shift = places[0] - a.connection.asked
    return places[0] if places[0] < proven_to else a.within_skip(expected, item)


def _not_found(a: Alignment, item: Item, places: Sequence[int]) -> None:
    asked = a.connection.asked
    if not places:
        a.park(item, f"asked for {asked}, got an unknown item")
    elif item.seq is not None or len(places) == 1:
        a.proof.observe(None, asked, places[0])


def walk_on(a: Alignment) -> None:
    """A read from 0, or a piece of one, was cut; everything was equal so far: the next piece begins there."""
    place, walk = a.connection.place, a.proof.walk
    if not a.proof.needs_read or a.connection.late:
        return
    if place is None:
        if a.connection.held is not None or (walk is not None and walk.blind):
            a.proof.round_failed()
    elif walk is None:
        a.proof.walk = Walk(place, a.proof.likely_shift)
    elif place > walk.place:
        a.proof.walk = Walk(place, walk.shift, walk.blind)
    elif not walk.blind:
        a.proof.walk = Walk(walk.place, walk.shift, blind=True)
    else:
        a.proof.round_failed()
