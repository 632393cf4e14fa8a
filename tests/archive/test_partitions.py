"""An archive in Postgres whose large tables are split into partitions, as docs/scale.md says: nothing else changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from recorder.archive import maintain, tables
from recorder.archive.merging.whole import merge
from recorder.archive.purging import purge
from recorder.archive.shipping import Shipper
from recorder.archive.views import VIEWS
from recorder.archive.writer import Writer
from tests.archive.filling import Filled, History, recorded, stream_of
from tests.archive.test_parity import rows
from tests.archive.test_purging import MARKER, marked
from tests.merging.making import rows_of
from tests.postgres import PostgresServer
from tests.scaling import section, statements
from tests.vendor import load

LARGE = ("frame", "action")
MATCH = load("snooker-1")
PACKETS = 100


@pytest.fixture
def archive(postgres: PostgresServer, tmp_path: Path) -> Iterator[Filled]:
    """An empty archive in Postgres, and a match in a file beside it."""
    name = postgres.archive()
    made = Filled(tmp_path / "archive.db", postgres.url(name))
    with Writer(made.spool_url) as writer:
        writer.submit(recorded(MATCH, first=PACKETS))
    yield made
    postgres.drop(name)


def execute(archive: Filled, *said: str) -> None:
    with psycopg.connect(archive.url, autocommit=True) as connection:
        for each in said:
            connection.execute(each.encode())


def split(archive: Filled) -> Filled:
    execute(archive, statements("Partitions"))
    return archive


def partition_of(archive: Filled, table: str) -> str:
    """Return the one partition that holds rows."""
    return str(archive.value(f"SELECT DISTINCT CAST(CAST(tableoid AS regclass) AS text) FROM {table}"))


def assert_the_same(archive: Filled) -> None:
    file = Filled(archive.path)
    assert rows_of(archive.url) == rows_of(file.url)
    for view in VIEWS:
        assert rows(archive, view) == rows(file, view), view


def test_an_empty_archive(archive: Filled) -> None:
    """What comes afterwards lies in partitions, and every view says what it says elsewhere."""
    merge(split(archive).spool_url, archive.url)
    for table in LARGE:
        assert re.fullmatch(rf"{table}_\d+", partition_of(archive, table))
    assert_the_same(archive)
    assert merge(archive.spool_url, archive.url).rows == 0


def test_an_archive_with_rows(archive: Filled) -> None:
    """What was there moves into the partitions; the table from before is gone."""
    merge(archive.spool_url, archive.url)
    split(archive)
    for table in LARGE:
        assert re.fullmatch(rf"{table}_\d+", partition_of(archive, table))
        assert archive.value("SELECT to_regclass(?)", f"{table}_plain") is None
    assert_the_same(archive)
    assert merge(archive.spool_url, archive.url).rows == 0


def test_keys_and_columns_stay(archive: Filled) -> None:
    """By their names, types and nullability."""

    def told() -> tuple[object, ...]:
        key = "SELECT conname, CAST(conrelid AS regclass), pg_get_constraintdef(oid) FROM pg_constraint"
        columns = (
            "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns"
        )
        return (
            archive.select(f"{key} WHERE conname IN ('pk_frame', 'pk_action') ORDER BY 1"),
            archive.select(f"{columns} WHERE table_name IN ('frame', 'action') ORDER BY 1, ordinal_position"),
        )

    before = told()
    split(archive)
    assert told() == before


def test_users_views_and_rights_stay(archive: Filled) -> None:
    """Views on our views and tables, and who may read ours."""
    execute(
        archive,
        "CREATE VIEW goals AS SELECT * FROM timeline WHERE type = 'Goal'",
        "CREATE VIEW sizes AS SELECT stream_id, sum(length(payload)) AS bytes FROM frame GROUP BY stream_id",
        "GRANT SELECT ON actions TO PUBLIC",
    )
    merge(split(archive).spool_url, archive.url)
    assert archive.value("SELECT count(*) FROM goals") == 0
    assert archive.value("SELECT bytes FROM sizes") == sum(map(len, MATCH.packets[:PACKETS]))
    assert archive.value("SELECT has_table_privilege('public', 'actions', 'SELECT')") is True


def test_a_recorder_writes_and_a_match_goes(archive: Filled) -> None:
    """Shipped as it comes; purged to the last row; the schema can be brought up and taken back."""
    split(archive)
    history = History()
    with Writer(archive.spool_url) as writer:
        shipper = Shipper(writer, archive.url, keep_s=3600, purged=lambda _: None)
        for number in range(5):
            history.add(type=f"{number}")
            writer.submit(history.taken())
            writer.flushed().result()
        assert shipper.settled(20)
        shipper.close()
    assert_the_same(archive)
    purge(archive.url, [stream_of(MATCH).stream_id], "purged")
    assert archive.select("SELECT DISTINCT stream_id FROM frame") == [(history.stream.stream_id,)]
    maintain.upgrade(archive.url)
    while maintain.downgrade(archive.url, sure=True) != "base":
        pass
    assert archive.value("SELECT count(*) FROM pg_class WHERE relname ~ ?", "^(frame|action)") == 0


def test_no_byte_of_a_purged_match_remains(archive: Filled, postgres: PostgresServer) -> None:
    """Also not in what the planner knows of a partition that is empty now, or of all of them."""
    history = marked()
    with Writer(split(archive).spool_url) as writer:
        writer.submit(history.operations)
    merge(archive.spool_url, archive.url)
    execute(archive, "ANALYZE")
    [(directory,)] = archive.select("SELECT oid FROM pg_database WHERE datname = current_database()")

    def found() -> bool:
        execute(archive, "CHECKPOINT")
        return any(MARKER in path.read_bytes() for path in (postgres.data / "base" / str(directory)).iterdir())

    assert found()
    assert purge(archive.url, [history.stream.stream_id], "purged") == []
    assert not found()
    assert archive.select("SELECT stream_id FROM action WHERE stream_id < 0") == []
    purge(archive.url, [stream_of(MATCH).stream_id], "the last one")
    assert archive.select("SELECT * FROM action") == []


def test_a_question_about_one_match_reads_one_partition(archive: Filled) -> None:
    plan = split(archive).select("EXPLAIN SELECT * FROM timeline WHERE stream_id = 5")
    assert len(set(re.findall(r"on action_\d+", str(plan)))) == 1


def test_every_table_has_its_place_on_citus() -> None:
    """A new table has to be distributed, or to stay on the coordinator: docs/scale.md says which."""
    spread = set(re.findall(r"'(\w+)'", statements("Citus"))) - {"stream_id"}
    stay = section("Citus").partition("stay on the coordinator")[0].rpartition("\n\n")[2]
    assert spread | set(re.findall(r"`(\w+)`", stay)) - {"alembic_version"} == set(tables.metadata.tables)
