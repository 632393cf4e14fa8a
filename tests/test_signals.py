"""Asked to leave: step by step, and in the end at once."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import termios

import pytest

from recorder.signals import handled, on_hangup

ASKED = [signal.SIGINT, signal.SIGTERM]


def test_each_signal_takes_the_next_step() -> None:
    """Whichever of the two it is; afterwards the process has the handlers that it had."""

    async def asked_twice() -> list[str]:
        asked: asyncio.Queue[str] = asyncio.Queue()
        with handled(lambda name: asked.put_nowait(f"leave {name}"), lambda name: asked.put_nowait(f"now {name}")):
            os.kill(os.getpid(), signal.SIGTERM)
            first = await asked.get()
            os.kill(os.getpid(), signal.SIGINT)
            return [first, await asked.get()]

    before = [signal.getsignal(number) for number in ASKED]
    assert asyncio.run(asked_twice()) == ["leave SIGTERM", "now SIGINT"]
    assert [signal.getsignal(number) for number in ASKED] == before


def test_more_at_once_than_there_are_steps() -> None:
    """Signals that all come before the loop looks take what steps there are, and break nothing."""
    broken: list[object] = []

    async def asked_at_once() -> list[str]:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(context))
        asked: list[str] = []
        with handled(asked.append):
            for _ in range(2):
                for number in ASKED:
                    os.kill(os.getpid(), number)
            for _ in range(10):
                await asyncio.sleep(0)
        return asked

    assert len(asyncio.run(asked_at_once())) == 1
    assert broken == []


STUBBORN = """
import asyncio
from recorder.signals import handled

async def stay():
    with handled(lambda name: print(name, flush=True), lambda name: print(name, flush=True)):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(stay())
"""


@pytest.mark.parametrize("last", ASKED)
def test_once_all_steps_are_taken_the_next_signal_kills(last: signal.Signals) -> None:
    """A process that cannot leave can always be ended without SIGKILL."""
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline()]
        for number in ASKED:
            process.send_signal(number)
            told.append(process.stdout.readline())
        process.send_signal(last)
        assert process.wait(60) == -last
    assert told == ["ready\n", "SIGINT\n", "SIGTERM\n"]


def test_a_hangup_is_a_call() -> None:
    """SIGHUP calls, each time, and ends nothing."""

    async def hung_up() -> int:
        calls: asyncio.Queue[None] = asyncio.Queue()
        with on_hangup(lambda: calls.put_nowait(None), gone=pytest.fail):
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGHUP)
                await calls.get()
        return calls.qsize()

    assert asyncio.run(hung_up()) == 0


AT_A_TERMINAL = """
import asyncio
from recorder.signals import on_hangup

async def stay():
    asked = asyncio.Queue()
    with on_hangup(lambda: asked.put_nowait("list"), gone=lambda: asked.put_nowait("gone")):
        print("ready", flush=True)
        while True:
            print(await asked.get(), flush=True)

asyncio.run(stay())
"""


def test_a_terminal_that_was_closed_is_told_from_a_hangup() -> None:
    """SIGHUP from `kill` is about the list; from a terminal that is no more it means that somebody has gone."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL],
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - takes no lock
    ) as process:
        os.close(theirs)
        assert process.stdout is not None
        told = [process.stdout.readline()]
        process.send_signal(signal.SIGHUP)
        told.append(process.stdout.readline())
        os.close(ours)
        told.append(process.stdout.readline())
        process.kill()
    assert told == ["ready\n", "list\n", "gone\n"]
