"""Which frame's number is damaged, and which action's: told by each other, and by the order."""

from __future__ import annotations

from recorder.salvage.evidence import FrameKey, Said
from recorder.salvage.keys import misplaced, moves


def said(*numbers: int) -> list[Said]:
    """Return rows that name these frames of session 1, in the order of their positions; digests by position."""
    return [Said(at, (1, number, 0), "live", b"", b"%d" % at) for at, number in enumerate(numbers)]


def moved(rows: list[Said], stored: dict[FrameKey, bytes]) -> dict[FrameKey, FrameKey]:
    named: dict[FrameKey, set[bytes]] = {}
    for row in rows:
        named.setdefault(row.key[:2], set()).add(row.frame_digest)
    return moves(misplaced([rows], stored), stored, named)


def test_a_frame_goes_where_its_action_says() -> None:
    assert moved(said(0, 1, 2), {(1, 0): b"0", (1, 65): b"1", (1, 2): b"2"}) == {(1, 65): (1, 1)}


def test_an_action_that_names_another_place_moves_nothing() -> None:
    """Its neighbours came before and behind: it is the row that is damaged, not the frame."""
    assert moved(said(0, 65, 2), {(1, 0): b"0", (1, 1): b"1", (1, 2): b"2"}) == {}


def test_two_that_stand_in_each_other_s_place_change() -> None:
    stored = {(1, 0): b"0", (1, 1): b"2", (1, 2): b"1"}
    assert moved(said(0, 1, 2), stored) == {(1, 1): (1, 2), (1, 2): (1, 1)}


def test_no_frame_is_driven_out() -> None:
    """Where the place is taken by a frame that stays, nothing moves; and of two alike only one can."""
    stays = {(1, 0): b"0", (1, 1): b"other", (1, 9): b"1", (1, 2): b"2"}
    assert moved(said(0, 1, 2), stays) == {}
    twins = {(1, 0): b"0", (1, 8): b"1", (1, 9): b"1", (1, 2): b"2"}
    assert moved(said(0, 1, 2), twins) == {(1, 8): (1, 1)}
