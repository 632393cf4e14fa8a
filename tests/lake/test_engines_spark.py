"""Spark on a lake, in one process and in several: the archive's views, the worked queries, and every digest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder import lake
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

pytest.importorskip("pyspark")
if shutil.which("java") is None:
    pytest.skip("there is no Java for Spark", allow_module_level=True)

from tests.lake.sparking import LOCAL, TWO_PROCESSES, running, tasks

__all__ = ["eleven", "odds", "season"]

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

DIGESTS = "SELECT stream_id, session_id, frame_number, left(sha2(payload, 256), 32) FROM raw_frames ORDER BY 1, 2, 3"
ODDS = "fixture_id STRING, at TIMESTAMP, home DOUBLE, draw DOUBLE, away DOUBLE"


@pytest.fixture(scope="module", params=(LOCAL, TWO_PROCESSES))
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Spark in one process, then one whose tasks run in two others. It takes seconds to start: few tests ask much."""
    with running(request.param, tmp_path_factory.mktemp("spark")) as started:
        yield started


@pytest.fixture(scope="module")
def places(library: Filled, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return published(library, tmp_path_factory.mktemp("places"))


def asking(session: Any, place: str) -> Ask:
    with lake.open(place) as found:
        found.spark(session)
    return lambda statement: session.sql(statement).toArrow()


def is_cluster(session: Any) -> bool:
    return bool(session.sparkContext.master == TWO_PROCESSES)


def test_spark_answers_the_worked_queries_as_the_packets_do(
    session: Any, season: dict[str, str], odds: Path, eleven: list[Match]
) -> None:
    """Each text as it is printed."""
    ask = asking(session, season["parquet" if is_cluster(session) else "delta"])
    for name in EXPECTED:
        assert_answers(ask, name, eleven)
    session.read.csv(f"file://{odds}", header=True, schema=ODDS).createOrReplaceTempView("odds")
    assert_prices(ask, "odds.sql", eleven)


def test_the_views_and_digests_in_spark_are_those_of_the_archive(
    session: Any, places: dict[str, str], library: Filled
) -> None:
    """In a cluster the tasks run in both of its processes, and none in the one that asks."""
    for form in ("parquet",) if is_cluster(session) else FORMS:
        ask = asking(session, places[form])
        for view in COMPARED:
            assert_view(ask, view, library)
        assert tuples(ask(DIGESTS)) == digests(library)
        assert_contents(tuples(ask(MESSAGES)), tuples(ask(PLACES)), library)
    ran = {name for name, count in tasks(session).items() if count}
    assert ran == ({"0", "1"} if is_cluster(session) else {"driver"})


@pytest.mark.parametrize("session", [TWO_PROCESSES], indirect=True)
def test_every_digest_of_two_thousand_matches_is_the_archives(session: Any, many: Filled, folder: str) -> None:
    publish(many.url, folder, Form.PARQUET)
    ask = asking(session, folder)
    assert tuples(ask(DIGESTS)) == digests(many)
    assert_contents(tuples(ask(MESSAGES)), tuples(ask(PLACES)), many)


@pytest.mark.parametrize("session", [LOCAL], indirect=True)
def test_a_lake_without_an_action_has_every_view(session: Any, tmp_path: Path, folder: str) -> None:
    """Its tables have no files."""
    filled = Filled(tmp_path / "empty.db")
    filled.write(*small(0).operations)
    publish(filled.url, folder, Form.PARQUET)
    ask = asking(session, folder)
    counts = ", ".join(f"(SELECT count(*) FROM {view}) AS {view}" for view in COMPARED)
    assert tuples(ask(f"SELECT {counts}")) == filled.select(f"SELECT {counts}")
