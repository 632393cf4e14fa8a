"""The tracer itself: one number names one call, over all threads, and what is said to strike strikes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.rig.stage import Left, shared
from tests.rig.tally import Tally
from tests.rig.tracing import FILES, Fault

SCRIPT = """
import os, threading

def write(name):
    file = os.open(name, os.O_CREAT | os.O_WRONLY)
    print(name, os.pwrite(file, b"0123456789", 0), flush=True)
    os.fsync(file)

write("one")
thread = threading.Thread(target=write, args=["two"])
thread.start()
thread.join()
os.rename("two", "three")
os.unlink("one")
"""
CALLS = ["openat", "pwrite64", "fsync"] * 2 + ["rename", "unlink"]


def traced(directory: Path, fault: Fault | None) -> Left:
    return shared().run(["-c", SCRIPT], directory, trace=FILES, fault=fault)


def test_calls_are_counted_over_all_threads(tmp_path: Path) -> None:
    """In the order in which they were made, and none that lies outside of the directory."""
    left = traced(tmp_path, None)
    assert (left.code, left.calls, left.fired) == (0, CALLS, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["three"]


@pytest.mark.parametrize("number", range(1, len(CALLS) + 1))
def test_a_kill_strikes_before_the_call(tmp_path: Path, number: int) -> None:
    """Whatever comes before it was done, itself and what comes after it was not."""
    left = traced(tmp_path, Fault("kill", number))
    assert (left.code, left.calls, left.fired) == (-signal.SIGKILL, CALLS[:number], [number])
    expected = {1: [], 7: ["one", "two"], 8: ["one", "three"]}
    names = ["one"] if number < 5 else ["one", "two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected.get(number, names)


def test_an_error_is_an_answer_without_a_call(tmp_path: Path) -> None:
    """The process is told the errno, and nothing was written."""
    left = traced(tmp_path, Fault("ENOSPC", 2))
    assert left.code == 1
    assert "OSError: [Errno 28] No space left on device" in left.err
    assert (tmp_path / "one").read_bytes() == b""


def test_a_fault_for_ever_strikes_every_call_that_follows(tmp_path: Path) -> None:
    """Of the thread that goes on as well."""
    left = traced(tmp_path, Fault("short", 1, forever=True))
    assert (left.code, left.fired) == (0, [2, 5])


def test_a_short_write_writes_half(tmp_path: Path) -> None:
    """Really: the kernel was asked to."""
    left = traced(tmp_path, Fault("short", 5))
    assert left.out.split() == ["one", "10", "two", "5"]
    assert (tmp_path / "three").read_bytes() == b"01234"


def test_a_fault_that_does_not_strike_is_noticed(tmp_path: Path) -> None:
    """A campaign whose plan was not carried out fails."""
    left = traced(tmp_path, Fault("kill", 100))
    tally = Tally("beyond the end", planned=1, fired=len(left.fired))
    with pytest.raises(AssertionError, match="1 points, 0 fired"):
        tally.prove()
