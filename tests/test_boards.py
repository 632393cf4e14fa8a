"""Who changes what stands on a machine's board has it alone."""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

import pytest

from recorder.pacing import BoardAway, FileBoard, Turns, boot


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


def test_a_board_is_closed_twice(tmp_path: Path) -> None:
    """The second time there is nothing left to close."""
    board = FileBoard(tmp_path / "turns")
    board.close()
    board.close()
    with pytest.raises(BoardAway):
        asyncio.run(board.exchange(lambda turns, _now_ns: (turns, None)))


def test_a_machine_that_does_not_name_its_boots(tmp_path: Path) -> None:
    """All its boots have one name."""
    assert boot(tmp_path / "boot_id") == boot(tmp_path / "no_more") == "one-boot"
    (tmp_path / "boot_id").write_text("c0ffee\n")
    assert boot(tmp_path / "boot_id") == "c0ffee"
