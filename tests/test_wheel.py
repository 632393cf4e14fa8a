"""What an installation brings besides the code: the manual, completions, and what a service needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from docs import make_man

ROOT = Path(__file__).parents[1]
COMPLETIONS = {
    "share/bash-completion/completions/recorder": "bash",
    "share/zsh/site-functions/_recorder": "zsh",
    "share/fish/vendor_completions.d/recorder.fish": "fish",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipInfo]:
    """What the wheel puts below the prefix of an installation, by its path there."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=100)
    [wheel] = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {entry.filename.partition(".data/data/")[2]: entry for entry in archive.infolist()}
    return {name: entry for name, entry in found.items() if name}


def test_what_is_in_the_wheel(shared: dict[str, zipfile.ZipInfo]) -> None:
    """The page that `man` finds, a completion for each shell, and all of deploy/."""
    deploy = {f"share/recorder/{path.relative_to(ROOT / 'deploy')}" for path in (ROOT / "deploy").rglob("*.*")}
    assert {"share/man/man1/recorder.1", *COMPLETIONS, *deploy} <= set(shared)
    assert "share/recorder/recorder.service" in shared


def test_scripts_can_be_run(shared: dict[str, zipfile.ZipInfo]) -> None:
    """pip keeps the mode of what is executable."""
    for name in ("alive", "backup", "once", "tell-chat", "tell-mail"):
        assert shared[f"share/recorder/{name}"].external_attr >> 16 & 0o111 == 0o111


@pytest.mark.parametrize("file", sorted(make_man.files()), ids=lambda path: path.name)
def test_they_are_those_of_the_commands(file: Path) -> None:
    """Every command and option as it is now."""
    assert file.read_text(encoding="utf-8") == make_man.files()[file], "run: make man"


def test_the_page_can_be_read() -> None:
    """groff has nothing to complain of, and shows the names of all commands."""
    if shutil.which("groff") is None:
        pytest.skip("groff is missing; on Debian: apt-get install groff-base")
    command = ["groff", "-man", "-Tascii", "-ww", "-P-cbou", str(make_man.PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert [name for name, _ in make_man.commands() if name not in done.stdout] == []
    assert "STATUS" in done.stdout


def test_bash_completes() -> None:
    """A real bash, with the file as it is installed, offers the commands that begin so."""
    script = (
        f"source {ROOT / 'docs/completions/recorder.bash'}; PATH={Path(sys.executable).parent}:$PATH\n"
        "COMP_WORDS=(recorder ti); COMP_CWORD=1; _recorder_completion recorder; echo ${COMPREPLY[*]}"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "timeline\n"
