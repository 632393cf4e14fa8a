"""`recorder db distribute` on a Citus: what it does, what it completes, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from recorder.archive import maintain, tables
from recorder.archive.distributing import SPREAD, distribute
from recorder.archive.merging.whole import merge
from recorder.archive.purging import purge
from recorder.archive.writer import Writer
from recorder.errors import ArchiveHeld, ConfigurationError, NewerArchive
from tests.archive.filling import Filled, History, recorded
from tests.archive.test_parity import rows
from tests.citus.asking import execute, take_back
from tests.cli.conftest import Inside
from tests.merging.making import rows_of
from tests.scaling import statements
from tests.sharing.sharers import Sharers
from tests.vendor import load

pytestmark = pytest.mark.citus

MATCH = load("snooker-1")
LEFT = f"SELECT sum(pg_relation_size(name)) FROM unnest(ARRAY{list(SPREAD)}) name"


@pytest.fixture
def archive(empty: str) -> Iterator[str]:
    """The address of an archive on a coordinator, as `recorder db upgrade` makes it."""
    maintain.upgrade(empty)
    yield empty
    take_back(empty)


@pytest.fixture
def file(tmp_path: Path) -> Filled:
    """A match in a file."""
    filled = Filled(tmp_path / "archive.db")
    with Writer(filled.url) as writer:
        writer.submit(recorded(MATCH, first=100))
    return filled


def distributed(url: str) -> dict[str, tuple[str, int]]:
    """Return by which column each table is distributed, and which are kept together."""
    found = execute(url, "SELECT table_name::text, distribution_column, colocation_id FROM citus_tables")
    return {name: (column, together) for name, column, together in found}


def assert_whole(url: str) -> None:
    found = distributed(url)
    assert set(found) == set(SPREAD) < set(tables.metadata.tables)
    assert {column for column, _ in found.values()} == {"stream_id"}
    assert len({together for _, together in found.values()}) == 1
    assert execute(url, LEFT) == [(0,)]


def assert_the_same(url: str, file: Filled) -> None:
    assert rows_of(url) == rows_of(file.url)
    assert rows(Filled(file.path, url), "timeline") == rows(file, "timeline")


def test_an_empty_archive(archive: str) -> None:
    """Its tables are spread by stream_id and kept together, or left alone; the second time nothing is to be done."""
    assert distribute(archive).tables == SPREAD
    assert_whole(archive)
    assert distribute(archive).tables == ()
    assert_whole(archive)


def test_an_archive_with_rows(archive: str, file: Filled) -> None:
    """They go to the other servers, and do not stay in the coordinator's files."""
    merge(file.url, archive)
    assert execute(archive, LEFT)[0][0] > 0
    distribute(archive)
    assert_whole(archive)
    assert_the_same(archive, file)
    assert merge(file.url, archive).rows == 0


def test_an_archive_in_partitions(archive: str, file: Filled) -> None:
    """Each shard has partitions of its own; what the partitions held before is gone from the coordinator too."""
    merge(file.url, archive)
    execute(archive, statements("Partitions"))
    distribute(archive)
    assert execute(archive, "SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree('frame')") == [(0,)]
    assert_the_same(archive, file)
    assert distribute(archive).tables == ()


def test_what_is_half_done_is_completed(archive: str, file: Filled) -> None:
    """By hand, or since a newer version has a table more."""
    merge(file.url, archive)
    execute(archive, "SELECT create_distributed_table('frame', 'stream_id')")
    assert distribute(archive).tables == tuple(name for name in SPREAD if name != "frame")
    assert_whole(archive)
    assert_the_same(archive, file)


def test_what_was_left_behind_goes(archive: str, file: Filled) -> None:
    """Where all tables were distributed by hand, and the rows from before still lie on the coordinator."""
    merge(file.url, archive)
    execute(archive, *(f"SELECT create_distributed_table('{name}', 'stream_id')" for name in SPREAD))
    assert execute(archive, LEFT)[0][0] > 0
    assert distribute(archive).tables == ()
    assert_whole(archive)
    assert_the_same(archive, file)


def test_no_sample_of_a_match_from_before_stays(archive: str, tmp_path: Path) -> None:
    """The planner's on the coordinator, once the match was purged and the page's statements were run."""
    history = History()
    for _ in range(20):
        history.add(player="KEVIN-DE-BEFORE")
    with Writer(f"sqlite:///{tmp_path / 'spool.db'}") as writer:
        writer.submit(history.operations)
    merge(f"sqlite:///{tmp_path / 'spool.db'}", archive)
    execute(archive, "ANALYZE")
    samples = (
        "SELECT sum(result::integer) FROM run_command_on_all_nodes("
        "$$SELECT count(*) FROM pg_stats WHERE CAST(most_common_vals AS text) LIKE '%BEFORE%'$$)"
    )
    distribute(archive)
    assert any("pg_statistic" in each for each in purge(archive, [history.stream.stream_id], "asked for"))
    assert execute(archive, samples)[0][0] > 0
    execute(archive, *filter(str.strip, statements("After a purge").split(";\n")))
    assert execute(archive, samples) == [(0,)]


@pytest.mark.parametrize(
    ("otherwise", "table"),
    [
        ("SELECT create_distributed_table('frame', 'session_id')", "frame"),
        ("SELECT create_reference_table('tombstone')", "tombstone"),
        ("SELECT create_distributed_table('lease', 'stream_id')", "lease"),
        (
            "SELECT create_distributed_table('stream', 'stream_id');"
            "SELECT create_distributed_table('gap', 'stream_id', colocate_with => 'none')",
            "gap",
        ),
    ],
)
def test_a_table_that_was_placed_otherwise_is_told(archive: str, otherwise: str, table: str) -> None:
    """Nothing is distributed then; what the sentence says is the way out."""
    execute(archive, *otherwise.split(";"))
    before = distributed(archive)
    with pytest.raises(ConfigurationError, match=f"the table {table} .*undistribute_table\\('{table}'\\)"):
        distribute(archive)
    assert distributed(archive) == before
    execute(archive, f"SELECT undistribute_table('{table}')")
    distribute(archive)
    assert_whole(archive)


def test_not_while_recorders_share_it(archive: str) -> None:
    """They would stand still while rows move: stop them first. Where nothing is to be done they are not in the way."""

    async def share() -> None:
        async with Sharers(archive) as sharers:
            one = sharers.begin(range(1, 4))
            await one.beat()
            with pytest.raises(ArchiveHeld, match="stop them") as refused:
                await asyncio.to_thread(distribute, archive)
            assert refused.value.exit_code == 75
            await one.leave()
            assert (await asyncio.to_thread(distribute, archive)).tables == SPREAD
            await sharers.begin(range(1, 4)).beat()
            assert (await asyncio.to_thread(distribute, archive)).tables == ()

    asyncio.run(share())


def test_a_role_that_may_not(archive: str) -> None:
    """Who may read the archive, and does not own it: 78, and nothing is distributed."""
    execute(archive, "CREATE ROLE citus_test_reader LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC")
    reader = make_url(archive).update_query_dict({"options": "-c role=citus_test_reader"})
    try:
        with pytest.raises(ConfigurationError, match=r"must be owner of table stream; .*this role may do"):
            distribute(reader.render_as_string(hide_password=False))
    finally:
        execute(archive, "DROP OWNED BY citus_test_reader", "DROP ROLE citus_test_reader")
    assert distributed(archive) == {}


def test_a_worker_is_told(archive: str) -> None:
    [(host, port), *_] = execute(archive, "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0")
    with pytest.raises(ConfigurationError, match="is on a worker of Citus; name its coordinator"):
        distribute(make_url(archive).set(host=host, port=port).render_as_string(hide_password=False))


def test_no_worker_is_told(archive: str) -> None:
    """One that is not added, or takes no rows."""
    workers = "FROM pg_dist_node WHERE groupid <> 0"
    takes_rows = f"SELECT citus_set_node_property(nodename, nodeport, 'shouldhaveshards', {{}}) {workers}"
    execute(archive, takes_rows.format("false"))
    try:
        with pytest.raises(ConfigurationError, match="citus_add_node"):
            distribute(archive)
    finally:
        execute(archive, takes_rows.format("true"))
    assert distributed(archive) == {}


def test_a_schema_that_is_not_this_versions(archive: str) -> None:
    """An older one is to be upgraded first; a newer one may have tables of which we do not know."""
    [(current,)] = execute(archive, "SELECT version_num FROM alembic_version")
    try:
        execute(archive, "UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(ConfigurationError, match="recorder db upgrade"):
            distribute(archive)
        execute(archive, "UPDATE alembic_version SET version_num = '8999'")
        with pytest.raises(NewerArchive, match="by that version"):
            distribute(archive)
    finally:
        execute(archive, f"UPDATE alembic_version SET version_num = '{current}'")
    assert distributed(archive) == {}


def test_the_command(archive: str, tmp_path: Path) -> None:
    """Says what was done, the second time that nothing was; 0 both times."""
    call = Inside(tmp_path).call
    first, second = (call("db", "distribute", "--database-url", archive) for _ in range(2))
    assert (first.code, second.code, first.err, second.err) == (0, 0, "", "")
    assert first.out.endswith(f": {', '.join(SPREAD)}\n")
    assert "is distributed by stream_id over" in first.out
    assert "is distributed already, over" in second.out
