"""Faults of the disk that are real to the process: system calls that fail (strace), small file systems (mount)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Traced:
    """What became of a process under strace; ``injected``: how many calls were tampered with."""

    code: int
    out: str
    err: str
    calls: int
    injected: int


def traced(
    command: list[str],
    directory: Path,
    inject: str,
    *,
    only: tuple[Path, ...] = (),
    environment: dict[str, str] | None = None,
) -> Traced:
    """Run ``command`` in ``directory`` with strace's ``inject`` (``pwrite64:error=EIO:when=3``) on files ``only``."""
    log = directory / "strace.log"
    paths = [part for path in only for part in ("-P", str(path))]
    calls = inject.partition(":")[0]
    prefix = [strace(), "-f", "-qq", "-o", str(log), "-e", f"trace={calls}", "-e", f"inject={inject}"]
    if "error=" in inject:  # many times as fast; but signals and delays are lost by it (strace 6.1)
        prefix.append("--seccomp-bpf")
    left = subprocess.run(
        [*prefix, *paths, *command],
        cwd=directory,
        env=environment or (os.environ | {"PYTHONPATH": str(ROOT)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=240,
        check=False,
    )
    lines = log.read_text(errors="replace").splitlines()
    calls_made = sum("(" in line and "resumed>" not in line for line in lines)
    injected = sum("INJECTED" in line or "DELAYED" in line for line in lines)
    err = "\n".join(line for line in left.stderr.decode().splitlines() if not line.startswith("strace: "))
    return Traced(left.returncode, left.stdout.decode(), err, calls_made, injected)


def strace() -> str:
    """Return where strace is; skip the test when it is missing or may not trace."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    if subprocess.run([found, "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace may not trace here")
    return found


def python(script: str, *arguments: object) -> list[str]:
    """Return the command that runs Python code with arguments."""
    return [sys.executable, "-c", script, *map(str, arguments)]


def mount(*arguments: str) -> bool:
    """Mount; False when that is not permitted."""
    return os.geteuid() == 0 and subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@contextmanager
def tmpfs(place: Path, options: str) -> Iterator[Path]:
    """A small file system in memory, ``size=2m`` or ``nr_inodes=6``; skips the test where nothing may be mounted."""
    place.mkdir(exist_ok=True)
    if not mount("-t", "tmpfs", "-o", options, "tmpfs", str(place)):
        pytest.skip("only root can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def ext4(directory: Path, *options: str, mib: int = 16) -> Iterator[Path]:
    """A small ext4 in a file of ``directory``, made with ``options``; skips the test where it cannot be mounted."""
    image, place = directory / "ext4.img", directory / "ext4"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(mib * 1024 * 1024)
    maker = shutil.which("mkfs.ext4") or shutil.which("mkfs.ext4", path="/usr/sbin:/sbin")
    if maker is None:
        pytest.skip("mkfs.ext4 is not installed")
    subprocess.run([maker, "-q", *options, str(image)], check=True, capture_output=True)
    if not mount("-o", "loop", str(image), str(place)):
        pytest.skip("only root can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
