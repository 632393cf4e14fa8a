"""Talk to the user: stderr, one line each, nothing that a feed sent can move the cursor."""

from __future__ import annotations

import logging
import sys
from typing import Any


def set_up(verbosity: int) -> None:
    """Send recorder's log to stderr: warnings by default, +1 information, +2 everything, -1 errors only."""
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(max(-1, min(2, verbosity)), logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("recorder")
    root.handlers = [handler]
    root.setLevel(level)
    root.propagate = False


def printable(text: str) -> str:
    """Return ``text`` with control characters escaped, so that a terminal shows them instead of obeying them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _OneLine(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        # Several lines, but what an exception says may come from a feed.
        return "\n".join(printable(line) for line in super().formatException(ei).split("\n"))
