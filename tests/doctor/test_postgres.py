"""A Postgres server that keeps what it says, one that does not, and one that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.doctor.findings import Verdict, exit_code
from recorder.doctor.postgres_server import clock_finding, setting_findings, standing_findings
from tests.doctor.conftest import Examine
from tests.postgres import PostgresServer

BAD, WARNING, NOTE, OK = Verdict.BAD, Verdict.WARNING, Verdict.NOTE, Verdict.OK

SOUND = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "default_transaction_read_only": "off",
    "max_connections": "100",
    "superuser_reserved_connections": "3",
    "server_version": "15.4",
    "server_version_num": "150004",
}
STANDING = {"is_standby": False, "used": 3, "may_temporary": True, "may_create": True}


def test_a_server_of_the_tests(ask: Examine, postgres: PostgresServer) -> None:
    """It answers, holds an archive of ours, runs without fsync, and nothing in it is changed."""
    name = postgres.archive()
    before = postgres.execute("SELECT count(*) FROM pg_class", database=name)
    said = ask("archive", "spool", database_url=postgres.url(name))
    assert postgres.execute("SELECT count(*) FROM pg_class", database=name) == before
    postgres.drop(name)
    assert exit_code(said) == 0
    assert [sentence.partition(":")[0] for sentence in said.of("postgres", WARNING)] == ["fsync is off"]
    assert any("that of this version" in sentence for sentence in said.of("postgres", OK))
    assert any("there is none" in sentence for sentence in said.of("spool", NOTE))


def test_defaults_of_a_database(ask: Examine, postgres: PostgresServer) -> None:
    """What a database says for all of its sessions is found, though ours say otherwise for themselves."""
    name = postgres.create()
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    said = ask("archive", database_url=postgres.url(name))
    postgres.drop(name)
    assert any("read-only" in sentence for sentence in said.of("postgres", BAD))
    assert any("synchronous_commit is off" in sentence for sentence in said.of("postgres", NOTE))
    assert any("no tables yet" in sentence for sentence in said.of("postgres", NOTE))


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://nobody@/nothing?host={directory}/nowhere", 75),
        ("postgresql://recorder@/nothing?host={directory}", 78),
        ("mysql://x/y", 78),
    ],
)
def test_a_database_that_cannot_be_had(ask: Examine, postgres: PostgresServer, url: str, code: int) -> None:
    """Away is 75, refused is 78; every other check is made all the same."""
    said = ask("archive", "clock", database_url=url.format(directory=postgres.directory))
    assert exit_code(said) == code
    assert {finding.check for finding in said} == {"archive", "clock"}


def test_a_password_is_not_shown(ask: Examine, tmp_path: Path) -> None:
    """Of a server that is away its place is named, nothing else."""
    said = ask("archive", database_url=f"postgresql://me:the-password@/x?host={tmp_path}")
    assert said.of("archive", BAD)
    assert "the-password" not in str(said)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"fsync": "off"}, WARNING),
        ({"full_page_writes": "off"}, WARNING),
        ({"synchronous_commit": "off"}, NOTE),
        ({"server_version_num": "120010"}, BAD),
        ({}, OK),
    ],
)
def test_settings_of_a_server(change: dict[str, str], verdict: Verdict) -> None:
    """Each of them by itself."""
    found = {one.verdict for one in setting_findings(SOUND | change)}
    assert verdict in found
    assert found <= {OK, verdict}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"is_standby": True}, BAD),
        ({"may_temporary": False}, BAD),
        ({"may_create": False}, WARNING),
        ({"used": 95}, WARNING),
        ({}, OK),
    ],
)
def test_standing_of_a_server(change: dict[str, object], verdict: Verdict) -> None:
    """A standby, missing rights, no connections left."""
    found = {one.verdict for one in standing_findings(STANDING | change, SOUND)}
    assert verdict in found
    assert found <= {OK, verdict}


@pytest.mark.parametrize(("ahead_us", "verdict"), [(900_000, OK), (-900_000, OK), (2_000_000, WARNING)])
def test_the_servers_clock(ahead_us: int, verdict: Verdict) -> None:
    """A second apart is a warning."""
    assert clock_finding(ahead_us).verdict is verdict
