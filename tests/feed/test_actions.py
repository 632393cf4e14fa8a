"""From a packet to its columns: one odd value costs one column, and nothing is lost or raised."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from recorder.feed.actions import fixture_id, parse
from recorder.feed.messages import read
from recorder.model import Fields
from tests.feed.packets import action, parsed, summary

TESTS = Path(__file__).parents[1]
MATCHES = sorted([*(TESTS / "data/matches").glob("*.gz"), *(TESTS.parent / "recorder/replay/matches").glob("*.gz")])
SAMPLES = sorted((TESTS / "data/samples").glob("*.json"))

ACTION_KEYS = [
    "fixtureId", "actionId", "fixtureSeqNum", "timelineSequence", "sendType", "sendTypeId", "fixtureActionType",
    "fixtureActionTypeId", "fixtureActionSubType", "fixtureActionSubTypeId", "period", "clockTime", "timestamp",
    "relatedFixtureActionIds", "delayStatus", "metadata", "team", "player", "novel",
]  # fmt: skip
SUMMARY_KEYS = [
    "homeTeamScore", "awayTeamScore", "currentPeriod", "currentClockTime", "currentClockState",
    "isHomeTeamInPossesion", "isHomeTeamInPossession", "currentStatus", "collectionStatus", "finished", "novel",
]  # fmt: skip
ODD = st.sampled_from(
    ["12", "-1", "1.5", "45:00", "1:02:03", "2024-01-01T00:00:00Z", "a\0b", "\ud800", "é", "", "true"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["id", "name", "homeTeam"]), inner, max_size=3)
    ),
    max_leaves=5,
)
PACKETS = st.fixed_dictionaries(
    {"fixtureAction": st.dictionaries(st.sampled_from(ACTION_KEYS), JSON) | JSON},
    optional={
        "fixtureSummary": st.dictionaries(st.sampled_from(SUMMARY_KEYS), JSON) | JSON,
        "finished": JSON, "traceId": JSON, "version": JSON, "seqNum": JSON,
    },
)  # fmt: skip


def test_whole_packet() -> None:
    """The vendor's published yellow card, column by column."""
    sample = TESTS / "data/samples/basketball_json-objects_action_yellow-card-pending.json"
    wanted = Fields(
        action_id="f8406467-91f4-4487-a392-0f505ee4e082", fixture_seq_num=110,
        timeline_sequence="000002.00000270000001100000", send_type="Pending", send_type_id=1, type="Yellow Card",
        type_id=107, period=2, clock="45:00", clock_seconds=2700, occurred_us=1684071417372386,
        team_id="e8e60aa9-15f6-49ee-a657-cdc04e32644b", team="FC Groningen", side="away", related_action_ids="[]",
        home_score=0, away_score=0, current_period=2, current_clock_seconds=2700, possession="away", status="Suspended",
        collection_status="CollectionSuspended", finished=False, trace_id="371c02cb042e8ad7e70ed1a801139b68",
        extra='{"version":3,"fixtureSummary":{"periods":[{"awayTeamPeriodScore":0,"awayTeamScore":0,"label":"1st half",'
        '"id":1,"homeTeamScore":0,"end":"2023-05-14T13:09:01","type":"Regular","homeTeamPeriodScore":0,'
        '"start":"2023-05-14T12:32:15"}],"isTied":true}}',
    )  # fmt: skip
    assert parsed(sample.read_bytes()) == wanted


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples(sample: Path) -> None:
    """Every published packet is read without a mistake."""
    for packet in read(sample.read_bytes()).packets:
        assert parse(packet.envelope).parse_error is None


@pytest.mark.parametrize("match", MATCHES, ids=lambda path: path.name)
def test_matches(match: Path) -> None:
    """Every packet of a match has its columns; sequence and time are exact, and the last says finished."""
    lines = gzip.decompress(match.read_bytes()).splitlines()[1:]
    rows = [parsed(line.split(b"\t", 1)[1]) for line in lines]
    assert {row.parse_error for row in rows} == {None}
    assert [row.fixture_seq_num for row in rows] == list(range(1, len(rows) + 1))
    assert all(row.action_id and row.occurred_us and row.timeline_sequence is not None for row in rows)
    assert rows[-1].finished
    assert {tuple(json.loads(row.extra or "")) for row in rows} == {("version", "fixtureSummary")}


def test_refused_value_is_kept() -> None:
    """A value that its column refuses stands in extra, nested as it was sent."""
    row = action('"period":"first","team":{"id":7,"name":5,"colour":"red"},"novel":[1.50]')
    assert row.team_id == "7"
    assert row.parse_error == "period: not an integer; team.name: not text"
    assert row.extra == '{"fixtureAction":{"period":"first","novel":[1.50],"team":{"name":5,"colour":"red"}}}'


def test_extra_is_empty() -> None:
    """A packet whose every field has a column has no extra; the stream holds the fixtureId."""
    assert action('"fixtureId":"ABC","period":1,"team":{},"metadata":null').extra is None


def test_two_spellings_differ() -> None:
    """When both spellings are sent and differ, the column does not depend on their order, and extra shows it."""
    one = summary('"isHomeTeamInPossesion":false,"isHomeTeamInPossession":true')
    other = summary('"isHomeTeamInPossession":true,"isHomeTeamInPossesion":false')
    assert one.possession == other.possession == "home"
    assert one.extra is not None
    assert other.extra is not None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", None), (',"finished":false', False), (',"finished":true', True),
     (',"fixtureSummary":{"finished":true}', True),
     (',"finished":false,"fixtureSummary":{"finished":true}', True),
     (',"finished":true,"fixtureSummary":{"finished":false}', True), (',"finished":1', None)],
)  # fmt: skip
def test_finished(text: str, wanted: bool | None) -> None:
    """Either the envelope or the summary is enough."""
    assert parsed('{"fixtureAction":{}' + text + "}").finished is wanted


@pytest.mark.parametrize("value", ["null", "7", '"text"', "[]"])
def test_no_object(value: str) -> None:
    """A fixtureAction that is no object says so, and the summary's columns are still filled."""
    row = parsed(f'{{"traceId":"t","fixtureAction":{value},"fixtureSummary":{{"homeTeamScore":2}}}}')
    assert (row.home_score, row.trace_id, row.action_id) == (2, "t", None)
    assert row.parse_error == "fixtureAction: not an object"


@pytest.mark.parametrize("name", ["team", "player"])
def test_no_object_inside(name: str) -> None:
    """A team or player that is no object costs its own columns."""
    row = action(f'"{name}":"France","period":1')
    assert (row.period, row.parse_error) == (1, f"{name}: not an object")
    assert row.extra == f'{{"fixtureAction":{{"{name}":"France"}}}}'


def test_summary_is_no_object() -> None:
    """A summary that is no object is kept as it came."""
    row = parsed('{"fixtureAction":{},"fixtureSummary":[]}')
    assert (row.parse_error, row.extra) == ("fixtureSummary: not an object", '{"fixtureSummary":[]}')


@pytest.mark.parametrize(
    ("packet", "wanted"),
    [({"fixtureAction": {"fixtureId": "ABC"}}, "abc"), ({"fixtureAction": {"fixtureId": 7}}, None),
     ({"fixtureAction": {}}, None),
     ({"fixtureAction": None}, None), ({}, None)],
)  # fmt: skip
def test_fixture_id(packet: dict[str, Any], wanted: str | None) -> None:
    """The fixture's id is lower case, or None when the packet does not say it."""
    assert fixture_id(packet) == wanted


def test_deep_mapping() -> None:
    """A mapping deeper than any decoder gives does not crash it: how deep Python can go differs by version."""
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    row = parse({"fixtureAction": {"metadata": deep, "novel": deep}})
    assert row.parse_error is not None


@given(PACKETS)
def test_any_packet(value: dict[str, Any]) -> None:
    """Arbitrary JSON in every field never crashes it, and every column can be stored."""
    message = read(json.dumps(value).encode())
    for packet in message.packets:
        row = parse(packet.envelope)
        for name, column in structs.asdict(row).items():
            if isinstance(column, str):
                assert "\0" not in column, name
                column.encode()
            elif isinstance(column, int):
                assert -(2**63) <= column < 2**63
        for text in (row.extra, row.metadata, row.related_action_ids):
            assert text is None or json.loads(text) is not None


@given(PACKETS)
def test_every_refusal_is_told(value: dict[str, Any]) -> None:
    """parse_error names vendor's fields only, is bounded, and never shows a value."""
    for packet in read(json.dumps(value).encode()).packets:
        error = parse(packet.envelope).parse_error or ""
        assert len(error) < 2000
        for clause in error.split("; ") if error else []:
            name = clause.split(": ")[0].split(".")[-1]
            assert name in {*ACTION_KEYS, *SUMMARY_KEYS, "id", "name", "homeTeam", "traceId", "extra", "fixtureAction",
                            "fixtureSummary"}  # fmt: skip
