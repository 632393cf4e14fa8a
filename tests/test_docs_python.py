"""Every block of docs/python.md runs, in its order, in one process, against an archive."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.archive.filling import fill
from tests.vendor import load

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_blocks_run_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies them, one after the other, gets no error, and finds something."""
    fill(tmp_path / "recorder.db", load("soccer-france-romania"), load("soccer-france-croatia"), load("snooker-1"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    try:
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)
    finally:
        names["archive"].close()
    assert len(blocks) == 8
    assert len(names["goals"]) == 9
    assert names["seen"] == 4 + 3  # pending goals of the second halves
    assert names["latency"][0].sport == "soccer"
