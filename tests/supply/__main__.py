"""`python -m tests.supply`: red for a known vulnerability that a newer version mends; never because of the network."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
import venv
from http.client import HTTPException
from pathlib import Path

# The address is pip's to know: pip-audit asks there too, and none is written down here.
from pip._internal.models.index import PyPI

from tests.supply.judging import CANARY, judge, knows_advisories

PINS = Path(__file__).parents[2] / "requirements"
_PATIENCE_S = 5
_RUN_S = 300


def main(service: str = PyPI.pypi_url) -> int:
    """Ask whether the advisories can be had at all, then for those of every pin; return the exit code."""
    why = unasked(service)
    if why is not None:
        return _unasked(why)
    with tempfile.TemporaryDirectory() as directory:
        try:
            python = _installed(Path(directory))
            answers = [_audited(python, pins) for pins in sorted(PINS.glob("*.txt"))]
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return _unasked(f"pip-audit could not run ({type(error).__name__})")
    verdict = judge({"dependencies": [package for answer in answers for package in answer["dependencies"]]})
    for line in verdict.lines:
        _say(line)
    return 1 if verdict.is_red else 0


def unasked(service: str) -> str | None:
    """Return why the service cannot be asked; None when it tells of the advisory that everybody knows."""
    name, version = CANARY
    try:
        with urllib.request.urlopen(f"{service}/{name}/{version}/json", timeout=_PATIENCE_S) as answer:
            told = json.load(answer)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"{service} does not answer ({reason})"
    return None if knows_advisories(told) else f"{service} tells of no advisories"


def _installed(directory: Path) -> Path:
    """Return a Python of its own with pip-audit: what audits the environment is not to be part of it."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement"]
    subprocess.run([*pip, str(PINS / "audit.txt")], check=True, timeout=_RUN_S)
    return python


def _audited(python: Path, pins: Path) -> dict[str, list[dict[str, object]]]:
    ask = [str(python), "-m", "pip_audit", "--disable-pip", "--require-hashes", "--requirement", str(pins)]
    quiet = ["--format", "json", "--progress-spinner", "off"]
    # It leaves with 1 for a finding and for a failure alike: only the first prints JSON.
    done = subprocess.run([*ask, *quiet], capture_output=True, check=False, timeout=_RUN_S)
    told: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return told


def _unasked(why: str) -> int:
    _say(f"advisories were not asked for: {why}")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"audit: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
