"""A stream that dials holds its turn until the vendor has answered: how late that is, only the vendor knows."""

from __future__ import annotations

from pathlib import Path

from tests.raw import RawServer
from tests.recording import TOKEN, Shell
from tests.vendor import load, names


def test_nobody_dials_while_five_wait_for_an_answer(tmp_path: Path) -> None:
    """Of twenty streams at a server that accepts and says nothing, five dial, however long that goes on."""
    shell = Shell(tmp_path)
    shell.write_list(*(load(name, feed) for name in names() for feed in ("betting", "media")))
    with RawServer(None) as mute:
        shell.environment |= {"RECORDER_ENDPOINT": mute.endpoint, "RECORDER_TOKEN": TOKEN}
        shell.run("--for", "3s")
        assert 1 < len(mute.requests) <= 5
