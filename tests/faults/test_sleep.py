"""A recorder that slept, and a vendor that sends nothing but heartbeats."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.faults.made import make
from tests.recording import QUICK, Recording, Shell, ended
from tests.vendor import Match, Script, VendorServer, load

FAST = ("--until-finished", "--linger", "0", "--connect-rate", "1000", "--dead-after", "1s")


def stopped_in_mid_match(directory: Path, server: VendorServer) -> tuple[Match, Shell, subprocess.Popen[bytes]]:
    """Return a recorder that stands still, with 100 packets of a match on their way to it."""
    match = load("snooker-1")
    server.serve(match, Script(available=100, heartbeat=0.1))
    shell = Shell(directory, server)
    shell.write_list(match)
    process = shell.start_run(*FAST)
    server.wait_for(lambda: any(attempt.packets_sent == 100 for attempt in server.attempts), timeout=30)
    os.kill(process.pid, signal.SIGSTOP)
    return match, shell, process


def test_stopped_and_continued(tmp_path: Path, server: VendorServer) -> None:
    """A process that stood still while the vendor gave it up and the match went on: it comes back and has it all."""
    match, shell, process = stopped_in_mid_match(tmp_path, server)
    assert server.drop_all() == 1
    server.wait_for(lambda: server.open_count() == 0)
    server.release(match, 100)
    os.kill(process.pid, signal.SIGCONT)
    server.wait_for(
        lambda: server.open_count() == 1 and sum(a.packets_sent for a in server.attempts) >= 200, timeout=30
    )
    server.release(match)
    assert ended(process).code == 0
    assert shell.call("frames", match.fixture_id, "--format", "raw").out.encode() == b"\n".join([*match.packets, b""])


def test_awake_with_a_living_peer(tmp_path: Path, server: VendorServer) -> None:
    """A process that stood still for longer than silence may last, on a connection that lived on: nothing is lost."""
    match, shell, process = stopped_in_mid_match(tmp_path, server)
    sent = len(server.attempts[0].messages)
    server.wait_for(lambda: len(server.attempts[0].messages) >= sent + 20, timeout=30)  # two seconds of heartbeats
    server.release(match)
    os.kill(process.pid, signal.SIGCONT)
    assert ended(process).code == 0
    assert shell.call("frames", match.fixture_id, "--format", "raw").out.encode() == b"\n".join([*match.packets, b""])


def test_heartbeats_and_nothing_else(tmp_path: Path, server: VendorServer) -> None:
    """In play, and only heartbeats for too long: a new connection shows that it was this one; no gap is left."""
    recording = Recording(tmp_path, server, timing=replace(QUICK, deaf=1.0))
    made = make("gone deaf", 40)
    packets = [
        packet.replace(b'"currentPeriod":1', b'"currentPeriod":1,"currentStatus":"Live"') for packet in made.packets
    ]
    server.serve(
        made,
        Script(
            packets,
            heartbeat=0.1,
            mangle=lambda index, packet: None if index >= 20 and len(server.attempts) < 2 else packet,
        ),
    )
    recording.run(made)
    assert recording.packets(made) == packets
    assert server.faults_fired["omit"] == 20
    assert recording.causes() == []
    assert "nothing but heartbeats" in recording.one("SELECT outcome FROM sessions ORDER BY session_id LIMIT 1")
