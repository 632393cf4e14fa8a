"""What each kind of column takes from the vendor's spellings, and what it refuses."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from recorder.feed.values import rfc3339_us
from tests.feed.packets import action, summary


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
    assert row.parse_error is None
    assert row.timeline_sequence is not None
    assert Decimal(row.timeline_sequence) == Decimal(wanted)
    assert row.timeline_sequence == f"{Decimal(wanted):027.20f}"


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
     ("1970-01-01 00:00:00-00:30", 1_800_000_000)],
)  # fmt: skip
def test_time(text: str, microseconds: int) -> None:
    """Times are microseconds UTC; no zone means UTC and finer fractions are cut."""
    assert action(f'"timestamp":"{text}"').occurred_us == rfc3339_us(text) == microseconds


@pytest.mark.parametrize("text", ["", "now", "2024-02-30T00:00:00Z", "2024-01-01", "20240101T000000Z",
     "2024-W01-1T00:00:00Z",
                                  "0000-01-01T00:00:00Z", "2024-01-01T25:00:00Z",
     "2024-01-01T00:00:00+99:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"])  # fmt: skip
def test_no_time(text: str) -> None:
    """What is no RFC 3339 time, or lies in no year that has four digits in UTC, leaves the column empty."""
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
