"""A screen that is drawn anew below the log, on stderr. Brings rich: ask `screen.has_terminal` first."""

from __future__ import annotations

import contextlib
import sys
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from recorder.cli.terminal import PatientConsole, PatientTerminal, StuckTerminal


class LiveScreen:
    """From the first `show` on; what was shown last stays when the block is left.

    What is written to ``sys.stderr`` meanwhile comes out above it, if it is looked up at each line, as `recorder.logs`
    does. While the terminal is stuck what is drawn is lost, and nobody waits.
    """

    def __init__(self) -> None:
        self._live: Live | None = None
        self._terminal: PatientTerminal | None = None

    @property
    def is_shown(self) -> bool:
        """Whether something stands there."""
        return self._live is not None

    def __enter__(self) -> Self:
        return self

    def show(self, shown: RenderableType) -> None:
        """Draw ``shown`` in the place of what stands there."""
        with contextlib.suppress(StuckTerminal):  # who comes back to it sees the next one
            if self._live is None:
                self._live = Live(console=self._console(), auto_refresh=False, redirect_stdout=sys.stdout.isatty())
                self._live.start()
            self._live.update(shown, refresh=True)

    def _console(self) -> Console:
        try:
            self._terminal = PatientTerminal(sys.stderr)
        except OSError:  # another user's: there is only the way that waits
            return Console(stderr=True)
        return PatientConsole(self._terminal)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Draw no more, and give the terminal back; a second time nothing happens."""
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(Exception):  # the terminal is stuck, or gone
                live.stop()
        if self._terminal is not None:
            self._terminal.close()
