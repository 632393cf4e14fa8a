"""What users' own SQL is built on: the views' names and columns, their plans, and what they say of real matches."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from recorder.archive.writer import Writer
from recorder.feed.values import fixed_point
from recorder.query.reading import reading
from tests.archive.filling import Filled, History, fill, ship, stream_of
from tests.vendor import Match, load, names

ACTIONS = (
    "stream_id feed sport fixture_id epoch position action_id fixture_seq_num timeline_sequence send_type send_type_id"
    " type type_id sub_type sub_type_id period clock clock_seconds occurred_at received_at arrival known_until"
    " latency_ms team_id team side player_id player related_action_ids delay_status metadata home_score away_score"
    " current_period current_clock_seconds clock_state possession status collection_status finished trace_id extra"
    " parse_error session_id frame_number part"
)

PROMISED = {
    "matches": "fixture_id home_team_id home_team away_team_id away_team home_score away_score state",
    "streams": "stream_id feed sport fixture_id channel label competition home_team_id home_team away_team_id away_team"
    " home_score away_score status collection_status current_period finished state actions epoch gaps"
    " recorded_from_start first_received_at last_received_at origin_host",
    "actions": ACTIONS,
    "actions_all": ACTIONS,
    "timeline": f"{ACTIONS} first_received_at first_confirmed_at confirmed revisions ordinal",
    "states": "stream_id fixture_id known_from known_until",
    "periods": "stream_id fixture_id period label type started_at ended_at home_score away_score",
    "raw_frames": "stream_id fixture_id session_id frame_number received_at kind opcode payload",
    "sessions": "session_id stream_id opened_at closed_at url start_position close_code close_reason outcome frames"
    " actions overlap_checked heartbeats last_heartbeat_at recorder host version",
    "gaps": "stream_id fixture_id epoch from_position to_position from_time to_time cause ours detail resolved_at",
    "names": "id name",
    "action_types": "type_id type",
}
"""The contract's columns, in its order. A view may have more."""

MATCHES = [load(name) for name in names()]

Open = tuple[Writer, Filled]


@pytest.fixture(scope="module")
def soccer(ten: Filled) -> tuple[Filled, Match]:
    """France - Croatia: two status updates of period 0 in the second half."""
    return ten, load("soccer-france-croatia")


def stored(open_archive: Open, history: History) -> Filled:
    """Store a stream beside others; return the archive that has it."""
    writer, archive = open_archive
    writer.submit(history.operations)
    writer.flushed().result()
    ship(archive, [history.stream.stream_id])
    return archive


@pytest.mark.parametrize("view", PROMISED)
def test_columns_stand_in_the_order_of_the_contract(ten: Filled, view: str) -> None:
    """Every promised column is there, by its name and in its place among the promised ones."""
    columns = ten.columns(view)
    promised = PROMISED[view].split()
    assert [column for column in columns if column in promised] == promised
    assert len(columns) == len(set(columns))


def scans(archive: Filled, statement: str) -> list[str]:
    """Return which tables with rows of many streams the plan of a statement reads without the key."""
    if not archive.is_shipped:
        return table_scans([row[3] for row in archive.select(f"EXPLAIN QUERY PLAN {statement}")])
    with reading(archive.url) as reader, reader.connection.begin():
        reader.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # here it would be cheaper
        ((((plan,),),),) = (reader.rows(f"EXPLAIN (FORMAT JSON) {statement}"),)
    return [
        f"{node['Node Type']} {node['Relation Name']}"
        for node in nodes(plan["Plan"])
        if node.get("Relation Name") in ("action", "frame", "session", "gap", "epoch")
        and "stream_id" not in node.get("Index Cond", node.get("Recheck Cond", ""))
    ]


def table_scans(plan: list[str]) -> list[str]:
    """Return the scans of SQLite's plan, but for those of results that the plan itself makes, and of JSON."""
    made = Counter(re.findall(r"^(?:MATERIALIZE|CO-ROUTINE) (\S+)$", "\n".join(plan), re.MULTILINE))
    found = Counter(line.partition(" ")[2] for line in plan if line.startswith("SCAN ") and "VIRTUAL TABLE" not in line)
    return list((found - made).elements())


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.mark.parametrize(
    ("view", "key", "value"),
    [
        (view, key, value)
        for view, columns in PROMISED.items()
        for key, value in (("fixture_id", "'one'"), ("stream_id", "1"))
        if key in columns.split()
    ],
)
@pytest.mark.parametrize("select", ["SELECT * FROM {}", "SELECT count(*) FROM {}"])
def test_a_filter_reaches_the_key(ten: Filled, view: str, key: str, value: str, select: str) -> None:
    """Whatever a view is asked of one fixture or stream, no other stream's actions or frames are read."""
    assert scans(ten, f"{select.format(view)} WHERE {key} = {value}") == []


WINDOWED = ("timeline", "actions", "actions_all", "states", "matches")
"""The views whose windows a filter has to pass."""


@pytest.mark.parametrize("view", WINDOWED)
def test_a_list_of_fixtures_reaches_the_key(ten: Filled, view: str) -> None:
    """Several matches are asked for by their ids at once."""
    assert scans(ten, f"SELECT * FROM {view} WHERE fixture_id IN ('one', 'two')") == []


@pytest.mark.parametrize("view", ["timeline", "actions", "states"])
@pytest.mark.parametrize(
    "asked",
    [
        "SELECT v.* FROM {} v JOIN stream t ON t.fixture_id = v.fixture_id WHERE t.sport = 'snooker'",
        "SELECT * FROM {} WHERE fixture_id IN (SELECT fixture_id FROM stream WHERE sport = 'snooker')",
    ],
)
def test_a_join_reaches_no_key(ten: Filled, view: str, asked: str) -> None:
    """As the documents warn: what a filter takes from elsewhere reads the actions of all streams."""
    assert [scan for scan in scans(ten, asked.format(view)) if not scan.startswith("stream")] != []


def test_the_plan_of_an_unfiltered_view_is_a_scan(ten: Filled) -> None:
    """The test above would see one: without a filter all actions are read."""
    assert scans(ten, "SELECT * FROM names") != []


def test_searches_use_the_whole_key(ten: Filled) -> None:
    """A stream's current epoch is found by the primary key, not by stream and then row by row."""
    statement = "SELECT * FROM timeline WHERE stream_id = 1"
    if ten.is_shipped:
        said = "\n".join(row[0] for row in ten.select(f"EXPLAIN {statement}"))
        # Whether it looks for the epoch there as well is a matter of its statistics.
        assert re.search(r"Index (Only )?Scan using pk_action on action a .*\n.*Index Cond: .*stream_id = ", said), said
    else:
        plan = [row[3] for row in ten.select(f"EXPLAIN QUERY PLAN {statement}")]
        assert "SEARCH a USING PRIMARY KEY (stream_id=? AND epoch=?)" in plan


# -- the ten matches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", MATCHES, ids=names())
def test_final_scores(ten: Filled, match: Match) -> None:
    """`streams` tells the official result, the teams and that it is over, of every match."""
    (row,) = ten.select(
        "SELECT home_score, away_score, home_team, away_team, finished, state, actions, epoch, gaps,"
        " recorded_from_start, channel FROM streams WHERE fixture_id = ?",
        match.fixture_id,
    )
    assert row == (
        *match.official_score, match.home, match.away, 1, "finished", len(match.packets), 0, 0, 1, "actions",
    )  # fmt: skip


@pytest.mark.parametrize("match", MATCHES, ids=names())
def test_official_scores_by_period(ten: Filled, match: Match) -> None:
    """`periods` has what the last packet lists: halves with their goals, frames with their points."""
    wanted = [
        (period["id"], period["label"], period["homeTeamPeriodScore"], period["awayTeamPeriodScore"])
        for period in json.loads(match.packets[-1])["fixtureSummary"]["periods"]
    ]
    found = ten.select(
        "SELECT period, label, home_score, away_score FROM periods WHERE fixture_id = ? ORDER BY period",
        match.fixture_id,
    )
    assert found == wanted
    if match.sport == "soccer":
        assert (sum(row[2] for row in found), sum(row[3] for row in found)) == match.official_score
    else:
        won = (sum(row[2] > row[3] for row in found), sum(row[2] < row[3] for row in found))
        assert all(mine <= official for mine, official in zip(won, match.official_score, strict=True))


def test_times_of_periods_sort_with_all_others(ten: Filled) -> None:
    """They have microseconds and Z like every time of the views."""
    found = ten.select("SELECT started_at, ended_at FROM periods WHERE fixture_id = ?", load("snooker-1").fixture_id)
    assert found[0] == ("2026-11-02T13:00:00.000000Z", "2026-11-02T13:21:03.000000Z")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("2024-02-29T23:59:59", "2024-02-29T23:59:59.000000Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000000Z"),
        ("2024-02-29T23:59:59.9999999Z", "2024-02-29T23:59:59.999999Z"),
        ("2024-03-01T01:30:00.5+02:00", "2024-02-29T23:30:00.500000Z"),
        ("2024-03-01 00:00:00z", "2024-03-01T00:00:00.000000Z"),
        ("2000-02-29T00:00:00-14:59", "2000-02-29T14:59:00.000000Z"),
        ("2023-02-29T00:00:00", None),
        ("1900-02-29T00:00:00", None),
        ("2024-02-30T00:00:00", None),
        ("2024-04-31T00:00:00", None),
        ("2024-13-01T00:00:00", None),
        ("2024-00-10T00:00:00", None),
        ("2024-01-01T24:00:00", None),
        ("2024-01-01T23:60:00", None),
        ("2024-01-01T23:59:60", None),
        ("2024-01-01T00:00:00+15:00", None),
        ("2024-01-01T00:00:00+02:60", None),
        ("2024-01-01T00:00:00+2", None),
        ("2024-01-01T00:00:00.", None),
        ("2024-01-01T00:00:00.5.5", None),
        ("2024-01-01T00:00:00 Europe/Paris", None),
        ("2024-01-01T00:00:00Z\n", None),
        ("2024-01-01T00:00:00\n", None),
        ("2024-01-01", None),
        ("0000-01-01T00:00:00", None),
        ("9999-12-31T23:59:59", None),
        ("later", None),
        ("", None),
        (17, None),
        (True, None),
        (["2024-01-01T00:00:00"], None),
        (None, None),
    ],
)
def test_times_of_periods_in_other_spellings(open_archive: Open, said: object, shown: str | None) -> None:
    """With a fraction, Z or an offset it is the same moment in UTC; what is no time is none, on either database."""
    history = History()
    history.add(extra=json.dumps({"fixtureSummary": {"periods": [{"id": 1, "start": said}, "odd"]}}))
    archive = stored(open_archive, history)
    asked = "SELECT period, started_at, ended_at FROM periods WHERE fixture_id = ?"
    assert archive.select(asked, history.stream.fixture_id) == [(1, shown, None)]


def test_a_match_has_one_row(ten: Filled) -> None:
    """`matches` has every fixture once, with its result."""
    found = ten.select("SELECT fixture_id, home_score, away_score, state, actions FROM matches ORDER BY fixture_id")
    assert found == sorted(
        (match.fixture_id, *match.official_score, "finished", len(match.packets)) for match in MATCHES
    )


def test_a_match_of_both_feeds_is_one_match(archive: Filled) -> None:
    """Both feeds are named; the betting one speaks for it."""
    fill(archive.path, load("snooker-1", feed="media"), load("snooker-1", feed="betting"), url=archive.url)
    assert archive.select("SELECT feeds, sport, actions FROM matches") == [("betting,media", "snooker", 472)]
    assert archive.select("SELECT feed FROM streams ORDER BY feed") == [("betting",), ("media",)]


def test_the_frames_are_the_vendors_bytes(ten: Filled) -> None:
    """`raw_frames` in order of arrival gives the checksum that came with each match."""
    for match in MATCHES:
        rows = ten.select(
            "SELECT payload FROM raw_frames WHERE fixture_id = ? ORDER BY session_id, frame_number", match.fixture_id
        )
        assert hashlib.sha256(b"\n".join(row[0] for row in rows)).hexdigest() == match.sha256


def test_a_session_counts_what_it_brought(ten: Filled) -> None:
    """One connection per match, closed, whose counts are those of the rows."""
    rows = ten.select("SELECT stream_id, frames, actions, outcome, start_position FROM sessions ORDER BY stream_id")
    assert rows == sorted((stream_of(match).stream_id, *[len(match.packets)] * 2, "closed", 0) for match in MATCHES)


def test_names_and_types_seen(ten: Filled) -> None:
    """Every team of the ten matches has its name, and every id of a type the name that came with it."""
    teams = {row[0] for row in ten.select("SELECT name FROM names WHERE kind = 'team'")}
    assert {team for match in MATCHES for team in (match.home, match.away)} <= teams
    seen = {
        (action.get("fixtureActionTypeId"), action["fixtureActionType"])
        for match in MATCHES
        for action in (json.loads(packet)["fixtureAction"] for packet in match.packets)
    }
    assert set(ten.select("SELECT DISTINCT type_id, type FROM action_types")) == seen


def test_a_name_that_changes(archive: Filled) -> None:
    """An id with two names has two rows, each with when it was seen first and last."""
    history = History()
    for name in ("Cote", "Côté", "Cote"):
        history.add(player_id="p1", player=name)
    archive.write(*history.operations)
    assert archive.select("SELECT kind, id, name, first_seen_at, last_seen_at FROM names ORDER BY first_seen_at") == [
        ("player", "p1", "Cote", "2023-11-14T22:13:20.000000Z", "2023-11-14T22:13:22.000000Z"),
        ("player", "p1", "Côté", "2023-11-14T22:13:21.000000Z", "2023-11-14T22:13:21.000000Z"),
    ]


def test_the_newest_word_on_everything(archive: Filled) -> None:
    """`streams` shows the newest value of each column, whichever action said it last."""
    history = History()
    history.add(team_id="h", team="Home", side="home", home_score=0, away_score=0, status="Started")
    history.add(team_id="a", team="Away", side="away", home_score=1)
    history.add(collection_status="CollectingLive", current_period=2)
    archive.write(*history.operations)
    found = archive.select(
        "SELECT home_team_id, home_team, away_team, home_score, away_score, status, collection_status, current_period,"
        " finished, state FROM streams"
    )
    assert found == [("h", "Home", "Away", 1, 0, "Started", "CollectingLive", 2, 0, "recording")]


def test_a_stream_of_which_nothing_came(archive: Filled) -> None:
    """It waits, with NULL for what is not known."""
    archive.write(History().operations[0])
    found = archive.select("SELECT state, actions, home_team, home_score, recorded_from_start, finished FROM streams")
    assert found == [("waiting", 0, None, None, None, 0)]


@pytest.mark.parametrize(("seq", "said"), [(0, 1), (1, 1), (None, 1), (2, 0), (300, 0)])
def test_recorded_from_the_start(open_archive: Open, seq: int | None, said: int) -> None:
    """A list whose first action is not the vendor's first says so."""
    history = History()
    history.add(fixture_seq_num=seq)
    archive = stored(open_archive, history)
    asked = "SELECT recorded_from_start FROM streams WHERE fixture_id = ?"
    assert archive.value(asked, history.stream.fixture_id) == said


def test_latency_is_stated_for_live_rows(archive: Filled) -> None:
    """Only what came while it happened says how long it took, in milliseconds with three decimals."""
    history = History()
    for arrival in ("live", "catch_up", "audit"):
        history.add(10_000_000, arrival=arrival, occurred_us=8_765_432)
    history.add(10_000_000)
    archive.write(*history.operations)
    found = archive.select("SELECT latency_ms, occurred_at FROM actions ORDER BY position")
    assert found == [(1234.568, "1970-01-01T00:00:08.765432Z")] + [(None, "1970-01-01T00:00:08.765432Z")] * 2 + (
        [(None, None)]
    )


def test_json_is_read_by_the_databases_functions(ten: Filled) -> None:
    """`extra`, `metadata` and `related_action_ids` are JSON, or NULL."""
    if ten.is_shipped:
        kinds = "SELECT DISTINCT pg_typeof(extra), pg_typeof(metadata), pg_typeof(related_action_ids) FROM actions"
        assert ten.select(kinds) == [("jsonb",) * 3]
        assert ten.value("SELECT count(*) FROM actions WHERE extra -> 'version' IS NOT NULL") > 5000
        return
    for column in ("extra", "metadata", "related_action_ids"):
        assert ten.value(f"SELECT count(*) FROM actions WHERE {column} IS NOT NULL AND NOT json_valid({column})") == 0
    assert ten.value("SELECT count(*) FROM actions WHERE json_extract(extra, '$.version') IS NOT NULL") > 5000


# -- the match order ---------------------------------------------------------------------------------------------------


def test_status_updates_of_period_0_stand_where_they_happened(soccer: tuple[Filled, Match]) -> None:
    """A pause for a video check in the 61st minute has period 0 and clock 00:00, and stands in the 61st minute."""
    archive, match = soccer
    found = archive.select(
        "SELECT position, type, current_period, current_clock_seconds FROM timeline WHERE fixture_id = ?"
        " ORDER BY ordinal",
        match.fixture_id,
    )
    updates = [index for index, row in enumerate(found) if row[0] in (305, 311)]
    assert len(updates) == 2
    for index in updates:
        assert found[index][1:] == ("Status Updated", 2, found[index][3])
        clocks = [row[3] for row in found[index - 1 : index + 2]]
        assert clocks == sorted(clocks)
        assert 60 * 60 <= clocks[1] <= 62 * 60


@pytest.mark.parametrize("match", MATCHES, ids=names())
def test_the_match_order_never_goes_back(ten: Filled, match: Match) -> None:
    """Period, then clock, as each action tells them itself, or its summary where it has none."""
    rows = ten.select(
        "SELECT CASE WHEN coalesce(period, 0) = 0 THEN current_period ELSE period END,"
        " CASE WHEN coalesce(period, 0) = 0 THEN current_clock_seconds ELSE clock_seconds END, ordinal"
        " FROM timeline WHERE fixture_id = ? ORDER BY ordinal",
        match.fixture_id,
    )
    assert [row[:2] for row in rows] == sorted(row[:2] for row in rows)
    assert [row[2] for row in rows] == list(range(1, len(rows) + 1))


def told_late() -> History:
    """An action of the 10th minute that is sent in the 28th, and a status update of the 28th."""
    history = History()
    for sequence, period, clock, summary, name in (
        ("1.0000006000000001", 1, 600, 600, "Corner"),
        ("1.0000016800000002", 1, 1680, 1680, "Goal"),
        ("0.0000000000000003", 0, 0, 1690, "Status Updated"),
        ("1.0000006010000004", 1, 601, 1695, "Foul, told late"),
        ("1.0000017000000005", 1, 1700, 1700, "Kick-off"),
        (None, 1, 1699, 1701, "no sequence"),
    ):
        history.add(
            timeline_sequence=None if sequence is None else fixed_point(Decimal(sequence)), period=period,
            clock_seconds=clock, current_period=1, current_clock_seconds=summary, type=name,
            fixture_seq_num=len(history.actions) + 1,
            finished=False,
        )  # fmt: skip
    return history


def test_once_over_a_late_action_stands_where_it_happened(archive: Filled) -> None:
    """In a finished match, by the match's clock."""
    history = told_late()
    history.add(type="End Match", period=0, current_period=1, current_clock_seconds=2700, finished=True)
    archive.write(*history.operations)
    assert [row[0] for row in archive.select("SELECT type FROM timeline ORDER BY ordinal")] == [
        "Corner", "Foul, told late", "Goal", "Status Updated", "no sequence", "Kick-off", "End Match",
    ]  # fmt: skip


def test_while_it_is_on_a_match_goes_by_the_vendors_numbers(archive: Filled) -> None:
    """A late action stands where it was told."""
    history = told_late()
    archive.write(*history.operations)
    assert [row[0] for row in archive.select("SELECT type FROM timeline ORDER BY ordinal")] == [
        "Corner", "Goal", "Status Updated", "Foul, told late", "Kick-off", "no sequence",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "order"),
    [
        ((3, 1, 2), "bca"),
        ((None, 2, 1), "acb"),
        ((2, None, 1), "cab"),
        ((1, 3, None), "abc"),
        ((None, None, None), "abc"),
        ((1, 1, 1), "abc"),
    ],
)
def test_live_order(open_archive: Open, numbers: tuple[int | None, ...], order: str) -> None:
    """By number; without one behind the greatest that had come; what is equal by position. A correction moves none."""
    history = History()
    for name, number in zip("abc", numbers, strict=True):
        history.add(action_id=name, fixture_seq_num=number, send_type="Pending")
    for name in "cb":
        history.add(action_id=name, fixture_seq_num=7, send_type="Confirmed")
    archive = stored(open_archive, history)
    asked = "SELECT action_id FROM timeline WHERE fixture_id = ? ORDER BY ordinal"
    found = archive.select(asked, history.stream.fixture_id)
    assert "".join(row[0] for row in found) == order
