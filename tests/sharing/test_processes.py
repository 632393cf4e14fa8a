"""Several processes that keep their leases by themselves: one is killed, one is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
STREAMS = 12
RECORDER = f"""
import asyncio, sys
from recorder.sharing.lease_table import PostgresTable
from recorder.sharing.leases import Leases

def say(word):
    return lambda stream_id: print(word, stream_id, flush=True)

async def hand_over(stream_id):
    print("gave", stream_id, flush=True)

async def main():
    leases = Leases(
        PostgresTable(sys.argv[1]), sys.argv[2], "host", "0", range({STREAMS}),
        took=say("took"), lost=say("lost"), hand_over=hand_over, ttl_s=3.0, beat_s=0.5,
    )
    await leases.keep()

asyncio.run(main())
"""


class Process:
    """A recorder in a process of its own; what it says is followed."""

    def __init__(self, url: str, name: str) -> None:
        self.recording: set[int] = set()
        self.lost = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", RECORDER, url, name], cwd=ROOT, text=True, stdout=subprocess.PIPE
        )
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, stream_id = line.split()
            if word == "took":
                self.recording.add(int(stream_id))
            else:
                self.recording.discard(int(stream_id))
                self.lost += word == "lost"

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def wait(*recorders: Process, each: int) -> None:
    """Wait until all streams are recorded by these alone, ``each`` of them by each."""
    began = time.monotonic()
    while True:
        sets = [recorder.recording.copy() for recorder in recorders]
        if [len(found) for found in sets] == [each] * len(sets) and len(set.union(*sets)) == STREAMS:
            return
        assert time.monotonic() - began < 60, sets
        time.sleep(0.02)


def test_killed_and_stopped(url: str) -> None:
    """Whatever ends a recorder, the others have its streams soon; one that was stopped finds out when it goes on."""
    four = [Process(url, f"process {number}") for number in range(4)]
    killed, stopped, *others = four
    try:
        wait(*four, each=3)
        killed.signal(signal.SIGKILL)
        wait(stopped, *others, each=4)
        stopped.signal(signal.SIGSTOP)
        wait(*others, each=6)
        stopped.signal(signal.SIGCONT)
        wait(stopped, *others, each=4)
        assert stopped.lost == 4
    finally:
        for each in four:
            each.end()
