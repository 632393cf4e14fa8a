"""A machine of the tests' own, in namespaces: this one's Debian, an empty /etc, /opt and /var, and a systemd that runs.

Needs root and leaves nothing behind. Its network is its own: ports are those that the documents print.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOOT = Path(__file__).with_name("boot.sh")
DEBIANS_PYTHON = "/usr/bin/python3"
_STARTS_S = 60.0
_CGROUPS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """A machine that runs; `boot` makes one."""

    def __init__(self, init: int) -> None:
        self.left: list[subprocess.Popen[str]] = []
        """What was left running."""
        self._init = init

    def start(self, script: str, **more: str) -> subprocess.Popen[str]:
        """Begin to run a script by bash as the machine's root; ``more`` are variables of its environment."""
        enter = ["nsenter", f"--target={self._init}", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"]
        command = [*enter, "/usr/bin/bash", "-c", f"cd /root\n{script}"]
        environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "COLUMNS": "200", **more}
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def leave_running(self, script: str) -> None:
        """Start what runs until the machine ends; what it says is in /vendor/said."""
        process = self.start(f"exec >>/vendor/said 2>&1\n{script}")
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
        self.left.append(process)

    def run(self, script: str, **more: str) -> str:
        """Run a script to its end, which must be a success; return what it printed."""
        process = self.start(script, **more)
        try:
            out, err = process.communicate(timeout=90)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        assert process.returncode == 0, f"{script}\nleft with {process.returncode}\n{out}\n{err}\n{self.journal()}"
        return out

    def wait_for(self, script: str, seconds: float = 60) -> str:
        """Run a script again and again until it succeeds; return what it printed then."""
        end = time.monotonic() + seconds
        while True:
            process = self.start(script)
            out, err = process.communicate(timeout=90)
            if process.returncode == 0:
                return out
            assert time.monotonic() < end, f"{script}\nnever succeeded: {out}{err}\n{self.journal()}"
            time.sleep(0.1)

    def journal(self) -> str:
        """Return what recorder's units said, and systemd of them."""
        said = self.start("journalctl --no-pager --output cat --unit 'recorder*' --lines 60")
        return said.communicate(timeout=60)[0]


def refuse_unless_possible() -> None:
    """Skip the test, with a sentence, where no such machine can be made."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a machine out of namespaces")
    programs = ["unshare", "nsenter", "journalctl", "useradd", "sqlite3", "curl", "jq"]
    needed = [*programs, "/lib/systemd/systemd", DEBIANS_PYTHON]
    if missing := [name for name in needed if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} missing; on Debian: apt-get install systemd sqlite3 curl jq python3-venv")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    code = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
    said = subprocess.run([DEBIANS_PYTHON, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    if said != version:
        pytest.skip(f"{DEBIANS_PYTHON} with venv is not Python {version}, for which the packages are installed here")


@contextmanager
def boot(directory: Path, given: Path) -> Iterator[Machine]:
    """Make a machine and start its systemd; its files are in ``directory``, and gone in the end.

    It sees, for reading: ``given`` as /given, this checkout as /checkout, the packages of this Python as /packages.
    """
    refuse_unless_possible()
    root = directory / "root"
    root.mkdir()
    packages = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    with cgroups(f"recorder-test-{os.getpid()}") as join:
        enter = ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child"]
        arguments = [str(path) for path in (root, ROOT, packages, given)]
        with (directory / "console").open("wb") as console:
            process = subprocess.Popen(
                [*enter, "bash", str(BOOT), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                preexec_fn=join,  # noqa: PLW1509 - writes its own id into two files, takes no lock
            )
        left: list[subprocess.Popen[str]] = []
        try:
            machine = _started(process, directory / "console")
            left = machine.left
            yield machine
        finally:
            process.send_signal(signal.SIGKILL)  # and with it the init of the namespace, and all in it
            process.wait()
            for each in left:
                each.wait()


def _started(process: subprocess.Popen[bytes], console: Path) -> Machine:
    end = time.monotonic() + _STARTS_S
    while time.monotonic() < end and process.poll() is None:
        if (init := _init_of(process.pid)) is not None:
            machine = Machine(init)
            machine.wait_for("systemctl is-active --quiet basic.target", max(1.0, end - time.monotonic()))
            return machine
        time.sleep(0.02)
    pytest.skip(f"no systemd can be started in namespaces here: {console.read_text(errors='replace')[-300:]}")


def _init_of(pid: int) -> int | None:
    """Return the process that has become systemd among the children of unshare; None: not yet, or never."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                return int(child)
    return None


@contextmanager
def cgroups(name: str) -> Iterator[Callable[[], None]]:
    """Give what makes a process begin in cgroups of its own, which are removed in the end."""
    mounted = [Path(path) for path in _CGROUPS if Path(path, "cgroup.procs").exists()]
    made = [path / name for path in mounted]

    def join() -> None:
        for path in made:
            (path / "cgroup.procs").write_text("0")

    try:
        try:
            for path in made:
                path.mkdir()
        except OSError as error:
            pytest.skip(f"no cgroup can be made here: {error}")
        yield join
    finally:
        for path in made:
            if path.exists():
                _remove(path)


def _remove(path: Path) -> None:
    """Remove a cgroup and all below it; who was in it may take a moment to be gone."""
    end = time.monotonic() + 10
    for below in [*sorted(path.rglob("*/"), reverse=True), path]:
        if not below.is_dir():
            continue
        while below.exists() and time.monotonic() < end:
            with contextlib.suppress(OSError):
                below.rmdir()
                break
            time.sleep(0.02)
