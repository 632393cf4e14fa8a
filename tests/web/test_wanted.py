"""Which matches a list shows, and which part of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import UsageError
from recorder.query.listing import Standing
from recorder.query.rows import StreamRow, kinds
from recorder.web.wanted import GROUPS, Listed, Wanted, folded, in_order, page, wanted

EMPTY = StreamRow(**dict.fromkeys(kinds(StreamRow)))  # type: ignore[arg-type]


def standing(fixture_id: str, *, feed: str = "betting", state: str = "finished", **said: Any) -> Standing:
    of_stream = {name: said.pop(name) for name in kinds(StreamRow) if name in said}
    values: dict[str, Any] = {name: getattr(EMPTY, name) for name in kinds(StreamRow)} | {
        "stream_id": hash((fixture_id, feed)) % 2**63,
        "feed": feed,
        "sport": "soccer",
        "fixture_id": fixture_id,
        "state": state,
        "gaps": 0,
        **of_stream,
    }
    made = Standing(
        stream=StreamRow(**values),  # type: ignore[arg-type]
        last_action_at=None,
        open_session=None,
        starts_at=None,
        next_start=None,
        dialled_at=None,
        lag_s=None,
        messages=0,
        actions_last_minute=0,
        open_gaps=[],
        first_occurred_at=None,
        clock_seconds=None,
    )
    return replace(made, **said)


def in_order_of(streams: Iterable[Standing]) -> list[Listed]:
    return in_order(folded(streams).values())


def ids(matches: Any) -> list[str]:
    return [match.first.stream.fixture_id for match in matches]


def test_live_first_then_coming_by_start_then_the_latest_that_is_over() -> None:
    streams = [
        standing("old", first_occurred_at="2026-01-01T10:00:00.000000Z"),
        standing("new", first_occurred_at="2026-02-01T10:00:00.000000Z"),
        standing("later", state="waiting", starts_at="2026-03-02T10:00:00.000000Z"),
        standing("soon", state="waiting", starts_at="2026-03-01T10:00:00.000000Z"),
        standing("cut", state="interrupted", first_occurred_at="2026-02-28T10:00:00.000000Z"),
        standing("on", state="recording", first_occurred_at="2026-02-28T11:00:00.000000Z"),
    ]
    assert ids(in_order_of(streams)) == ["on", "cut", "soon", "later", "new", "old"]


def test_one_line_for_a_match_of_both_feeds() -> None:
    """Betting speaks for it; the gaps of both count."""
    [match] = in_order_of([standing("a", feed="media", gaps=2), standing("a", feed="betting", gaps=1)])
    assert (match.first.stream.feed, match.feeds, match.gaps) == ("betting", "betting, media", 3)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("Leganés", True),
        ("leganes", True),
        ("LEGAN", True),
        ("real madrid", True),
        ("cup", True),
        ("39e7", True),
        ("39E713F0", True),
        ("13f0", False),
        ("madrid real", False),
    ],
)
def test_search(said: str, found: bool) -> None:
    """By a part of a team's, the competition's or the match's name, with or without accents; by an id's beginning."""
    one = standing("39e713f0", home_team="Real Madrid", away_team="CD Leganés", competition="The Cup")
    assert Wanted(q=said).meets(Listed([one])) is found


@pytest.mark.parametrize(
    ("state", "period", "seconds", "said"),
    [
        ("recording", 2, 4_050, "period 2, 67:30"),
        ("interrupted", None, 61, "01:01"),
        ("recording", 1, None, "period 1"),
        ("recording", None, None, ""),
        ("finished", 2, 5_400, ""),
        ("waiting", None, None, ""),
    ],
)
def test_the_clock_of_a_match_that_goes_on(state: str, period: int | None, seconds: int | None, said: str) -> None:
    assert Listed([standing("a", state=state, current_period=period, clock_seconds=seconds)]).moment == said


def test_filters() -> None:
    match = Listed([standing("a", feed="media", first_occurred_at="2026-02-28T23:59:59.000000Z")])
    assert Wanted(sport="SOCCER", feed="media", since="2026-02-28", until="2026-02-28").meets(match)
    for other in (Wanted(sport="golf"), Wanted(feed="betting"), Wanted(since="2026-03-01"), Wanted(until="2026-02-27")):
        assert not other.meets(match)


def test_a_match_of_no_known_date_is_in_no_span() -> None:
    match = Listed([standing("a")])
    assert Wanted().meets(match)
    assert not Wanted(until="2026-03-01").meets(match)


def test_the_groups_are_counted_whichever_is_shown() -> None:
    matches = in_order_of(
        [standing("a"), standing("b", state="waiting"), standing("c", state="recording"), standing("d")]
    )
    shown = page(matches, Wanted(state="finished"))
    assert ids(shown.matches) == ["a", "d"]
    assert dict(shown.counts) == {"live": 1, "coming": 1, "finished": 2}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["finished", "waiting", "recording", "interrupted", "not_played"]),
            st.sampled_from([None, "2026-02-28T23:59:59.000000Z", "2026-03-01T00:00:00.000000Z"]),
            st.sampled_from([None, "2026-02-28T23:59:59.000000Z", "1969-03-01T00:00:00.000000Z"]),
        ),
        max_size=30,
    ),
    st.integers(1, 7),
    st.sampled_from(["", *GROUPS]),
)
def test_page_after_page_gives_every_match_once_in_the_order_of_the_list(
    made: list[tuple[str, str | None, str | None]], size: int, state: str
) -> None:
    matches = in_order_of(
        standing(f"{number}", state=of, starts_at=starts, first_occurred_at=first)
        for number, (of, starts, first) in enumerate(made)
    )
    expected = ids(match for match in matches if state in ("", match.group))
    found: list[str] = []
    asked: Wanted | None = Wanted(state=state)
    while asked is not None:
        part = page(matches, asked, size)
        assert len(part.matches) <= size
        found += ids(part.matches)
        asked = None if part.next is None else replace(asked, after=part.next)
    assert found == expected


def test_a_page_stays_where_it_is_while_matches_come() -> None:
    """What comes before the cursor is not on the next page, and nothing behind it is left out."""
    old = [standing(name, first_occurred_at=f"2026-01-0{day}T10:00:00.000000Z") for day, name in enumerate("cba", 1)]
    first = page(in_order_of(old), Wanted(), 1)
    newer = standing("new", first_occurred_at="2026-01-09T10:00:00.000000Z")
    second = page(in_order_of([*old, newer]), Wanted(after=first.next or ""), 5)
    assert ids(first.matches) + ids(second.matches) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"state": "nearly"}, "state: "),
        ({"feed": "wire"}, "feed: "),
        ({"from": "yesterday"}, "from: expected a date"),
        ({"to": "20260228"}, "to: expected a date"),
        ({"to": "2026-02-30"}, "to: expected a date"),
    ],
)
def test_what_cannot_be_asked(query: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        wanted(query)


@given(st.text(max_size=60))
def test_no_cursor_but_ours(said: str) -> None:
    """Whatever somebody writes into the address is refused in a sentence, or leads somewhere in the list."""
    with contextlib.suppress(UsageError):
        assert page([], Wanted(after=said)).matches == []
