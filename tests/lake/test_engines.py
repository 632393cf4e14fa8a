"""DuckDB and polars on a lake: the archive's views, the worked queries, and every digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.compute
import pytest

from recorder import lake
from recorder.model import digest
from recorder.publishing.forms import Form
from recorder.publishing.publishing import publish
from tests.archive.filling import Filled
from tests.lake.conftest import FORMS, small
from tests.lake.engines import (
    COMPARED,
    MESSAGES,
    PLACES,
    Ask,
    assert_answers,
    assert_contents,
    assert_prices,
    assert_view,
    digests,
    eleven,
    published,
    season,
    tuples,
)
from tests.queries.expected import EXPECTED
from tests.queries.test_odds import odds
from tests.vendor import Match

__all__ = ["eleven", "odds", "season"]


@pytest.fixture(scope="module")
def places(library: Filled, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return published(library, tmp_path_factory.mktemp("places"))


def connected(place: str) -> Any:
    with lake.open(place) as found:
        return found.duckdb()


def asking(connection: Any) -> Ask:
    return lambda statement: connection.sql(statement).to_arrow_table()


@pytest.fixture(scope="module", params=FORMS)
def ask(request: pytest.FixtureRequest, places: dict[str, str]) -> Ask:
    """DuckDB, with the views over each form of a lake."""
    return asking(connected(places[request.param]))


@pytest.fixture(scope="module", params=FORMS)
def over_season(request: pytest.FixtureRequest, season: dict[str, str]) -> Any:
    """A connection with the views over the season that the worked queries are about."""
    return connected(season[request.param])


@pytest.mark.parametrize("name", EXPECTED)
def test_duckdb_answers_a_worked_query_as_the_packets_do(over_season: Any, eleven: list[Match], name: str) -> None:
    assert_answers(asking(over_season), name, eleven)


@pytest.mark.parametrize("text", ["odds.sql", "odds.duckdb.sql"])
def test_duckdb_joins_prices_with_the_states_of_a_lake(
    odds: Path, over_season: Any, eleven: list[Match], text: str
) -> None:
    over_season.execute(
        "CREATE OR REPLACE VIEW odds AS SELECT * FROM read_csv('odds.csv', types = {'at': 'TIMESTAMPTZ'})"
    )
    assert_prices(asking(over_season), text, eleven)


@pytest.mark.parametrize("view", COMPARED)
def test_a_view_in_duckdb_is_that_of_the_archive(ask: Ask, library: Filled, view: str) -> None:
    assert_view(ask, view, library)


def test_every_digest_that_duckdb_reads_is_the_archives(ask: Ask, library: Filled) -> None:
    made = "SELECT stream_id, session_id, frame_number, left(sha256(payload), 32) FROM raw_frames ORDER BY 1, 2, 3"
    assert tuples(ask(made)) == digests(library)
    assert_contents(tuples(ask(MESSAGES)), tuples(ask(PLACES)), library)


@pytest.mark.parametrize("form", FORMS)
def test_every_digest_that_polars_reads_is_the_archives(places: dict[str, str], form: str, library: Filled) -> None:
    with lake.open(places[form]) as found:
        actions, frames = (
            polars.read_parquet(found.files(name), hive_partitioning=True) for name in ("actions", "raw_frames")
        )
    messages = frames.select("stream_id", "session_id", "frame_number", "payload").rows()
    assert sorted((*key, digest(payload).hex()) for *key, payload in messages) == digests(library)
    columns = ("stream_id", "epoch", "position", "session_id", "frame_number", "part")
    assert_contents(messages, actions.select(columns).rows(), library)


def test_rows_that_no_marker_names_are_not_shown(few: Filled, folder: str) -> None:
    """As a publish leaves them that was killed behind the data, and before `streams`."""
    publish(few.url, folder)
    rows = deltalake.DeltaTable(f"{folder}/actions").to_pyarrow_table()
    at = rows.schema.get_field_index("version")
    others = rows.set_column(at, rows.schema.field(at), pyarrow.compute.add(rows.column(at), 1))
    deltalake.write_deltalake(f"{folder}/actions", others, mode="append")
    assert tuples(asking(connected(folder))("SELECT count(*) FROM actions_all")) == [(rows.num_rows,)]


def test_a_lake_without_an_action_has_every_view(tmp_path: Path, folder: str, form: str) -> None:
    """Its tables have no files."""
    filled = Filled(tmp_path / "empty.db")
    filled.write(*small(0).operations)
    publish(filled.url, folder, Form(form))
    ask = asking(connected(folder))
    counts = [ask(f"SELECT count(*) FROM {view}").column(0).to_pylist() for view in COMPARED]
    assert counts == [[filled.value(f"SELECT count(*) FROM {view}")] for view in COMPARED]


def test_a_connection_of_ones_own_keeps_its_tables(few: Filled, folder: str) -> None:
    """The views are temporary: nothing of them is in the user's database."""
    publish(few.url, folder)
    with duckdb.connect() as connection, lake.open(folder) as found:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
        assert found.duckdb(connection) is connection
        assert connection.sql("SELECT count(*) FROM timeline").fetchall() == [(1 + 2 + 3,)]
        lasting = "SELECT view_name FROM duckdb_views() WHERE NOT temporary AND NOT internal"
        assert connection.sql(lasting).fetchall() == []
