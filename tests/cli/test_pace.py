"""The vendor's pace holds over all recorders of a machine, whatever the server does."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.recording import Shell, ended
from tests.vendor import Script, VendorServer, load, names

ATTEMPTS = 16


def test_five_attempts_a_second(tmp_path: Path, server: VendorServer) -> None:
    """Two recorders of four matches each, cut off at once again and again: never more than 5 attempts in a second."""
    matches = [load(name) for name in names()[:8]]
    shells = []
    for number in (0, 1):
        directory = tmp_path / str(number)
        directory.mkdir()
        shell = Shell(directory, server)
        shell.environment["STATE_DIRECTORY"] = str(tmp_path / "state")
        shell.write_list(*matches[number::2])
        shells.append(shell)
    for match in matches:
        server.serve(match, Script(cut_every=0, cut="abort"))
    processes = [shell.start_run() for shell in shells]
    try:
        # Every match gets its turn: neither of the two keeps the other waiting for ever.
        server.wait_for(
            lambda: len(server.attempts) >= ATTEMPTS and all(server.attempts_on(match) for match in matches), timeout=60
        )
    finally:
        left = [ended(process, signal.SIGTERM) for process in processes]
    assert [one.code for one in left] == [0, 0]
    assert 1 < server.busiest_second() <= 5
