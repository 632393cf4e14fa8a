"""From a packet to its columns: one odd value costs one column, and nothing is lost or raised."""

import gzip
import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed.actions import fixture_id, parse, rfc3339_us
from recorder.feed.messages import read
from recorder.model import Fields

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


def parsed(text: str | bytes) -> Fields:
    """Parse one message as the live path does."""
    return parse(read(text.encode() if isinstance(text, str) else text).packets[0].envelope)


def action(text: str) -> Fields:
    return parsed('{"fixtureAction":{' + text + "}}")


def summary(text: str) -> Fields:
    return parsed('{"fixtureAction":{},"fixtureSummary":{' + text + "}}")


def test_whole_packet() -> None:
    """The vendor's published yellow card, column by column."""
    sample = TESTS / "data/samples/basketball_json-objects_action_yellow-card-pending.json"
    wanted = Fields(
        action_id="f8406467-91f4-4487-a392-0f505ee4e082", fixture_seq_num=110,
        timeline_sequence=Decimal("2.0000027000000110"), send_type="Pending", send_type_id=1, type="Yellow Card",
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


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("2.0000027000000110", "2.0000027000000110"), ('"2.0000027000000110"', "2.0000027000000110"), ("1.0E-16", "1E-16"),
     ('"1.0E-16"', "1E-16"), ("0", "0"), ("-0.0", "0"), ("0e-999999999", "0"), ("3", "3"), ('"3"', "3"), ("1e5",
     "100000"),
     ("999999.99999999999999999999", "999999.99999999999999999999"), ("1.5" + "0" * 40, "1.5"), ("1e-20", "1e-20")],
)  # fmt: skip
def test_timeline_sequence(written: str, wanted: str) -> None:
    """timelineSequence is exact, as a number and quoted."""
    row = action(f'"timelineSequence":{written}')
    assert (row.timeline_sequence, row.parse_error) == (Decimal(wanted), None)
    assert row.timeline_sequence is not None
    assert f"{row.timeline_sequence:.20f}" == f"{Decimal(wanted):.20f}"


@pytest.mark.parametrize(
    "written",
    ["NaN", "Infinity", "-Infinity", "-1", "-1e-16", "1000000", "1e6", "1e999999999", "1e-21", "1e-999999999",
     "1.000000000000000000001", "true", "[]", '"NaN"', '"x"', '"1_0"', '"٣"', '""', "1" + "0" * 5000],
)  # fmt: skip
def test_no_timeline_sequence(written: str) -> None:
    """What no column holds exactly leaves it empty, and says so."""
    row = action(f'"timelineSequence":{written}')
    assert row.timeline_sequence is None
    assert row.parse_error is not None
    assert row.parse_error.startswith("timelineSequence: ")


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("7", 7), ("7.0", 7), ("7e0", 7), ('"7"', 7), ('"-7"', -7), ("0e-999999999", 0),
     ("9223372036854775807", 2**63 - 1),
     ("-9223372036854775808", -(2**63)), ("null", None)],
)  # fmt: skip
def test_integers(written: str, wanted: int | None) -> None:
    """Whole numbers in any spelling, quoted too."""
    row = action(f'"period":{written}')
    assert (row.period, row.parse_error, row.extra) == (wanted, None, None)


@pytest.mark.parametrize(
    ("written", "why"),
    [("7.5", "not an integer"), ("true", "not an integer"), ('"7.0"', "not an integer"), ('"x"', "not an integer"),
     ("[7]", "not an integer"), ("NaN", "not an integer"), ("1e999999999", "not an integer"),
     ("9223372036854775808", "not within 64 bits"), ("1e30", "not within 64 bits"), ('"-99999999999999999999"',
     "not within 64 bits")],
)  # fmt: skip
def test_no_integers(written: str, why: str) -> None:
    """Anything else is no integer, and a bool never is."""
    row = action(f'"period":{written},"clockTime":"00:10"')
    assert row.period is None
    assert row.clock_seconds == 10
    assert row.parse_error is not None
    assert row.parse_error.split("; ")[0] == f"period: {why}"


def test_refused_value_is_kept() -> None:
    """A value that its column refuses stands in extra, nested as it was sent."""
    row = action('"period":"first","team":{"id":7,"name":5,"colour":"red"},"novel":[1.50]')
    assert row.team_id == "7"
    assert row.parse_error == "period: not an integer; team.name: not text"
    assert row.extra == '{"fixtureAction":{"period":"first","novel":[1.50],"team":{"name":5,"colour":"red"}}}'


def test_extra_is_empty() -> None:
    """A packet whose every field has a column has no extra; the stream holds the fixtureId."""
    assert action('"fixtureId":"ABC","period":1,"team":{},"metadata":null').extra is None


@pytest.mark.parametrize("value", ['"a\\u0000b"', '"\\ud800"'])
def test_text_that_no_database_holds(value: str) -> None:
    """A NUL or a lone surrogate leaves that column empty, and the rest of extra is unharmed."""
    row = action(f'"sendType":{value},"novel":1')
    assert row.send_type is None
    assert row.parse_error is not None
    assert row.parse_error.startswith("sendType: holds a")
    assert row.extra == '{"fixtureAction":{"novel":1}}'


@pytest.mark.parametrize("value", ['"a\\u0000b"', '"\\ud800"', "NaN", "-Infinity", "1e1001", "1e-1001", "0e9999",
     "9" * 1200, "9" * 5000,
                                   "0." + "1" * 1200, '{"a\\u0000b":1}', '["\\udfff"]'])  # fmt: skip
def test_json_that_no_database_holds(value: str) -> None:
    """JSON that one database refuses leaves its column empty on both."""
    row = action(f'"metadata":{{"x":[{value}]}}')
    assert row.metadata is None
    assert row.parse_error is not None
    assert row.parse_error.startswith("metadata: holds")
    row = action(f'"novel":{value}')
    assert row.extra is None
    assert row.parse_error is not None
    assert row.parse_error.startswith("extra: holds")


@pytest.mark.parametrize(
    "value", ['"\\\\u0000"', "1E+1000", "1E-1000", '"NaN"', '"E+9999"', "9" * 1000, '"' + "9" * 3000 + '"', '"é\u2028"']
)
def test_json_that_looks_bad(value: str) -> None:
    """Innocent JSON that only looks like the refused kind is kept."""
    row = action(f'"novel":{value}')
    assert row.parse_error is None
    assert row.extra == f'{{"fixtureAction":{{"novel":{value}}}}}'


@pytest.mark.parametrize(
    ("clock", "seconds"),
    [("00:00", 0), ("91:51", 5511), ("120:00", 7200), ("01:02:03", 3723), ("1:00:00", 3600), ("0:07", 7)],
)
def test_clock(clock: str, seconds: int) -> None:
    """The clock is kept as sent, with its seconds; minutes may pass 90."""
    row = action(f'"clockTime":"{clock}"')
    assert (row.clock, row.clock_seconds, row.parse_error) == (clock, seconds, None)
    assert summary(f'"currentClockTime":"{clock}"').current_clock_seconds == seconds


@pytest.mark.parametrize("clock", ["", "45", "45:60", "1:60:00", "45:00+2", "-1:00", "٤٥:٠٠", "45:00\n"])
def test_odd_clock(clock: str) -> None:
    """A clock that is no time keeps its text and has no seconds."""
    row = action(f'"clockTime":{json.dumps(clock)}')
    assert (row.clock, row.clock_seconds) == (clock, None)
    assert row.parse_error == "clockTime: not MM:SS or HH:MM:SS"


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("1970-01-01T00:00:00Z", 0), ("2023-05-14T13:36:57.372386Z", 1684071417372386),
     ("1970-01-01T00:00:01.5", 1_500_000),
     ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T23:59:59.9999999Z", -1), ("1970-01-01t00:00:00.0000019z", 1),
     ("1970-01-01 00:00:00-00:30", 1_800_000_000), ("0001-01-01T00:00:00+23:59", -62135683140000000)],
)  # fmt: skip
def test_time(text: str, microseconds: int) -> None:
    """Times are microseconds UTC; no zone means UTC and finer fractions are cut."""
    assert action(f'"timestamp":"{text}"').occurred_us == rfc3339_us(text) == microseconds


@pytest.mark.parametrize("text", ["", "now", "2024-02-30T00:00:00Z", "2024-01-01", "20240101T000000Z",
     "2024-W01-1T00:00:00Z",
                                  "0000-01-01T00:00:00Z", "2024-01-01T25:00:00Z",
     "2024-01-01T00:00:00+99:00"])  # fmt: skip
def test_no_time(text: str) -> None:
    """What is no RFC 3339 time leaves the column empty."""
    row = action(f'"timestamp":"{text}"')
    assert row.occurred_us is None
    assert row.parse_error is not None


def test_zone_on_demand() -> None:
    """A caller may insist on a zone."""
    with pytest.raises(ValueError, match="offset"):
        rfc3339_us("2024-01-01T00:00:00", needs_zone=True)


def test_side_and_possession() -> None:
    """homeTeam and either spelling of possession name a side."""
    assert action('"team":{"homeTeam":true}').side == "home"
    assert action('"team":{"homeTeam":1}').parse_error == "team.homeTeam: not true or false"
    assert summary('"isHomeTeamInPossesion":false').possession == "away"
    assert summary('"isHomeTeamInPossession":true').possession == "home"


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


def test_metadata_case() -> None:
    """Both cases of the vendor's keys meet in one, at every depth; on a clash both are kept."""
    row = action('"metadata":{"HomeTeamColour":"1, 2, 3","A":[{"Bc":1.50}],"x":1,"X":2}')
    assert row.metadata == '{"homeTeamColour":"1, 2, 3","a":[{"bc":1.50}],"x":1,"X":2}'


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("[]", "[]"),
        ('["a",7]', '["a","7"]'),
        ('"a"', '["a"]'),
        ('""', "[]"),
        ("null", None),
        ("7", None),
        ("[null]", None),
    ],
)
def test_related_ids(written: str, wanted: str | None) -> None:
    """Related ids are an array of text; a single one is accepted."""
    assert action(f'"relatedFixtureActionIds":{written}').related_action_ids == wanted


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
    """A mapping deeper than any decoder gives does not crash it either."""
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    row = parse({"fixtureAction": {"metadata": deep, "novel": deep}})
    assert row.parse_error is not None
    assert row.extra is None


@given(PACKETS)
def test_any_packet(value: dict[str, Any]) -> None:
    """Arbitrary JSON in every field never crashes it, and every column can be stored."""
    message = read(json.dumps(value).encode())
    for packet in message.packets:
        row = parse(packet.envelope)
        for name, column in asdict(row).items():
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
