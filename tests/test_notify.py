"""systemd's notify protocol, over a real datagram socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder import logs
from recorder.config import Token
from recorder.notify import Notifier, stacks_when_killed
from tests.recording import Recording
from tests.vendor import Script, VendorServer, load


class Manager:
    """The end of the socket that systemd holds."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(10)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> dict[str, str]:
        """Return the assignments of the next message."""
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())

    def is_silent(self) -> bool:
        """Say whether nothing waits to be heard."""
        self._socket.setblocking(False)
        try:
            return not self._socket.recv(4096)
        except BlockingIOError:
            return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A manager under a path, and under a name that is in no directory."""
    listening = Manager(str(tmp_path / "notify") if request.param == "path" else f"@recorder-test-{os.getpid()}")
    yield listening
    listening.close()


@pytest.fixture
def notifier(manager: Manager) -> Iterator[Notifier]:
    """What a service has that was started by `manager`."""
    made = Notifier({"NOTIFY_SOCKET": manager.address})
    yield made
    made.close()


def test_a_life(manager: Manager, notifier: Notifier) -> None:
    """Ready, at work, alive, reloading, ready, leaving: one message each."""
    notifier.ready("records 3 streams")
    notifier.status("4 streams")
    notifier.watchdog()
    notifier.ready()
    notifier.stopping("storing")
    said = [manager.heard() for _ in range(5)]
    assert said == [
        {"READY": "1", "STATUS": "records 3 streams"},
        {"STATUS": "4 streams"},
        {"WATCHDOG": "1"},
        {"READY": "1"},
        {"STOPPING": "1", "STATUS": "storing"},
    ]


def test_a_reload_says_when_it_began(manager: Manager, notifier: Notifier) -> None:
    """By the clock of systemd, in microseconds."""
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    heard = manager.heard()
    assert heard["RELOADING"] == "1"
    assert before <= int(heard["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000


def test_the_same_status_is_said_once(manager: Manager, notifier: Notifier) -> None:
    """systemd keeps it; a new one is said."""
    for text in ("one", "one", "two"):
        notifier.status(text)
    assert [manager.heard()["STATUS"] for _ in range(2)] == ["one", "two"]
    assert manager.is_silent()


def test_a_status_is_one_line_without_the_token(manager: Manager, notifier: Notifier) -> None:
    """What a label holds is no assignment of ours, and a secret stays one."""
    logs.keep_secret(Token("the-status-must-not-tell"))
    notifier.status("a\nWATCHDOG=trigger \x1b[2J the-status-must-not-tell " + "x" * 5000)
    heard = manager.heard()
    assert list(heard) == ["STATUS"]
    assert heard["STATUS"].startswith("a WATCHDOG=trigger \\x1b[2J [token]")
    assert "must-not-tell" not in heard["STATUS"]
    assert len(heard["STATUS"]) <= 500


def test_without_systemd_nothing_happens() -> None:
    """No variable, nobody to tell."""
    notifier = Notifier({})
    notifier.ready("all")
    notifier.watchdog()
    notifier.stopping()
    notifier.close()
    assert notifier.watchdog_s is None


def test_children_inherit_nothing(manager: Manager) -> None:
    """Neither the socket nor the watchdog's variables."""
    variables = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    Notifier(variables).close()
    assert variables == {"HOME": "/"}


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "180000000"}, 180.0),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid())}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_or_not(manager: Manager, variables: dict[str, str], seconds: float | None) -> None:
    """Another process' watchdog is not ours."""
    notifier = Notifier({"NOTIFY_SOCKET": manager.address, **variables})
    assert notifier.watchdog_s == seconds
    notifier.close()


def test_a_manager_that_does_not_read_holds_nobody_up(manager: Manager, notifier: Notifier) -> None:
    """Its queue is full: pings are dropped, and the next one that finds room arrives."""
    for _ in range(2000):
        notifier.watchdog()
    while not manager.is_silent():
        pass
    notifier.status("still here")
    assert manager.heard() == {"STATUS": "still here"}


def test_a_manager_that_is_gone_is_no_error(
    manager: Manager, notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    """What mattered is said in the log."""
    manager.close()
    Path(manager.address).unlink(missing_ok=True)
    notifier.watchdog()
    notifier.ready()
    assert [record.message.partition(":")[0] for record in caplog.records] == ["systemd was not told READY=1"]


def test_an_unknown_kind_of_socket(caplog: pytest.LogCaptureFixture) -> None:
    """Is told, and the recording goes on."""
    Notifier({"NOTIFY_SOCKET": "vsock:2:1234"}).ready()
    assert "vsock:2:1234" in caplog.text


def test_the_watchdog_kill_leaves_stacks_without_values() -> None:
    """SIGABRT, as systemd sends it: where every thread stood, and nothing of what it held."""
    code = (
        "import os, signal\n"
        "from recorder.notify import stacks_when_killed\n"
        "def stuck(secret): os.kill(os.getpid(), signal.SIGABRT)\n"
        "stacks_when_killed(); stuck('a-value-of-ours')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -6
    assert "in stuck" in done.stderr
    assert "a-value-of-ours" not in done.stderr


def test_no_stderr_no_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without one records all the same."""
    monkeypatch.setattr(sys, "stderr", None)
    stacks_when_killed()


# -- a run -------------------------------------------------------------------------------------------------------------


def test_a_run_tells(
    manager: Manager, recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready once it records, alive while it does, how it goes meanwhile, and that it leaves."""
    match = load("snooker-1")
    server.serve(match, Script())
    for name, value in {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000000"}.items():
        monkeypatch.setenv(name, value)
    said: list[dict[str, str]] = []

    def hear(key: str, times: int = 1) -> None:
        while sum(key in each for each in said) < times:
            said.append(manager.heard())

    with recording.running(match, until_finished=False):
        assert "NOTIFY_SOCKET" not in os.environ
        hear("READY")
        hear("WATCHDOG", 4)
        hear("STATUS")
        assert not any("STOPPING" in each for each in said)
    hear("STOPPING")
