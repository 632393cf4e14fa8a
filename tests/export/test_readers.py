"""What analysts read an export with: DuckDB, polars, pandas and pyarrow, each as docs/export.md says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest

from recorder.export.columns import ACTIONS, TABLES
from recorder.export.formats import Format
from recorder.export.writing import export
from tests.archive.filling import Filled
from tests.export.making import Told, packet

DOCS = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
GOALS = """
    SELECT period, clock_seconds // 60 + 1 AS minute, count(*) AS goals
    FROM read_parquet('{out}/actions/**/*.parquet', hive_partitioning = true)
    WHERE is_current AND known_until IS NULL AND lower(send_type) NOT IN ('deleted', 'cancelled') AND type = 'Goal'
    GROUP BY ALL ORDER BY ALL"""


@pytest.fixture(scope="module")
def out(one: Filled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A match of football and a sport with a slash."""
    directory = tmp_path_factory.mktemp("readers")
    export(one.url, directory)
    other = Filled(directory.parent / "other.db")
    other.write(*Told().add(packet(1)).operations)
    export(other.url, directory)
    return directory


def test_duckdb_says_what_the_view_says(one: Filled, out: Path) -> None:
    """The newest revisions that stand are the timeline; partitions are columns."""
    rows = duckdb.sql(GOALS.format(out=out) + " LIMIT 100").fetchall()
    expected = one.select(
        "SELECT period, clock_seconds / 60 + 1, count(*) FROM timeline WHERE type = 'Goal' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert [row for row in rows if row[0] is not None] == expected
    sports = duckdb.sql(f"SELECT DISTINCT sport FROM '{out}/actions/**/*.parquet' ORDER BY 1").fetchall()
    assert sports == [("soccer",), ("v2/volleyball",)]


def test_duckdb_keeps_the_vendors_order(one: Filled, out: Path) -> None:
    """A decimal, not a float: no two actions fall together."""
    ((kind,),) = duckdb.sql(f"SELECT DISTINCT typeof(timeline_sequence) FROM '{out}/actions/**/*.parquet'").fetchall()
    assert kind == "DECIMAL(26,20)"
    found = duckdb.sql(f"SELECT timeline_sequence FROM '{out}/actions/**/*.parquet' WHERE sport = 'soccer' "
                       "ORDER BY position").fetchall()  # fmt: skip
    stored = one.select("SELECT timeline_sequence FROM actions ORDER BY position")
    assert [value for (value,) in found] == [None if text is None else Decimal(text) for (text,) in stored]


def test_polars_reads_partitions(one: Filled, out: Path) -> None:
    """Lazily, by sport and date."""
    lazy = pl.scan_parquet(out / "actions" / "**" / "*.parquet", hive_partitioning=True)
    found = lazy.filter((pl.col("sport") == "soccer") & pl.col("is_current")).collect()
    assert found.height == one.value("SELECT count(*) FROM actions")
    assert found.schema["received_at"] == pl.Datetime("us", "UTC")
    assert {str(date) for date in found["date"]} == {"2016-06-10"}


def test_pandas_and_arrow_read_partitions(one: Filled, out: Path) -> None:
    """The directory as a whole, and one file by itself."""
    found = pd.read_parquet(out / "actions")
    assert sorted(found.sport.unique()) == ["soccer", "v2/volleyball"]
    table = ds.dataset(out / "raw_frames", partitioning="hive").to_table(filter=ds.field("sport") == "soccer")
    assert table.num_rows == one.value("SELECT count(*) FROM raw_frames")
    (file,) = (out / "raw_frames").glob("**/sport=soccer/**/*.parquet")
    assert pd.read_parquet(file).payload[0] == one.value("SELECT payload FROM raw_frames ORDER BY frame_number LIMIT 1")


@pytest.mark.parametrize("form", [Format.JSONL, Format.CSV])
def test_text_is_read_by_duckdb(one: Filled, tmp_path: Path, form: Format) -> None:
    """Rows and columns of the same names; ids are text in JSON."""
    export(one.url, tmp_path, form)
    read = {Format.JSONL: "read_json", Format.CSV: "read_csv"}[form]
    found: Any = duckdb.sql(f"SELECT * FROM {read}('{tmp_path}/actions/**/*{form.suffix}')")
    partitions = ("feed", "sport", "date")
    assert [name for name in found.columns if name not in partitions] == [column.name for column in ACTIONS.columns]
    assert found.count("*").fetchall()[0][0] == one.value("SELECT count(*) FROM actions_all")


def test_the_docs_name_every_table_and_its_own_columns() -> None:
    """What a view of the same name does not explain is explained there."""
    for table in TABLES.values():
        assert f"`{table.name}`" in DOCS
    for name in ("is_current", "monotonic_ns", "digest", "opened_ns", "starts_at", "created_at", "fork_position"):
        assert f"`{name}`" in DOCS
