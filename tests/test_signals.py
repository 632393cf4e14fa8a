"""Asked to leave: nothing of the loop's is lost by it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from recorder.signals import handled


@pytest.mark.timeout(30)
def test_a_second_interrupt_loses_no_wake_up() -> None:
    """At the worst place, where the loop has taken what is ready and not run it yet: whoever waits is still woken."""
    ended = []

    async def wait_for_ever() -> None:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        with handled(lambda _name: asked.set()):
            os.kill(os.getpid(), signal.SIGTERM)
            await asked.wait()
            try:
                _strike(loop, signal.SIGINT)
                await asyncio.sleep(0)
                await asyncio.Event().wait()
            finally:
                ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(wait_for_ever())
    assert ended == [True]


def _strike(loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
    """Send a signal between the taking and the running of our next step: in debug mode the loop looks at its clock."""
    loop.set_debug(True)
    time, task = loop.time, asyncio.current_task()

    def look() -> float:
        taken = sys._getframe(1).f_locals.get("handle")
        if getattr(getattr(taken, "_callback", None), "__self__", None) is task:
            loop.time = time  # type: ignore[method-assign]
            os.kill(os.getpid(), number)
        return time()

    loop.time = look  # type: ignore[method-assign]
