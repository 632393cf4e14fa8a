"""What is new and what is gone: in an archive's bytes, and as it comes."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.model import Stream, microseconds, moment_text
from recorder.query.census import ALWAYS, Census, Place
from recorder.query.drift import Drift, drift
from recorder.query.reading import Reader, reading
from tests.archive.filling import START_US, Filled, recorded, stream_of
from tests.recording import Recording
from tests.vendor import Match, VendorServer, load

Change = Callable[[dict[str, Any]], None]
SNOOKER = load("snooker-1")


def changed(match: Match, change: Change, *, behind: int, end: int = 150) -> Match:
    """Return the beginning of a match whose packets are changed from position ``behind`` on."""
    packets = []
    for place, packet in enumerate(match.packets[:end]):
        envelope = json.loads(packet)
        if place >= behind:
            change(envelope)
        packets.append(json.dumps(envelope).encode())
    return replace(match, packets=packets, offsets_ms=match.offsets_ms[:end])


def shirt(envelope: dict[str, Any]) -> None:
    envelope["fixtureAction"].setdefault("player", {})["shirt"] = 9


def no_tie(envelope: dict[str, Any]) -> None:
    del envelope["fixtureSummary"]["isTied"]


def found(archive: Filled, since_us: int | None = None) -> list[Drift]:
    with reading(archive.url) as reader:
        return drift(reader, since_us).drifts


def at(match: Match, position: int) -> str:
    return moment_text(START_US + match.offsets_ms[position] * 1000)


# -- in the bytes ------------------------------------------------------------------------------------------------------


def test_a_key_that_nobody_told_of(archive: Filled) -> None:
    """Where it came first, and in how many packets."""
    match = changed(SNOOKER, shirt, behind=100)
    archive.write(*recorded(match))
    (new,) = (each for each in found(archive) if "shirt" in each.path)
    assert new == Drift(
        what="key",
        path="fixtureAction.player.shirt",
        said="number",
        documented=False,
        sport="snooker",
        feed="betting",
        fixture_id=match.fixture_id,
        stream_id=stream_of(match).stream_id,
        position=100,
        received_at=at(match, 100),
        packets=50,
    )


def test_a_known_key_of_another_type(archive: Filled) -> None:
    """The type is told, not the key."""

    def quoted(envelope: dict[str, Any]) -> None:
        envelope["fixtureSummary"]["homeTeamScore"] = str(envelope["fixtureSummary"]["homeTeamScore"])

    archive.write(*recorded(changed(SNOOKER, quoted, behind=149)))
    (new,) = (each for each in found(archive) if each.what == "type")
    assert (new.path, new.said, new.position, new.packets) == ("fixtureSummary.homeTeamScore", "string", 149, 1)


def test_a_word_that_is_on_no_list(archive: Filled) -> None:
    """A value of one of the vendor's lists that the pages do not have."""

    def paused(envelope: dict[str, Any]) -> None:
        envelope["fixtureSummary"]["currentStatus"] = "Paused"

    archive.write(*recorded(changed(SNOOKER, paused, behind=140)))
    (new,) = (each for each in found(archive) if each.path == "fixtureSummary.currentStatus")
    assert (new.what, new.said, new.position, new.packets) == ("word", "Paused", 140, 10)


def test_a_field_that_vanished(archive: Filled) -> None:
    """In every packet before, in none behind: where that began, and how many since."""
    archive.write(*recorded(changed(SNOOKER, no_tie, behind=120)))
    (gone,) = (each for each in found(archive) if each.what == "vanished")
    assert (gone.path, gone.said, gone.documented) == ("fixtureSummary.isTied", "was in all 120 packets before", True)
    assert (gone.position, gone.received_at, gone.packets) == (120, at(SNOOKER, 120), 30)


def test_a_field_that_comes_back_has_not_vanished(archive: Filled) -> None:
    """What is sometimes there is optional."""
    match = changed(SNOOKER, no_tie, behind=120)
    archive.write(*recorded(replace(match, packets=[*match.packets[:149], SNOOKER.packets[149]])))
    assert [each for each in found(archive) if each.what == "vanished"] == []


def test_sports_and_feeds_do_not_explain_each_other(archive: Filled) -> None:
    """What one feed no longer sends is told of it, though the other one does."""
    media = changed(load("snooker-1", feed="media"), no_tie, behind=120)
    archive.write(*recorded(changed(SNOOKER, lambda _: None, behind=0)), *recorded(media))
    (gone,) = (each for each in found(archive) if each.what == "vanished")
    assert (gone.feed, gone.position) == ("media", 120)


def test_never_seen_before_a_moment(archive: Filled) -> None:
    """Since then also what the pages tell of; what was there before is not told, documented or not."""

    def later(envelope: dict[str, Any]) -> None:
        shirt(envelope)
        envelope["fixtureAction"]["delayStatus"] = "DELAYED"

    archive.write(*recorded(changed(SNOOKER, later, behind=100, end=102)))
    told = {(each.what, each.path, each.documented) for each in found(archive, microseconds(at(SNOOKER, 100)))}
    assert told >= {
        ("key", "fixtureAction.player.shirt", False),
        ("key", "fixtureAction.delayStatus", True),
        ("word", "fixtureAction.delayStatus", True),
    }
    assert all("metadata<302>.pottedBalls" not in path for _, path, _ in told)
    assert found(archive, microseconds(at(SNOOKER, 102))) == []


def test_what_is_open_in_real_matches(reader: Reader) -> None:
    """Real matches hold nothing that is new but types of actions, their metadata and the ids of send types."""
    with_all = drift(reader)
    assert with_all.left_out == 0
    assert with_all.packets == sum(row.actions for row in reader.rows("SELECT * FROM streams"))
    openings = ("fixtureAction.metadata<", "fixtureAction.fixtureAction", "fixtureAction.sendTypeId")
    assert all(each.path.startswith(openings) for each in with_all.drifts)


# -- the census --------------------------------------------------------------------------------------------------------


def place(number: int) -> Place:
    return Place(moment_text(START_US + number), 1, number)


def census(envelopes: list[tuple[int, dict[str, Any]]], most: int = 1000) -> Census:
    made = Census(most)
    for number, envelope in envelopes:
        made.add("soccer", "betting", place(number), envelope)
    return made


optional = st.fixed_dictionaries({}, optional={name: st.sampled_from([1, "x", None]) for name in "abc"})


@settings(max_examples=80, deadline=None)
@given(st.lists(optional, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_reading_does_not_matter(made: list[dict[str, Any]], chance: random.Random) -> None:
    """Counted in any order it is the same; the first and the number are those of the packets that bear it."""
    envelopes = list(enumerate({"fixtureAction": each} for each in made))
    shuffled = list(envelopes)
    chance.shuffle(shuffled)
    one, other = census(envelopes), census(shuffled)
    types = {pair: (tally.first, tally.packets) for pair, tally in one.types().items()}
    assert types == {pair: (tally.first, tally.packets) for pair, tally in other.types().items()}
    for name in "abc":
        holding = [number for number, each in enumerate(made) if each.get(name) == "x"]
        pair = (f"fixtureAction.{name}", "string")
        assert types.get(pair) == ((place(holding[0]), len(holding)) if holding else None)


@settings(max_examples=60, deadline=None)
@given(st.integers(ALWAYS - 1, ALWAYS + 1), st.integers(0, 3), st.booleans())
def test_when_a_field_has_vanished(before: int, behind: int, again: bool) -> None:
    """Held by so many packets at least, and by none behind them, of which there is one at least."""
    came = [True] * before + [False] * behind + [True] * again
    made = [(number, {"fixtureAction": {"a": 1} if holds else {}}) for number, holds in enumerate(came)]
    gone = list(census(made).vanished())
    assert bool(gone) is (before >= ALWAYS and behind > 0 and not again)
    for each in gone:
        assert (each.path, each.before, each.packets) == ("fixtureAction.a", before, behind)
        assert each.first == place(before)


def test_what_lies_in_a_missing_object_is_not_missed() -> None:
    """Of an object that is gone only itself is told."""
    made = [(number, {"fixtureAction": {}, "x": {"y": 1}}) for number in range(60)]
    gone = census([*made, (60, {"fixtureAction": {}})]).vanished()
    assert [each.path for each in gone] == ["x"]


def test_shapes_without_end() -> None:
    """A feed that makes up keys fills no memory: what has no room is counted."""
    made = census([(number, {"fixtureAction": {}, f"k{number}": 1}) for number in range(50)], most=20)
    assert (made.packets, made.left_out) == (50, 31)


# -- as it comes -------------------------------------------------------------------------------------------------------


def test_a_novelty_is_told_as_it_comes(
    recording: Recording, server: VendorServer, caplog: pytest.LogCaptureFixture
) -> None:
    """One line, with the stream and the position, however many packets have it; all of them are recorded."""
    match = changed(SNOOKER, shirt, behind=100, end=len(SNOOKER.packets))
    server.serve(match)
    with caplog.at_level(logging.WARNING, logger="recorder"):
        recording.run(match)
    assert recording.packets(match) == match.packets
    assert [record.getMessage() for record in caplog.records if record.name == "recorder.capture"] == [
        f"{Stream('betting', 'snooker', match.fixture_id)}: not on the vendor's pages: "
        "the key fixtureAction.player.shirt (number) (position 100)"
    ]
