"""Lists made consistent again: what is put back, what is closed up, what is never guessed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from recorder.salvage.placing import Item, Relisted, Seam, adopted, relist, shift


def items(count: int) -> dict[int, Item]:
    return {n: Item((1 + n // 10, 2 * (n % 10), 0), b"%16d" % n, "live") for n in range(count)}


def contents(relisted: Relisted) -> list[int]:
    return [int(item.content) for item in relisted.items]


def spare(item: Item) -> Item:
    return replace(item, arrival=None, is_put_back=True)


@given(st.integers(1, 40), st.data())
def test_rows_whose_frames_survive_are_all_put_back(count: int, data: st.DataObject) -> None:
    """However many rows are lost, the frames between their neighbours fill the holes exactly."""
    whole = items(count)
    lost = data.draw(st.sets(st.integers(0, count - 1)))
    kept = {n: item for n, item in whole.items() if n not in lost}
    relisted = relist(kept, [spare(whole[n]) for n in sorted(lost)], count)
    assert contents(relisted) == list(range(count))
    assert (relisted.seams, relisted.moved) == ((), {n: n for n in kept})


@given(st.integers(1, 40), st.data())
def test_what_is_lost_is_counted_and_the_order_stays(count: int, data: st.DataObject) -> None:
    """Some rows are lost, and of some of these the frames too: no hole, no other order, every loss under a seam."""
    whole = items(count)
    lost = data.draw(st.sets(st.integers(0, count - 1)))
    gone = data.draw(st.sets(st.sampled_from(sorted(lost)))) if lost else set()
    kept = {n: item for n, item in whole.items() if n not in lost}
    relisted = relist(kept, [spare(whole[n]) for n in sorted(lost - gone)], count)
    assert contents(relisted) == [n for n in range(count) if n not in gone]
    assert relisted.lost == len(gone)
    for position, now in relisted.moved.items():
        assert now == sum(n not in gone for n in range(position))


def test_too_many_for_a_hole_fill_none() -> None:
    """Two frames for one missing position: nobody can tell which."""
    whole = items(8)
    kept = {n: whole[n] for n in (0, 1, 2, 4, 5, 6, 7)}
    strange = Item((1, 7, 0), b"%16d" % 99, None, is_put_back=True)
    relisted = relist(kept, [spare(whole[3]), strange])
    assert contents(relisted) == [0, 1, 2, 4, 5, 6, 7]
    assert relisted.seams == (Seam(3, 1, 3, 3),)


def test_a_row_at_a_wrong_position_goes_back() -> None:
    """A damaged position: its row stands far behind the end, and its frame's arrival says where it belongs."""
    whole = items(8)
    rows = {n: whole[n] for n in (0, 1, 2, 4, 5, 6, 7)} | {69: whole[3]}
    relisted = relist(rows, [])
    assert (contents(relisted), relisted.lost) == (list(range(8)), 0)


def test_a_row_at_another_row_s_position_goes_back() -> None:
    """5 became 6, and took the key of the one that was there: that one's frame is still known."""
    whole = items(9)
    rows = {n: whole[n] for n in (0, 1, 2, 3, 4, 7, 8)} | {6: whole[5]}
    relisted = relist(rows, [spare(whole[6])])
    assert (contents(relisted), relisted.lost) == (list(range(9)), 0)


def test_a_hole_near_the_end_is_no_wrong_position() -> None:
    """The last but one is lost: the last one is not taken for it."""
    whole = items(9)
    relisted = relist({n: item for n, item in whole.items() if n != 7}, [])
    assert (contents(relisted), relisted.lost) == ([0, 1, 2, 3, 4, 5, 6, 8], 1)


def test_a_head_behind_the_end_tells_of_a_lost_end() -> None:
    relisted = relist(items(5), [], 7)
    assert relisted.seams == (Seam(5, 2, 5, 5),)


def test_nothing_is_put_back_behind_the_end_that_is_told() -> None:
    """A frame that came later may be of a list of which every row is lost."""
    whole = items(6)
    kept = {n: whole[n] for n in range(3)}
    relisted = relist(kept, [spare(whole[n]) for n in (3, 4, 5)], 4)
    assert (contents(relisted), relisted.lost) == ([0, 1, 2, 3], 0)


def test_the_same_list_up_to_a_fork_fills_the_other() -> None:
    """Before the fork both lists hold the same; behind it neither knows of the other."""
    whole = items(6)
    filled = adopted({0: whole[0], 4: whole[4]}, whole, 3)
    assert sorted(filled) == [0, 1, 2, 4]
    assert (filled[0].is_put_back, filled[1].is_put_back) == (False, True)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), max_size=4), st.integers(0, 60))
def test_a_position_is_moved_by_what_is_lost_before_it(holes: list[tuple[int, int]], position: int) -> None:
    seams, first, gone = [], 0, set()
    for gap, lost in holes:
        first += gap
        seams.append(Seam(first, lost, 0, 0))
        gone |= set(range(first, first + lost))
        first += lost
    assert shift(position, seams) == sum(n not in gone for n in range(position))
    assert shift(None, seams) is None
