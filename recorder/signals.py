"""Leaving in order when asked to: SIGTERM and SIGINT, the second of which is not held back any more."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

_ASKING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def handled(leave: Callable[[str], None]) -> Iterator[None]:
    """Inside a running loop: call ``leave`` with the signal's name at the first one; a second finds the defaults.

    Outside the main thread nothing is handled: whoever embeds us owns the signals.
    """
    loop = asyncio.get_running_loop()

    def let_go() -> None:
        for number in _ASKING:
            loop.remove_signal_handler(number)

    def first(number: signal.Signals) -> None:
        let_go()
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
