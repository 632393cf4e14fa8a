"""What a chain's end says of its beginning: everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.archive.chains import content_chain, content_link, content_start, frame_link, frame_start

contents = st.lists(st.integers(0, 3), max_size=8)
START = content_start(7)


def root(letters: list[int]) -> bytes:
    return content_chain(START, [b"%015d" % letter for letter in letters])


@given(contents, contents)
def test_no_two_lists_share_a_root(one: list[int], other: list[int]) -> None:
    """Whatever is left out, added, changed or moved, wherever."""
    assert (root(one) == root(other)) == (one == other)


def test_a_link_leans_on_the_one_before() -> None:
    """The same frame, and the same content, behind two beginnings."""
    one, other = frame_start(7, 1), frame_start(7, 2)
    assert frame_link(one, 1, 2, 3, "action", "text", b"d" * 16, None) != frame_link(
        other, 1, 2, 3, "action", "text", b"d" * 16, None
    )
    assert content_link(one, b"d" * 16) != content_link(other, b"d" * 16)
