"""What is read the short way is what the long way makes of it, or is not read the short way."""

import random
from itertools import islice
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed.messages import read
from recorder.feed.parsed import parsed
from recorder.feed.usual import read_usual
from recorder.model import Kind
from tests.faults.mutation import mutations
from tests.vendor import load, names

PACKETS = [packet for name in names() for packet in load(name).packets]

ACTION = (
    '"period":2,"actionId":"a","fixtureId":"F","clockTime":"48:32","timestamp":"2018-07-15T16:07:03.412652Z",'
    '"fixtureSeqNum":236,"timelineSequence":2.0000029120000236,"relatedFixtureActionIds":[],'
    '"metadata":{"A":1},"team":{"homeTeam":false,"id":"t","name":"N"},"player":{"id":"p","name":"L"}'
)
SUMMARY = '"isTied":false,"periods":[{"id":1,"end":null}],"finished":false,"homeTeamScore":2,"currentClockTime":"48:32"'
USUAL = f'{{"traceId":"x","version":3,"finished":false,"fixtureAction":{{{ACTION}}},"fixtureSummary":{{{SUMMARY}}}}}'

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.sampled_from(["", "5", "48:32", "2018-07-15T16:07:03Z", "\x7f", "é", "😀", "N\0", "Final"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)


def is_same(payload: bytes) -> bool:
    """Hold what the short way says against the long way; return whether it said anything."""
    usual = read_usual(payload)
    if usual is None:
        return False
    message = read(payload)
    assert message.kind is Kind.ACTION
    [packet] = message.packets
    # By their text: 1 is True, and 1 is 1.0, in a comparison of values.
    assert repr(usual) == repr(parsed(packet))
    return True


def places(value: Any) -> list[tuple[dict[str, Any], str]]:
    """Return every object of a packet with each of its keys."""
    own = [(value, key) for key in value]
    return own + [place for inner in value.values() if isinstance(inner, dict) for place in places(inner)]


def test_the_short_way_says_the_same_of_nearly_every_packet() -> None:
    """Of the bundled matches, all but one in a hundred go the short way, and give what the long way gives."""
    said = sum(map(is_same, PACKETS))
    assert len(PACKETS) * 0.99 < said < len(PACKETS)


def test_the_short_way_says_the_same_of_mutants() -> None:
    """Bytes that were turned, cut, doubled and spelt otherwise are read alike, or not the short way."""
    assert sum(map(is_same, islice(mutations(PACKETS, random.Random(11)), 2_000))) > 100


@given(random=st.randoms(use_true_random=False), value=VALUES, name=st.none() | st.text(max_size=3))
def test_the_short_way_says_the_same_whatever_stands_in_a_field(
    random: random.Random, value: object, name: str | None
) -> None:
    """A packet whose fields are any JSON at all, or that has one more, is read alike or not the short way."""
    packet = msgspec.json.decode(USUAL)
    where, key = random.choice(places(packet))
    where[key if name is None else name] = value
    is_same(msgspec.json.encode(packet))


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("2.0000029120000236", "2.00000291200002300"),
        ("2.0000029120000236", "0.0000029120000236"),
        ("2.0000029120000236", "2.5" + "0" * 30),
        ('"F"', '"É"'),
        ("03.412652Z", "03Z"),
        ("T16:07:03.412652Z", "t16:07:03.4126529+02:00"),
        ('{"A":1}', '{"A":[1,{"b":null}],"É":18446744073709551616}'),
        ('"isTied":false,', ""),
        ('"periods":[{"id":1,"end":null}]', '"periods":[]'),
        ('"periods":[{"id":1,"end":null}]', '"periods":[ 1.50, 1e2 ]'),
        ('"finished":false,"fix', '"fix'),
        ('"version":3,', ""),
        (f"{{{SUMMARY}}}", "{}"),
        (f',"fixtureSummary":{{{SUMMARY}}}', ""),
        (',"team":{', ',"team":{"id":"u"},"team":{'),
        ("false,", "true,"),
    ],
)
def test_what_the_short_way_knows(here: str, there: str) -> None:
    """What is spelt otherwise, or is not said, and is of the right type still goes the short way."""
    assert is_same(USUAL.encode())
    assert here in USUAL
    assert is_same(USUAL.replace(here, there).encode())


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("2.0000029120000236", "2.0"),
        ("2.0000029120000236", "2"),
        ("2.0000029120000236", "-2.5"),
        ("2.0000029120000236", "2e-5"),
        ("2.0000029120000236", '"2.5"'),
        ("2.0000029120000236", "1234567.5"),
        ("2.0000029120000236", "0." + "1" * 21),
        ("236", "236.0"),
        ("236", "9223372036854775808"),
        ('"p"', '"\\u0070"'),
        ('"p"', '"\x7f"'),
        ('"p"', "7"),
        ('"p"', '"😀"'),
        (',"team":{', ',"team":{"id":1},"team":{'),
        ('{"A":1}', '{"A":1.5}'),
        ('{"A":1}', "[" * 50 + "]" * 50),
        ('"48:32"', '"48:62"'),
        ("2018-07-15", "2018-02-30"),
        ("16:07:03", "16:07:60"),
        ('[{"id":1,"end":null}]', "null"),
        ('[{"id":1,"end":null}]', '{"id":1}'),
        ('"player":', '"umpire":'),
        ("[]", "null"),
        ('"isTied":false,"periods":[{"id":1,"end":null}]', '"periods":[],"isTied":false'),
        ('"finished":false,"homeTeamScore"', '"finished":true,"homeTeamScore"'),
        ('"fixtureAction":{', '"fixtureAction":null,"fixtureAction":{'),
    ],
)
def test_what_goes_the_long_way(here: str, there: str) -> None:
    """What the short way does not know for certain is not read by it."""
    assert here in USUAL
    assert read_usual(USUAL.replace(here, there).encode()) is None


def test_bytes_that_are_no_text_go_the_long_way() -> None:
    """A value that another of the same name hides is looked at too."""
    hidden = USUAL.replace('"periods":[', '"periods":["?"],"periods":[').encode()
    assert is_same(hidden)
    assert read_usual(hidden.replace(b"?", b"\xff")) is None
