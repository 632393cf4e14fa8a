"""At most 5 attempts in any sliding second: seen from the stamps of the turns, on one monotonic clock."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from recorder import pacing
from recorder.pacing import DEFAULT_RATE, ConnectLimiter

ROOT = Path(__file__).parents[1]
SECOND = 1_000_000_000
SPACING = 220_000_000
"""Nanoseconds between two turns at the default rate."""

TURNS = """
import asyncio, sys, time
from pathlib import Path
from recorder.pacing import ConnectLimiter

async def turns():
    limiter = ConnectLimiter(state_directory=Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        await limiter.turn()
        print(time.monotonic_ns(), flush=True)

asyncio.run(turns())
"""


def process(state: Path, turns: int) -> subprocess.Popen[str]:
    """Start a recorder's limiter that begins when its standard input says so."""
    command = [sys.executable, "-c", TURNS, str(state), str(turns)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def stamps(limiter: ConnectLimiter, turns: int) -> list[int]:
    found = []
    for _ in range(turns):
        await limiter.turn()
        found.append(time.monotonic_ns())
    return found


def assert_paced(found: Sequence[int], spacing: int = SPACING) -> None:
    """A turn follows a turn by ``spacing``; so no sliding second holds six. Stamps are taken just after each turn."""
    late = 50_000_000  # how long a stamp may be taken after its turn on a busy machine
    ordered = sorted(found)
    assert min(after - before for before, after in pairwise(ordered)) >= spacing - late
    assert all(ordered[index + 5] - ordered[index] > SECOND for index in range(len(ordered) - 5))


async def many(limiter: ConnectLimiter, tasks: int, turns: int) -> list[int]:
    """Take turns from several tasks at once, as many streams do."""
    found = await asyncio.gather(*(stamps(limiter, turns) for _ in range(tasks)))
    return [stamp for each in found for stamp in each]


def test_twelve_turns_of_many_streams() -> None:
    """However many wait, and also at the beginning, no sliding second holds six."""
    assert DEFAULT_RATE == 5.0
    assert_paced(asyncio.run(many(ConnectLimiter(), tasks=6, turns=2)))


def test_twelve_turns_of_two_processes(tmp_path: Path) -> None:
    """Recorders that share a state directory share the limit, and both get their turns."""
    recorders = [process(tmp_path, 6) for _ in range(2)]
    for recorder in recorders:
        assert recorder.stdout is not None
        assert recorder.stdout.readline() == "ready\n"
    for recorder in recorders:
        assert recorder.stdin is not None
        recorder.stdin.write("\n")
        recorder.stdin.flush()
    found = [recorder.communicate(timeout=60)[0].split() for recorder in recorders]
    assert [len(each) for each in found] == [6, 6]
    assert_paced([int(stamp) for each in found for stamp in each])


def test_the_limit_outlives_a_process(tmp_path: Path) -> None:
    """One that is restarted again and again does not begin anew."""

    async def restarted() -> list[int]:
        found = []
        for _ in range(4):
            limiter = ConnectLimiter(state_directory=tmp_path)
            found += await stamps(limiter, 1)
            limiter.close()
        return found

    found = asyncio.run(restarted())
    assert min(after - before for before, after in pairwise(found)) >= SPACING - 50_000_000


def waited_ns(state: Path, rate: float) -> int:
    """Return how long the first turn takes in a state directory."""
    limiter = ConnectLimiter(rate, state)
    before = time.monotonic_ns()
    asyncio.run(limiter.turn())
    limiter.close()
    return time.monotonic_ns() - before


@pytest.mark.parametrize(
    "left",
    [
        b"",
        b"another-boot 99999999999999999999\n",
        f"{pacing._boot()} no number\n".encode(),
        b"\xff\0" * 50,
        f"{pacing._boot()} 00000000000000000001\n".encode(),
    ],
    ids=["new", "another boot", "no number", "damaged", "long ago"],
)
def test_a_stale_file_costs_nothing(tmp_path: Path, left: bytes) -> None:
    """What another boot, another program or a fault left there does not keep anybody waiting."""
    (tmp_path / "connect-turns").write_bytes(left)
    assert waited_ns(tmp_path, rate=0.1) < 11 * SECOND
    boot, stamp = (tmp_path / "connect-turns").read_bytes().splitlines()[0].decode().split()
    assert boot == pacing._boot()
    assert int(stamp) <= time.monotonic_ns()


def test_a_stamp_from_the_future_costs_one_spacing(tmp_path: Path) -> None:
    """A container's clock may be ahead of ours under the same boot: that must not stop us for days."""
    ahead = time.monotonic_ns() + 86_400 * SECOND
    (tmp_path / "connect-turns").write_text(f"{pacing._boot()} {ahead:020d}\n")
    assert SPACING <= waited_ns(tmp_path, DEFAULT_RATE) < 60 * SECOND


def test_other_rates_have_other_spacings() -> None:
    """Fifty a second are about 22 ms apart."""
    found = asyncio.run(stamps(ConnectLimiter(rate=50), 10))
    assert found[-1] - found[0] >= 9 * 21_000_000


def test_a_cancelled_wait_leaves_the_turn_to_others(tmp_path: Path) -> None:
    """A stream that gives up while waiting, with the file's lock in its hand, lets go of it."""

    async def give_up() -> None:
        limiter = ConnectLimiter(rate=0.01, state_directory=tmp_path)
        await limiter.turn()
        waiting = asyncio.create_task(limiter.turn())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await ConnectLimiter(rate=2000, state_directory=tmp_path).turn()

    asyncio.run(asyncio.wait_for(give_up(), 30))


def test_the_state_directory_is_made(tmp_path: Path) -> None:
    """With all that leads to it; the file is ours alone."""
    ConnectLimiter(state_directory=tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / "connect-turns").stat().st_mode & 0o777 == 0o600
