"""Two thousand matches in a lake: every one arrives, and every engine reads what the archive holds."""

from __future__ import annotations

from typing import Any

import polars
import pytest

from recorder import lake
from recorder.model import digest
from tests.archive.filling import Filled
from tests.lake.conftest import BUNDLED, FORMS, MANY, Call
from tests.lake.engines import MESSAGES, PLACES, assert_contents, digests, published

STREAMS = "SELECT stream_id, state, actions, gaps, home_score FROM streams ORDER BY stream_id"
ALL = MANY + len(BUNDLED)


@pytest.fixture(scope="module")
def places(many: Filled, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return published(many, tmp_path_factory.mktemp("places"))


@pytest.mark.parametrize("form", FORMS)
def test_each_is_there_as_in_the_archive(places: dict[str, str], form: str, many: Filled, call: Call) -> None:
    """The roots are made again of the lake's own bytes; and a second publish finds nothing to do."""
    told = call("--check", to=places[form], database=many)
    assert (told.code, told.err) == (
        0,
        f"recorder: {ALL} of {ALL} sealed streams are in {places[form]} as in the archive\n",
    )
    told = call("--format", form, to=places[form], database=many)
    assert (told.code, told.err) == (0, f"recorder: 0 streams published to {places[form]}; {ALL} unchanged\n")


@pytest.mark.parametrize("form", FORMS)
def test_every_digest_that_duckdb_reads_is_the_archives(places: dict[str, str], form: str, many: Filled) -> None:
    with lake.open(places[form]) as found:
        connection = found.duckdb()
    made = "SELECT stream_id, session_id, frame_number, left(sha256(payload), 32) FROM raw_frames ORDER BY 1, 2, 3"
    assert connection.sql(made).fetchall() == digests(many)
    assert_contents(connection.sql(MESSAGES).fetchall(), connection.sql(PLACES).fetchall(), many)
    assert connection.sql(STREAMS).fetchall() == many.select(STREAMS)


@pytest.mark.parametrize("form", FORMS)
def test_every_digest_that_polars_reads_is_the_archives(places: dict[str, str], form: str, many: Filled) -> None:
    with lake.open(places[form]) as found:
        frames: Any = polars.read_parquet(found.files("raw_frames"), hive_partitioning=True)
        actions: Any = polars.read_parquet(found.files("actions"), hive_partitioning=True)
    messages = frames.select("stream_id", "session_id", "frame_number", "payload").rows()
    assert sorted((*key, digest(payload).hex()) for *key, payload in messages) == digests(many)
    columns = ("stream_id", "epoch", "position", "session_id", "frame_number", "part")
    assert_contents(messages, actions.select(columns).rows(), many)
