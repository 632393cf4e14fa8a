"""A stranger follows docs/operate.md, from an empty Debian to a recorder that is watched and backed up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archive.filling import fill
from tests.deploy.machine import Machine, boot
from tests.vendor import load

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "operate.md"
TOKEN = "the-token-that-is-typed"
_BLOCK = re.compile(r"^<!-- operate: ([^>]+) -->\n```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

ELSEWHERE = {
    "https://chat.example.org/": "http://127.0.0.1:9001/",
    "https://ping.example.org/": "http://127.0.0.1:9001/",
    'url = "smtps://mail.example.org"\nuser = "recorder:its-password"': 'url = "smtp://127.0.0.1:9025"',
    'fixtures = "/etc/recorder/list.txt"': 'fixtures = "/etc/recorder/list.txt"\nendpoint = "ws://127.0.0.1:8787"',
}
"""Servers that are on the test's machine; nothing else of the page is changed."""

# The machine has no network: what recorder needs is there already, and the wheel is what is installed.
PIP = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def blocks() -> list[tuple[str, str]]:
    """Return how each block is tried, and what it says."""
    return _BLOCK.findall(PAGE.read_text(encoding="utf-8"))


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """What is brought to the machine: the wheel, made as the page says, and the matches that its vendor has."""
    directory = tmp_path / "given"
    directory.mkdir()
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(ROOT)]
    subprocess.run(wheel, check=True, env={**os.environ, **PIP}, timeout=120)
    fill(directory / "vendor.db", load("soccer-france-romania"))
    return directory


def test_each_block_says_how_it_is_tried() -> None:
    """But for the containers: there is no engine here."""
    every = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    tried = [text for _, text in blocks()]
    assert len(tried) >= 20
    assert {how for how, _ in blocks()} <= {"run", "run, typing", "packages"}
    assert [text for text in every if text not in tried and "docker compose" not in text] == []
    assert all(sum(here in text for text in tried) == 1 for here in ELSEWHERE)


def test_the_packages_are_those_of_the_programs() -> None:
    """What the page and its scripts call comes with the packages that it installs first."""
    [packages] = [text for how, text in blocks() if how == "packages"]
    names = re.findall(r"^apt-get install --yes (.+)$", packages, re.MULTILINE)[0].split()
    here = [path for name in ("sqlite3", "curl", "jq", "man") if (path := shutil.which(name))]
    if shutil.which("dpkg-query") is None or not here:
        pytest.skip("only Debian knows Debian's packages")
    said = subprocess.run(["dpkg-query", "--search", *here], capture_output=True, text=True, check=True).stdout
    assert {line.partition(":")[0] for line in said.splitlines()} <= set(names)


class Stranger:
    """Somebody who types the page into a machine, and looks around after some of it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.printed = ""
        self.after: dict[str, Callable[[], None]] = {
            "-m venv": self._installed,
            "cat > /etc/recorder/token": self._token,
            "/etc/recorder/mail.curl": self._mail,
            "chat.curl": self._chat,
            "a trial": self._told,
            "run --once": self._first_run,
            "enable --now recorder\n": self._service,
            "reload recorder": self._reloaded,
            "/healthz": self._healthy,
            "enable --now recorder-alive": self._alive,
            "start recorder-backup\nls": self._backed_up,
            "copy=": self._restored,
            "not-a-fixture": self._refused,
            "list-timers": self._night,
        }

    def type(self, how: str, block: str) -> None:
        """Type a block into a terminal of its own; nothing in it may fail."""
        for there, here in ELSEWHERE.items():
            block = block.replace(there, here)
        if how == "run, typing":
            block = block.replace("cat > /etc/recorder/token", f"echo {TOKEN} | cat > /etc/recorder/token")
        self.printed = self.machine.run(f"set -e\n{block}", **PIP)
        for said in [said for said in self.after if said in block]:
            self.after.pop(said)()

    def heard(self) -> list[dict[str, Any]]:
        """Return what chat, mail server and monitor were sent."""
        return [json.loads(line) for line in self.machine.run("cat /vendor/heard").splitlines()]

    def wait_until_heard(self, pattern: str) -> str:
        """Wait until one of them was sent something like that."""
        return self.machine.wait_for(f"grep --max-count 1 -e '{pattern}' /vendor/heard")

    def _installed(self) -> None:
        """What recorder needs comes from the tests' own environment; recorder itself from the wheel."""
        machine = self.machine
        [site] = machine.run("ls -d /opt/recorder/lib/python*/site-packages").split()
        machine.run(f"echo /packages > {site}/tests.pth")
        assert machine.run("/opt/recorder/bin/python -c 'import recorder; print(recorder.__file__)'").startswith(site)
        machine.run("test -s /usr/local/share/man/man1/recorder.1")
        machine.run("test -s /usr/local/share/bash-completion/completions/recorder")
        machine.leave_running(
            "exec recorder replay --database-url sqlite:////vendor/vendor.db --port 8787 --speed fast"
        )

    def _token(self) -> None:
        assert self.machine.run("stat --format '%U %a' /etc/recorder/token; cat /etc/recorder/token") == (
            f"recorder 600\n{TOKEN}\n"
        )

    def _chat(self) -> None:
        """The sentence, whatever is in it, is one message."""
        event = '{"kind": "doubt", "sentence": "\\"Köln\\" & co: see `recorder status`"}'
        self.machine.run(f"echo {_quoted(event)} | runuser -u recorder -- /etc/recorder/tell")
        [chat] = self.heard()
        assert (chat["path"], chat["type"]) == ("/hooks/0123456789", "application/json")
        assert json.loads(chat["body"])["text"].endswith(': "Köln" & co: see `recorder status`')

    def _mail(self) -> None:
        assert self.machine.run("readlink /etc/recorder/tell").strip().endswith("tell-mail")

    def _told(self) -> None:
        mail = self.heard()[-1]
        assert "<recorder@example.org>" in mail["envelope"]
        assert "<ops@example.org>" in mail["envelope"]
        head, _, body = mail["letter"].partition("\r\n\r\n")
        assert "\r\nSubject: recorder on " in head
        assert body.strip() == "a trial: nothing is wrong"

    def _first_run(self) -> None:
        assert "finished" in self.printed
        assert TOKEN not in self.printed

    def _service(self) -> None:
        """Ready when it said so, under its own user, with the credential and without the variables."""
        machine = self.machine
        assert "active (running)" in self.printed
        assert self._property("Type", "NotifyAccess", "User", "NRestarts") == ["notify", "main", "recorder", "0"]
        assert "3min" in self._property("WatchdogUSec")[0]
        assert self._property("StatusText") != [""]
        pid = self._property("MainPID")[0]
        status = dict(
            line.split(":\t", 1) for line in machine.run(f"cat /proc/{pid}/status").splitlines() if "\t" in line
        )
        assert [status[name] for name in ("NoNewPrivs", "Seccomp", "CapEff")] == ["1", "2", "0" * 16]
        assert TOKEN not in machine.journal() + machine.run(f"tr '\\0' ' ' < /proc/{pid}/cmdline")

    def _reloaded(self) -> None:
        """A bad edit is told of, by the command that runs as protected as the service; it goes on with the old list."""
        assert self.printed.strip().endswith("active")
        bad = "cp /etc/recorder/list.txt /root/good; echo nonsense >> /etc/recorder/list.txt"
        self.machine.run(f"{bad}; systemctl reload recorder")
        self.wait_until_heard("Subject: .*list_refused")
        self.machine.run("cp /root/good /etc/recorder/list.txt")
        assert self._property("ActiveState", "NRestarts") == ["active", "0"]

    def _healthy(self) -> None:
        assert "recorder_" in self.printed

    def _alive(self) -> None:
        """Pinged while all is well, and told what is not."""
        self.wait_until_heard('"/5f0c7d2e"')
        assert "/fail" not in self.machine.run("cat /vendor/heard")
        assert self._property("ActiveState", unit="recorder-alive.timer") == ["active"]
        alive = "RECORDER_DATABASE_URL=sqlite:////nowhere.db /opt/recorder/share/recorder/alive"
        self.machine.run(f"runuser -u recorder -- env {alive}")
        failed = self.heard()[-1]
        assert failed["path"] == "/5f0c7d2e/fail"
        assert "/nowhere.db" in failed["body"]

    def _backed_up(self) -> None:
        assert re.search(r"-rw------- 1 recorder recorder .* recorder-\d{8}T\d{6}Z\.db\n", self.printed)
        assert ".part" not in self.printed

    def _restored(self) -> None:
        """Recorded into again, with the old one kept."""
        assert self._property("ActiveState") == ["active"]
        assert self.machine.run("ls /var/lib/recorder/damaged").split()[0] == "recorder.db"

    def _refused(self) -> None:
        """Left stopped, told by its unit, and running again once the list is mended."""
        self.wait_until_heard("recorder.service has failed")
        assert self._property("ActiveState", "NRestarts") == ["active", "0"]

    def _night(self) -> None:
        """One of the two at a time."""
        assert "recorder-night.service" in self.printed
        assert self._property("ActiveState") == ["inactive"]
        self.machine.run("! systemctl start recorder-alive")  # nobody pings for a recorder that is not there
        self.machine.run("systemctl start recorder-night; systemctl stop recorder-night")
        assert self._property("Result", "ExecMainStatus", unit="recorder-night") == ["success", "3"]

    def _property(self, *names: str, unit: str = "recorder") -> list[str]:
        said = self.machine.run(f"systemctl show --property {','.join(names)} {unit}")
        values = dict(line.split("=", 1) for line in said.splitlines())
        return [values[name] for name in names]

    def shorten_the_watchdog(self) -> None:
        """From the next start on: two seconds are enough for a test."""
        self.machine.run(
            "mkdir -p /run/systemd/system/recorder.service.d\n"
            "printf '[Service]\\nWatchdogSec=2\\nTimeoutAbortSec=5\\nRestartSec=100ms\\n' "
            "> /run/systemd/system/recorder.service.d/short.conf"
        )

    def hang(self) -> None:
        """A recorder that does not get on is killed by systemd, says where it stood, and is started again."""
        machine, [pid] = self.machine, self._property("MainPID")
        machine.run(f"kill -STOP {pid}")
        # Not `is-active`: for a moment systemd still calls active whose end it has not looked at.
        again = "systemctl show --property NRestarts --value recorder"
        machine.wait_for(
            f'test "$({again})" = 1 && systemctl is-active --quiet recorder && ! kill -0 {pid} 2>/dev/null'
        )
        said = machine.run("journalctl --no-pager --output cat --unit recorder")
        assert "Watchdog timeout" in said
        assert "Fatal Python error: Aborted" in said
        assert TOKEN not in said


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.timeout(600)
def test_a_stranger_follows_the_page(tmp_path: Path, given: Path) -> None:
    """Every block, in order, as root, with a systemd that runs; and what it promises is true."""
    with boot(tmp_path, given) as machine:
        machine.run("cp /given/recorder-*.whl /root/; cp /given/vendor.db /vendor/")
        machine.leave_running("exec python3 /checkout/tests/deploy/listening.py /vendor/heard")
        machine.wait_for("test -e /vendor/heard")
        stranger = Stranger(machine)
        for how, block in blocks():
            is_upgrade = "install --upgrade" in block
            if is_upgrade:
                stranger.shorten_the_watchdog()
            if how != "packages":
                stranger.type(how, block)
            if is_upgrade:
                stranger.hang()
        assert stranger.after == {}
