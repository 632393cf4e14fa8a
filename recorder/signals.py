"""Leaving in order when asked to, by SIGTERM or SIGINT; a second time at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

_ASKING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def handled(leave: Callable[[str], None]) -> Iterator[None]:
    """Inside a running loop: call ``leave`` with the signal's name at the first one. A second SIGTERM kills.

    A second SIGINT is a KeyboardInterrupt, raised by a callback: Python's own raises it wherever the loop stands, also
    where it has taken a step from its queue and not run it yet, which is lost then, and a task waits for ever.
    Outside the main thread nothing is handled: whoever embeds us owns the signals.
    """
    loop = asyncio.get_running_loop()

    def let_go() -> None:
        for number in _ASKING:
            loop.remove_signal_handler(number)

    def first(number: signal.Signals) -> None:
        loop.add_signal_handler(signal.SIGINT, _interrupt)
        loop.remove_signal_handler(signal.SIGTERM)
        leave(number.name)

    try:
        for number in _ASKING:
            loop.add_signal_handler(number, first, number)
    except (ValueError, RuntimeError):
        yield
        return
    try:
        yield
    finally:
        let_go()


def _interrupt() -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def until_asked() -> Iterator[None]:
    """Without a loop: leave the block, wherever it stands, at SIGINT or SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
