"""From what a user types to one stream."""

from __future__ import annotations

import pytest

from recorder.errors import UsageError
from recorder.model import Stream
from recorder.operations import Operation
from recorder.query.catalogue import entries, near, offers, slug
from recorder.query.reading import Reader, reading
from recorder.query.selecting import select_fixtures, select_stream
from tests.archive.filling import START_US, Filled, History, open_stream
from tests.vendor import load

LEGANES = load("soccer-leganes-valencia")
SNOOKER = load("snooker-1")


def chosen(reader: Reader, fixture: str, feed: str | None = None) -> tuple[str, str]:
    row, _ = select_stream(reader, fixture, feed)
    return row.feed, row.fixture_id


@pytest.mark.parametrize(
    "typed",
    [
        LEGANES.fixture_id,
        LEGANES.fixture_id.upper(),
        f"  {LEGANES.fixture_id[:8]} ",
        LEGANES.fixture_id[:4],
        f"media/soccer/{LEGANES.fixture_id}",
        f"media/soccer/fixtures/{LEGANES.fixture_id}/actions",
        LEGANES.path,
        "leganes-valencia",
        "Leganes-Valencia",
        "leganes-valencia@2018-04-01",
        "leganes-valencia@2018",
    ],
)
def test_one_match_by_many_names(reader: Reader, typed: str) -> None:
    """Its id, the beginning of it, its path, and its teams as one types them all name it, without a note."""
    row, note = select_stream(reader, typed)
    assert (row.fixture_id, row.feed, row.channel) == (LEGANES.fixture_id, "media", "actions")
    assert note is None


@pytest.mark.parametrize(
    ("typed", "feed", "shown"),
    [
        (SNOOKER.fixture_id, None, "betting"),
        (SNOOKER.fixture_id, "media", "media"),
        (SNOOKER.fixture_id, "betting", "betting"),
        ("s-dunn-n-eve", "media", "media"),
        (f"media/snooker/{SNOOKER.fixture_id}", None, "media"),
        (f"betting/snooker/{SNOOKER.fixture_id}", None, "betting"),
        (f"snooker/{SNOOKER.fixture_id}", None, "betting"),
    ],
)
def test_the_feed_is_chosen(reader: Reader, typed: str, feed: str | None, shown: str) -> None:
    """By `--feed`, by the path, and otherwise it is the betting feed."""
    assert chosen(reader, typed, feed) == (shown, SNOOKER.fixture_id)


def test_a_choice_made_for_the_user_is_told(reader: Reader) -> None:
    """With both feeds recorded and none named, a note says which is shown; with one named there is nothing to say."""
    assert select_stream(reader, SNOOKER.fixture_id)[1] == (
        "both feeds were recorded: showing betting; choose with --feed"
    )
    assert select_stream(reader, SNOOKER.fixture_id, "media")[1] is None
    assert select_stream(reader, f"snooker/{SNOOKER.fixture_id}")[1] is None


@pytest.mark.parametrize(
    "typed",
    ["nonesuch", "", "   ", "/", "-", "lega", "valencia-leganes", "leganes-valencia@2019-04-01", "%", "____",
     LEGANES.fixture_id[:3], f"{LEGANES.fixture_id}0", "leganes"],
)  # fmt: skip
def test_names_of_nothing(reader: Reader, typed: str) -> None:
    """What names no match is told as it was typed, with the way to find one: 2."""
    with pytest.raises(UsageError, match="recorder fixtures") as told:
        select_stream(reader, typed)
    assert told.value.exit_code == 2
    assert repr(typed) in str(told.value)


@pytest.mark.parametrize(
    "typed", ["leganes", "legane-valencia", "valencia", "Leganés-Valence", f"{LEGANES.fixture_id[:-1]}0"]
)
def test_what_is_near_is_told(reader: Reader, typed: str) -> None:
    """A slip of the finger or half a name: the sentence says which match may have been meant, and when it was."""
    with pytest.raises(UsageError, match=f"near: .*{LEGANES.fixture_id} leganes-valencia 2018-04-01"):
        select_stream(reader, typed)


def test_nothing_near_is_not_made_up(reader: Reader) -> None:
    """What is like nothing in the archive brings no guesses."""
    assert near(entries(reader), "zzzz-qqqq") == []


def test_an_empty_archive(archive: Filled) -> None:
    """Before the first fixture there is nothing to name, and that is what is said."""
    archive.write()
    with reading(archive.url) as reader, pytest.raises(UsageError, match="record one first"):
        select_stream(reader, "france-romania")


def test_completion_offers_teams_and_ids(archive: Filled) -> None:
    """Teams where they name one match, ids where they met twice, and any id whose beginning was typed."""
    made(archive, ("first", "Roma", "Lazio", 0), ("second", "Roma", "Lazio", 180), ("third", "Łódź", "Ajax", 0))
    with reading(archive.url) as reader:
        known = entries(reader)
    assert [offer for offer, _ in offers(known, "")] == ["first", "lodz-ajax", "second"]
    assert [offer for offer, _ in offers(known, "L")] == ["lodz-ajax"]
    assert [offer for offer, _ in offers(known, "th")] == ["third"]


def test_a_feed_that_was_not_recorded(reader: Reader) -> None:
    """The match is there, the feed is not: no other one is shown in its place."""
    with pytest.raises(UsageError, match="not recorded from the betting feed"):
        select_stream(reader, "leganes-valencia", "betting")


def made(archive: Filled, *fixtures: tuple[str, str, str, int]) -> Filled:
    """Fill an archive with (fixture, home, away, day) on the betting feed."""
    operations: list[Operation] = []
    for fixture_id, home, away, day in fixtures:
        history = History(Stream("betting", "soccer", fixture_id))
        at_us = START_US + day * 86_400_000_000
        history.add(at_us, team=home, side="home", occurred_us=at_us)
        history.add(at_us, team=away, side="away", occurred_us=at_us)
        operations += history.operations
    archive.write(*operations)
    return archive


def test_both_feeds_unless_one_is_said(reader: Reader) -> None:
    """Whole fixtures: a path or `--feed` means that feed alone, any other name means both."""
    path, fixture = f"media/snooker/{SNOOKER.fixture_id}", SNOOKER.fixture_id
    assert select_fixtures(reader, [fixture]) == {fixture: {"betting", "media"}}
    assert select_fixtures(reader, [path]) == select_fixtures(reader, [fixture], "media") == {fixture: {"media"}}
    assert select_fixtures(reader, [path, f"snooker/{fixture}"]) == {fixture: {"betting", "media"}}


def test_ambiguous_prefix(archive: Filled) -> None:
    """Several matches: all are named, and none is taken."""
    made(archive, ("abcd1", "A", "B", 0), ("abcd2", "C", "D", 0))
    with (
        reading(archive.url) as reader,
        pytest.raises(UsageError, match=r"2 fixtures \(abcd1 a-b 2023-11-14, abcd2 c-d 2023-11-14\)"),
    ):
        select_stream(reader, "abcd")


def test_a_whole_id_is_not_ambiguous(archive: Filled) -> None:
    """An id that another one begins with names its own match."""
    made(archive, ("abcd", "A", "B", 0), ("abcd2", "C", "D", 0), ("x", "E", "F", 0))
    with reading(archive.url) as reader:
        assert chosen(reader, "abcd") == ("betting", "abcd")
        assert chosen(reader, "X") == ("betting", "x")


def test_teams_that_met_twice(archive: Filled) -> None:
    """The date, in UTC, tells the matches apart."""
    made(archive, ("first", "Roma", "Lazio", 0), ("second", "Roma", "Lazio", 180))
    with reading(archive.url) as reader:
        with pytest.raises(UsageError, match="a date"):
            select_stream(reader, "roma-lazio")
        assert chosen(reader, "roma-lazio@2023-11-14") == ("betting", "first")
        assert chosen(reader, "roma-lazio@2024") == ("betting", "second")


def test_a_channel_beside_the_actions(archive: Filled) -> None:
    """The stream of actions is what is meant, whatever other channels were recorded."""
    made(archive, ("abcd", "A", "B", 0))
    archive.write(open_stream(Stream("betting", "soccer", "abcd", "statistics")))
    with reading(archive.url) as reader:
        assert select_stream(reader, "abcd")[0].channel == "actions"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Leganés", "leganes"),
        ("Hannover 96", "hannover-96"),
        ("S. Dunn", "s-dunn"),
        ("1. FC Köln", "1-fc-koln"),
        ("Łódź", "lodz"),
        ("Brøndby", "brondby"),
        ("Preußen", "preussen"),
        ("ÉTOILE", "etoile"),
        ("  A & B  ", "a-b"),
    ],
)
def test_slugs(name: str, typed: str) -> None:
    """A name as people type it on any keyboard; typing that again changes nothing."""
    assert slug(name) == typed
    assert slug(typed) == typed
