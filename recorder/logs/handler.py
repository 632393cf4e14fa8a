"""Where recorder's log goes: nothing of what writes lines is loaded before there is one."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recorder.logs.writing import Lines


class LineHandler(logging.Handler):
    """Writes lines to stderr. ``form``: ``console`` or ``json``; ``in_journal``: stderr is systemd's journal."""

    def __init__(self, form: str, *, colours: bool, in_journal: bool) -> None:
        super().__init__()
        self._form = form
        self._colours = colours
        self._in_journal = in_journal
        self._lines: Lines | None = None

    def make_ready(self) -> Lines:
        """Load what writes the lines, unless that was done; most commands never write one, and structlog is large."""
        if self._lines is None:
            from recorder.logs.writing import Lines

            self.acquire()  # another thread may write a line meanwhile
            try:
                if self._lines is None:
                    self._lines = Lines(self._form, colours=self._colours, in_journal=self._in_journal)
            finally:
                self.release()
        return self._lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it; never raises."""
        try:
            self.make_ready().take(record)
        except Exception:
            self.handleError(record)

    def sum_up(self) -> None:
        """Write what was held back until now; never raises."""
        self.acquire()
        try:
            if self._lines is not None:
                self._lines.sum_up()
        finally:
            self.release()

    def close(self) -> None:
        """Write what was held back: the process ends."""
        self.sum_up()
        if self._lines is not None:
            self._lines.finish()
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Say that there would have been a line, and where; logging's own way shows what it holds."""
        with contextlib.suppress(Exception):
            self.make_ready().give_up(record)
