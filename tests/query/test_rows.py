"""The rows of the views as values, and as data frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_type_hints

import duckdb
import pytest

from recorder import Archive
from recorder.errors import ConfigurationError, RecorderError, UsageError
from recorder.model import Kind
from recorder.operations import AddAction, BeginEpoch, MakeEpochCurrent
from recorder.query import rows
from recorder.query.rows import Gap, TimelineAction, View, kinds, typed
from tests.archive.filling import START_US, Filled, History, action_in
from tests.vendor import load

ROMANIA, LEGANES = load("soccer-france-romania"), load("soccer-leganes-valencia")


@pytest.fixture
def opened(library: Filled) -> Iterator[Archive]:
    with Archive.open(library.url) as archive:
        yield archive


@pytest.mark.parametrize(("name", "view"), rows.VIEWS.items())
def test_a_class_has_the_columns_of_its_view(library: Filled, name: str, view: type[View]) -> None:
    """In the order of the view, on both databases."""
    assert list(kinds(view)) == library.columns(name)


def test_a_name_means_one_thing() -> None:
    """A column of one name is of one kind in every view: `sql` depends on that."""
    for view in rows.VIEWS.values():
        for name, kind in kinds(view).items():
            assert rows.known_columns()[name] is kind, name


@pytest.mark.parametrize(("name", "view"), rows.VIEWS.items())
def test_every_value_is_what_its_class_says(library: Filled, name: str, view: type[View]) -> None:
    """Nothing of the ten views comes as another type than its annotation, and None only where that allows it."""
    found = typed(view, library.select(f"SELECT * FROM {name}"))
    assert found or name == "score_findings"  # of these the real matches have none
    for column, kind in kinds(view).items():
        values = [getattr(row, column) for row in found]
        said = [value for value in values if value is not None]
        assert kind is rows.Json or all(type(value) is kind for value in said), column
        may_be_none = kind is rows.Json or "None" in str(get_type_hints(view)[column])
        assert may_be_none or len(said) == len(values), column


def test_a_timeline_as_values(opened: Archive) -> None:
    """Aware times to the microsecond, the vendor's order exactly, JSON as what it is."""
    goal = opened.timeline("france-romania", type="goal")[0]
    assert isinstance(goal, TimelineAction)
    packet = json.loads(ROMANIA.packets[goal.position], parse_float=Decimal)["fixtureAction"]
    assert goal.timeline_sequence == packet["timelineSequence"]
    assert goal.occurred_at == datetime.fromisoformat(packet["timestamp"])
    assert goal.occurred_at is not None
    assert goal.occurred_at.utcoffset() == timedelta(0)
    assert goal.related_action_ids == packet["relatedFixtureActionIds"]
    assert goal.extra["fixtureSummary"]["periods"][0]["label"] == "1st half"


def test_lists_of_everything(opened: Archive) -> None:
    """One question, one list of values: matches, streams, states, periods, sessions, gaps, frames."""
    assert {match.home_team for match in opened.matches()} == {"France", "Leganés", "S. Dunn"}
    assert [stream.feed for stream in opened.streams(sport="snooker")] == ["betting", "media"]
    states = opened.states("france-romania")
    assert (states[-1].home_score, states[-1].away_score, states[-1].known_until) == (2, 1, None)
    assert [period.label for period in opened.periods("france-romania")] == ["1st half", "2nd half"]
    assert opened.sessions("france-romania")[0].actions == len(ROMANIA.packets)
    assert opened.gaps() == sorted(opened.gaps(), key=lambda gap: (gap.from_time, gap.stream_id, gap.gap_id))
    assert {gap.cause for gap in opened.gaps("france-romania")} == {"vendor_delayed"}
    assert isinstance(opened.gaps("france-romania")[0], Gap)
    assert sum(1 for _ in opened.frames("france-romania")) == len(ROMANIA.packets)


def test_actions_across_matches(opened: Archive) -> None:
    """By type over all matches: every revision, or what stands; the same as one match at a time says."""
    every = opened.actions(sport="soccer", type="GOAL")
    assert [row.position for row in every if row.fixture_id == ROMANIA.fixture_id] == [
        row.position for row in opened.revisions("france-romania", type="Goal")
    ]
    assert every[0].known_until == opened.revisions("france-romania", type="Goal")[0].known_until
    standing = opened.actions(type=["Goal", "Red Card"], standing=True)
    alone = [opened.timeline(name, type=["Goal", "Red Card"]) for name in ("france-romania", "leganes-valencia")]
    assert {(row.fixture_id, row.position) for row in standing} == {
        (row.fixture_id, row.position) for match in alone for row in match
    }


def test_actions_of_a_time(opened: Archive) -> None:
    """Received from a moment on and before another; without a type or a time it is the whole views."""
    everything = opened.actions()
    assert len(everything) == sum(stream.actions for stream in opened.streams())
    since, until = everything[40].received_at, everything[60].received_at
    assert opened.actions(since=since, until=until) == [
        row for row in everything if since <= row.received_at < until
    ]  # fmt: skip
    assert len(opened.actions(standing=True, feed="media")) == sum(
        len(opened.timeline(name, feed="media")) for name in ("s-dunn-n-eve", "france-romania", "leganes-valencia")
    )


def test_a_time_without_an_offset_is_refused(opened: Archive) -> None:
    """As text and as a datetime: a wrong guess would be a wrong answer."""
    for moment in ("2016-06-10T19:02:00", datetime(2016, 6, 10, 19, 2)):
        with pytest.raises(UsageError, match="2016-06-10T19:02:00Z if it is UTC"):
            opened.timeline("france-romania", as_of=moment)


# -- data frames -------------------------------------------------------------------------------------------------------


def test_arrow(opened: Archive) -> None:
    """Exact numbers stay exact, times keep their zone, and every row is there."""
    found = opened.revisions("france-romania")
    table = found.to_arrow()
    assert table.num_rows == len(found)
    assert str(table.schema.field("received_at").type) == "timestamp[us, tz=UTC]"
    assert table.column("timeline_sequence").to_pylist() == [row.timeline_sequence for row in found]
    assert [value and json.loads(value) for value in table.column("metadata").to_pylist()] == [
        row.metadata for row in found
    ]


def test_polars_and_pandas(opened: Archive) -> None:
    """The same values in both; whole numbers beside missing ones stay whole."""
    found = opened.timeline("france-romania")
    polars, pandas = found.to_polars(), found.to_pandas()
    assert polars["player"].to_list() == [row.player for row in found]
    assert polars["received_at"].to_list() == [row.received_at for row in found]
    assert str(pandas["sub_type_id"].dtype) == "Int64"
    assert str(pandas["received_at"].dtype) == "datetime64[us, UTC]"
    assert pandas["timeline_sequence"].to_list() == [row.timeline_sequence for row in found]


def test_duckdb_reads_rows_as_they_are(opened: Archive) -> None:
    """Whoever speaks Arrow's C stream needs no conversion."""
    goals = opened.actions(type="Goal", standing=True)  # noqa: F841 (DuckDB finds it by its name)
    with duckdb.connect() as connection:
        counted = connection.sql("SELECT team, count(*) FROM goals GROUP BY team ORDER BY team").fetchall()
    assert counted == [("France", 2), ("Romania", 1), ("Valencia", 1)]


def test_half_a_surrogate_pair(opened: Archive) -> None:
    """JSON can escape what is no text: it stays escaped, and the frame is made all the same."""
    table = opened.sql("SELECT :said AS metadata", said='{"a": "\\ud800"}').to_arrow()
    assert table.column("metadata").to_pylist() == ['{"a": "\\ud800"}']


def test_an_empty_answer_is_a_frame_too(opened: Archive) -> None:
    """No row, all the columns, and their types."""
    table = opened.actions(type="Nothing").to_arrow()
    assert (table.num_rows, table.schema.field("received_at").type.tz) == (0, "UTC")


def test_notebooks(opened: Archive) -> None:
    """A table of what has values, escaped, with how many rows there are."""
    shown = opened.timeline("france-romania")._repr_html_()
    assert shown.startswith("<table>")
    assert f"{len(opened.timeline('france-romania'))} rows, the first 30 shown" in shown
    assert "<th>parse_error</th>" not in shown
    assert "&lt;script&gt;" in opened.sql("SELECT '<script>' AS name")._repr_html_()


@pytest.mark.parametrize(
    ("method", "extra"), [("to_arrow", "export"), ("to_polars", "export"), ("to_pandas", "analysis")]
)
def test_a_missing_library_is_named(opened: Archive, monkeypatch: pytest.MonkeyPatch, method: str, extra: str) -> None:
    """Who has not installed it is told which extra brings it."""
    found: Any = opened.matches()
    missing = {"to_arrow": "pyarrow", "to_polars": "polars", "to_pandas": "pandas"}[method]
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(ConfigurationError, match=rf"recorder\[{extra}\]"):
        getattr(found, method)()


# -- anybody's own SELECT ----------------------------------------------------------------------------------------------


def test_sql(opened: Archive) -> None:
    """Named parameters; a column that bears a view's name has its type, any other is as the database gives it."""
    found = opened.sql(
        "SELECT type, count(*) AS how_many, max(received_at) AS received_at FROM actions"
        " WHERE fixture_id = :fixture AND type = :type GROUP BY type",
        fixture=ROMANIA.fixture_id,
        type="Goal",
    )
    assert [(row.type, row.how_many) for row in found] == [("Goal", 14)]
    assert found[0].received_at.tzinfo is UTC
    assert found.to_arrow().column_names == ["type", "how_many", "received_at"]


def test_sql_that_borrows_a_name(opened: Archive) -> None:
    """What bears a view's name and is something else stays what it is; a doubled name is told apart."""
    found = opened.sql("SELECT 7 AS finished, 'soon' AS received_at, 1 AS n, 2 AS n")
    assert (found[0].finished, found[0].received_at) == (7, "soon")
    assert found.to_arrow().column_names == ["finished", "received_at", "n", "n_2"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM gap",
        "DELETE FROM gap RETURNING gap_id",
        "SELECT nothing FROM nowhere",
        "SELECT :missing",
        "nonsense",
    ],
)
def test_sql_that_cannot_be_run(opened: Archive, statement: str) -> None:
    """What writes, and what is no SELECT of this archive: a sentence with the database's own reason."""
    with pytest.raises(UsageError, match="the statement cannot be run: "):
        opened.sql(statement)
    assert opened.gaps()


def test_sql_cannot_take_the_guard_away(archive: Filled) -> None:
    """Each transaction is read-only by itself: no setting of the connection changes that."""
    history = History()
    history.gap("dropped")
    archive.write(*history.operations)
    with Archive.open(archive.url) as opened:
        if archive.is_shipped:
            opened.sql("SELECT set_config('default_transaction_read_only', 'off', false)")
        with pytest.raises(RecorderError):
            opened.sql("WITH gone AS (DELETE FROM gap RETURNING gap_id) SELECT * FROM gone")
        assert len(opened.gaps()) == 1


def test_a_closed_archive(library: Filled) -> None:
    """Whoever asks after the end is told so."""
    with Archive.open(library.url) as archive:
        pass
    with pytest.raises(UsageError, match="has been closed"):
        archive.matches()


def test_names_in_any_case(opened: Archive) -> None:
    """A sport is found however it is written; what is no feed is told."""
    assert opened.streams(sport="SOCCER") == opened.streams(sport="soccer")
    assert opened.actions(sport="Soccer", type="goal") == opened.actions(sport="soccer", type="Goal")
    for ask in (opened.streams, opened.actions):
        with pytest.raises(UsageError, match="betting or media"):
            ask(feed="nope")


def test_before_the_vendor_changed_its_list(archive: Filled) -> None:
    """As of a moment before a new epoch, what was known then was the old list, whole."""
    history = History()
    for at in range(4):
        history.add(START_US + at * 1_000_000, action_id=f"a{at}", type="Goal", home_score=at, away_score=0)
    stream_id = history.stream.stream_id
    changed = [
        action_in(history.frame(Kind.ACTION, b"new %d" % at, START_US + 20_000_000 + at), 1, at, action_id=f"b{at}")
        for at in (2, 3)
    ]
    archive.write(
        *history.operations,
        BeginEpoch(stream_id, 1, 0, 2, START_US + 19_000_000, "changed"),
        *map(AddAction, changed),
        MakeEpochCurrent(stream_id, 1, START_US + 21_000_000),
    )
    fixture = history.stream.fixture_id
    with Archive.open(archive.url) as opened:
        then = opened.timeline(fixture, as_of="2023-11-14T22:13:30Z")
        assert [(row.epoch, row.action_id) for row in then] == [(0, "a0"), (0, "a1"), (0, "a2"), (0, "a3")]
        now = opened.timeline(fixture)
        assert sorted((row.epoch, row.action_id) for row in now) == [(1, "a0"), (1, "a1"), (1, "b2"), (1, "b3")]
        what = [(change.what.value, change.action.action_id) for change in opened.diff(fixture, *_AROUND)]
    assert sorted(what) == [("added", "b2"), ("added", "b3"), ("taken back", "a2"), ("taken back", "a3")]


_AROUND = ("2023-11-14T22:13:30Z", "2023-11-14T23:00:00Z")
