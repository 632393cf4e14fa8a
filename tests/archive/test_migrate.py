"""The schema over time: the migrations build the tables in the code, and nothing of another's is touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine

from recorder.archive import maintain, migrate, tables
from recorder.archive.dialect import SQLITE, parse_url
from recorder.archive.views import VIEWS
from recorder.archive.writer import Writer
from recorder.errors import ConfigurationError, NewerArchive, UsageError
from recorder.query.reading import reading
from tests.archive.filling import Filled, History, fill
from tests.vendor import load

REVISIONS = [script.revision for script in ScriptDirectory(str(migrate._scripts())).walk_revisions()][::-1]


@contextmanager
def changing(archive: Filled) -> Iterator[Connection]:
    """Open a transaction on the archive as the writer's engine does."""
    url, dialect = parse_url(archive.url)
    with dialect.writer(url).begin() as connection:
        yield connection


def built(archive: Filled, revision: str = "head") -> Filled:
    with changing(archive) as connection:
        migrate.upgrade(connection, SQLITE, revision)
    return archive


def at_revision(archive: Filled, revision: str) -> Filled:
    """Make an archive that says of itself that it is at ``revision``."""
    archive.write()
    with closing(sqlite3.connect(archive.path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    return archive


def foreign(archive: Filled) -> bytes:
    """Make another program's database with rows; return its bytes."""
    with closing(sqlite3.connect(archive.path)) as connection, connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
        connection.execute("CREATE VIEW everyone AS SELECT name FROM customers")
        connection.execute("INSERT INTO customers VALUES ('Ada')")
    return archive.path.read_bytes()


def schema(path: Path, *, but: tuple[str, ...] = ("alembic_version",)) -> dict[str, Any]:
    """Return what SQLite says of every table: columns, types, nullability, keys, indexes, clustering."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_list") if row[2] == "table"]
        return {
            name: (
                connection.execute(f"PRAGMA table_info({name})").fetchall(),
                sorted(row[1:4] for row in connection.execute(f"PRAGMA index_list({name})")),
                next(row[4:] for row in connection.execute("PRAGMA table_list") if row[1] == name),
            )
            for name in names
            if name not in but and not name.startswith("sqlite_")
        }


def test_migrations_build_the_tables(archive: Filled, tmp_path: Path) -> None:
    """Columns, types, nullability, primary keys, indexes and WITHOUT ROWID are those of the code."""
    by_code = tmp_path / "code.db"
    engine = create_engine(f"sqlite:///{by_code}")
    tables.metadata.create_all(engine)
    engine.dispose()
    found = schema(built(archive).path)
    assert found == schema(by_code)
    assert set(found) == {"stream", "epoch", "session", "frame", "action", "gap"}


def test_every_table_is_clustered_by_a_key_that_stream_id_leads(archive: Filled) -> None:
    """Archives merge, and rows of a stream lie together."""
    for columns, _, (without_rowid, _strict) in schema(built(archive).path).values():
        assert without_rowid == 1
        assert [column[1] for column in columns if column[5] == 1] == ["stream_id"]


def test_alembic_finds_nothing_to_do(archive: Filled) -> None:
    """A new revision made by autogenerate would be empty."""
    with changing(built(archive)) as connection:
        migrate.drop_views(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


def test_alembic_notices_a_difference(archive: Filled) -> None:
    """The comparison is no formality."""
    other = MetaData()
    for table in tables.metadata.sorted_tables[1:]:
        table.to_metadata(other)
    with changing(built(archive)) as connection:
        migrate.drop_views(connection)
        found = compare_metadata(MigrationContext.configure(connection), other)
    assert {step[0] for step in found} == {"remove_table"}


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_revision_goes_up_and_down(archive: Filled, revision: str) -> None:
    """Down from a revision is the schema of the one before it, and up again is the same as the first time."""
    first = schema(built(archive, revision).path)
    before = ("base", *REVISIONS)[REVISIONS.index(revision)]
    with changing(archive) as connection:
        migrate.downgrade(connection, before)
    lower = schema(archive.path)
    assert lower != first
    assert schema(built(archive, revision).path) == first


def test_revisions_form_one_line() -> None:
    """Files sort by revision, as `migrate.state` expects, and no two follow the same one."""
    assert sorted(REVISIONS) == REVISIONS
    assert len(ScriptDirectory(str(migrate._scripts())).get_heads()) == 1


def test_views_are_made_by_the_upgrade(archive: Filled) -> None:
    """A new archive has every view, and each can be selected from."""
    built(archive)
    assert {row[0] for row in archive.select("SELECT name FROM sqlite_master WHERE type = 'view'")} == set(VIEWS)
    for name in VIEWS:
        assert archive.select(f"SELECT * FROM {name}") == []


def test_upgrading_twice_changes_nothing(archive: Filled) -> None:
    """An archive that is current stays as it is."""
    before = schema(built(archive).path)
    assert schema(built(archive).path) == before


def test_data_survive_reopening(archive: Filled) -> None:
    """Preparing an archive that is there leaves its rows."""
    history = History()
    history.add(type="Goal")
    archive.write(*history.operations)
    archive.write()
    assert archive.select("SELECT type FROM actions") == [("Goal",)]


@pytest.mark.parametrize("opening", [Writer, lambda url: reading(url).__enter__()], ids=["writer", "reader"])
def test_newer_archive_is_refused(archive: Filled, opening: Any) -> None:
    """What a newer version wrote is neither written nor read, and stays as it is: 78."""
    before = at_revision(archive, "9999").path.read_bytes()
    with pytest.raises(NewerArchive, match=r"schema 9999.*newer") as refused:
        opening(archive.url)
    assert refused.value.exit_code == 78
    assert archive.path.read_bytes() == before


def older(archive: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Filled:
    """Make the archive one revision older than the code: the scripts get another one, which does nothing."""
    archive.write()
    scripts = tmp_path / "migrations"
    (scripts / "versions").mkdir(parents=True)
    for file in (*migrate._scripts().glob("*.py"), *migrate._scripts().glob("versions/*.py")):
        (scripts / file.relative_to(migrate._scripts())).write_bytes(file.read_bytes())
    (scripts / "versions" / "9000_next.py").write_text(
        f"revision, down_revision = '9000', '{REVISIONS[-1]}'\ndef upgrade():\n    pass\ndef downgrade():\n    pass\n"
    )
    monkeypatch.setattr(migrate, "_scripts", lambda: scripts)
    return archive


def test_older_archive_is_not_read(archive: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A reading command never upgrades; it says how to."""
    older(archive, monkeypatch, tmp_path)
    with pytest.raises(ConfigurationError, match="recorder db upgrade"), reading(archive.url):
        pass


def test_older_archive_is_upgraded_after_a_copy(
    archive: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Writing upgrades it; the copy from before is a whole archive of the old schema, with the rows."""
    history = History()
    history.add(type="Goal")
    archive.write(*history.operations)
    older(archive, monkeypatch, tmp_path).write()
    copy = Filled(archive.path.with_name(f"archive.db.before-upgrade-from-{REVISIONS[-1]}"))
    assert archive.value("SELECT version_num FROM alembic_version") == "9000"
    assert copy.value("SELECT version_num FROM alembic_version") == REVISIONS[-1]
    for each in (archive, copy):
        assert each.select("SELECT type FROM action") == [("Goal",)]


@pytest.mark.parametrize("opening", [Writer, lambda url: reading(url).__enter__()], ids=["writer", "reader"])
def test_foreign_database_is_refused_untouched(archive: Filled, opening: Any) -> None:
    """Another program's SQLite file keeps every byte, its journal mode too: 78."""
    before = foreign(archive)
    with pytest.raises(ConfigurationError, match="no archive of recorder's") as refused:
        opening(archive.url)
    assert refused.value.exit_code == 78
    assert archive.path.read_bytes() == before


def test_empty_file_becomes_an_archive(archive: Filled) -> None:
    """A file of no bytes, as `mktemp` makes one, is nobody's."""
    archive.path.touch()
    archive.write()
    assert archive.value("SELECT version_num FROM alembic_version") == REVISIONS[-1]


def test_users_downgrade_says_what_is_lost_first(archive: Filled) -> None:
    """`db downgrade` does nothing without --yes, nor for a revision that is none."""
    archive.write()
    with pytest.raises(UsageError, match="--yes"):
        maintain.downgrade(archive.url, "base", sure=False)
    with pytest.raises(UsageError, match="nonesuch"):
        maintain.downgrade(archive.url, "nonesuch", sure=True)
    assert archive.select("SELECT * FROM streams") == []


def test_users_downgrade_takes_the_schema_back(archive: Filled) -> None:
    """Down to base nothing is left, and the file can become an archive again."""
    fill(archive.path, load("snooker-1"))
    maintain.downgrade(archive.url, "base", sure=True)
    assert schema(archive.path) == {}
    archive.write()
    assert archive.select("SELECT * FROM streams") == []


def test_views_of_a_users_own_survive_an_upgrade(
    archive: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An analyst's view in the archive is not ours to drop."""
    older(archive, monkeypatch, tmp_path)
    with closing(sqlite3.connect(archive.path)) as connection, connection:
        connection.execute("CREATE VIEW my_goals AS SELECT * FROM timeline WHERE type = 'Goal'")
    archive.write()
    assert archive.select("SELECT * FROM my_goals") == []
