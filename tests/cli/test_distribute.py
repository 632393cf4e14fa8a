"""`recorder db distribute` where there is no Citus: one sentence, and the exit code."""

from __future__ import annotations

from pathlib import Path

from tests.archive.filling import Filled
from tests.cli.conftest import Call
from tests.cli.test_exit_codes import sentence
from tests.postgres import PostgresServer


def test_a_server_without_citus(call: Call, postgres: PostgresServer, tmp_path: Path) -> None:
    name = postgres.archive()
    archive = Filled(tmp_path / "archive.db", postgres.url(name))
    assert "has no Citus" in sentence(call("db", "distribute", database=archive), 78)
    postgres.drop(name)


def test_a_file(call: Call, file: Filled) -> None:
    assert "cannot be spread over servers" in sentence(call("db", "distribute", database=file), 2)
    assert not file.path.exists()


def test_no_server(call: Call, tmp_path: Path) -> None:
    """Nobody answers there: try again later."""
    nowhere = Filled(tmp_path / "archive.db", f"postgresql://recorder@/archive?host={tmp_path}")
    assert "run again" in sentence(call("db", "distribute", database=nowhere), 75)
