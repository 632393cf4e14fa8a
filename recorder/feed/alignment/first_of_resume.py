"""How a resume begins (R): the rows for its first item, and for the second where one alone proves no place."""

from __future__ import annotations

from collections.abc import Sequence

from recorder.feed.alignment.calibration import Calibration
from recorder.feed.alignment.effects import Item
from recorder.feed.alignment.steps import Alignment


def first_of_resume(a: Alignment, item: Item) -> None:
    """R, not aligned."""
    places = a.places(item)
    if not places:
        _unknown(a, item)
    elif (found := _which(a, places)) is None:
        # R, not aligned | … ambiguous | close, Z
        a.close("the first item stands at several places")
    elif _as_proven(a, found) or a.proof.given_up:
        # R, not aligned | q unique, start as proven | align, p = q + 1
        a.match(found, item)
    elif _as_proven(a, found, a.unreadable):
        # … | as proven, but for frames that the vendor counts and we cannot read (rule 6): proven, once
        a.match(found, item)
        a.proof.tolerate(found - a.connection.asked)
    elif item.seq is None and (found < a.n - 1 or a.connection.expected < a.n):
        a.connection.anchor = found
    else:
        _suspect(a, found)


def second_of_resume(a: Alignment, anchor: int, item: Item) -> None:
    """Without a seq the first item may be the same thing happening again: anchor on two (rule 9)."""
    digests = a.working.list.digests
    if item.digest == digests[anchor]:
        a.resent(item, anchor)
    elif anchor + 1 < a.n and digests[anchor + 1] == item.digest:
        _suspect(a, anchor)
    else:
        if a.places(item):
            a.proof.round_failed()
        else:
            a.park(item, f"after position {anchor} came an unknown item")
            if anchor == a.n - 1:
                a.proof.last_shift = anchor - a.connection.asked  # likely, not shown
        a.close("the first item alone proves no place")


def _as_proven(a: Alignment, found: int, uncounted: int = 0) -> bool:
    """Whether all that is proven about the start explains this one, with ``uncounted`` frames that have no place."""
    known = a.proof.calibration
    if not known:
        return False
    return known == known.agreeing(a.connection.asked, found, a.connection.unreadable, uncounted)


def _suspect(a: Alignment, found: int) -> None:
    """Another start than the proven one. Only narrowed: it was ambiguous, and is proven again."""
    # R, not aligned | q known, start differs from the proven one | suspect: close, Z (rule 1)
    asked = a.connection.asked
    a.proof.last_shift = found - asked
    a.proof.observe(a.proof.calibration, asked, found, a.connection.unreadable, a.unreadable)
    a.close(f"asked for {asked}, got position {found}: to be proven")


def _unknown(a: Alignment, item: Item) -> None:
    if a.proof.is_live and not a.working.not_later(item):
        a.seam(item)
    elif fits_the_end(a, item, a.connection.expected):
        a.append(item)
    elif a.proof.given_up:
        a.go_on(item)
    else:
        # R, not aligned | unknown | park; close, Z
        a.park(item, f"asked for {a.connection.asked}, got an unknown item")
        a.close("the first item is unknown")


def _which(a: Alignment, places: Sequence[int]) -> int | None:
    """Return the one place that a first item can stand at; None when it is ambiguous (rule 9)."""
    if len(places) == 1:
        return places[0]
    if a.proof.given_up:
        return places[-1]
    # A vendor that cuts us short would never let us end another proof: then the proven start decides.
    calibration, expected = a.proof.calibration, a.connection.expected
    decides = calibration is not None and calibration.shift is not None and a.overlap < a.full_overlap
    return expected if decides and expected in places else None


def fits_the_end(a: Alignment, item: Item, place: int) -> bool:
    """Whether an unknown first item, due at ``place``, is the one behind our last, although nothing shows it."""
    asked, last, end = a.connection.asked, a.working.last_seq, a.n
    if place != end or a.working.not_later(item):
        return False
    calibration = a.proof.calibration
    agreeing = calibration.agreeing(asked, end) if calibration else Calibration()
    if agreeing:
        a.proof.calibration = agreeing  # an unknown item: this server does not begin with 0
    elif not (item.seq is not None and last is not None and item.seq == last + 1):
        return False
    a.proof.last_shift = end - asked
    return True
