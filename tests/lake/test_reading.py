"""A lake is asked as the archive is, and gives the same answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars
import pytest

from recorder import Archive, lake
from recorder.errors import UsageError
from recorder.lake import Lake
from recorder.publishing.forms import Form
from recorder.publishing.publishing import publish
from tests.archive.filling import Filled
from tests.lake.conftest import FORMS

AS_OF = "2023-11-14T23:00:00Z"


@pytest.fixture(scope="module", params=FORMS)
def published(request: pytest.FixtureRequest, library: Filled, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake of each form in turn."""
    place = str(tmp_path_factory.mktemp("published") / "lake")
    publish(library.url, place, Form(request.param))
    return place


@pytest.fixture
def there(published: str) -> Iterator[Lake]:
    with lake.open(published) as found:
        yield found


@pytest.fixture(scope="module")
def here(library: Filled) -> Iterator[Archive]:
    with Archive.open(library.url) as found:
        yield found


def test_the_streams_are_those_of_the_archive(there: Lake, here: Archive) -> None:
    assert list(there.streams()) == list(here.streams())
    assert list(there.streams(sport="soccer", feed="media")) == list(here.streams(sport="soccer", feed="media"))


def test_the_actions_are_those_of_the_archive(there: Lake, here: Archive) -> None:
    assert list(there.actions()) == list(here.actions())
    assert list(there.actions(standing=True, type="goal")) == list(here.actions(standing=True, type="goal"))
    assert list(there.actions(sport="soccer", since=AS_OF)) == list(here.actions(sport="soccer", since=AS_OF))


def test_the_timeline_of_every_match_is_that_of_the_archive(there: Lake, here: Archive) -> None:
    for stream in here.streams():
        assert list(there.timeline(stream.fixture_id)) == list(here.timeline(stream.fixture_id))
        assert list(there.revisions(stream.fixture_id)) == list(here.revisions(stream.fixture_id))


def test_a_match_as_it_was_known_then_is_that_of_the_archive(there: Lake, here: Archive) -> None:
    asked = {"as_of": AS_OF, "team": "home"}
    assert list(there.timeline("france-romania", **asked)) == list(here.timeline("france-romania", **asked))  # type: ignore[arg-type]
    assert there.timeline("france-romania@2016-06-10", as_of_position=-1) == []


def test_a_name_that_nothing_bears_is_told_with_what_is_near(there: Lake) -> None:
    with pytest.raises(UsageError, match="near: france-romania"):
        there.timeline("france-romenia")


def test_duckdb_reads_the_files(there: Lake, here: Archive) -> None:
    found = duckdb.sql(
        f"""SELECT sport, count(*) FROM read_parquet({there.files("actions")!r}, hive_partitioning = true)
        WHERE is_current AND known_until IS NULL AND lower(send_type) NOT IN ('deleted', 'cancelled')
        GROUP BY sport ORDER BY sport"""
    ).fetchall()
    wanted = here.sql("SELECT sport, count(*) FROM timeline WHERE send_type IS NOT NULL GROUP BY sport ORDER BY sport")
    assert found == [tuple(row) for row in wanted]


def test_polars_reads_the_tables(published: str, there: Lake, here: Archive) -> None:
    def scan(name: str) -> polars.LazyFrame:
        if (Path(published) / "manifest.json").exists():
            return polars.scan_parquet(there.files(name), hive_partitioning=True)
        return polars.scan_delta(f"{published}/{name}")

    rows = scan("actions").join(scan("streams").select("stream_id", "version"), on=["stream_id", "version"])
    found = rows.filter("is_current").group_by("fixture_id").len().sort("fixture_id").collect().rows()
    wanted = here.sql("SELECT fixture_id, count(*) FROM actions GROUP BY fixture_id ORDER BY fixture_id")
    assert found == [tuple(row) for row in wanted]


def test_duckdb_takes_the_list_from_the_manifest_as_documented(
    library: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(library.url, "season", Form.PARQUET)
    statements = next(block for block in _sql_of("docs/lake.md") if "manifest.json" in block).split(";")
    connection = duckdb.connect()
    connection.execute(statements[0])
    ((count,),) = connection.execute(statements[1]).fetchall()
    with lake.open("season") as found, Archive.open(library.url) as archive:
        ((wanted,),) = archive.sql("SELECT count(*) FROM actions_all")
        assert (count, len(found.actions())) == (wanted, len(archive.actions()))


def _sql_of(document: str) -> list[str]:
    text = (Path(__file__).parents[2] / document).read_text()
    return re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
