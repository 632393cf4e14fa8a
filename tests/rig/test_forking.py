"""A command that is forked is as one that is executed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests import forking
from tests.forking import Forked, _Server, can_fork
from tests.recording import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize(
    "command",
    [("--version",), ("run", "--help"), ("run", "--for", "soon"), ("frames", "nothing"), ("config", "show")],
    ids=" ".join,
)
def test_it_says_the_same(shell: Shell, command: tuple[str, ...]) -> None:
    """The exit code, and every byte that is said."""
    assert shell.call(*command) == shell.call(*command, executed=True)


def test_it_is_a_process_of_ours(shell: Shell) -> None:
    """A child of the test's process, in a session of its own if that is asked for, which a signal ends."""
    process = shell.start("run", "--fixtures", "-", stdin=subprocess.PIPE, start_new_session=True)
    assert isinstance(process, Forked)
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    assert f"PPid:\t{os.getpid()}" in status
    assert os.getsid(process.pid) == process.pid
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def files(process: int) -> dict[int, str]:
    """What a process has open, by number, if the name is of that one alone."""
    opened = {int(file.name): os.readlink(file) for file in Path(f"/proc/{process}/fd").iterdir() if file.is_symlink()}
    return {number: name for number, name in opened.items() if not name.startswith(("anon_inode:", "/dev/"))}


def test_it_has_no_files_but_those_that_it_is_given(shell: Shell, tmp_path: Path) -> None:
    """Not the pipes and sockets of the test, nor those of what forks it."""
    with (tmp_path / "held").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        process = shell.start("run", "--fixtures", "-", stdin=subprocess.PIPE)
        ours, theirs = files(os.getpid()), files(process.pid)
        for number, pipe in enumerate((process.stdin, process.stdout, process.stderr)):
            assert pipe is not None
            assert theirs.pop(number) == ours[pipe.fileno()]
        assert not set(theirs.values()) & {name for number, name in ours.items() if number > 2}
    process.kill()
    process.communicate(timeout=60)


def test_what_python_reads_at_its_start_is_executed(shell: Shell) -> None:
    """No interpreter would read it anew."""
    assert can_fork(shell.environment)
    for name in ("PYTHONOPTIMIZE", "LC_ALL", "LANG", "FORCE_COLOR"):
        assert not can_fork({**shell.environment, name: "1"})


def test_a_measured_one_says_the_same(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves what ran in it, in a file of its own, by paths that are no other directory's."""
    monkeypatch.setattr(forking, "measured_into", str(tmp_path))
    monkeypatch.setattr(forking, "_server", cache(_Server))
    assert shell.call("frames", "nothing") == shell.call("frames", "nothing", executed=True)
    [left] = tmp_path.glob("*.json")
    assert str(forking.ROOT / "recorder/cli/app.py") in json.loads(left.read_text())


def test_without_what_forks_nothing_starts(shell: Shell) -> None:
    """It is no command that hangs, nor one that seems to have ended: the test fails."""
    server = _Server()
    server._process.kill()
    server._process.wait()
    with pytest.raises((RuntimeError, OSError)):
        server.fork({"arguments": [], "directory": "/", "environment": {}, "session": False}, [0, 1, 2])
