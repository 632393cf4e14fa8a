"""deploy/once; chat, mail and ping are tried with servers in tests/test_operate.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ONCE = Path(__file__).parents[2] / "deploy" / "once"


class Told:
    """What came through to the operator's command, in a state directory of its own."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("jq") is None:
            pytest.skip("jq is missing; on Debian: apt-get install jq")
        self.directory = directory

    def tell(self, sentence: str, stream: str | None = None, *, command: str = "cat >> told.jsonl") -> int:
        event = json.dumps({"kind": "stopped", "stream": stream, "sentence": sentence})
        environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(self.directory / "state")}
        words = [str(ONCE), "sh", "-c", command]
        return subprocess.run(
            words, input=event.encode(), cwd=self.directory, env=environment, timeout=60, check=False
        ).returncode

    def came(self) -> int:
        path = self.directory / "told.jsonl"
        return path.read_text().count("{") if path.exists() else 0


def test_the_same_is_told_once(tmp_path: Path) -> None:
    """Other numbers make no other event; another stream or another sentence does."""
    told = Told(tmp_path)
    told.tell("the disk is full: 12 MB are left")
    told.tell("the disk is full: 9 MB are left")
    assert told.came() == 1
    told.tell("the disk is full: 9 MB are left", "media/soccer/1")
    told.tell("the disk is full: 9 MB are left", "media/soccer/2")
    told.tell("the token was refused")
    assert told.came() == 4


def test_it_is_told_again_later(tmp_path: Path) -> None:
    """After ten minutes; by then nobody remembers."""
    told = Told(tmp_path)
    told.tell("the disk is full")
    [mark] = (tmp_path / "state" / "told").iterdir()
    os.utime(mark, (mark.stat().st_atime, mark.stat().st_mtime - 700))
    told.tell("the disk is full")
    assert told.came() == 2


def test_what_could_not_be_told_is_tried_again(tmp_path: Path) -> None:
    """A command that fails has told nobody, and recorder's log hears of it."""
    told = Told(tmp_path)
    assert told.tell("the disk is full", command="exit 22") == 22
    assert told.tell("the disk is full") == 0
    assert told.came() == 1
