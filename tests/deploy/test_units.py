"""What systemd and hadolint say of the files in deploy/. Whether the units work: tests/test_operate.py."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # comes with datasette

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(path for path in DEPLOY.iterdir() if path.suffix in (".service", ".timer"))
EXPOSED = 2.0
"""At most so much by `systemd-analyze security`, from 0 (shut in) to 10. Measured with systemd 252: 1.1, backup 0.6."""
INSTALLED = ("/opt/recorder/bin/recorder", "/opt/recorder/share/recorder/", "/etc/recorder/tell")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, or skip."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing; on Debian: apt-get install systemd")
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning", "SYSTEMD_COLORS": "0"}
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


def unit(name: str) -> dict[str, list[tuple[str, str]]]:
    """Return a unit's assignments by section, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        if line.startswith("["):
            found[section := line.strip("[]")] = []
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[section].append((key, value))
    return found


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The units, with the programs that they start where this machine has them."""
    for path in UNITS:
        text = path.read_text()
        for there, now in zip(INSTALLED, (str(Path(sys.executable)), f"{DEPLOY}/", "/bin/true"), strict=True):
            text = text.replace(there, now)
        (tmp_path / path.name).write_text(text)
    return tmp_path


def test_systemd_understands_all_of_it(here: Path) -> None:
    """No error and no warning: no unknown key, no value that it ignores, no unit that is not there."""
    # The manual is not installed where the tests run.
    done = analyze("verify", "--man=no", *(str(path) for path in sorted(here.iterdir())))
    said = [line for line in done.stderr.splitlines() if str(here) in line or "recorder" in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize("name", [path.name for path in UNITS if path.suffix == ".service"])
def test_what_a_service_is_exposed_to(name: str, here: Path) -> None:
    """Whoever takes a right back that was given up sees it here."""
    done = analyze("security", "--offline=true", "--no-pager", str(here / name))
    said = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert said, done.stdout + done.stderr
    assert float(said[1]) <= EXPOSED, done.stdout


def test_the_night_is_protected_as_the_day() -> None:
    """What recorder may use and touch is the same in both units that record."""

    def rights(name: str) -> list[tuple[str, str]]:
        service = unit(name)["Service"]
        return service[service.index(("MemoryHigh", "1G")) :]

    assert rights("recorder-night.service") == rights("recorder.service")
    assert len(rights("recorder.service")) > 30


def test_what_waits_for_a_human_is_not_tried_again() -> None:
    """Usage, list, token and settings; everything else is, for ever."""
    service = dict(unit("recorder.service")["Service"])
    assert service["RestartPreventExitStatus"].split() == ["2", "64", "77", "78"]
    assert service["Restart"] == "always"  # a list that is empty now has matches next season
    assert dict(unit("recorder.service")["Unit"])["StartLimitIntervalSec"] == "0"


def test_the_cron_lines() -> None:
    """As cron(8) wants them in /etc/cron.d: five fields, a user, a command."""
    lines = [line for line in (DEPLOY / "crontab").read_text().splitlines() if line and not line.startswith("#")]
    jobs = [line for line in lines if not re.match(r"[A-Z_]+=", line)]
    assert all(re.match(r"(?:[\d*]+ +){5}recorder +(?:flock|/opt/recorder/\S+) ", line) for line in jobs)
    assert len(jobs) == 2


def test_cron_mails_nothing_while_one_is_at_work(tmp_path: Path) -> None:
    """The line of every minute says nothing when the recorder of an earlier minute is there."""
    [line] = [line for line in (DEPLOY / "crontab").read_text().splitlines() if "--until-finished" in line]
    lock = tmp_path / "lock"
    words = shlex.split(line.replace("/var/lib/recorder/cron.lock", str(lock)))[6:]
    assert words[:2] == ["flock", "--nonblock"]
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        left = subprocess.run(words, capture_output=True, check=False)
    assert (left.stdout, left.stderr) == (b"", b"")


def test_the_dockerfile_is_clean() -> None:
    """hadolint has nothing to say."""
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is missing; it comes with requirements/dev.txt")
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_leaves_in_order() -> None:
    """Not root, told by SIGTERM, given longer than recorder takes, looked after, and with the archive in a volume."""
    image = (DEPLOY / "Dockerfile").read_text()
    said = {key: value for key, value in re.findall(r"^(\w+) (.+)$", image, re.MULTILINE) if key.isupper()}
    assert said["USER"] == "10001:10001"
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert said["VOLUME"] == "/var/lib/recorder"
    assert "HEALTHCHECK" in said
    [service] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    assert service["stop_grace_period"] == "90s"


def test_what_the_image_is_built_from_is_let_in() -> None:
    """The folders that the wheel is made of are excepted from what Docker does not see."""
    let_in = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert all((ROOT / path).exists() for path in let_in)
    assert {"recorder", "migrations", "deploy", "pyproject.toml", "README.md", "LICENSE"} <= let_in


@pytest.mark.parametrize("script", ["alive", "backup", "once", "tell-chat", "tell-mail"])
def test_the_scripts_are_for_every_shell(script: str) -> None:
    """Debian's /bin/sh reads them, and anybody may run them."""
    path = DEPLOY / script
    assert path.read_text().startswith("#!/bin/sh\n")
    assert path.stat().st_mode & 0o111 == 0o111
    subprocess.run(["/bin/sh", "-n", path], check=True, timeout=60)
