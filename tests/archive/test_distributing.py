"""What `recorder db distribute` would do, and where it cannot; `tests/citus` does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.archive import tables
from recorder.archive.distributing import EXTENSION, LOCAL, SPREAD, STATEMENTS, distribute
from recorder.errors import ConfigurationError, UsageError
from tests.archive.filling import Filled
from tests.postgres import PostgresServer
from tests.scaling import statements


def test_every_table_is_spread_or_stays() -> None:
    """A new table has to say which: it belongs to matches, or to what recorders share."""
    assert sorted([*SPREAD, *LOCAL]) == sorted(tables.metadata.tables)


@pytest.mark.parametrize("name", SPREAD)
def test_a_table_that_is_spread_is_so_by_its_key(name: str) -> None:
    """By the first column of every key, of one type everywhere, or the rows of a match would not be kept together."""
    table = tables.metadata.tables[name]
    keys = [table.primary_key.columns, *(index.columns for index in table.indexes if index.unique)]
    assert {next(iter(key)).name for key in keys} == {"stream_id"}
    assert repr(table.c.stream_id.type) == repr(tables.stream.c.stream_id.type)
    assert table.foreign_key_constraints == set()


def test_the_page_shows_the_very_statements() -> None:
    """docs/scale.md, for who wants to do it by hand."""
    assert statements("Citus").strip() == ";\n".join([EXTENSION, "BEGIN", *STATEMENTS, "COMMIT;"])


def test_a_server_without_citus_is_told(postgres: PostgresServer, tmp_path: Path) -> None:
    """In one sentence, and the archive stays as it is."""
    name = postgres.archive()
    archive = Filled(tmp_path / "archive.db", postgres.url(name))
    with pytest.raises(ConfigurationError, match=r"has no Citus: install it .* or stay on one Postgres") as refused:
        distribute(archive.url)
    assert refused.value.exit_code == 78
    assert archive.value("SELECT count(*) FROM pg_extension WHERE extname = 'citus'") == 0
    postgres.drop(name)


def test_a_file_is_told(file: Filled) -> None:
    """It cannot be spread over servers; none is made."""
    with pytest.raises(
        UsageError, match=r"archive\.db is one file, .*: merge it into a Postgres with Citus"
    ) as refused:
        distribute(file.url)
    assert refused.value.exit_code == 2
    assert not file.path.exists()
