"""What a hardened process can no longer give away; each in a child, since none of it can be undone."""

from __future__ import annotations

import platform
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forking
from tests.covering.measuring import beginning

_PRCTL = {"x86_64": 157, "aarch64": 167}
"""Its number, by the machine."""

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")

_HARDENED = "from recorder.hardening import harden; harden(); "
_ALLOWING_CORES = (
    "import os, resource; hard = resource.getrlimit(resource.RLIMIT_CORE)[1]; "
    "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)); "
)


def python(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    code = beginning(forking.measured_into) + code
    return subprocess.run(
        [sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, timeout=60, check=False
    )


def told(code: str, directory: Path) -> str:
    """Return what a hardened child prints, which must not complain."""
    done = python(_HARDENED + code, directory)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_new_files_are_private(tmp_path: Path) -> None:
    """Files and folders that recorder makes are its user's alone."""
    told("import os; os.mkdir('made'); open('made/file', 'w').close()", tmp_path)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "made/file").stat().st_mode) == 0o600


def test_old_files_keep_their_mode(tmp_path: Path) -> None:
    """An archive that its owner shares stays shared."""
    (tmp_path / "archive.db").touch()
    (tmp_path / "archive.db").chmod(0o644)
    told("open('archive.db', 'a').close()", tmp_path)
    assert stat.S_IMODE((tmp_path / "archive.db").stat().st_mode) == 0o644


def test_core_limit(tmp_path: Path) -> None:
    """Neither limit allows a core, so that no child can raise it again."""
    assert told("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))", tmp_path) == "(0, 0)"


@LINUX
def test_not_dumpable(tmp_path: Path) -> None:
    """PR_GET_DUMPABLE says 0."""
    assert told("import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))", tmp_path) == "0"


@LINUX
@pytest.mark.skipif(platform.machine() not in _PRCTL, reason="the call's number is not known here")
def test_a_sandbox_that_forbids_it(tmp_path: Path) -> None:
    """A seccomp filter as containers have one: told, and the rest is done."""
    done = python(
        f"""
import ctypes, resource, struct
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, {_PRCTL[platform.machine()]}), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
zero, prctl = ctypes.c_ulong(0), ctypes.CDLL(None).prctl
assert prctl(38, ctypes.c_ulong(1), zero, zero, zero) == 0  # no new privileges, or it is not ours to install
assert prctl(22, ctypes.c_ulong(2), ctypes.c_char_p(program), zero, zero) == 0  # EPERM for whoever calls it again
{_HARDENED}
print(resource.getrlimit(resource.RLIMIT_CORE))
""",
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "(0, 0)\n"), done.stderr
    assert "could not be forbidden (Operation not permitted)" in done.stderr


def test_sigpipe_is_pythons(tmp_path: Path) -> None:
    """A closed pipe is an exception, not an end."""
    assert told("import signal; print(int(signal.getsignal(signal.SIGPIPE)))", tmp_path) == str(int(signal.SIG_IGN))


def test_twice(tmp_path: Path) -> None:
    """A second time changes nothing and fails at nothing."""
    assert told("harden(); print('fine')", tmp_path) == "fine"


def test_children_can_be_started(tmp_path: Path) -> None:
    """A command that we run has our umask and our limit, and is else itself."""
    code = "import subprocess; print(subprocess.check_output(['sh', '-c', 'umask; ulimit -c'], text=True))"
    assert [int(line) for line in told(code, tmp_path).split()] == [77, 0]


def test_a_crash_leaves_no_core(tmp_path: Path) -> None:
    """Even where cores were allowed."""
    done = python(_ALLOWING_CORES + _HARDENED + "os.abort()", tmp_path)
    assert done.returncode == -signal.SIGABRT
    assert list(tmp_path.iterdir()) == []
