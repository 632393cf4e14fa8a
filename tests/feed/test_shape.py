"""The shape of a packet, what the vendor's pages tell of it, and what is noticed as it comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from recorder.feed.actions import parse
from recorder.feed.documented import is_documented_type, is_documented_word, is_open, undocumented
from recorder.feed.messages import read
from recorder.feed.novelty import Novelties, Novelty
from recorder.feed.shape import shape, shapes, spelling, structure, version
from recorder.model import Fields
from tests.feed.packets import parsed
from tests.vendor import load, names

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
PACKETS = [packet for name in names() for packet in load(name).packets[:150]]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
known_keys = st.sampled_from(
    ["version", "fixtureSummary", "sendType", "metadata", "fixtureActionTypeId", "periods", "type", "team", "x", "x1"]
)
objects = st.dictionaries(known_keys, json_values | st.dictionaries(known_keys, json_values, max_size=3), max_size=5)
envelopes = st.builds(
    lambda rest, action, summary: {**rest, "fixtureAction": action, "fixtureSummary": summary},
    objects, objects | json_values, objects | json_values,
)  # fmt: skip


def bytes_of(envelope: Any) -> bytes:
    return json.dumps(envelope).encode()


# -- shapes ------------------------------------------------------------------------------------------------------------


def test_paths_and_types() -> None:
    """Objects by dots, arrays by brackets, metadata by the type of the action."""
    (found,) = shapes(
        b'{"version":3,"fixtureAction":{"fixtureActionTypeId":22,"player":{"shirt":9},"metadata":{"a":[1,null]}},'
        b'"fixtureSummary":{"periods":[{"end":null},{"end":"x"}]}}'
    )
    assert found.types == {
        ("", "object"),
        ("version", "number"),
        ("fixtureAction", "object"),
        ("fixtureAction.fixtureActionTypeId", "number"),
        ("fixtureAction.player", "object"),
        ("fixtureAction.player.shirt", "number"),
        ("fixtureAction.metadata", "object"),
        ("fixtureAction.metadata<22>", "object"),
        ("fixtureAction.metadata<22>.a", "array"),
        ("fixtureAction.metadata<22>.a[]", "number"),
        ("fixtureAction.metadata<22>.a[]", "null"),
        ("fixtureSummary", "object"),
        ("fixtureSummary.periods", "array"),
        ("fixtureSummary.periods[]", "object"),
        ("fixtureSummary.periods[].end", "null"),
        ("fixtureSummary.periods[].end", "string"),
    }
    assert found.words == {("version", "3"), ("fixtureAction.fixtureActionTypeId", "22")}


def test_every_packet_of_a_message() -> None:
    """A message may bear several packets, or none."""
    assert len(shapes(b'[{"fixtureAction":{}},{"fixtureAction":{"sendType":"New"}}]')) == 2
    assert shapes(b'{"eventElementType":"Heartbeat"}') == shapes(b"\xff") == []


def test_names_that_no_terminal_or_database_should_see() -> None:
    """Keys and words are cut, and cleaned of what is not printable."""
    (found,) = shapes(bytes_of({"fixtureAction": {"\x1b[2J" + "k" * 200: 1, "sendType": "\ud800" * 3}}))
    texts = [text for pair in found.types | found.words for text in pair]
    assert all(text.isprintable() and len(text) < 120 for text in texts)
    for text in texts:
        text.encode()


@settings(max_examples=40, deadline=None)
@given(st.lists(envelopes, min_size=2, max_size=4))
def test_the_short_cut_is_sound(made: list[Any]) -> None:
    """Envelopes with one structure have the same types, and with one spelling too the same words; nothing raises."""
    found = [packet.envelope for envelope in made for packet in read(bytes_of(envelope)).packets]
    by_structure: dict[object, Any] = {}
    by_both: dict[object, Any] = {}
    for envelope in found:
        whole, mark = shape(envelope), spelling(envelope)
        assert by_structure.setdefault(structure(envelope), whole.types) == whole.types
        if mark is not None:
            assert by_both.setdefault((structure(envelope), mark), whole.words) == whole.words
        version(envelope)


# -- what the pages tell -----------------------------------------------------------------------------------------------


def test_real_matches_hold_what_the_pages_tell() -> None:
    """In ten matches nothing is undocumented but what the pages themselves leave open."""
    for packet in PACKETS:
        for found in shapes(packet):
            types, words = undocumented(found.types, found.words)
            assert [pair for pair in types + words if not is_open(pair[0])] == []


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.glob("soccer_live*.json")))
def test_the_vendors_samples_hold_what_its_pages_tell(sample: str) -> None:
    """The pages' own football packets, but for what a capture tool left in them (protocol 1.7)."""
    said = json.loads((SAMPLES / sample).read_text())
    for leftover in ("_source", "idx", "websocket"):
        said.pop(leftover, None)
    for found in shapes(bytes_of(said)):
        types, words = undocumented(found.types, found.words)
        assert [pair for pair in types + words if not is_open(pair[0])] == []


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        ("traceId", "string", True),
        ("traceId", "null", True),
        ("traceId", "number", False),
        ("fixtureAction.timelineSequence", "string", True),
        ("fixtureAction.metadata<999>", "object", True),
        ("fixtureAction.metadata<999>.x", "null", False),
        ("fixtureAction.player.shirt", "number", False),
        ("nonesuch", "null", False),
    ],
)
def test_documented_types(path: str, kind: str, told: bool) -> None:
    """A known path may be null; a type that is not on the pages is new."""
    assert is_documented_type(path, kind) is told


def test_documented_words() -> None:
    """Words are compared as recorder compares them: without regard to case."""
    assert is_documented_word("fixtureAction.sendType", "CONFIRMED")
    assert not is_documented_word("fixtureAction.sendType", "Restored")
    assert not is_documented_word("fixtureAction.clockTime", "00:00")


# -- as it comes -------------------------------------------------------------------------------------------------------


def looked(*packets: str, most: int = 500) -> list[list[str]]:
    novelties = Novelties(most)
    return [[str(novelty) for novelty in novelties.look(parsed(packet))] for packet in packets]


SHIRT = '{"fixtureAction":{"player":{"shirt":9}}}'


def test_each_novelty_is_told_once() -> None:
    """A key that nobody has told of: at the first packet that has it."""
    assert looked("{}".join(['{"fixtureAction":', "}"]), SHIRT, SHIRT, SHIRT.replace("9", "10")) == [
        [],
        ["the key fixtureAction.player.shirt (number)"],
        [],
        [],
    ]


def test_a_known_key_of_another_type() -> None:
    """It is the type that is new, of what the pages tell as of what was new before."""
    first, second = SHIRT, SHIRT.replace("9", '"9A"')
    assert looked(first, second)[1] == ["fixtureAction.player.shirt as string"]
    assert looked('{"fixtureAction":{"team":{"homeTeam":"yes"}}}') == [["fixtureAction.team.homeTeam as string"]]


@pytest.mark.parametrize(
    ("packet", "told"),
    [
        ('{"fixtureAction":{"sendType":"Restored"}}', "fixtureAction.sendType 'Restored'"),
        ('{"fixtureAction":{"delayStatus":"LATE"}}', "fixtureAction.delayStatus 'LATE'"),
        ('{"fixtureAction":{},"fixtureSummary":{"currentStatus":"Paused"}}', "fixtureSummary.currentStatus 'Paused'"),
        ('{"version":4,"fixtureAction":{}}', "version '4'"),
        ('{"fixtureAction":{},"fixtureSummary":{"periods":[{"type":"Golden"}]}}',
         "fixtureSummary.periods[].type 'Golden'"),
    ],
)  # fmt: skip
def test_new_words(packet: str, told: str) -> None:
    """A word that is on none of the vendor's lists."""
    assert looked(packet, packet) == [[told], []]


def test_a_version_is_a_word_though_it_is_a_digit() -> None:
    """Digits of the rest make no packet new."""
    assert looked('{"version":3,"fixtureAction":{}}', '{"version":4,"fixtureAction":{}}')[1] == ["version '4'"]


def test_what_the_pages_leave_open() -> None:
    """Metadata and types of actions are told apart from what nobody expects."""
    fields = parsed('{"fixtureAction":{"fixtureActionTypeId":302,"metadata":{"pottedBalls":[]}},"new":1}')
    told = {novelty.path: novelty.is_open for novelty in Novelties().look(fields)}
    assert told == {
        "fixtureAction.fixtureActionTypeId": True,
        "fixtureAction.metadata<302>.pottedBalls": True,
        "new": False,
    }


def test_a_text_that_always_differs() -> None:
    """A key with free text is new once, and costs no walk for each packet."""
    novelties = Novelties()
    for number in range(300):
        text = "".join(chr(97 + int(digit)) for digit in str(number))
        told = novelties.look(parsed('{"fixtureAction":{},"note":"' + text + '"}'))
        assert [str(novelty) for novelty in told] == ([] if number else ["the key note (string)"])


def test_no_more_than_so_many() -> None:
    """A feed that makes up keys is told of so often, then that no more is told, and then nothing."""
    packets = [f'{{"fixtureAction":{{}},"{"k" * (number + 1)}":1}}' for number in range(6)]
    told = looked(*packets, most=3)
    assert [len(each) for each in told] == [1, 1, 1, 1, 0, 0]
    assert told[3] == ["more than 3 things; none is told from now on"]


def test_counts_of_novelties() -> None:
    """What a metric will read: how many of each kind."""
    novelties = Novelties()
    novelties.look(parsed('{"fixtureAction":{"sendType":"Odd","x":1},"finished":3}'))
    assert novelties.counts == {"word": 1, "key": 1, "type": 1}
    assert not novelties.is_full


def test_real_matches_wake_nobody() -> None:
    """In ten matches, each thing that is told is one that the vendor leaves open."""
    novelties, told = Novelties(), list[Novelty]()
    for packet in PACKETS:
        for found in read(packet).packets:
            told += novelties.look(parse(found.envelope))
    assert told
    assert all(novelty.is_open for novelty in told)


@settings(max_examples=40, deadline=None)
@given(st.lists(envelopes, min_size=1, max_size=4))
def test_nothing_from_outside_stops_it(made: list[Any]) -> None:
    """Whatever JSON comes, nothing raises, and nothing is told twice."""
    novelties, told = Novelties(), list[str]()
    for envelope in made:
        for packet in read(bytes_of(envelope)).packets:
            told += map(str, novelties.look(parse(packet.envelope)))
    assert len(told) == len(set(told))


def test_fields_from_elsewhere() -> None:
    """Columns that hold no objects, as another recorder might have left them, are nothing new and no error."""
    assert Novelties().look(structs.replace(Fields(), extra="[1]", metadata="2")) == []
