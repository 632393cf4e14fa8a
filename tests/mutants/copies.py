"""Copies of the tree in which a mutant can be put, and what pytest says of one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.mutants.listed import ROOT, Mutant

Verdict = Literal["killed", "survived", "broken"]
"""``broken``: no test failed, but something else did, so nothing is known."""

_LEFT_OUT = (".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__")
_PYTEST = (
    *("-q", "-x", "--tb=line", "-rfE", "--no-header", "--hypothesis-seed=0", "--timeout=60"),
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "tests.mutants.unshrunk"),
)
_PATIENCE_S = 300.0
_PATIENCE_OF_ALL_S = 3600.0
_LEAVE_S = 30.0
_PASSED, _FAILED = 0, 1
_IS_HERE = "import recorder, sys; sys.exit(not recorder.__file__.startswith(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a run of tests: pytest's exit code, the tests that failed, seconds, and all that it said."""

    code: int
    failed: tuple[str, ...]
    seconds: float
    said: str

    @property
    def verdict(self) -> Verdict:
        """What this says of a mutant under which it ran."""
        if self.code == _PASSED:
            return "survived"
        return "killed" if self.code == _FAILED and self.failed else "broken"


class Copy:
    """One copy of the tree at ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of(cls, source: Path, root: Path) -> Copy:
        """Copy a tree without what tools have left in it."""
        shutil.copytree(source, root, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        return cls(root)

    def is_imported(self) -> bool:
        """Whether Python takes the package from here, and not from where it was installed."""
        said = subprocess.run(
            [sys.executable, "-c", _IS_HERE, str(self.root)], cwd=self.root.parent, env=self._environment, check=False
        )
        return said.returncode == 0

    @contextmanager
    def bearing(self, mutant: Mutant) -> Iterator[None]:
        """Put the mutant in, and take it out again."""
        path = self.root / mutant.file
        before, modified_s = path.read_text(encoding="utf-8"), path.stat().st_mtime
        path.write_text(mutant.applied(before), encoding="utf-8")
        os.utime(path, (modified_s + 10, modified_s + 10))  # else what was compiled before may pass for it
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")
            os.utime(path, (modified_s, modified_s))

    def prove(self, tests: Sequence[str]) -> Ran:
        """Run tests without a mutant, many of them; what Python compiles is kept for the runs that follow."""
        return self._run(tests, self._environment, _PATIENCE_OF_ALL_S) if tests else Ran(_PASSED, (), 0.0, "")

    def run(self, tests: Sequence[str]) -> Ran:
        """Run the tests of a mutant until one fails."""
        return self._run(tests, self._environment | {"PYTHONDONTWRITEBYTECODE": "1"}, _PATIENCE_S)

    def _run(self, tests: Sequence[str], environment: dict[str, str], patience_s: float) -> Ran:
        command = [sys.executable, "-m", "pytest", *_PYTEST, *tests]
        began_s = time.monotonic()
        with subprocess.Popen(
            command, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            said = _said(process, patience_s).decode(errors="replace")
        failed = tuple(re.findall(r"^FAILED (\S+)", said, re.MULTILINE))
        return Ran(process.returncode, failed, time.monotonic() - began_s, said)

    @property
    def _environment(self) -> dict[str, str]:
        """Only the copy is added: a child of a test imports the mutated package as well."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        return inherited | {"PYTHONPATH": str(self.root)}


def _said(process: subprocess.Popen[bytes], patience_s: float) -> bytes:
    """Return all that a run says; one that does not end is asked to, so that it stops the servers that it started."""
    try:
        return process.communicate(timeout=patience_s)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=_LEAVE_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def copies(directory: Path, number: int, tests: Sequence[str]) -> list[Copy]:
    """Return so many copies of this tree, in which ``tests`` have passed; AssertionError says what failed."""
    made = [Copy.of(ROOT, directory / f"copy-{at}") for at in range(number)]
    assert made[0].is_imported(), f"the tests would not import recorder from {made[0].root}"
    with ThreadPoolExecutor(number) as pool:
        for ran in pool.map(Copy.prove, made, (tests[at::number] for at in range(number))):
            assert ran.code == _PASSED, f"the tests do not pass without a mutant:\n{ran.said}"
    return made
