"""What follows once a connection has aligned: the rows with a place p."""

from __future__ import annotations

from recorder.feed.alignment.connection import Mode
from recorder.feed.alignment.effects import Item
from recorder.feed.alignment.steps import Alignment


def next_item(a: Alignment, place: int, item: Item) -> None:
    """Aligned: an item where that at ``place`` is due."""
    digests = a.working.list.digests
    if place == len(digests):
        _behind_the_end(a, item)
    elif digests[place] == item.digest:
        # aligned, p < n | equals stored[p] | p + 1
        a.match(place, item)
    elif place and digests[place - 1] == item.digest:
        # aligned | equals stored[p − 1] | a re-send: count
        a.resent(item, place - 1)
    elif (skipped_to := a.within_skip(place, item)) is not None:
        # aligned, p < n | q within p+1..p+k after k unreadable frames | accept the skip
        a.match(skipped_to, item)
    elif a.connection.mode is Mode.READ:
        _mismatch_of_read(a, place, item)
    elif a.proof.given_up:
        _mismatch_without_proof(a, place, item)
    else:
        _mismatch(a, place, item)


def _behind_the_end(a: Alignment, item: Item) -> None:
    """Aligned, p = n."""
    places = a.places(item)
    if not places:
        # aligned, p = n | unknown | append
        a.append(item)
    elif places[-1] == a.n - 1:
        # aligned | equals stored[p − 1] | a re-send: count
        a.resent(item, a.n - 1)
        if item.seq is None:  # rule 9: without a seq nobody can tell it from the same thing happening twice
            detail = f"position {a.n - 1} came twice in a row without a fixtureSeqNum; it was kept once"
            a.working.gap("dup_suspect", a.n - 1, a.n, detail)
    elif _refutes_seam(a, places[-1]):
        _doubt_seam(a, places[-1])
    elif item.seq is None:
        a.append(item)  # the same thing happened again: nothing is lost
    elif places[-1] < a.connection.late:
        # Z, first item | q > 0 | … if earlier items follow: fork
        a.fork_late(item)
    elif a.connection.mode is Mode.RESUME and not a.proof.given_up:
        # aligned, p = n | q < n − 1, has seq | R: close, Z.
        a.close(f"position {places[-1]} came again behind the end")
    else:
        # aligned, p = n | q < n − 1, has seq | Z: gap `disorder`
        a.disorder(item, places[-1])


def _refutes_seam(a: Alignment, last: int) -> bool:
    """Whether a read from 0 that seemed to show only what is new goes on with what is old."""
    return 0 <= last < a.connection.seam and not a.proof.doubted_live


def _doubt_seam(a: Alignment, last: int) -> None:
    # Z, behind its own seam | q before the seam | no live-only server: close, Z once
    a.proof.doubt_live()
    a.close(f"position {last} came behind what seemed to be all that the vendor sends")


# aligned, p < n | any other mismatch


def _mismatch_of_read(a: Alignment, place: int, item: Item) -> None:
    late, last = a.connection.late, max(a.places(item), default=-1)
    if late and not late <= last < place:
        # Z, first item | q > 0 | … if earlier items follow: fork
        a.fork_late(item)
    elif _refutes_seam(a, last):
        _doubt_seam(a, last)
    elif 0 <= last < place:
        # Z: q < p: gap `disorder`
        a.disorder(item, last)
    else:
        # Z: … else fork at p
        a.fork(place, "the vendor's list has changed", item)


def _mismatch(a: Alignment, place: int, item: Item) -> None:
    # R: park, close, Z
    if not a.places(item):
        a.park(item, f"another item than the one stored at position {place}")
    if a.connection.mode is Mode.PIECE and a.proof.round_failed():
        _tell_changed(a, place)
    a.close(f"position {place} is not what was stored")


def _mismatch_without_proof(a: Alignment, place: int, item: Item) -> None:
    """Nobody will tell us more: say so, and go on."""
    _tell_changed(a, place)
    if places := a.places(item):
        a.match(places[-1], item)
    else:
        a.go_on(item)


def _tell_changed(a: Alignment, place: int) -> None:
    detail = f"position {place} is no longer what was stored, and no read from 0 gets that far"
    a.working.gap("list_changed", place, None, detail)
