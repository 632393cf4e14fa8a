"""Other programs on an archive: what docs/queries.md says of DuckDB and of Datasette."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder.archive.views import VIEWS
from recorder.export.writing import export
from tests.archive.filling import Filled
from tests.queries.asking import near, on_postgres, plain, query
from tests.queries.expected import EXPECTED, FRANCE_ROMANIA
from tests.queries.test_odds import known, odds
from tests.vendor import Match

duckdb = pytest.importorskip("duckdb")

NOT_BY_NAME = {"names", "periods", "score_findings"}
"""Views whose text DuckDB cannot say again in SQLite's words."""

__all__ = ["odds"]


def extension(name: str) -> str:
    """Return the file of an extension, as PyPI brings it: the tests download nothing."""
    package = pytest.importorskip(f"duckdb_extension_{name}_scanner")
    (file,) = Path(package.__file__).parent.rglob("*.duckdb_extension")
    return str(file)


def attached(text: str, name: str, place: str) -> Any:
    """Run the page's text with an archive's real address and the extension at hand."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    text = re.sub(r"INSTALL \w+;\nLOAD \w+;", f"LOAD '{extension(name)}';", text)
    connection.execute(re.sub(r"ATTACH '[^']*'", f"ATTACH '{place}'", text))
    return connection


def rows(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    """Return what DuckDB finds, by way of Arrow: times with a zone would need pytz."""
    return [plain(row.values()) for row in connection.sql(statement).to_arrow_table().to_pylist()]


@pytest.fixture(scope="module")
def over_sqlite(season_file: Path) -> Iterator[Any]:
    with attached(query("over_sqlite", "duckdb"), "sqlite", str(season_file)) as connection:
        yield connection


@pytest.fixture(scope="module")
def over_archive(season: Filled) -> Iterator[Any]:
    """DuckDB with the Postgres archive attached."""
    name, host = re.findall(r"/(\w+)\?host=(.*)$", season.url)[0]
    place = f"dbname={name} user=recorder host={host}"
    with attached(query("over_postgres", "duckdb"), "postgres", place) as connection:
        yield connection


@pytest.fixture(scope="module")
def over_export(season_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """DuckDB with the page's views over an export."""
    directory = tmp_path_factory.mktemp("export")
    export(f"sqlite:///{season_file}", directory)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(query("over_export", "duckdb").replace("'export/", f"'{directory}/"))
        yield connection


@pytest.mark.parametrize("view", VIEWS)
def test_duckdb_asks_sqlite_in_its_own_words(over_sqlite: Any, season_file: Path, view: str) -> None:
    """`sqlite_query` gives every row of every view."""
    wanted = Filled(season_file).value(f"SELECT count(*) FROM {view}")
    assert rows(over_sqlite, f"SELECT count(*) FROM sqlite_query('archive', 'SELECT * FROM {view}')") == [(wanted,)]


@pytest.mark.parametrize("view", VIEWS)
def test_duckdb_names_views_of_sqlite(over_sqlite: Any, season_file: Path, view: str) -> None:
    """As tables of the attached archive, but for three."""
    if view in NOT_BY_NAME:
        with pytest.raises(duckdb.Error, match="syntax error"):
            over_sqlite.sql(f"SELECT * FROM archive.{view}").fetchall()
    else:
        wanted = Filled(season_file).value(f"SELECT count(*) FROM {view}")
        assert len(over_sqlite.sql(f"SELECT * FROM archive.{view}").fetchall()) == wanted


def test_duckdb_casts_what_sqlite_says(over_sqlite: Any, eleven: list[Match], odds: Path) -> None:
    """`states` with times, made as the page says, and the file of prices joined with it."""
    over_sqlite.execute(
        "CREATE OR REPLACE TEMP VIEW states AS SELECT * REPLACE (CAST(known_from AS timestamptz) AS known_from,"
        " CAST(known_until AS timestamptz) AS known_until) FROM sqlite_query('archive', 'SELECT * FROM states')"
    )
    numbers = [(*row[:5], *(None if value is None else int(value) for value in row[5:]))
               for row in rows(over_sqlite, query("odds", "duckdb").removesuffix(";\n"))]  # fmt: skip
    assert numbers == known(eleven)


@on_postgres
@pytest.mark.parametrize("view", VIEWS)
def test_duckdb_reads_postgres(over_archive: Any, season: Filled, view: str) -> None:
    """Every view, by name, of one match where it has any."""
    one = f"WHERE fixture_id = '{FRANCE_ROMANIA}'" if "fixture_id" in season.columns(view) else ""
    wanted = season.value(f"SELECT count(*) FROM {view} {one}")
    assert over_archive.sql(f"SELECT * FROM archive.{view} {one}").to_arrow_table().num_rows == wanted


@on_postgres
def test_duckdb_passes_a_filter_on_to_postgres(over_archive: Any) -> None:
    """What it asks Postgres for is one match, with types; the exact sequence stays exact."""
    asked = f"SELECT received_at, timeline_sequence FROM archive.timeline WHERE fixture_id = '{FRANCE_ROMANIA}'"
    (plan,) = (row[1] for row in over_archive.sql(f"EXPLAIN {asked}").fetchall())
    assert "Filters" in plan.partition("POSTGRES_SCAN")[2]
    assert [str(kind) for kind in over_archive.sql(asked).types] == ["TIMESTAMP WITH TIME ZONE", "DECIMAL(26,20)"]


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "score_at_each_goal"])
def test_the_queries_run_over_an_export(over_export: Any, eleven: list[Match], name: str) -> None:
    """The same rows from Parquet."""
    found, wanted = rows(over_export, query(name, "duckdb").removesuffix(";\n")), EXPECTED[name](eleven)
    assert near(found, wanted), f"\n{found}\n{wanted}"


def test_prices_over_an_export(over_export: Any, eleven: list[Match], odds: Path) -> None:
    """The ASOF join as printed."""
    assert rows(over_export, query("odds", "duckdb").removesuffix(";\n")) == known(eleven)


def test_datasette_opens_the_file(season_file: Path) -> None:
    """It shows the views, and one match of `timeline` when its address is filtered."""
    app = pytest.importorskip("datasette.app")

    async def ask() -> tuple[list[str], dict[str, Any]]:
        opened = app.Datasette([], immutables=[str(season_file)])
        shown = (await opened.client.get("/recorder.json")).json()
        address = f"/recorder/timeline.json?fixture_id={FRANCE_ROMANIA}&_shape=objects&_size=1000"
        return [view["name"] for view in shown["views"]], (await opened.client.get(address)).json()

    views, match = asyncio.run(ask())
    assert set(views) == set(VIEWS)
    wanted = Filled(season_file).value("SELECT count(*) FROM timeline WHERE fixture_id = ?", FRANCE_ROMANIA)
    assert len(match["rows"]) == wanted
