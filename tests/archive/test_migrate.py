"""The schema over time: the migrations build the tables in the code, and nothing of another's is touched."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect

from recorder.archive import maintain, migrate, tables
from recorder.archive.dialect import parse_url
from recorder.archive.migrate import SchemaState
from recorder.archive.views import VIEWS
from recorder.archive.writer import Writer
from recorder.errors import ConfigurationError, NewerArchive, UsageError
from recorder.query.reading import reading
from tests.archive.filling import Filled, History, fill
from tests.postgres import PostgresServer
from tests.vendor import load

REVISIONS = [script.revision for script in ScriptDirectory(str(migrate._scripts())).walk_revisions()][::-1]
OURS = {"stream", "epoch", "session", "frame", "action", "gap", "tombstone", "shipment", "lease", "recorder", "turns",
        "compatible", "audit"}  # fmt: skip

Opening = Callable[[str], object]
OPENINGS: dict[str, Opening] = {
    "upgrade": maintain.upgrade,
    "reader": lambda url: reading(url).__enter__(),
}
opening_it = pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS)


@pytest.fixture
def archive(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Iterator[Filled]:
    """A place for an archive: a file that is not there yet, or a database without a table."""
    if database == "sqlite":
        yield Filled(tmp_path / "archive.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    yield Filled(tmp_path / "archive.db", server.url(name))
    server.drop(name)


@contextmanager
def changing(archive: Filled) -> Iterator[Connection]:
    """Open a transaction on the archive as the writer's engine does."""
    url, dialect = parse_url(archive.url)
    with dialect.writer(url).begin() as connection:
        yield connection


def execute(archive: Filled, *statements: str) -> None:
    with changing(archive) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def built(archive: Filled, revision: str = "head") -> Filled:
    with changing(archive) as connection:
        migrate.upgrade(connection, parse_url(archive.url)[1], revision)
    return archive


def taken_back(archive: Filled, revision: str) -> Filled:
    with changing(archive) as connection:
        migrate.downgrade(connection, parse_url(archive.url)[1], revision)
    return archive


def at_revision(archive: Filled, revision: str, compatible_since: str) -> Filled:
    """Make an archive as a newer recorder would leave it: with a column more."""
    execute(
        built(archive),
        "ALTER TABLE action ADD COLUMN expected_goals DOUBLE PRECISION",
        f"UPDATE alembic_version SET version_num = '{revision}'",
        f"UPDATE compatible SET since = '{compatible_since}'",
    )
    return archive


def schema(archive: Filled, but: str = "alembic_version") -> dict[str, Any]:
    """Return what the database says of each table ``but`` one: columns, types, collations, keys, indexes, options."""
    with changing(archive) as connection:
        inspector = inspect(connection)
        return {
            name: (
                [(c["name"], repr(c["type"]), c["nullable"], c.get("default")) for c in inspector.get_columns(name)],
                inspector.get_pk_constraint(name),
                sorted((index["name"] or "", index["column_names"]) for index in inspector.get_indexes(name)),
                inspector.get_unique_constraints(name),
                inspector.get_foreign_keys(name),
                inspector.get_table_options(name),
            )
            for name in inspector.get_table_names()
            if name != but
        }


# -- what the migrations build -----------------------------------------------------------------------------------------


def test_migrations_build_the_tables(archive: Filled) -> None:
    """Columns, types, nullability, collations, keys, indexes and WITHOUT ROWID are those of the code."""
    by_migrations = schema(built(archive))
    taken_back(archive, "base")
    with changing(archive) as connection:
        tables.metadata.create_all(connection)
    assert by_migrations == schema(archive)
    assert set(by_migrations) == OURS


def test_a_new_archive_is_made_at_once(archive: Filled) -> None:
    """Without Alembic, and it is what the revisions make: tables, Alembic's own too, and what stands in them."""
    marks = "SELECT version_num, since FROM alembic_version, compatible"
    by_revisions = schema(built(archive), but=""), archive.select(marks)
    taken_back(archive, "base")
    execute(archive, "DROP TABLE alembic_version")
    maintain.upgrade(archive.url)
    assert (schema(archive, but=""), archive.select(marks)) == by_revisions
    with changing(archive) as connection:
        assert set(inspect(connection).get_view_names()) == set(VIEWS)


def test_what_was_taken_back_to_nothing_is_made_anew(archive: Filled) -> None:
    """Alembic leaves its table there, without a version."""
    taken_back(built(archive), "base")
    maintain.upgrade(archive.url)
    assert archive.select("SELECT version_num FROM alembic_version") == [(REVISIONS[-1],)]


def test_stream_id_leads_every_key(archive: Filled) -> None:
    """In the code and in the database: archives merge, rows of a stream lie together, tables can be sharded by it."""
    built(archive)
    with changing(archive) as connection:
        found = inspect(connection)
        for table in tables.metadata.tables.values():
            keys = [list(table.primary_key.columns.keys()), found.get_pk_constraint(table.name)["constrained_columns"]]
            keys += [each["column_names"] for each in found.get_unique_constraints(table.name)]
            keys += [[*map(str, each["column_names"])] for each in found.get_indexes(table.name) if each["unique"]]
            keys += [list(each.columns.keys()) for each in table.indexes if each.unique]
            keys += [each["constrained_columns"] for each in found.get_foreign_keys(table.name)]
            keys += [list(each.columns.keys()) for each in table.foreign_key_constraints]
            assert {key[0] for key in keys} == {"stream_id"}, table.name


def test_rows_lie_as_the_key_says(archive: Filled) -> None:
    """On SQLite every table is clustered by its key; on Postgres no number comes from a sequence."""
    built(archive)
    if archive.is_shipped:
        assert archive.select("SELECT sequence_name FROM information_schema.sequences") == []
    else:
        clustered = "SELECT name FROM pragma_table_list WHERE type = 'table' AND wr"
        assert {row[0] for row in archive.select(clustered)} == OURS


def test_text_is_compared_by_its_bytes(archive: Filled) -> None:
    """Whatever language the database speaks, as SQLite does."""
    built(archive)
    if archive.is_shipped:
        found = archive.select(
            "SELECT DISTINCT collation_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'text' AND table_name <> 'alembic_version'"
            " AND table_name NOT IN (SELECT table_name FROM information_schema.views)"
        )
        assert found == [("C",)]
    else:
        assert archive.value("SELECT count(*) FROM sqlite_master WHERE sql LIKE '%COLLATE%'") == 0


def test_alembic_finds_nothing_to_do(archive: Filled) -> None:
    """A new revision made by autogenerate would be empty."""
    with changing(built(archive)) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


def test_alembic_notices_a_difference(archive: Filled) -> None:
    """The comparison is no formality."""
    other = MetaData()
    for table in tables.metadata.sorted_tables[1:]:
        table.to_metadata(other)
    with changing(built(archive)) as connection:
        found = compare_metadata(MigrationContext.configure(connection), other)
    assert {step[0] for step in found} == {"remove_table"}


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_revision_goes_up_and_down(archive: Filled, revision: str) -> None:
    """Down from a revision is the schema of the one before it, and up again is the same as the first time."""
    first = schema(built(archive, revision))
    before = ("base", *REVISIONS)[REVISIONS.index(revision)]
    assert schema(taken_back(archive, before)) != first
    assert schema(built(archive, revision)) == first


def test_revisions_form_one_line() -> None:
    """Files sort by revision, as `migrate.state` expects; no two follow the same one; each says what it is."""
    assert sorted(REVISIONS) == REVISIONS
    directory = ScriptDirectory(str(migrate._scripts()))
    assert len(directory.get_heads()) == 1
    for script in directory.walk_revisions():
        assert isinstance(script.module.additive, bool)
        assert script.module.compatible_since in REVISIONS[: REVISIONS.index(script.revision) + 1]


def test_an_archive_says_who_can_use_it(archive: Filled) -> None:
    """Since which revision recorders are compatible with the newest one stands in the database."""
    newest = ScriptDirectory(str(migrate._scripts())).get_revision(REVISIONS[-1])
    assert newest is not None
    assert built(archive).select("SELECT stream_id, since FROM compatible") == [(0, newest.module.compatible_since)]


def test_views_are_made_by_the_upgrade(archive: Filled) -> None:
    """A new archive has every view, and each can be selected from."""
    with changing(built(archive)) as connection:
        assert set(inspect(connection).get_view_names()) == set(VIEWS)
    for name in VIEWS:
        assert archive.select(f"SELECT * FROM {name}") == []


# -- opening what is there ---------------------------------------------------------------------------------------------


def test_upgrading_twice_changes_nothing(archive: Filled) -> None:
    """An archive that is current stays as it is."""
    before = schema(built(archive))
    maintain.upgrade(archive.url)
    assert schema(archive) == before


def test_two_recorders_upgrade_at_once(archive: Filled) -> None:
    """One of them does it, the others wait and find it done; SQLite's file is for one at a time anyway."""
    if not archive.is_shipped:
        return
    errors: list[BaseException] = []

    def upgrade() -> None:
        try:
            maintain.upgrade(archive.url)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert archive.value("SELECT version_num FROM alembic_version") == REVISIONS[-1]


def test_data_survive_reopening(archive: Filled) -> None:
    """Preparing an archive that is there leaves its rows."""
    history = History()
    history.add(type="Goal")
    archive.write(*history.operations)
    maintain.upgrade(archive.url)
    assert archive.select("SELECT type FROM actions") == [("Goal",)]


@opening_it
def test_newer_archive_is_refused(archive: Filled, opening: Opening) -> None:
    """What a newer version wrote and keeps for itself is neither written nor read, and stays as it is: 78."""
    before = schema(at_revision(archive, "9999", compatible_since="9999"))
    with pytest.raises(NewerArchive, match=r"schema 9999.*newer") as refused:
        opening(archive.url)
    assert refused.value.exit_code == 78
    assert schema(archive) == before


def test_newer_archive_is_refused_to_the_byte(file: Filled) -> None:
    """SQLite's file is as it was."""
    before = at_revision(file, "9999", compatible_since="9999").path.read_bytes()
    with pytest.raises(NewerArchive):
        Writer(file.url)
    assert file.path.read_bytes() == before


def test_newer_archive_that_is_compatible_is_used(archive: Filled, caplog: pytest.LogCaptureFixture) -> None:
    """Reading and writing go on, the newer version's views and columns stay, and a line of the log tells."""
    at_revision(archive, "8999", compatible_since=REVISIONS[-1])
    execute(archive, "DROP VIEW names", "CREATE VIEW names AS SELECT 'newer' AS name")
    history = History()
    history.add(type="Goal")
    with caplog.at_level(logging.INFO, logger="recorder"):
        archive.write(*history.operations)
        with reading(archive.url) as reader:
            assert [row.type for row in reader.rows("SELECT type FROM timeline")] == ["Goal"]
            assert migrate.state(reader.connection) == (SchemaState.NEWER_COMPATIBLE, "8999")
    assert archive.select("SELECT expected_goals FROM action") == [(None,)]
    assert archive.select("SELECT name FROM names") == [("newer",)]
    assert "8999, of a newer recorder" in caplog.text


def older(
    archive: Filled,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: str = "pass",
    *,
    additive: bool = True,
) -> Filled:
    """Make the archive one revision older than the code: the scripts get another one."""
    maintain.upgrade(archive.url)
    scripts = tmp_path / "migrations"
    (scripts / "versions").mkdir(parents=True)
    for script in (*migrate._scripts().glob("*.py"), *migrate._scripts().glob("versions/*.py")):
        (scripts / script.relative_to(migrate._scripts())).write_bytes(script.read_bytes())
    (scripts / "versions" / "9000_next.py").write_text(
        f"from alembic import op\nimport sqlalchemy as sa\nrevision, down_revision = '9000', '{REVISIONS[-1]}'\n"
        f"additive, compatible_since = {additive}, '9000'\n"
        f"def upgrade():\n    {change}\ndef downgrade():\n    pass\n"
    )
    monkeypatch.setattr(migrate, "_scripts", lambda: scripts)
    return archive


def test_older_archive_is_not_read(archive: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A reading command never upgrades; it says how to."""
    older(archive, monkeypatch, tmp_path)
    with pytest.raises(ConfigurationError, match="recorder db upgrade"), reading(archive.url):
        pass


def test_older_file_is_upgraded_after_a_copy(file: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Writing upgrades it; the copy from before is a whole archive of the old schema, with the rows."""
    history = History()
    history.add(type="Goal")
    file.write(*history.operations)
    older(file, monkeypatch, tmp_path, additive=False).write()
    copy = Filled(file.path.with_name(f"archive.db.before-upgrade-from-{REVISIONS[-1]}"))
    assert file.value("SELECT version_num FROM alembic_version") == "9000"
    assert copy.value("SELECT version_num FROM alembic_version") == REVISIONS[-1]
    for each in (file, copy):
        assert each.select("SELECT type FROM action") == [("Goal",)]


@pytest.mark.parametrize("additive", [True, False])
def test_older_database_is_upgraded_additively(
    archive: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, additive: bool
) -> None:
    """`run` adds to a shared database; what changes it is `db upgrade`'s, since there is no copy from before."""
    older(archive, monkeypatch, tmp_path, additive=additive)
    url, dialect = parse_url(archive.url)
    if additive or not dialect.is_server:
        migrate.writable(url, dialect).dispose()
    else:
        with pytest.raises(ConfigurationError, match="recorder db upgrade"):
            migrate.writable(url, dialect)
        assert archive.value("SELECT version_num FROM alembic_version") == REVISIONS[-1]
        maintain.upgrade(archive.url)
    assert archive.value("SELECT version_num FROM alembic_version") == "9000"
    assert archive.value("SELECT since FROM compatible") == "9000"


@opening_it
def test_foreign_database_is_refused_untouched(archive: Filled, opening: Opening) -> None:
    """Another program's database stays as it is: 78."""
    execute(archive, "CREATE TABLE customers (name TEXT)", "CREATE VIEW everyone AS SELECT name FROM customers",
            "INSERT INTO customers VALUES ('Ada')")  # fmt: skip
    before = schema(archive)
    with pytest.raises(ConfigurationError, match="no archive of recorder's") as refused:
        opening(archive.url)
    assert refused.value.exit_code == 78
    assert schema(archive) == before
    assert archive.select("SELECT * FROM everyone") == [("Ada",)]


def test_foreign_file_is_refused_to_the_byte(file: Filled) -> None:
    """Another program's SQLite file keeps every byte, its journal mode too."""
    import sqlite3

    with sqlite3.connect(file.path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    before = file.path.read_bytes()
    for opening in (Writer, *OPENINGS.values()):
        with pytest.raises(ConfigurationError):
            opening(file.url)
    assert file.path.read_bytes() == before


def test_empty_file_becomes_an_archive(file: Filled) -> None:
    """A file of no bytes, as `mktemp` makes one, is nobody's."""
    file.path.touch()
    file.write()
    assert file.value("SELECT version_num FROM alembic_version") == REVISIONS[-1]


def test_empty_database_is_not_read(archive: Filled) -> None:
    """A reading command makes no archive of it; it says what does."""
    if archive.is_shipped:
        with pytest.raises(ConfigurationError, match="`recorder db upgrade` makes it one"), reading(archive.url):
            pass


# -- taking it back ----------------------------------------------------------------------------------------------------


def test_users_downgrade_says_what_is_lost_first(archive: Filled) -> None:
    """`db downgrade` does nothing without --yes, nor for a revision that is none."""
    maintain.upgrade(archive.url)
    with pytest.raises(UsageError, match="--yes"):
        maintain.downgrade(archive.url, "base", sure=False)
    with pytest.raises(UsageError, match="nonesuch"):
        maintain.downgrade(archive.url, "nonesuch", sure=True)
    assert archive.select("SELECT * FROM streams") == []


def test_users_downgrade_takes_the_schema_back(archive: Filled) -> None:
    """Down to base nothing is left, and the place can become an archive again."""
    fill(archive.path, load("snooker-1"), url=archive.url)
    assert maintain.downgrade(archive.url, "base", sure=True) == "base"
    assert schema(archive) == {}
    maintain.upgrade(archive.url)
    assert archive.select("SELECT * FROM streams") == []


def test_users_downgrade_goes_back_by_one(archive: Filled) -> None:
    """Without a revision it is the one before; the rows stay, and up again everything is as it was."""
    fill(archive.path, load("snooker-1"), url=archive.url)
    before = schema(archive)
    assert maintain.downgrade(archive.url, sure=True) == REVISIONS[-2]
    assert archive.value("SELECT count(*) FROM action") == 472
    maintain.upgrade(archive.url)
    assert schema(archive) == before
    assert archive.value("SELECT count(*) FROM actions") == 472


def test_a_file_is_copied_before_it_is_taken_back(file: Filled) -> None:
    """What the older schema cannot hold is in the copy."""
    file.write()
    maintain.downgrade(file.url, "base", sure=True)
    copy = Filled(file.path.with_name(f"archive.db.before-downgrade-from-{REVISIONS[-1]}"))
    assert copy.select("SELECT * FROM streams") == []


def test_views_that_are_missing_are_made(archive: Filled) -> None:
    """A newer recorder that took the schema back to ours leaves none of its views; ours come when it is written."""
    execute(built(archive), "DROP VIEW matches")
    maintain.upgrade(archive.url)
    assert archive.select("SELECT * FROM matches") == []


# -- users' own views --------------------------------------------------------------------------------------------------

GOALS = "CREATE VIEW my_goals AS SELECT * FROM timeline WHERE type LIKE 'Goal%'"


def test_views_of_a_users_own_survive_an_upgrade(
    archive: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An analyst's view in the archive is not ours to drop."""
    older(archive, monkeypatch, tmp_path)
    execute(archive, GOALS.replace("%", "%%") if archive.is_shipped else GOALS)
    maintain.upgrade(archive.url)
    assert archive.select("SELECT type FROM my_goals") == []


@pytest.mark.parametrize("way", ["in place", "anew"])
def test_grants_and_views_on_views_survive_an_upgrade(
    postgres: PostgresServer, archive: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """Postgres: also where our views stand in the way of the change, and others' stand on them, with their indexes."""
    if not archive.is_shipped:
        return
    change = "pass" if way == "in place" else "op.alter_column('stream', 'origin_host', type_=sa.String(99))"
    older(archive, monkeypatch, tmp_path, change)
    reader = f"analyst_{way.replace(' ', '_')}"
    postgres.execute(f"CREATE ROLE {reader}")
    execute(
        archive,
        "CREATE SCHEMA desk",
        "CREATE VIEW desk.goals AS SELECT * FROM timeline WHERE type LIKE 'Goal%%'",
        "CREATE MATERIALIZED VIEW desk.scorers AS SELECT player, count(*) AS goals FROM desk.goals GROUP BY player",
        "CREATE UNIQUE INDEX scorers_by_name ON desk.scorers (player)",
        f"GRANT SELECT ON streams, timeline, desk.goals, desk.scorers TO {reader}",
        f"ALTER VIEW desk.goals OWNER TO {reader}",
        "GRANT SELECT ON desk.goals TO PUBLIC",
    )
    told = (
        "SELECT relname, relkind, relowner, relacl::text FROM pg_class WHERE relacl IS NOT NULL"
        " AND relnamespace IN ('public'::regnamespace, 'desk'::regnamespace) ORDER BY relname"
    )
    before = archive.select(told)
    assert len(before) == 4
    oid = archive.value("SELECT 'streams'::regclass::oid::bigint")
    maintain.upgrade(archive.url)
    assert archive.select(told) == before
    assert archive.select("SELECT indexname FROM pg_indexes WHERE schemaname = 'desk'") == [("scorers_by_name",)]
    assert (archive.value("SELECT 'streams'::regclass::oid::bigint") == oid) == (way == "in place")
    execute(archive, f"DROP OWNED BY {reader} CASCADE")
    postgres.execute(f"DROP ROLE {reader}")
