"""Talk to whoever runs us: stderr, nothing that a feed sent can move the cursor, and never the token.

Every module logs with `logging.getLogger(__name__)`, and a task that records binds its stream with `bind_stream`. Here
the lines get their form (`rendering`), are written (`writing`) unless they repeat themselves (`repeats`), and lose the
token (`hiding`).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Literal, TextIO

from recorder.logs.binding import bind_stream
from recorder.logs.handler import LineHandler
from recorder.logs.hiding import Secret, keep_secret, printable, safe

__all__ = [
    "Form",
    "Level",
    "Secret",
    "bind_stream",
    "keep_secret",
    "make_ready",
    "printable",
    "safe",
    "set_up",
    "sum_up",
]

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["auto", "console", "json"]

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


def set_up(verbosity: int, level: Level = "warning", form: Form = "auto") -> None:
    """Send the log to stderr: what is at least of ``level``, or each step of ``verbosity`` (-1, 1, 2) lower.

    ``form``: ``json``, one object a line; ``console``, for people; ``auto``, whichever fits what stderr is now.
    """
    sum_up()
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    handler = LineHandler(
        form if form != "auto" else "console" if is_terminal else "json",
        colours=has_colours(os.environ, is_terminal=is_terminal),
        in_journal=is_journal(os.environ.get("JOURNAL_STREAM", ""), sys.stderr),
    )
    least = threshold(verbosity, level)
    _send("recorder", handler, least)
    # asyncio tells of exceptions that nobody took; other libraries speak up when something is wrong.
    _send("asyncio", handler, max(least, logging.WARNING))
    logging.lastResort = handler


def make_ready() -> None:
    """Load what the first line needs, so that it keeps nobody waiting; may be called in a thread of its own."""
    for handler in _handlers():
        handler.make_ready()


def sum_up() -> None:
    """Write what was held back as a repeat until now; so does the end of the process."""
    for handler in _handlers():
        handler.sum_up()


def threshold(verbosity: int, level: Level) -> int:
    """Return the least level (logging's number) that is written."""
    step = ("debug", "info", "warning", "error").index(level) - verbosity
    return _LEVELS[max(0, min(step, len(_LEVELS) - 1))]


def has_colours(environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Say whether lines for people are coloured: no-color.org, then force-color.org, then what the terminal can."""
    if environment.get("NO_COLOR"):
        return False
    return bool(environment.get("FORCE_COLOR")) or (is_terminal and environment.get("TERM") != "dumb")


def is_journal(told: str, stream: TextIO | None) -> bool:
    """Say whether ``stream`` is what ``$JOURNAL_STREAM`` names: systemd's journal (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno()) if stream is not None and told else None
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return status is not None and told == f"{status.st_dev}:{status.st_ino}"


def _handlers() -> list[LineHandler]:
    return [handler for handler in logging.getLogger("recorder").handlers if isinstance(handler, LineHandler)]


def _send(name: str, handler: logging.Handler, least: int) -> None:
    logger = logging.getLogger(name)
    logger.handlers = [handler]
    logger.setLevel(least)
    logger.propagate = False
