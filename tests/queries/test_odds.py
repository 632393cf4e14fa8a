"""Prices from a file, joined with what was known of the match when they were set."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.archive.filling import START_US, Filled
from tests.archive.test_views import scans
from tests.queries.asking import QUERIES, on_postgres, plain, query
from tests.queries.packets import LIVE, Packet, moment, packets, seconds
from tests.vendor import Match

FRANCE_CROATIA = "9acf2468-deae-56ef-9104-d8bd8738c261"


def prices() -> list[tuple[str, str, float, float, float]]:
    """Return a price before anything was known, and one every 700 seconds, of two matches."""
    times = [START_US - 1, *(START_US + 1 + 700_000_000 * number for number in range(12))]
    return [
        (fixture, moment(at), 1.5 + number / 8, 3.25, 6.0)
        for fixture in sorted((FRANCE_CROATIA, LIVE))
        for number, at in enumerate(times)
    ]


@pytest.fixture
def odds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, in the current directory."""
    monkeypatch.chdir(tmp_path)
    with Path("odds.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("fixture_id", "at", "home", "draw", "away"), *prices()])
    return tmp_path / "odds.csv"


def known(matches: list[Match]) -> list[tuple[Any, ...]]:
    """Return each price with the score, period and clock of the last packet that had come."""
    of = {match.fixture_id: packets(match) for match in matches}
    return [(*price, *_state([p for p in of[price[0]] if moment(p.received_us) <= price[1]])) for price in prices()]


def _state(come: list[Packet]) -> tuple[Any, ...]:
    if not come:
        return None, None, None, None
    summary = come[-1].summary
    return *come[-1].score, summary["currentPeriod"], seconds(summary["currentClockTime"])


def test_one_text_for_all_joins_by_a_range(odds: Path, season_file: Path, eleven: list[Match]) -> None:
    """In SQLite, with the file in a temporary table, which a file that is open for reading only may have."""
    with closing(sqlite3.connect(f"file:{season_file}?mode=ro", uri=True)) as connection, odds.open() as file:
        connection.execute("CREATE TEMPORARY TABLE odds (fixture_id text, at text, home real, draw real, away real)")
        connection.executemany("INSERT INTO odds VALUES (?, ?, ?, ?, ?)", list(csv.reader(file))[1:])
        assert [plain(row) for row in connection.execute(query("odds", "sqlite"))] == known(eleven)


@on_postgres
@pytest.mark.parametrize("text", ["odds.sql", "odds.postgres.sql"])
def test_postgres_joins_by_a_range_and_by_lateral(odds: Path, season: Filled, eleven: list[Match], text: str) -> None:
    """With the file in a table of its own, as the page says."""
    conninfo = season.url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TEMPORARY TABLE odds (fixture_id text, at timestamptz, home numeric, draw numeric, away numeric)"
        )
        with connection.cursor().copy("COPY odds FROM STDIN CSV HEADER") as copy:
            copy.write(odds.read_bytes())
        found = connection.execute((QUERIES / text).read_bytes()).fetchall()
    assert [plain(row) for row in found] == known(eleven)


@on_postgres
def test_lateral_goes_by_the_key(season: Filled) -> None:
    """For each price its own match's actions are read, no other's."""
    two = "(VALUES ('x', now(), 1, 2, 3), ('y', now(), 1, 2, 3)) o (fixture_id, at, home, draw, away)"
    asked = query("odds", "postgres").replace("odds o", two)
    assert scans(season, asked) == []
    assert scans(season, asked.replace("LIMIT 1", "")) != []


def test_pandas_joins_as_of(odds: Path, season_file: Path, eleven: list[Match]) -> None:
    """The Python on the page gives the same rows, by time."""
    pandas = pytest.importorskip("pandas")
    text = (QUERIES / "odds.pandas.py").read_text(encoding="utf-8")
    space: dict[str, Any] = {}
    exec(text.replace("sqlite:///recorder.db", f"sqlite:///{season_file}"), space)
    columns = ["fixture_id", "at", "home", "draw", "away", "home_score", "away_score", "period", "clock_seconds"]
    frame = space["known"][columns].sort_values(["fixture_id", "at"])
    found = [
        tuple(None if pandas.isna(value) else value for value in plain(row))
        for row in frame.itertuples(index=False, name=None)
    ]
    assert found == known(eleven)
