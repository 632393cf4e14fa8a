"""Leaving in order when asked to, by SIGTERM or SIGINT; asked again, sooner. SIGHUP: look at the list again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator

_ASKING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def handled(*steps: Callable[[str], None]) -> Iterator[None]:
    """Inside a running loop: SIGINT or SIGTERM calls the first of ``steps`` with its name, another one the second.

    Once all are taken the next one kills: not by a KeyboardInterrupt, which Python raises wherever the loop stands,
    also where it has taken a step from its queue and not run it yet; that step would be lost, and a task wait for ever.
    Outside the main thread nothing is handled: whoever embeds us owns the signals.
    """
    loop = asyncio.get_running_loop()
    left = list(steps)

    def asked(number: signal.Signals) -> None:
        if not left:
            return  # several came before the loop looked
        step = left.pop(0)
        if not left:
            for each in _ASKING:
                loop.remove_signal_handler(each)
                signal.signal(each, signal.SIG_DFL)
        step(number.name)

    before = [signal.getsignal(number) for number in _ASKING]
    try:
        for number in _ASKING:
            loop.add_signal_handler(number, asked, number)
    except (ValueError, RuntimeError):
        yield
        return
    try:
        yield
    finally:
        for number, handler in zip(_ASKING, before, strict=True):
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextlib.contextmanager
def on_hangup(call: Callable[[], None], gone: Callable[[], None]) -> Iterator[None]:
    """Inside a running loop: call ``call`` at each SIGHUP, but ``gone`` when it says that our terminal was closed."""
    loop, had_terminal = asyncio.get_running_loop(), _has_terminal()

    def hung_up() -> None:
        (gone if had_terminal and not _has_terminal() else call)()

    try:
        loop.add_signal_handler(signal.SIGHUP, hung_up)
    except (ValueError, RuntimeError):
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _has_terminal() -> bool:
    """Whether standard input is a terminal that is still there: one that was closed is none any more."""
    try:
        return os.isatty(0)
    except OSError:
        return False


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
