"""Watching a recording at a terminal: `status --watch`, and the table below the log of `run`.

Brings rich: import it where somebody watches (`screen.has_terminal` is asked first).
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from recorder.cli.live import LiveScreen
from recorder.cli.screen import LATE_S, Screen
from recorder.errors import DatabaseAway, RecorderError

if TYPE_CHECKING:
    from recorder.query.looking import Look

_log = logging.getLogger(__name__)

AGAIN_S = 2.0
_MOST_OF_THE_TIME = 0.1
"""A look may take a tenth of the time at most: large archives are looked at less often."""
_SELDOM_S = 30.0
_SOON_S = 0.5
_RATES_OVER_S = 30.0
_FAREWELL_S = 5.0


class Memory:
    """The look to which the newest is compared: 30 s old or more, as soon as there is one.

    A session's counts are written every 30 s: over less time the rates would jump.
    """

    def __init__(self) -> None:
        self._oldest: Look | None = None
        self._newer: Look | None = None

    def before(self, now: Look) -> Look | None:
        """Return the look to compare ``now`` with, None the first time; it is remembered."""
        if self._newer is None:
            self._newer = now
            return None
        if self._oldest is None or now.elapsed_ns - self._newer.elapsed_ns >= _RATES_OVER_S * 1e9:
            self._oldest, self._newer = self._newer, now
        return self._oldest


def watch(look: Callable[[], Look], place: str, late_s: float | None) -> None:
    """Show look after look on the whole terminal until q is pressed; a database that goes away is told and waited for.

    Raises what the first look raises.
    """
    memory, now = Memory(), look()
    with _keys() as pressed, Live(console=Console(), screen=True, auto_refresh=False) as live:
        note = "q leaves"
        while True:
            shown = Screen(now, memory.before(now), place, LATE_S if late_s is None else late_s, note)
            live.update(shown, refresh=True)
            if pressed("q", AGAIN_S):
                return
            try:
                now, note = look(), "q leaves"
            except DatabaseAway as error:
                note = f"q leaves   {error}"


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[str, float], bool]]:
    """Yield ``pressed(key, seconds)``: wait for a key so long. Keys are not shown and need no Enter meanwhile."""
    if not (sys.stdin is not None and sys.stdin.isatty()):
        yield _no_keys
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def pressed(key: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and select.select([terminal], [], [], left)[0]:
            typed = os.read(terminal, 1024)
            if key.encode() in typed.lower():
                return True
            if not typed:  # it has been hung up
                time.sleep(max(0.0, until - time.monotonic()))
        return False

    try:
        tty.setcbreak(terminal)
        yield pressed
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _no_keys(_key: str, seconds: float) -> bool:
    time.sleep(seconds)
    return False


@contextlib.contextmanager
def live_screen(database_url: str, spool: Path | None = None) -> Iterator[None]:
    """Show how the recording stands on stderr while the block runs; what was seen last stays when it is left.

    The archive is read, on a thread of its own; it need not be there yet. Whatever goes wrong ends the table and not
    the run. What is written to ``sys.stderr`` meanwhile comes out above the table, if it is looked up at each line:
    who has kept the stream from before writes into the middle of it (`recorder.logs` looks it up). While the terminal
    is stuck what is written there is lost, with an OSError, and nobody waits.
    """
    table = _LiveTable(database_url, spool)
    table.start()
    try:
        yield
    finally:
        table.leave()


class _LiveTable(threading.Thread):
    """Begins with the first look that succeeds: a run that fails before has its one line on stderr and nothing else."""

    def __init__(self, database_url: str, spool: Path | None) -> None:
        super().__init__(name="recorder-live", daemon=True)
        self._database_url = database_url
        self._spool = spool
        self._leaving = threading.Event()
        self._memory = Memory()
        self._screen = LiveScreen()

    def run(self) -> None:
        """Look again and again, once more at the end."""
        is_last = False
        try:
            while True:
                began = time.monotonic()
                self._show()
                if is_last:
                    return
                is_last = self._leaving.wait(self._pause_s(time.monotonic() - began))
        except Exception as error:
            self._screen.close()
            _log.warning("the live table has ended (%s: %s); recording goes on", type(error).__name__, error)

    def leave(self) -> None:
        """Show how it ended, and give the terminal back."""
        self._leaving.set()
        self.join(_FAREWELL_S)
        self._screen.close()

    def _pause_s(self, took_s: float) -> float:
        if not self._screen.is_shown:
            return _SOON_S
        return min(max(AGAIN_S, took_s / _MOST_OF_THE_TIME), _SELDOM_S)

    def _show(self) -> None:
        from recorder.query.looking import look

        try:
            now = look(self._database_url, self._spool, thorough=False)
        except DatabaseAway:
            return  # and no spool to look into instead; what was seen last stays
        except RecorderError:
            if not self._screen.is_shown:
                return  # the archive is being made
            raise
        self._draw(now)

    def _draw(self, now: Look) -> None:
        from recorder.archive.dialect import parse_url

        url, dialect = parse_url(self._database_url)
        shown = Screen(now, self._memory.before(now), dialect.place(url))
        self._screen.show(shown)
