"""What makes two packets the same, and what keeps them apart."""

import gzip
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recorder.feed.content import canonical, content_digest
from recorder.feed.messages import read

TESTS = Path(__file__).parents[1]
MATCHES = sorted([*(TESTS / "data/matches").glob("*.gz"), *(TESTS.parent / "recorder/replay/matches").glob("*.gz")])

NUMBERS = (
    st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=16) | st.just(Decimal("1E+999999999"))
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def decoded(text: str) -> Any:
    """The value that ``text`` is, as the classifier decodes it."""
    return read(f'{{"fixtureAction":{text}}}'.encode("utf-8", "surrogatepass")).packets[0].fixture_action


def digest_of(text: str) -> bytes:
    return content_digest(decoded(text))


def spelt(value: object, draw: random.Random) -> str:
    """Write ``value`` as JSON with shuffled keys, odd white space and another spelling of each number."""
    space = draw.choice(["", " ", "\n\t"])
    match value:
        case dict():
            items = list(value.items())
            draw.shuffle(items)
            pairs = (f"{json.dumps(key)}{space}:{space}{spelt(inner, draw)}" for key, inner in items)
            return "{" + space + f"{space},".join(pairs) + space + "}"
        case list():
            return "[" + f",{space}".join(spelt(inner, draw) for inner in value) + space + "]"
        case bool() | None | str():
            return json.dumps(value, ensure_ascii=draw.random() < 0.5)
        case _:
            return spelt_number(Decimal(value), draw)  # type: ignore[arg-type]


def spelt_number(value: Decimal, draw: random.Random) -> str:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    zeros = draw.choice([0, 0, 1, 30])
    text = "".join(map(str, digits)) + "0" * zeros
    whole, _, fraction = text[:1], "", text[1:]
    shift = exponent - zeros + len(fraction)
    written = f"{whole}.{fraction}" if fraction else whole
    return f"{'-' if sign else ''}{written}{draw.choice('eE')}{shift:+d}"


@pytest.mark.parametrize(
    "spellings",
    [
        ["1", "1.0", "1e0", "10e-1", "1.000000000000000000000000000000000000000000", "0.1E+1"],
        ["0", "-0", "0.0", "-0.0", "0e999999999", "0E-999999999"],
        ["1e-16", "1.0E-16", "0.0000000000000001"],
        ["1e999999999", "10e999999998", "1.0E+999999999"],
        ["1e4299", "1" + "0" * 4299, "1" + "0" * 4299 + ".0"],
        ["1e4300", "1" + "0" * 4300, "10e4299", "1" + "0" * 4300 + ".0"],
        ["123456789012345678901234567890.5", "1234567890123456789012345678905e-1"],
        ["-15e-1", "-1.5"],
        ['"\\u0041"', '"A"'],
        ['"\\ud83d\\ude00"', '"\U0001f600"'],
        ['{"a":1,"b":{"c":2,"d":3}}', '{"b" : {"d":3.0, "c":2}, "a":1}'],
    ],
)
def test_same(spellings: list[str]) -> None:
    """One value has one digest in each of its spellings."""
    assert len({digest_of(text) for text in spellings}) == 1


def test_all_apart() -> None:
    """Values that a careless comparison would mix up have different digests."""
    texts = [
        "true", "1", '"1"', "false", "0", '"0"', "null", '"null"', '""', "[]", "{}", "[[]]", "[{}]", '{"":0}', "[0]",
        "1.5", "[1.5]", '"1.5"', "[1.5,2.5]", "[2.5,1.5]", "[1,2]", "[2,1]", '{"a":1.5,"b":2.5}', '{"a":2.5,"b":1.5}',
        "0.5", "[0.5]", '"0.5\\n15e-1"', "-1.5", "15e-2", "NaN", '"NaN"', "Infinity", "-Infinity",
        '"\\ud800"', '"\\udfff"',
        '"?"', '"\\u0000"', "2.0000027000000110", "2.0000027000000111", "1e999999999", "1e-999999999",
        "1e4299", "1e4300",
        "123456789012345678901234567890.5", "123456789012345678901234567890.4", '"é"', '"e\\u0301"', '{"a":{"b":1}}',
        '{"a":1,"b":1}',
    ]  # fmt: skip
    assert len({digest_of(text) for text in texts}) == len(texts)


def test_length() -> None:
    """A digest has 16 bytes, and its value does not change: it is stored."""
    assert content_digest({"b": [1, Decimal("1.50")], "a": None}).hex() == "93b07bd4f1181e9a458ec3325f3a7255"
    assert canonical({"b": [1, Decimal("1.50")], "a": None}) == b'{"a":null,"b":[1,0.5]}\n15e-1'


def test_no_json() -> None:
    """What no decoder gives is refused, not hashed by its repr."""
    with pytest.raises(TypeError):
        content_digest({"a": {1, 2}})


@pytest.mark.parametrize("match", MATCHES, ids=lambda path: path.name)
def test_matches(match: Path) -> None:
    """In a whole match all packets differ, and each is itself again with its keys turned round."""
    lines = gzip.decompress(match.read_bytes()).splitlines()[1:]
    actions = [read(line.split(b"\t", 1)[1]).packets[0].fixture_action for line in lines]
    digests = [content_digest(action) for action in actions]
    assert len(set(digests)) == len(digests)
    assert digests == [content_digest(dict(reversed(action.items()))) for action in actions]


@given(VALUES, st.randoms(use_true_random=False))
def test_spelling_does_not_count(value: object, draw: random.Random) -> None:
    """Key order, white space and the spelling of numbers do not change the digest."""
    assert digest_of(spelt(value, draw)) == content_digest(value)


def paths(value: object) -> list[tuple[Any, ...]]:
    """The way to each value inside ``value``, itself first."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *way) for key, inner in children for way in paths(inner))]


def changed(value: Any, way: tuple[Any, ...], new: object) -> Any:
    if not way:
        return new
    copy = value.copy()
    copy[way[0]] = changed(value[way[0]], way[1:], new)
    return copy


def at(value: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        value = value[key]
    return value


@given(VALUES, SCALARS, st.data())
def test_any_change_counts(value: object, new: object, data: st.DataObject) -> None:
    """Any change of a single value, at any depth, changes the digest."""
    way = data.draw(st.sampled_from(paths(value)))
    old = at(value, way)
    assume(isinstance(old, bool) != isinstance(new, bool) or old != new)
    assert content_digest(changed(value, way, new)) != content_digest(value)
