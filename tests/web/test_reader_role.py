"""The role that docs/serve.md makes for the page on Postgres: it sees everything and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.archive.filling import Filled, fill
from tests.postgres import PostgresServer
from tests.vendor import load
from tests.web.visiting import visiting

SNOOKER = load("snooker-1")
SQL = re.compile(r"```sql\n(.*?)```", re.DOTALL)


@pytest.fixture
def readers_own(tmp_path: Path, postgres: PostgresServer) -> Iterator[Filled]:
    """An archive as that role has it."""
    name = postgres.archive()
    archive = fill(tmp_path / "archive.db", SNOOKER, url=postgres.url(name))
    [said] = SQL.findall((Path(__file__).parents[2] / "docs" / "serve.md").read_text())
    for statement in said.replace("DATABASE recorder", f"DATABASE {name}").split(";")[:-1]:
        postgres.execute(statement, database=name)
    yield Filled(archive.path, archive.url.replace("recorder@", "reader@"))
    postgres.drop(name)
    postgres.execute("DROP ROLE reader")


def test_it_is_shown_everything(readers_own: Filled) -> None:
    match = f"/matches/{SNOOKER.fixture_id}"
    with visiting(readers_own) as client:
        for path in ("/", match, f"{match}/chart.json", f"{match}/actions/9", f"{match}/certificate", f"{match}/feeds"):
            assert client.get(path).status_code == 200, path
        [stream] = client.get("/api/v1/streams").json()["items"]
        for part in ("", "/timeline", "/actions", "/gaps", "/states", "/sessions", "/frames/9", "/timeline.csv"):
            assert client.get(f"/api/v1/streams/{stream['stream_id']}{part}").status_code == 200, part


def test_it_changes_nothing(readers_own: Filled) -> None:
    """Not even where the session's own setting is lifted."""
    with psycopg.connect(readers_own.url, autocommit=True) as own:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            own.execute("DELETE FROM action")
        own.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            own.execute("DELETE FROM action")
