"""What only a terminal gets: pages, colours, and what a shell offers while a fixture is typed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.archive.filling import Filled
from tests.cli.conftest import Call

ESCAPE = "\x1b["


def at_a_terminal(library: Filled, *arguments: str, **environment: str) -> str:
    """Return what a command writes to a terminal of 24 lines."""
    main, side = pty.openpty()
    settings = {**os.environ, "TERM": "xterm-256color", "LINES": "24", "COLUMNS": "200", **environment}
    settings = {name: value for name, value in settings.items() if not name.startswith("RECORDER_")}
    command = [sys.executable, "-m", "recorder", *arguments, "--database-url", library.url]
    process = subprocess.Popen(command, stdin=side, stdout=side, stderr=subprocess.DEVNULL, env=settings)
    os.close(side)
    found = b""
    try:
        while part := os.read(main, 65536):
            found += part
    except OSError:  # Linux's end of a terminal
        pass
    finally:
        os.close(main)
    assert process.wait(30) == 0
    return found.decode()


def test_a_long_table_is_paged(library: Filled, tmp_path: Path) -> None:
    """The pager of the user gets what is longer than the terminal; what fits is printed."""
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "paged $(wc -l) lines"\n')
    pager.chmod(0o755)
    assert "paged 48" in at_a_terminal(library, "timeline", "france-romania", PAGER=str(pager))
    short = at_a_terminal(library, "timeline", "france-romania", "--type", "Goal", PAGER=str(pager))
    assert "paged" not in short
    assert "O. Giroud" in short


def test_without_a_pager_it_is_printed(library: Filled) -> None:
    """A machine that has none still shows the whole table."""
    assert "O. Giroud" in at_a_terminal(library, "timeline", "france-romania", PAGER="no-such-pager-anywhere")


def test_colours_are_for_terminals(call: Call, library: Filled) -> None:
    """Escape codes where somebody looks; none in a pipe, none where NO_COLOR asks for none."""
    command = ("timeline", "france-romania", "--as-of-position", "11", "--type", "Goal")
    assert f"{ESCAPE}33m" in at_a_terminal(library, *command)
    assert f"{ESCAPE}33m" not in at_a_terminal(library, *command, NO_COLOR="1")
    assert ESCAPE not in call(*command, database=library).out


def offered(directory: Path, words: str, **environment: str) -> list[str]:
    """Return what bash is offered behind ``words``."""
    settings = {
        "PATH": os.environ["PATH"],
        "_RECORDER_COMPLETE": "complete_bash",
        "COMP_WORDS": f"recorder {words}",
        "COMP_CWORD": str(len(f"{words}x".split())),
        **environment,
    }
    program = Path(sys.executable).with_name("recorder")
    left = subprocess.run([program], capture_output=True, check=False, text=True, env=settings, cwd=directory)
    assert left.stderr == ""
    return left.stdout.split()


@pytest.mark.parametrize("command", ["timeline", "frames", "tail"])
def test_completion_offers_the_archives_fixtures(library: Filled, tmp_path: Path, command: str) -> None:
    """From the archive of the environment, or of the option that stands before."""
    assert offered(tmp_path, f"{command} le", RECORDER_DATABASE_URL=library.url) == ["leganes-valencia"]
    assert offered(tmp_path, f"{command} --database-url {library.url} fr") == ["france-romania"]


def test_completion_without_an_archive(tmp_path: Path) -> None:
    """Nothing to offer, nothing said, nothing made."""
    assert offered(tmp_path, "timeline le") == []
    assert list(tmp_path.iterdir()) == []
