"""What a start imports: a command pays for what it needs, and a recording begins before what it may need later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from recorder.cli.app import COMMANDS, app
from recorder.cli.sources import leaves
from tests.recording import Shell
from tests.vendor import VendorServer, load

FAST = ("--connect-rate", "1000", "--linger", "0")
_AT_THE_END = """
import atexit, gc, sys
from recorder.cli import main
atexit.register(lambda: print(gc.isenabled(), *sys.modules))
main()
"""
_LARGE = ("alembic", "asyncio", "msgspec", "pydantic", "rich", "sqlalchemy", "ssl", "structlog", "websockets")


def at_the_end(shell: Shell, *arguments: str) -> tuple[bool, set[str]]:
    """Return whether garbage is looked for when a command ends, and what it has imported; it has to succeed."""
    done = subprocess.run(
        [sys.executable, "-c", _AT_THE_END, *arguments],
        cwd=shell.directory,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    is_collecting, *modules = done.stdout.splitlines()[-1].split()
    return is_collecting == "True", set(modules)


def loaded(shell: Shell, *arguments: str) -> set[str]:
    """Return the modules that a command has imported when it ends."""
    return at_the_end(shell, *arguments)[1]


def commands_of(modules: set[str]) -> set[str]:
    """Return those of the modules that hold commands."""
    return modules & {f"recorder.cli.{where.partition('.')[0]}" for where in COMMANDS.values()}


def test_the_version_costs_no_command(tmp_path: Path) -> None:
    """`recorder --version` imports Typer and no command, nor anything that commands are made of."""
    modules = loaded(Shell(tmp_path), "--version")
    assert "typer" in modules
    assert commands_of(modules) == set()
    assert modules & {*_LARGE, "recorder.model"} == set()


def test_a_command_costs_no_other(tmp_path: Path) -> None:
    """Neither does a variable that it takes."""
    shell = Shell(tmp_path)
    shell.environment |= {"RECORDER_DATABASE_URL": f"sqlite:///{tmp_path / 'new.db'}", "RECORDER_TOKEN": "x" * 20}
    assert commands_of(loaded(shell, "db", "upgrade")) == {"recorder.cli.database"}


def test_help_and_a_slip_cost_them_all(tmp_path: Path) -> None:
    """What has to know every command imports every one."""
    shell = Shell(tmp_path)
    assert len(commands_of(loaded(shell, "--help"))) == len({each.partition(".")[0] for each in COMMANDS.values()})
    shell.environment["RECORDER_LINGR"] = "1m"
    assert "recorder.cli.recording" in loaded(shell, "db", "upgrade")


def test_a_recording_into_sqlite(tmp_path: Path, server: VendorServer) -> None:
    """`run` needs no Postgres, REST, metrics or live table, nor migrations for a new archive or one from before."""
    match = load("snooker-1")
    server.serve(match)
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    run = ("run", "--fixtures", str(shell.list), "--once", *FAST)
    never = {
        "alembic",
        "httpx",
        "psycopg",
        "prometheus_client",
        "pyarrow",
        "sqlalchemy.dialects.postgresql",
        "watchfiles",
    }
    for _ in ("new", "from before"):
        modules = loaded(shell, *run)
        assert modules & never == set()
        assert commands_of(modules) == {"recorder.cli.recording", "recorder.cli.auditing", "recorder.cli.reading"}


def test_a_recording_begins_without_its_log(tmp_path: Path) -> None:
    """What lines are made with is loaded when the first frames are there, or for a line before: rich comes with it."""
    code = "import recorder.cli.recording, recorder.daemon, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=tmp_path)
    modules = set(done.stdout.split())
    assert "sqlalchemy" in modules
    assert modules & {"alembic", "httpx", "psycopg", "pydantic", "rich", "structlog", "watchfiles"} == set()


def test_a_recording_that_goes_on_has_its_log_loaded(tmp_path: Path, server: VendorServer) -> None:
    """The first line, whenever it comes, then keeps no frame waiting."""
    match = load("snooker-1")
    server.serve(match)
    shell = Shell(tmp_path, server)
    shell.write_list(match)
    assert "structlog" in loaded(shell, "run", "--fixtures", str(shell.list), "--for", "3s", *FAST)


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_goes_by_its_word(word: str) -> None:
    """The table of commands names what is there, and nothing is hidden."""
    built = get_command(app)
    assert isinstance(built, TyperGroup)
    for words, command in leaves(built.commands[word], (word,)):
        assert words[-1] == command.name
        assert not command.hidden


def test_garbage_is_looked_for_once_a_command_begins(tmp_path: Path) -> None:
    """Not while everything is imported: nothing of that is garbage."""
    shell = Shell(tmp_path)
    assert not at_the_end(shell, "--version")[0]
    assert at_the_end(shell, "db", "upgrade")[0]
