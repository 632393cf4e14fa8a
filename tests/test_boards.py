"""Who changes what stands on a machine's board has it alone."""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

import pytest

from recorder.pacing import FileBoard, Turns


def test_nobody_looks_while_a_turn_is_taken(tmp_path: Path) -> None:
    """Two that had looked at the same moment would take the same turn."""
    path = tmp_path / "turns"
    board = FileBoard(path)

    def change(turns: Turns, _now_ns: int) -> tuple[Turns, bool]:
        with path.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return turns, True

    assert asyncio.run(board.exchange(change))
    board.close()
