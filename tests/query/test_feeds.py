"""Who knew first, where both feeds of a match were recorded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.model import Stream
from recorder.query.feeds import First, Leads, compare, paired
from recorder.query.reading import Reader, reading
from tests.archive.filling import START_US, Filled, History
from tests.vendor import load

S = 1_000_000
NOBODY = Leads(None, 0, 0, 0, 0, 0, 0, None, None, None)

firsts = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.builds(First, st.integers(0, 10**7), st.booleans(), st.sampled_from(["Goal", "Card", None])),
)


def feeds(archive: Filled, fixture_id: str = "both") -> tuple[History, History]:
    return History(Stream("betting", "soccer", fixture_id)), History(Stream("media", "soccer", fixture_id))


def leads(archive: Filled, *histories: History) -> list[Leads]:
    archive.write(*(operation for history in histories for operation in history.operations))
    with reading(archive.url) as reader:
        (found,) = compare(reader, {(histories[0].stream.sport, histories[0].stream.fixture_id)})
    return found.leads


def test_the_first_revision_counts(archive: Filled) -> None:
    """Of each action the first packet on either feed, whatever came later; by type, the most frequent first."""
    betting, media = feeds(archive)
    for second, action_id, name in ((0, "a", "Card"), (10, "b", "Goal"), (20, "c", "Card"), (90, "a", "Other")):
        betting.add(START_US + second * S, action_id=action_id, type=name)
    for second, action_id in ((2, "a"), (9, "b"), (23, "c"), (24, "c")):
        media.add(START_US + second * S, action_id=action_id, type="Card")
    assert leads(archive, betting, media) == [
        Leads(None, 3, 0, 0, 3, 2, 1, 2000.0, 3000.0, 3000.0),
        Leads("Card", 2, 0, 0, 2, 2, 0, 2000.0, 3000.0, 3000.0),
        Leads("Goal", 1, 0, 0, 1, 0, 1, -1000.0, 1000.0, 1000.0),
    ]


def test_what_cannot_be_paired_is_counted(archive: Filled) -> None:
    """Actions of one feed alone, and actions that did not come live on both."""
    betting, media = feeds(archive)
    betting.add(action_id="only betting", type="Goal")
    betting.add(action_id="late", type="Goal")
    betting.add(type="Goal")
    media.add(action_id="only media", type="Card")
    media.add(action_id="late", arrival="catch_up", type="Goal")
    whole, *_ = leads(archive, betting, media)
    assert whole == Leads(None, 1, 1, 1, 0, 0, 0, None, None, None)


def test_nothing_to_compare(archive: Filled) -> None:
    """Both feeds were opened, and nothing came."""
    assert leads(archive, *feeds(archive)) == [NOBODY]


def test_only_matches_of_which_both_feeds_were_recorded(reader: Reader) -> None:
    """One of the matches; another channel or one feed alone gives none."""
    (found,) = compare(reader)
    assert found.fixture_id == load("snooker-1").fixture_id
    assert found.leads[0].in_both == found.leads[0].live > 0
    assert (found.leads[0].first_betting, found.leads[0].first_media, found.leads[0].lead_ms_max) == (0, 0, 0.0)
    assert list(compare(reader, {("soccer", load("soccer-france-romania").fixture_id)})) == []


@settings(max_examples=80, deadline=None)
@given(firsts, firsts)
def test_types_are_parts_of_the_whole(betting: dict[str, First], media: dict[str, First]) -> None:
    """Every action counts once, and the other way round everything is the other way round."""
    whole, *by_type = paired(betting, media)
    names = ("in_both", "only_betting", "only_media", "live", "first_betting", "first_media")
    for name in names:
        assert getattr(whole, name) == sum(getattr(part, name) for part in by_type)
    assert whole.in_both + whole.only_betting == len(betting)
    assert whole.in_both + whole.only_media == len(media)
    back, *_ = paired(media, betting)
    assert (back.first_media, back.only_betting, back.live) == (whole.first_betting, whole.only_media, whole.live)
    assert (back.lead_ms_p95, back.lead_ms_max) == (whole.lead_ms_p95, whole.lead_ms_max)
